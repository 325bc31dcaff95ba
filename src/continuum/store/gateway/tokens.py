"""Session tokens: they belong to temporary keys, and both must come together.

Of a token only the hash is known here, under the gateway's lease with the key, so checking it asks nobody.
"""

import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import parse_qsl

from continuum.model.objects import User
from continuum.store.errors import S3Error

HEADER = "x-amz-security-token"
_PARAMETER = b"X-Amz-Security-Token"


def find_token(raw_query: bytes, headers: Mapping[str, str]) -> str:
    """Return the token that a request brings, in a header or in a presigned URL; empty if none."""
    if HEADER in headers:
        return headers[HEADER]
    if _PARAMETER not in raw_query:
        return ""
    pairs = parse_qsl(raw_query.decode("latin-1"), keep_blank_values=True)
    return next((value for name, value in pairs if name == _PARAMETER.decode()), "")


def check_token(user: User, token: str, now: float) -> None:
    """Refuse a token that does not belong to the key. Raises `S3Error`: `InvalidToken`, `ExpiredToken`."""
    if not user.is_temporary:
        if token:
            raise S3Error(
                "InvalidToken", hint="this key is not temporary and has no token: unset AWS_SESSION_TOKEN"
            )
        return
    digest = hashlib.sha256(token.encode("latin-1", "replace")).hexdigest()
    if not hmac.compare_digest(digest, user.token_sha256):
        raise S3Error("InvalidToken")
    if now >= user.expires_at:
        raise S3Error("ExpiredToken")
