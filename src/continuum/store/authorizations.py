"""What a request says about who sends it: the `Authorization` header or the `X-Amz-…` parameters of a
presigned URL, parsed.

Parsing checks form only, and strictly: each part once, known algorithm, plausible date, scope of service
`s3`. Whether the signature holds is decided by `signing.verify`. Codes and words of the errors are S3's own.
"""

import re
import time
from calendar import timegm
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import unquote_to_bytes

import msgspec

from continuum.store.errors import S3Error

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
STREAMING_SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
STREAMING_SIGNED_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
STREAMING_UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
STREAMING = frozenset({STREAMING_SIGNED, STREAMING_SIGNED_TRAILER, STREAMING_UNSIGNED_TRAILER})
MAX_EXPIRES_S = 7 * 24 * 3600

_QUERY_PARAMETERS = ("Algorithm", "Credential", "Date", "Expires", "SignedHeaders", "Signature")
_TIMESTAMP = re.compile(r"[0-9]{8}T[0-9]{6}Z")
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
MAX_RECALLED_CHARACTERS = 1024  # what anybody may send is remembered within bounds
_CREDENTIAL = re.compile(r"(.+)/([0-9]{8})/([^/]*)/([^/]*)/aws4_request")
_SIGNATURE = re.compile(r"[0-9a-f]{64}")
_SIGNED_HEADERS = re.compile(r"[!#$%&'*+\-.^_`|~0-9a-z]+(?:;[!#$%&'*+\-.^_`|~0-9a-z]+)*")


class Authorization(msgspec.Struct, frozen=True, kw_only=True):
    """Who claims to have signed a request, and what of it.

    `timestamp` is spelled as signed (`20130524T000000Z`), `requested_at` the same instant in seconds since
    the epoch. `scope` is `date/region/s3/aws4_request`. `expires_s` is None for the header form, else how
    long the URL is valid from `requested_at`. `payload_hash` is what the signature says of the body: a
    SHA-256 in hex, `UNSIGNED-PAYLOAD` or a `STREAMING-…` constant.
    """

    access_key: str
    timestamp: str
    requested_at: float
    date: str
    region: str
    scope: str
    signed_headers: tuple[str, ...]
    signature: str
    payload_hash: str
    expires_s: int | None = None
    service: str = "s3"

    @property
    def presigned(self) -> bool:
        """Whether the request came with a presigned URL."""
        return self.expires_s is not None


def parse_authorization(
    method: str,  # noqa: ARG001 (part of the request as signed; parsing doesn't need it)
    raw_path: bytes,  # noqa: ARG001
    raw_query: bytes,
    headers: Mapping[str, str],
    *,
    service: str = "s3",
) -> Authorization | None:
    """Return who claims to have signed this request for `service`; None if nobody does. `headers` have
    lower-case names."""
    header = headers.get("authorization")
    if b"X-Amz-" in raw_query or b"Signature=" in raw_query:
        parameters = _authorization_parameters(raw_query)
        if parameters and header is not None:
            raise S3Error(
                "InvalidArgument",
                "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query "
                "string"
                " parameter or the Authorization header should be specified",
                extra={"ArgumentName": "Authorization"},
            )
        if parameters:
            return _parse_presigned(parameters, headers, service)
    return None if header is None else _parse_header(header, headers, service)


# ---- the header form ----


def _parse_header(header: str, headers: Mapping[str, str], service: str) -> Authorization:
    algorithm, _, rest = header.partition(" ")
    if algorithm != ALGORITHM:
        raise _unsupported_mechanism(algorithm)
    claim_text, signature = _split_signature(rest)
    timestamp, requested_at = _header_timestamp(headers)
    read = _recall_claim if len(claim_text) <= MAX_RECALLED_CHARACTERS else _read_claim
    claim = read(claim_text, service)
    if claim.date != timestamp[:8]:
        raise _malformed(
            f'Invalid credential date "{claim.date}". This date is not the same as X-Amz-Date: '
            f'"{timestamp[:8]}".'
        )
    if not _SIGNATURE.fullmatch(signature):
        raise _malformed("the Signature is mal-formed.")
    return Authorization(
        access_key=claim.access_key,
        timestamp=timestamp,
        requested_at=requested_at,
        date=claim.date,
        region=claim.region,
        scope=claim.scope,
        service=service,
        signed_headers=claim.signed_headers,
        signature=signature,
        payload_hash=_header_payload_hash(headers),
    )


