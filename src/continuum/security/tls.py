"""TLS contexts: version 1.2 or later, with exactly the six "Modern" suites (SEC-1).

For TLS 1.3 the protocol's own three suites are allowed. The six need an ECDSA and an RSA certificate; with an
ECDSA certificate alone a server offers the three that fit it. Python has no call for a list of groups, so
launchers set `OPENSSL_CONF` (see `identities`).
"""

import ssl
from pathlib import Path

MODERN_SUITES = (
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-RSA-CHACHA20-POLY1305",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
)


def client_context(
    ca_file: Path | None,
    certificate_file: Path | None = None,
    key_file: Path | None = None,
    *,
    ca_pem: str = "",
) -> ssl.SSLContext:
    """Return a context that verifies the server against `ca_file` or `ca_pem` (neither: the machine's trust
    store).

    With a certificate and its key the client proves who it is.
    """
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=ca_file, cadata=ca_pem or None)
    _restrict(context)
    if certificate_file is not None:
        context.load_cert_chain(certificate_file, key_file)
    return context


def server_context(
    certificate_file: Path,
    key_file: Path,
    *,
    client_ca_file: Path | None = None,
    is_client_certificate_needed: bool = True,
) -> ssl.SSLContext:
    """Return a context for a server.

    With `client_ca_file` only clients with a certificate of that CA get in; if it is not needed, also those
    without any, but never one with a certificate of another CA.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _restrict(context)
    context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    context.load_cert_chain(certificate_file, key_file)
    if client_ca_file is not None:
        context.load_verify_locations(client_ca_file)
        context.verify_mode = ssl.CERT_REQUIRED if is_client_certificate_needed else ssl.CERT_OPTIONAL
        context.verify_flags |= ssl.VERIFY_X509_STRICT
    return context


def _restrict(context: ssl.SSLContext) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(":".join(MODERN_SUITES))
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
