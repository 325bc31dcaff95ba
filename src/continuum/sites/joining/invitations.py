"""Invitations: all that a site elsewhere is told and trusted with, as one file (`*.join`).

It is made where the authority is and carried over a way that is trusted: whoever holds it is that site. It is
decoded strictly, bounded, and every certificate in it must be of its authority, for its site and in its role.
Nothing secret is in a repr. It does not say what the site is made of: that is chosen where it is used.
"""

from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from cryptography import x509

from continuum.model.errors import InvalidInputError
from continuum.model.policies import Policy
from continuum.model.sites import SiteKind, parse_site_name
from continuum.security import IdentityFiles, is_issued_by, name_of, role_of, write_private
from continuum.store import StoreKeys

VERSION = 1
MAX_FILE_BYTES = 1024 * 1024


class IdentityPems(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The certificates and keys of an identity as text. Nothing of it is in a repr."""

    certificate: str
    key: str
    signing_certificate: str
    signing_key: str

    def __repr__(self) -> str:
        return "IdentityPems()"


class Invitation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a site elsewhere needs to take part.

    `agent`, `gateway` and `store` are identities of the authority `ca`. `store_keys` are for the site's own
    store; who has a store already uses its keys instead. `access_key` and `secret_key` are those of the
    store's user `agent.SITE`. `master_keys` is the text of the file of master keys; empty: the site is not
    trusted with these and cannot serve encrypted objects. `policy` is the continuum's. `ends_at` (seconds
    since the epoch) is when the first of its certificates ends.
    """

    continuum: str
    site: str
    kind: SiteKind
    ca: str
    backbone_url: str
    hub_url: str
    agent: IdentityPems
    gateway: IdentityPems
    store: IdentityPems
    store_keys: StoreKeys
    access_key: str
    secret_key: str
    policy: str
    ends_at: float
    master_keys: str = ""
    version: int = VERSION

    def __repr__(self) -> str:
        return f"Invitation(continuum={self.continuum!r}, site={self.site!r}, kind={self.kind.value!r})"


def write_invitation(path: Path, invitation: Invitation) -> None:
    """Write an invitation to `path`, for nobody else to read."""
    write_private(path, msgspec.json.format(msgspec.json.encode(invitation)) + b"\n")


def read_invitation(path: Path) -> Invitation:
    """Read an invitation. Raises `InvalidInputError` that says what is wrong, without showing secrets."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as problem:
        raise InvalidInputError(f"cannot read {path}: {problem.strerror}") from problem
    return parse_invitation(data, str(path))


def parse_invitation(data: bytes, source: str = "this") -> Invitation:
    """Return the invitation in a text. Raises `InvalidInputError`."""
    if len(data) > MAX_FILE_BYTES:
        raise InvalidInputError(f"{source} is larger than an invitation: {MAX_FILE_BYTES} bytes")
    try:
        found = msgspec.json.decode(data, type=Invitation)
    except msgspec.MsgspecError as problem:
        raise InvalidInputError(
            f"{source} is no invitation: {problem}", hint="`continuum site invite NAME --out FILE` writes one"
        ) from problem
    if found.version != VERSION:
        raise InvalidInputError(f"{source} is an invitation of version {found.version}, not {VERSION}")
    _check(found, source)
    return found


def read_pems(files: IdentityFiles) -> IdentityPems:
    """Return an identity's files as text."""
    return IdentityPems(
        certificate=files.certificate_file.read_text(),
        key=files.key_file.read_text(),
        signing_certificate=files.signing_certificate_file.read_text(),
        signing_key=files.signing_key_file.read_text(),
    )


def find_end(*identities: IdentityPems) -> float:
    """Return when the first certificate of some identities ends (seconds since the epoch)."""
    texts = [text for each in identities for text in (each.certificate, each.signing_certificate)]
    return min(
        x509.load_pem_x509_certificate(text.encode()).not_valid_after_utc.timestamp() for text in texts
    )


def _check(found: Invitation, source: str) -> None:
    parse_site_name(found.site)
    _check_url(found.backbone_url, "tls", source)
    _check_url(found.hub_url, "https", source)
    if found.policy not in set(Policy):
        raise InvalidInputError(f"{source} names a policy that is not known: {found.policy!r}")
    try:
        root = x509.load_pem_x509_certificate(found.ca.encode())
    except ValueError as problem:
        raise InvalidInputError(f"the authority in {source} cannot be read") from problem
    for role, pems in (("agent", found.agent), ("gateway", found.gateway), ("store", found.store)):
        for text in (pems.certificate, pems.signing_certificate):
            _check_certificate(text, root, role, f"{role}.{found.site}", source)


def _check_certificate(text: str, root: x509.Certificate, role: str, name: str, source: str) -> None:
    try:
        certificate = x509.load_pem_x509_certificate(text.encode())
        is_right = role_of(certificate) == role and name_of(certificate) == name
    except (ValueError, x509.DuplicateExtension) as problem:
        raise InvalidInputError(f"the certificate of {name} in {source} cannot be read") from problem
    if not is_right or not is_issued_by(certificate, root):
        raise InvalidInputError(f"what should be the certificate of {name} in {source} is another one")


def _check_url(url: str, scheme: str, source: str) -> None:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    written = f"[{host}]" if host and ":" in host else host
    if not host or not port or url.lower() != f"{scheme}://{written}:{port}":
        raise InvalidInputError(f"{source} has {url!r} where {scheme}://HOST:PORT belongs")
