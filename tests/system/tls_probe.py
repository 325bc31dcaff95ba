"""What a TLS port accepts, found by trying: every version, and every suite of TLS 1.2.

A suite is found by offering all that are left; what the server picks is noted and not offered again. This
needs no scanner and takes a tenth of a second per port.
"""

import socket
import ssl
import warnings
from pathlib import Path

from continuum.security import IdentityFiles

VERSIONS = (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)


class Port:
    """A TLS port. `greets`: the server says something in the clear first, as nats-server does."""

    def __init__(self, number: int, identity: IdentityFiles | None = None, *, greets: bool = False) -> None:
        self._number = number
        self._identity = identity
        self._greets = greets

    def versions(self) -> set[str]:
        """Return the versions that the port speaks."""
        return {found[1] for version in VERSIONS if (found := self._try(version, "ALL:@SECLEVEL=0"))}

    def suites(self) -> set[str]:
        """Return the suites of TLS 1.2 that the port accepts."""
        found: set[str] = set()
        while True:
            refused = "".join(f":!{suite}" for suite in sorted(found))
            picked = self._try(ssl.TLSVersion.TLSv1_2, f"ALL{refused}:@SECLEVEL=0")
            if picked is None:
                return found
            found.add(picked[0])

    def accepts_group(self, group: str) -> bool:
        """Tell whether the port agrees on a key in `group` (OpenSSL's name of a curve)."""
        return self._try(ssl.TLSVersion.TLSv1_3, "ALL", group) is not None

    def _try(self, version: ssl.TLSVersion, ciphers: str, group: str = "") -> tuple[str, str] | None:
        """Return (suite, version) of a handshake, or None if it was refused."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # what is offered is asked here, not by whom
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of the old versions, which are the point
            context.minimum_version = context.maximum_version = version
        try:
            context.set_ciphers(ciphers)
        except ssl.SSLError:
            return None  # nothing is left to offer
        if group:
            context.set_ecdh_curve(group)
        if self._identity is not None:
            context.load_cert_chain(self._identity.certificate_file, self._identity.key_file)
        with socket.create_connection(("127.0.0.1", self._number), timeout=5) as connection:
            if self._greets:
                connection.recv(4096)
            try:
                with context.wrap_socket(connection) as tls:
                    suite = tls.cipher()
                    return (suite[0], tls.version() or "") if suite else None
            except (ssl.SSLError, ConnectionError):
                return None


def certificate_of(port: int, ca_file: Path) -> dict:
    """Return the certificate of a server, verified against `ca_file` for 127.0.0.1."""
    context = ssl.create_default_context(cafile=ca_file)
    with (
        socket.create_connection(("127.0.0.1", port), timeout=5) as connection,
        context.wrap_socket(connection, server_hostname="127.0.0.1") as tls,
    ):
        return tls.getpeercert() or {}
