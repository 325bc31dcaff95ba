"""Who is who, and how that is proved: TLS settings, the certificate authority, identities, signed messages.

Belongs here: everything that makes or checks a proof. Never here: what an identity is allowed to do with
objects or tasks; that is decided where it is done.
"""

from continuum.security.authorities import (
    LEAF_LIFETIME,
    LOOPBACK_NAMES,
    Authority,
    Purpose,
    is_issued_by,
    name_of,
    role_of,
)
from continuum.security.identities import (
    IdentityFiles,
    create_identity,
    identity_files,
    write_openssl_settings,
)
from continuum.security.signing import (
    ReplayedMessageError,
    SignatureError,
    Signer,
    Verified,
    Verifier,
    pre_authentication_encoding,
    sign,
)
from continuum.security.tls import MODERN_SUITES, client_context, server_context
from continuum.security.writing import is_private, write_private

__all__ = [
    "LEAF_LIFETIME",
    "LOOPBACK_NAMES",
    "MODERN_SUITES",
    "Authority",
    "IdentityFiles",
    "Purpose",
    "ReplayedMessageError",
    "SignatureError",
    "Signer",
    "Verified",
    "Verifier",
    "client_context",
    "create_identity",
    "identity_files",
    "is_issued_by",
    "is_private",
    "name_of",
    "pre_authentication_encoding",
    "role_of",
    "server_context",
    "sign",
    "write_openssl_settings",
    "write_private",
]
