"""AWS Signature Version 4 in both directions: verifying what clients send and signing what goes to stores.

Everything is pure (the clock comes in as `now`, seconds since the epoch) and made for the gateway's inner
loop: signing keys and timestamps are remembered, so that verifying or signing costs two hashes and some
joining of strings. Headers have lower-case names and Latin-1 values, as they were on the wire.

What is signed: the host, every `x-amz-*` header and, unless the URL is presigned, `Content-MD5` must be; a
request that leaves one out is refused, as by S3. A path or query is accepted in the canonical spelling or in
the spelling it came in: both mean the same request. Not promised: replay within the fifteen minutes that S3
allows is possible, as in S3; SigV2 and SigV4A are refused. Whether a session token is the right one is not
decided here. Source: Amazon S3 API Reference,
"Authenticating Requests (AWS Signature Version 4)".
"""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import quote, urlsplit

import msgspec

from continuum.store.authorizations import (
    ALGORITHM,
    UNSIGNED_PAYLOAD,
    Authorization,
    format_timestamp,
    parse_authorization,
)
from continuum.store.canonical import (
    canonical_headers,
    canonical_path,
    canonical_query,
    canonical_request,
    encode_path,
    encode_query,
    sorted_query,
)
from continuum.store.errors import S3Error

__all__ = [
    "EMPTY_SHA256",
    "UNSIGNED_PAYLOAD",
    "Authorization",
    "VerifiedRequest",
    "encode_path",
    "encode_query",
    "parse_authorization",
    "presign",
    "sign",
    "signing_key",
    "verify",
]

MAX_SKEW_S = 15 * 60
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()

# Changed or added on the way by any HTTP client or proxy, so a signature over them would not last.
_NEVER_SIGNED = frozenset(
    {
        "authorization",
        "connection",
        "content-length",
        "expect",
        "transfer-encoding",
        "user-agent",
        "x-amzn-trace-id",
    }
)


class VerifiedRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request whose signature holds, and what a signed `aws-chunked` body continues from.

    `signing_key` is derived for one day, region and service; it never appears in a repr.
    """

    access_key: str
    signing_key: bytes
    seed_signature: str
    scope: str
    timestamp: str
    payload_hash: str

    def __repr__(self) -> str:
        return f"VerifiedRequest({self.access_key!r}, {self.scope!r}, payload_hash={self.payload_hash!r})"


@lru_cache(maxsize=1024)
def signing_key(secret_key: str, date: str, region: str, service: str = "s3") -> bytes:
    """Derive the key that signs one day's requests to a service in one region."""
    key = f"AWS4{secret_key}".encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode("latin-1"), "sha256")
    return key


# ---- verifying ----


def verify(
    authorization: Authorization,
    secret_key: str,
    *,
    method: str,
    raw_path: bytes,
    raw_query: bytes,
    headers: Mapping[str, str],
    now: float,
    region: str | None = None,
) -> VerifiedRequest:
    """Check that whoever knows `secret_key` signed this request, lately. Raises `S3Error` with S3's code if
    not.

    `raw_path` and `raw_query` are as on the request line, without the `?`. A `region` makes requests for any
    other be refused.
    """
    _check_time(authorization, now)
    _check_region(authorization, region)
    _check_signed_headers(authorization, headers)
    key = signing_key(secret_key, authorization.date, authorization.region, authorization.service)
    prefix = f"{ALGORITHM}\n{authorization.timestamp}\n{authorization.scope}\n"
    names, without = authorization.signed_headers, "X-Amz-Signature" if authorization.presigned else ""
    lines = canonical_headers(names, headers)
    end = f"{lines}\n{';'.join(names)}\n{authorization.payload_hash}"
    path, query = raw_path.decode("latin-1"), raw_query.decode("latin-1")
    first = f"{canonical_path(path)}\n{canonical_query(query, without=without)}"
    canonical = f"{method}\n{first}\n{end}"
    if not _matches(authorization, key, prefix, canonical):
        as_sent = f"{path}\n{sorted_query(query, without=without)}"
        canonical = f"{method}\n{as_sent}\n{end}"
        if as_sent == first or not _matches(authorization, key, prefix, canonical):
            raise _does_not_match(authorization, prefix, canonical)
    return VerifiedRequest(
        access_key=authorization.access_key,
        signing_key=key,
        seed_signature=authorization.signature,
        scope=authorization.scope,
        timestamp=authorization.timestamp,
        payload_hash=authorization.payload_hash,
    )


def _matches(authorization: Authorization, key: bytes, prefix: str, canonical: str) -> bool:
    hashed = hashlib.sha256(canonical.encode("latin-1", "replace")).hexdigest()
    signature = hmac.digest(key, f"{prefix}{hashed}".encode("latin-1"), "sha256").hex()
    return hmac.compare_digest(signature, authorization.signature)


def _check_time(authorization: Authorization, now: float) -> None:
    if authorization.expires_s is None:
        if abs(now - authorization.requested_at) > MAX_SKEW_S:
            times = {"RequestTime": authorization.timestamp, "ServerTime": _format_instant(now)}
            raise S3Error(
                "RequestTimeTooSkewed", extra={**times, "MaxAllowedSkewMilliseconds": str(MAX_SKEW_S * 1000)}
            )
    elif now > authorization.requested_at + authorization.expires_s:
        expired_at = _format_instant(authorization.requested_at + authorization.expires_s)
        times = {
            "X-Amz-Expires": str(authorization.expires_s),
            "Expires": expired_at,
            "ServerTime": _format_instant(now),
        }
        raise S3Error("AccessDenied", "Request has expired", extra=times)
    elif now < authorization.requested_at - MAX_SKEW_S:
        raise S3Error("AccessDenied", "Request is not yet valid", extra={"ServerTime": _format_instant(now)})


