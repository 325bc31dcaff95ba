"""Identities: who a process is, as files that it is given.

An identity `NAME` (`hub`, `gateway.edge`, `driver`) is a folder `HOME/identities/NAME` with two leaves of the
continuum's authority: one proves the process in TLS, the other signs what it says. Keys never leave the
folder.
"""

import datetime as dt
import re
from pathlib import Path

import msgspec
from cryptography import x509

from continuum.model.errors import InvalidInputError
from continuum.security.authorities import (
    LEAF_LIFETIME,
    LOOPBACK_NAMES,
    Authority,
    Purpose,
    hosts_of,
    is_due_for_renewal,
    private_pem,
    public_pem,
    role_of,
)
from continuum.security.writing import write_private

IDENTITY_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*")
MAX_NAME_CHARACTERS = 64  # of a common name, RFC 5280 appendix A.1

# What OpenSSL offers: three groups, without P-521, X448 and the finite-field ones that it adds by itself.
# Python has no call for a list of groups, so this must be in the environment before a process starts.
OPENSSL_SETTINGS = """openssl_conf = continuum
[continuum]
ssl_conf = tls
[tls]
system_default = tls_defaults
[tls_defaults]
Groups = X25519:P-256:P-384
MinProtocol = TLSv1.2
"""


class IdentityFiles(msgspec.Struct, frozen=True, kw_only=True):
    """Where the certificates and keys (PEM) of identity `name` are; `ca_file` verifies others."""

    name: str
    ca_file: Path
    certificate_file: Path
    key_file: Path
    signing_certificate_file: Path
    signing_key_file: Path


def identity_files(home: Path, name: str) -> IdentityFiles:
    """Return where the files of identity `name` are under `home`, whether they exist or not."""
    if not IDENTITY_NAME.fullmatch(name) or len(name) > MAX_NAME_CHARACTERS:
        raise InvalidInputError(
            f"{name!r} cannot name an identity",
            hint="use at most 64 lower-case letters, digits, dashes and dots",
        )
    folder = home / "identities" / name
    return IdentityFiles(
        name=name,
        ca_file=home / "ca" / "ca.pem",
        certificate_file=folder / "certificate.pem",
        key_file=folder / "key.pem",
        signing_certificate_file=folder / "signing-certificate.pem",
        signing_key_file=folder / "signing-key.pem",
    )


def create_identity(
    home: Path,
    name: str,
    role: str,
    *,
    hosts: tuple[str, ...] = LOOPBACK_NAMES,
    lifetime: dt.timedelta = LEAF_LIFETIME,
) -> IdentityFiles:
    """Make sure that identity `name` in `role` exists under `home` and will hold for 30 days more.

    Makes the authority too if there is none. What is there and good is kept. The certificate holds for
    `hosts` (names or addresses) when the identity is a server. Leaves that are made live for `lifetime`.
    """
    files = identity_files(home, name)
    authority = Authority.ensure(home / "ca")
    for purpose, certificate_file, key_file in (
        (Purpose.TLS, files.certificate_file, files.key_file),
        (Purpose.SIGNING, files.signing_certificate_file, files.signing_key_file),
    ):
        wanted_hosts = hosts if purpose is Purpose.TLS else ()
        if key_file.exists() and _is_good(certificate_file, authority, role, wanted_hosts):
            continue
        certificate, key = authority.issue(name, role, purpose, hosts=hosts, lifetime=lifetime)
        write_private(key_file, private_pem(key))
        write_private(certificate_file, public_pem(certificate))
    return files


def write_openssl_settings(path: Path) -> Path:
    """Write the file that `OPENSSL_CONF` must name in the environment of every process that speaks TLS."""
    write_private(path, OPENSSL_SETTINGS.encode())
    return path


def _is_good(certificate_file: Path, authority: Authority, role: str, hosts: tuple[str, ...]) -> bool:
    try:
        certificate = x509.load_pem_x509_certificate(certificate_file.read_bytes())
    except (FileNotFoundError, ValueError):
        return False
    return (
        authority.has_issued(certificate)
        and role_of(certificate) == role
        and set(hosts) <= hosts_of(certificate)
        and not is_due_for_renewal(certificate, dt.datetime.now(dt.UTC))
    )