class _Claim(msgspec.Struct, frozen=True):
    """What a header says besides the signature: the same for all requests of a kind that a client sends on a
    day."""

    access_key: str
    date: str
    region: str
    scope: str
    signed_headers: tuple[str, ...]


def _split_signature(text: str) -> tuple[str, str]:
    """Return the components of a header without its signature, and the signature."""
    claim, _, last = text.rpartition(",")
    name, _, signature = last.strip(" ").partition("=")
    if name == "Signature":
        return claim, signature
    parts = _header_parts(text, {"Credential", "SignedHeaders", "Signature"})
    return f"Credential={parts['Credential']},SignedHeaders={parts['SignedHeaders']}", parts["Signature"]


def _read_claim(text: str, service: str) -> _Claim:
    parts = _header_parts(text, {"Credential", "SignedHeaders"})
    access_key, date, region = _parse_credential(parts["Credential"], "AuthorizationHeaderMalformed", service)
    if not _SIGNED_HEADERS.fullmatch(parts["SignedHeaders"]):
        raise _malformed("the SignedHeaders are mal-formed.")
    return _Claim(
        access_key=access_key,
        date=date,
        region=region,
        scope=f"{date}/{region}/{service}/aws4_request",
        signed_headers=tuple(parts["SignedHeaders"].split(";")),
    )


_recall_claim = lru_cache(maxsize=1024)(_read_claim)


def _unsupported_mechanism(algorithm: str) -> S3Error:
    if algorithm.startswith("AWS"):
        return S3Error(
            "InvalidRequest",
            "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.",
            hint="with boto3: Config(signature_version='s3v4')",
        )
    return S3Error(
        "InvalidArgument", "Unsupported Authorization Type", extra={"ArgumentName": "Authorization"}
    )


def _header_parts(text: str, expected: set[str]) -> dict[str, str]:
    parts: dict[str, str] = {}
    for part in text.split(","):
        name, _, value = part.strip(" ").partition("=")
        if name in parts:
            raise _malformed(f"{name} is given twice.")
        parts[name] = value
    if parts.keys() != expected:
        raise _malformed(
            "the authorization header requires three components: Credential, SignedHeaders, and Signature."
        )
    return parts


def _malformed(detail: str, *, extra: Mapping[str, str] | None = None) -> S3Error:
    return S3Error(
        "AuthorizationHeaderMalformed", f"The authorization header is malformed; {detail}", extra=extra
    )


def _header_timestamp(headers: Mapping[str, str]) -> tuple[str, float]:
    timestamp = headers.get("x-amz-date", "")
    at = parse_timestamp(timestamp)
    if at is None:
        raise S3Error("AccessDenied", "AWS authentication requires a valid Date or x-amz-date header")
    return timestamp, at


def _header_payload_hash(headers: Mapping[str, str]) -> str:
    payload_hash = headers.get("x-amz-content-sha256", "")
    if not payload_hash:
        raise S3Error("InvalidRequest", "Missing required header for this request: x-amz-content-sha256")
    return _checked_payload_hash(payload_hash)


def _checked_payload_hash(payload_hash: str) -> str:
    if payload_hash == UNSIGNED_PAYLOAD or payload_hash in STREAMING or _SHA256.fullmatch(payload_hash):
        return payload_hash
    if payload_hash.startswith("STREAMING-"):
        raise S3Error("NotImplemented", f"Bodies of kind {payload_hash[:80]} are not supported here.")
    raise S3Error(
        "InvalidArgument",
        f"x-amz-content-sha256 must be {UNSIGNED_PAYLOAD}, {', '.join(sorted(STREAMING))} or a valid sha256 "
        "value.",
        extra={"ArgumentName": "x-amz-content-sha256", "ArgumentValue": payload_hash[:200]},
    )


# ---- the presigned form ----


