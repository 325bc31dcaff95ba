"""The continuum's own certificate authority: one P-256 root that signs P-256 leaves.

Every process has two leaves: one for TLS (both as server and as client) and one for signing messages; their
extended key usages keep each from being taken for the other. The name of the identity is the subject's CN,
its role stands in a URI (`continuum:<role>:<name>`). P-256 throughout, for the root too: verifying a P-384
chain costs 7.5 times as much for no stated need.

Leaves live 90 days and are renewed when less than 30 remain; the root lives ten years. There is no revocation
list: whoever must be shut out before a certificate ends is shut out by a new root.
"""

import datetime as dt
import ipaddress
from enum import Enum
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from continuum.model.errors import InvalidInputError, NotFoundError
from continuum.security.writing import write_private

LEAF_LIFETIME = dt.timedelta(days=90)
RENEW_BEFORE_END = dt.timedelta(days=30)
ROOT_LIFETIME = dt.timedelta(days=3650)
CLOCK_SKEW = dt.timedelta(hours=1)  # certificates count from a bit earlier: clocks of sites differ
DOCUMENT_SIGNING = x509.ObjectIdentifier("1.3.6.1.5.5.7.3.36")  # RFC 9336
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")


class Purpose(Enum):
    """What a leaf's key may be used for."""

    TLS = "tls"
    SIGNING = "signing"


class Authority:
    """A root certificate with its key, kept in one folder as `ca.pem` and `ca.key`."""

    def __init__(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        self.certificate = certificate
        self._key = key

    @classmethod
    def create(cls, folder: Path, name: str = "continuum") -> "Authority":
        """Make a new root and write it to `folder`."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _root_certificate(key, name)
        write_private(folder / "ca.key", private_pem(key))
        write_private(folder / "ca.pem", public_pem(certificate))
        return cls(certificate, key)

    @classmethod
    def open(cls, folder: Path) -> "Authority":
        """Read the root in `folder`; raise `NotFoundError` if there is none."""
        try:
            certificate = x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes())
            key = serialization.load_pem_private_key((folder / "ca.key").read_bytes(), password=None)
        except FileNotFoundError as problem:
            raise NotFoundError(
                f"there is no certificate authority in {folder}", hint="`continuum up` makes one"
            ) from problem
        except ValueError as problem:
            raise InvalidInputError(f"the certificate authority in {folder} cannot be read") from problem
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise InvalidInputError(f"{folder / 'ca.key'} is not an elliptic-curve key")
        return cls(certificate, key)

    @classmethod
    def ensure(cls, folder: Path) -> "Authority":
        """Open the root in `folder`, or make one if there is none."""
        return cls.open(folder) if (folder / "ca.key").exists() else cls.create(folder)

    def issue(
        self,
        name: str,
        role: str,
        purpose: Purpose,
        *,
        hosts: tuple[str, ...] = LOOPBACK_NAMES,
        lifetime: dt.timedelta = LEAF_LIFETIME,
    ) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        """Return a fresh leaf for `name` in `role`, valid for `hosts` (names or addresses), and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(name, self.certificate.subject, key.public_key(), lifetime)
        builder = builder.add_extension(_alternative_names(name, role, purpose, hosts), critical=False)
        for extension, critical in _leaf_extensions(purpose):
            builder = builder.add_extension(extension, critical=critical)
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
        )
        return builder.sign(self._key, hashes.SHA256()), key

    def has_issued(self, certificate: x509.Certificate) -> bool:
        """Whether `certificate` bears this root's signature."""
        return is_issued_by(certificate, self.certificate)


def is_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether `issuer` signed `certificate`; says nothing about dates or usages."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def is_due_for_renewal(certificate: x509.Certificate, now: dt.datetime) -> bool:
    """Whether less than 30 days of its life remain at `now`, or a third of a life that is shorter than 90."""
    life = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    return certificate.not_valid_after_utc - now < min(RENEW_BEFORE_END, life / 3)


def role_of(certificate: x509.Certificate) -> str:
    """Return the role that a leaf carries in its URI; empty if it carries none."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ""
    for uri in names.get_values_for_type(x509.UniformResourceIdentifier):
        scheme, _, rest = uri.partition(":")
        if scheme == "continuum":
            return rest.partition(":")[0]
    return ""


def hosts_of(certificate: x509.Certificate) -> set[str]:
    """Return the names and addresses that a leaf holds for."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return set()
    addresses = names.get_values_for_type(x509.IPAddress)
    return {*names.get_values_for_type(x509.DNSName), *map(str, addresses)}


def name_of(certificate: x509.Certificate) -> str:
    """Return the subject's common name; empty if there is none."""
    attributes = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(attributes[0].value) if attributes else ""


def private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return the key as unencrypted PKCS#8 PEM."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def public_pem(certificate: x509.Certificate) -> bytes:
    """Return the certificate as PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def _root_certificate(key: ec.EllipticCurvePrivateKey, name: str) -> x509.Certificate:
    title = f"{name} root {x509.random_serial_number():x}"[:40]
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, title)])
    builder = _builder(title, subject, key.public_key(), ROOT_LIFETIME)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_key_usage(certificates=True), critical=True)
    return builder.sign(key, hashes.SHA256())


def _builder(
    name: str, issuer: x509.Name, key: ec.EllipticCurvePublicKey, lifetime: dt.timedelta
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + lifetime)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _leaf_extensions(purpose: Purpose) -> tuple[tuple[x509.ExtensionType, bool], ...]:
    usages = (
        [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        if purpose is Purpose.TLS
        else [DOCUMENT_SIGNING]
    )
    return (
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (_key_usage(certificates=False), True),
        (x509.ExtendedKeyUsage(usages), False),
    )


def _key_usage(*, certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not certificates,
        key_cert_sign=certificates,
        crl_sign=certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _alternative_names(
    name: str, role: str, purpose: Purpose, hosts: tuple[str, ...]
) -> x509.SubjectAlternativeName:
    names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(f"continuum:{role}:{name}")]
    if purpose is Purpose.TLS:
        names += [_host_name(host) for host in hosts]
    return x509.SubjectAlternativeName(names)


def _host_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
