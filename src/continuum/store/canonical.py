"""The canonical forms of a request's path, query and headers that AWS Signature Version 4 signs.

Text here is a request's own bytes read as Latin-1 (one character, one byte), so that what arrives can be
canonicalised and hashed without knowing its encoding. S3's rules: the path is encoded once and never
normalised (`//` and `..` stay), the query is sorted by encoded name and value. Nothing here promises that a
request is well formed; that is `wire`'s business. Source: "Create a signed AWS API request", Amazon S3 API
Reference "Authenticating Requests: Using the Authorization Header".
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import quote, quote_from_bytes, unquote_to_bytes

_PLAIN_PATH = re.compile(r"[A-Za-z0-9\-._~/]*")
_PLAIN_QUERY = re.compile(r"[A-Za-z0-9\-._~=&]*")
_PLAIN_TEXT = re.compile(r"[A-Za-z0-9\-._~]*")
_SPACES = re.compile("  +")


def encode_path(path: str) -> str:
    """Percent-encode the UTF-8 bytes of a path as S3 does: all but unreserved characters and `/`."""
    return path if _PLAIN_PATH.fullmatch(path) else quote(path, safe="/~")


def encode_query(pairs: Sequence[tuple[str, str]]) -> str:
    """Percent-encode names and values, in canonical order: fit for a request and for its signature."""
    return "&".join(
        f"{name}={value}"
        for name, value in sorted((quote(n, safe="~"), quote(v, safe="~")) for n, v in pairs)
    )


def canonical_path(raw_path: str) -> str:
    """Decode and encode a path again, so that every spelling of it has one form."""
    if _PLAIN_PATH.fullmatch(raw_path):
        return raw_path
    return quote_from_bytes(unquote_to_bytes(raw_path.encode("latin-1")), safe="/~")


def canonical_query(raw_query: str, *, without: str = "") -> str:
    """Return the sorted, uniformly encoded query; `+` stands for a space. `without` names a parameter to
    leave out."""
    if not raw_query:
        return ""
    recode = _recode if not _PLAIN_QUERY.fullmatch(raw_query) else str
    return _join(((recode(name), recode(value)) for name, value in _split(raw_query)), without)


def sorted_query(raw_query: str, *, without: str = "") -> str:
    """Return the sorted query with every name and value spelled as it came."""
    return _join(_split(raw_query), without)


def _split(raw_query: str) -> list[tuple[str, str]]:
    return [
        (name, value) for name, _, value in (part.partition("=") for part in raw_query.split("&") if part)
    ]


def _join(pairs: Iterable[tuple[str, str]], without: str) -> str:
    return "&".join([f"{name}={value}" for name, value in sorted(pairs) if name != without])


def _recode(text: str) -> str:
    if _PLAIN_TEXT.fullmatch(text):
        return text
    return quote_from_bytes(unquote_to_bytes(text.replace("+", " ").encode("latin-1")), safe="~")


def canonical_headers(names: Sequence[str], headers: Mapping[str, str]) -> str:
    """Return `name:value` lines for these lower-case names; runs of spaces become one. A missing header has
    no value."""
    plain = "".join([f"{name}:{headers.get(name, '')}\n" for name in names])
    if "\t" not in plain and "  " not in plain and ": " not in plain and " \n" not in plain:
        return plain
    return "".join([f"{name}:{_header_value(headers.get(name, ''))}\n" for name in names])


def _header_value(value: str) -> str:
    value = value.strip(" \t")
    return _SPACES.sub(" ", value) if "  " in value else value


def canonical_request(
    method: str, path: str, query: str, headers: str, *, signed: str, payload_hash: str
) -> str:
    """Put the canonical parts together; `headers` as from `canonical_headers`, `signed` their names,
    joined."""
    return f"{method}\n{path}\n{query}\n{headers}\n{signed}\n{payload_hash}"