def _format_instant(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _check_region(authorization: Authorization, region: str | None) -> None:
    if region is None or authorization.region == region:
        return
    code = "AuthorizationQueryParametersError" if authorization.presigned else "AuthorizationHeaderMalformed"
    raise S3Error(
        code,
        f"The authorization is malformed; the region '{authorization.region[:80]}' is wrong; expecting "
        f"'{region}'",
        extra={"Region": region},
    )


def _check_signed_headers(authorization: Authorization, headers: Mapping[str, str]) -> None:
    signed = authorization.signed_headers
    unsigned = [name for name in headers if name.startswith("x-amz-") and name not in signed]
    if "host" not in signed:
        unsigned.append("host")
    if "content-md5" in headers and not authorization.presigned and "content-md5" not in signed:
        unsigned.append("content-md5")
    if unsigned:
        raise S3Error(
            "AccessDenied",
            "There were headers present in the request which were not signed",
            extra={"HeadersNotSigned": ", ".join(sorted(unsigned))[:1000]},
        )


def _does_not_match(authorization: Authorization, prefix: str, canonical: str) -> S3Error:
    """Return the error with what S3 tells for finding the difference; none of it is secret."""
    hashed = hashlib.sha256(canonical.encode("latin-1", "replace")).hexdigest()
    return S3Error(
        "SignatureDoesNotMatch",
        extra={
            "AWSAccessKeyId": authorization.access_key,
            "StringToSign": f"{prefix}{hashed}",
            "SignatureProvided": authorization.signature,
            "CanonicalRequest": canonical[:8192],
        },
    )


# ---- signing ----


def sign(
    method: str,
    raw_path: str,
    raw_query: str,
    headers: Mapping[str, str],
    *,
    access_key: str,
    secret_key: str,
    region: str,
    now: float,
    payload_hash: str = UNSIGNED_PAYLOAD,
) -> dict[str, str]:
    """Return the three headers that sign a request: `authorization`, `x-amz-date` and `x-amz-content-sha256`.

    `headers` have lower-case names and include `host`; all are signed except those that HTTP changes on the
    way. Path and query are encoded already (`encode_path`, `encode_query`).
    """
    timestamp = format_timestamp(int(now))
    added = {"x-amz-date": timestamp, "x-amz-content-sha256": payload_hash}
    signed = {**headers, **added}
    names = sorted(signed.keys() - _NEVER_SIGNED)
    names_text = ";".join(names)
    canonical = canonical_request(
        method,
        canonical_path(raw_path),
        canonical_query(raw_query),
        canonical_headers(names, signed),
        signed=names_text,
        payload_hash=payload_hash,
    )
    scope = f"{timestamp[:8]}/{region}/s3/aws4_request"
    signature = _signature(canonical, secret_key, region, timestamp, scope)
    added["authorization"] = (
        f"{ALGORITHM} Credential={access_key}/{scope}, SignedHeaders={names_text}, Signature={signature}"
    )
    return added


def _signature(canonical: str, secret_key: str, region: str, timestamp: str, scope: str) -> str:
    hashed = hashlib.sha256(canonical.encode("latin-1")).hexdigest()
    text = f"{ALGORITHM}\n{timestamp}\n{scope}\n{hashed}"
    return hmac.digest(signing_key(secret_key, timestamp[:8], region), text.encode("latin-1"), "sha256").hex()


def presign(
    method: str,
    url: str,
    *,
    access_key: str,
    secret_key: str,
    region: str,
    now: float,
    expires_s: int = 3600,
    headers: Mapping[str, str] | None = None,
) -> str:
    """Return `url` (encoded, maybe with a query) with the parameters that let its holder send this one
    request until it expires.

    `headers` (lower-case names) must then be sent as given here; the host is always signed.
    """
    parts = urlsplit(url)
    timestamp = format_timestamp(int(now))
    scope = f"{timestamp[:8]}/{region}/s3/aws4_request"
    signed = {**(headers or {}), "host": parts.netloc}
    names = sorted(signed)
    parameters = {
        "X-Amz-Algorithm": ALGORITHM,
        "X-Amz-Credential": f"{access_key}/{scope}",
        "X-Amz-Date": timestamp,
        "X-Amz-Expires": str(expires_s),
        "X-Amz-SignedHeaders": ";".join(names),
    }
    added = "&".join(f"{name}={quote(value, safe='~')}" for name, value in parameters.items())
    query = f"{parts.query}&{added}" if parts.query else added
    canonical = canonical_request(
        method,
        canonical_path(parts.path or "/"),
        canonical_query(query),
        canonical_headers(names, signed),
        signed=parameters["X-Amz-SignedHeaders"],
        payload_hash=UNSIGNED_PAYLOAD,
    )
    signature = _signature(canonical, secret_key, region, timestamp, scope)
    return f"{parts.scheme}://{parts.netloc}{parts.path or '/'}?{query}&X-Amz-Signature={signature}"