def _authorization_parameters(raw_query: bytes) -> dict[str, str]:
    """Return the `X-Amz-…` parameters of a presigned URL, prefix removed; none if it is not presigned."""
    found: dict[str, str] = {}
    names = set()
    for part in raw_query.split(b"&"):
        raw_name, _, raw_value = part.partition(b"=")
        name = unquote_to_bytes(raw_name).decode("latin-1")
        names.add(name)
        if not name.startswith("X-Amz-"):
            continue
        if name[6:] in found:
            raise _bad_parameters(f"{name} is given twice")
        found[name[6:]] = unquote_to_bytes(raw_value).decode("latin-1")
    if {"AWSAccessKeyId", "Signature"} <= names:
        raise _unsupported_mechanism("AWS")
    return found if found.keys() & {"Algorithm", "Credential", "Signature"} else {}


def _bad_parameters(message: str) -> S3Error:
    return S3Error("AuthorizationQueryParametersError", message)


def _parse_presigned(
    parameters: Mapping[str, str], headers: Mapping[str, str], service: str
) -> Authorization:
    if not parameters.keys() >= set(_QUERY_PARAMETERS):
        raise _bad_parameters(
            "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, "
            "X-Amz-Signature,"
            " X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters."
        )
    if parameters["Algorithm"] != ALGORITHM:
        raise _bad_parameters(f'X-Amz-Algorithm only supports "{ALGORITHM}"')
    timestamp, signed_headers, signature = (
        parameters["Date"],
        parameters["SignedHeaders"],
        parameters["Signature"],
    )
    requested_at = parse_timestamp(timestamp)
    if requested_at is None:
        raise _bad_parameters("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"")
    access_key, date, region = _parse_credential(
        parameters["Credential"], "AuthorizationQueryParametersError", service
    )
    if date != timestamp[:8]:
        raise _bad_parameters(f'Invalid credential date "{date}". This date is not the same as X-Amz-Date.')
    if not _SIGNED_HEADERS.fullmatch(signed_headers) or not _SIGNATURE.fullmatch(signature):
        raise _bad_parameters("X-Amz-SignedHeaders or X-Amz-Signature is mal-formed")
    return Authorization(
        access_key=access_key,
        timestamp=timestamp,
        requested_at=requested_at,
        date=date,
        region=region,
        scope=f"{date}/{region}/{service}/aws4_request",
        service=service,
        signed_headers=tuple(signed_headers.split(";")),
        signature=signature,
        payload_hash=_presigned_payload_hash(parameters, headers),
        expires_s=_parse_expires(parameters["Expires"]),
    )


def _presigned_payload_hash(parameters: Mapping[str, str], headers: Mapping[str, str]) -> str:
    given = parameters.get("Content-Sha256") or headers.get("x-amz-content-sha256")
    return _checked_payload_hash(given) if given else UNSIGNED_PAYLOAD


def _parse_expires(text: str) -> int:
    if text.startswith("-"):
        raise _bad_parameters("X-Amz-Expires must be non-negative")
    if not (text.isascii() and text.isdigit()):
        raise _bad_parameters("X-Amz-Expires should be a number")
    if len(text) > len(str(MAX_EXPIRES_S)) or int(text) > MAX_EXPIRES_S:
        raise _bad_parameters(
            "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be "
            "less than"
            f" {MAX_EXPIRES_S} seconds"
        )
    return int(text)


# ---- both ----


def _parse_credential(text: str, code: str, expected: str) -> tuple[str, str, str]:
    """Return access key, date and region of `KEY/yyyymmdd/region/s3/aws4_request`; the key itself may contain
    slashes."""
    match = _CREDENTIAL.fullmatch(text)
    if match is None:
        raise S3Error(
            code,
            'The Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".',
        )
    access_key, date, region, service = match.groups()
    if service != expected:
        raise S3Error(code, f'Incorrect service "{service[:40]}". This endpoint belongs to "{expected}".')
    return access_key, date, region


@lru_cache(maxsize=256)
def parse_timestamp(text: str) -> float | None:
    """Return the instant that `20130524T000000Z` names, in seconds since the epoch; None if it names none."""
    if not _TIMESTAMP.fullmatch(text):
        return None
    try:
        return float(timegm(time.strptime(text, "%Y%m%dT%H%M%SZ")))
    except ValueError:
        return None


@lru_cache(maxsize=16)
def format_timestamp(second: int) -> str:
    """Format whole seconds since the epoch as `20130524T000000Z`."""
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(second))
