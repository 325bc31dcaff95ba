"""Headers that a presigned URL carries in its query: `…&x-amz-acl=private&x-amz-meta-a=1&X-Amz-Signature=…`.

SDKs move `x-amz-` headers there, so that whoever has the URL need not send them. The signature covers the
query, so such a parameter counts as the header of its name, in any case of letters; everything that asks for
headers (policies too) sees it. Checksums in the query are not taken: SDKs put that of an empty body there,
and S3 ignores them. A copy's source is refused, because with it the request would be another operation.
"""

from collections.abc import Mapping
from re import compile as regex

from continuum.store.errors import S3Error
from continuum.store.gateway.texts import format_header

PREFIX = "x-amz-"
_NAME = regex(r"[!#$%&'*+\-.^_`|~0-9a-z]+")
_OF_THE_SIGNATURE = frozenset(
    f"{PREFIX}{name}"
    for name in (
        *("algorithm", "credential", "date", "expires", "signedheaders", "signature"),
        *("security-token", "content-sha256", "user-agent", "sdk-checksum-algorithm"),
    )
)
_CHECKSUM = "x-amz-checksum-"
_NOT_VALUES = frozenset({"mode", "type", "algorithm"})
_COPY_SOURCE = "x-amz-copy-source"


def hoist_headers(query: Mapping[str, str], headers: dict[str, str]) -> dict[str, str]:
    """Return the headers of a presigned request together with those in its (decoded) query. Raises `S3Error`
    `InvalidArgument`, `NotImplemented`."""
    hoisted: dict[str, str] = {}
    for parameter, text in query.items():
        name = parameter.lower()
        if not name.startswith(PREFIX) or name in _OF_THE_SIGNATURE or _is_checksum(name):
            continue
        if name.startswith(_COPY_SOURCE):
            raise S3Error("NotImplemented", f"{name} must be sent as a header.")
        value = format_header(text)
        if not _NAME.fullmatch(name) or value is None:
            raise _invalid(name, "cannot be a header")
        if hoisted.get(name, value) != value or headers.get(name, value) != value:
            raise _invalid(name, "is given twice")
        hoisted[name] = value
    return headers | hoisted if hoisted else headers


def _is_checksum(name: str) -> bool:
    return name.startswith(_CHECKSUM) and name.removeprefix(_CHECKSUM) not in _NOT_VALUES


def _invalid(name: str, reason: str) -> S3Error:
    return S3Error(
        "InvalidArgument",
        f"The query parameter {name[:80]} {reason}.",
        extra={"ArgumentName": name[:80]},
    )
