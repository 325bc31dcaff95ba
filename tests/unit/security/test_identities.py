"""The authority and the identities that it issues."""

import datetime as dt
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from continuum.model.errors import InvalidInputError, NotFoundError
from continuum.security import Authority, Purpose, create_identity, identity_files, name_of, role_of
from continuum.security.authorities import is_due_for_renewal


def load(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_an_identity_has_two_keys_and_its_files_are_private(tmp_path: Path) -> None:
    files = create_identity(tmp_path, "gateway.edge", "gateway")
    keys = [files.key_file, files.signing_key_file, tmp_path / "ca" / "ca.key"]
    assert all(key.stat().st_mode & 0o777 == 0o600 for key in keys)
    assert files.key_file.read_bytes() != files.signing_key_file.read_bytes()


def test_a_tls_certificate_names_the_identity_its_role_and_this_machine(tmp_path: Path) -> None:
    certificate = load(create_identity(tmp_path, "gateway.edge", "gateway").certificate_file)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert name_of(certificate) == "gateway.edge"
    assert role_of(certificate) == "gateway"
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == ["continuum:gateway:gateway.edge"]
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]


def test_certificates_are_p256_for_ninety_days_and_each_for_one_purpose(tmp_path: Path) -> None:
    files = create_identity(tmp_path, "hub", "hub")
    for path, is_tls in ((files.certificate_file, True), (files.signing_certificate_file, False)):
        certificate = load(path)
        key = certificate.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        assert isinstance(key.curve, ec.SECP256R1)
        life = certificate.not_valid_after_utc - certificate.not_valid_before_utc
        assert dt.timedelta(days=90) <= life < dt.timedelta(days=91)
        usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        assert (ExtendedKeyUsageOID.SERVER_AUTH in usages) is is_tls
        assert (ExtendedKeyUsageOID.CLIENT_AUTH in usages) is is_tls


def test_what_is_good_is_kept_and_what_is_not_is_renewed(tmp_path: Path) -> None:
    first = create_identity(tmp_path, "hub", "hub").certificate_file.read_bytes()
    assert create_identity(tmp_path, "hub", "hub").certificate_file.read_bytes() == first
    other_role = create_identity(tmp_path, "hub", "gateway").certificate_file.read_bytes()
    assert other_role != first
    other_host = create_identity(tmp_path, "hub", "gateway", hosts=("localhost", "hub.example.org"))
    assert other_host.certificate_file.read_bytes() != other_role
    Authority.create(tmp_path / "ca")
    files = create_identity(tmp_path, "hub", "gateway")
    assert Authority.open(tmp_path / "ca").has_issued(load(files.certificate_file))


@pytest.mark.parametrize(("days", "is_due"), [(59, False), (61, True), (100, True)])
def test_a_certificate_is_due_when_less_than_thirty_days_remain(
    tmp_path: Path, days: int, is_due: bool
) -> None:
    certificate, _ = Authority.create(tmp_path).issue("hub", "hub", Purpose.TLS)
    now = dt.datetime.now(dt.UTC) + dt.timedelta(days=days)
    assert is_due_for_renewal(certificate, now) is is_due


def test_openssl_accepts_the_chain_by_its_strict_rules(tmp_path: Path) -> None:
    files = create_identity(tmp_path, "hub", "hub")
    context = ssl.create_default_context(cafile=files.ca_file)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    context.load_cert_chain(files.certificate_file, files.key_file)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(files.certificate_file, files.key_file)
    shake_hands(context, server)


def shake_hands(client: ssl.SSLContext, server: ssl.SSLContext) -> None:
    """Do a TLS handshake in memory."""
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server, server_hostname="127.0.0.1"),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    waiting = list(ends)
    for _ in range(10):
        for end in list(waiting):
            try:
                end.do_handshake()
                waiting.remove(end)
            except ssl.SSLWantReadError:
                continue
        if not waiting:
            return
    raise AssertionError("the handshake does not end")


@pytest.mark.parametrize("name", ["", "../x", "A", "a b", "-a", "a.", "a" * 65, "a/b"])
def test_a_name_that_could_leave_its_folder_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidInputError, match="cannot name an identity"):
        identity_files(tmp_path, name)


def test_a_missing_or_damaged_authority_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        Authority.open(tmp_path)
    (tmp_path / "ca.pem").write_text("nonsense")
    (tmp_path / "ca.key").write_text("nonsense")
    with pytest.raises(InvalidInputError, match="cannot be read"):
        Authority.open(tmp_path)
