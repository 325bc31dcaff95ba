"""HTTP/1.1 framing of requests: heads, and bodies with a length or in chunks. Pure: bytes in, data out.

httptools reads heads; bodies bypass it and are only counted (a length) or decoded here (`Transfer-Encoding:
chunked`). Anything that two readers could frame differently is refused (RFC 9112, section 11.2, "request
smuggling").
"""

import re
from collections.abc import Callable

import httptools

from continuum.model.errors import InvalidInputError

END_OF_HEAD = b"\r\n\r\n"
MAX_CHUNK_LINE_BYTES = 1024
MAX_TRAILER_BYTES = 16 * 1024
MAX_HEADERS = 200
MAX_LENGTH_DIGITS = 18

_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})(?:[ \t]*;[\t -~\x80-\xff]*)?")
_TRAILER_LINE = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t -~\x80-\xff]*")
_HOST = re.compile(r"[A-Za-z0-9._~:\[\]-]+")
_VERSIONS = frozenset({"1.0", "1.1"})
_CRLF = b"\r\n"
_ONCE = frozenset({"host", "authorization", "content-length", "content-type", "range", "content-md5"})


class FramingError(InvalidInputError):
    """The request is not HTTP/1.1 as we take it."""

    code = "BadRequest"


class Head:
    """The head of a request. `headers` have lower-case names; repeated ones are joined with commas.

    `length` is None for a chunked body.
    """

    __slots__ = ("_url", "headers", "is_keep_alive", "length", "method", "raw_path", "raw_query")

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        self._url = b""
        self.method = ""
        self.raw_path = b""
        self.raw_query = b""
        self.is_keep_alive = True
        self.length: int | None = 0

    def on_url(self, url: bytes) -> None:
        """Called by httptools, maybe more than once."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by httptools for each header."""
        headers = self.headers
        key = name.decode("latin-1").lower()
        text = value.decode("latin-1")
        if key in headers:
            if key in _ONCE:
                raise FramingError(f"the header {key} is given twice")
            text = f"{headers[key]},{text}"
        elif len(headers) >= MAX_HEADERS:
            raise FramingError(f"more than {MAX_HEADERS} headers")
        headers[key] = text

    def finish(self, parser: httptools.HttpRequestParser) -> None:
        """Work out what the head says of the request."""
        self.method = parser.get_method().decode("latin-1")
        version = parser.get_http_version()
        if version not in _VERSIONS:
            raise FramingError(f"HTTP/{version} is not spoken here")
        self.is_keep_alive = version == "1.1" and "close" not in self.headers.get("connection", "").lower()
        url = self._url
        if not url.startswith(b"/"):
            url = _strip_authority(url, self.headers["host"])
        if b"#" in url:
            raise FramingError("the request names a fragment")
        self.raw_path, _, self.raw_query = url.partition(b"?")
        self.length = _body_length(self.headers)
        if self.length is None and version == "1.0":
            raise FramingError("HTTP/1.0 has no chunked bodies")


def parse_head(data: bytes) -> Head:
    """Parse a complete head (with its empty line). Raises `FramingError`."""
    head = Head()
    parser = httptools.HttpRequestParser(head)
    try:
        parser.feed_data(data)
    except httptools.HttpParserUpgrade as problem:
        raise FramingError("this server does not upgrade connections") from problem
    except httptools.HttpParserCallbackError as problem:
        raise FramingError(str(problem.__context__ or "a header cannot be accepted")) from problem
    except httptools.HttpParserError as problem:
        raise FramingError(f"not an HTTP request: {problem}") from problem
    if not _HOST.fullmatch(head.headers.get("host", "")):
        raise FramingError("the header Host is missing, or no host")
    head.finish(parser)
    return head


def _strip_authority(url: bytes, host: str) -> bytes:
    """Return path and query of an absolute URL, as some proxies send it; it must name the same host."""
    scheme, _, rest = url.partition(b"://")
    if scheme.lower() not in {b"http", b"https"} or not rest:
        raise FramingError("the request names no path")
    authority, slash, path = rest.partition(b"/")
    if authority.decode("latin-1").lower() != host.lower():
        raise FramingError("the request names two hosts")
    return slash + path if slash else b"/"


def _body_length(headers: dict[str, str]) -> int | None:
    coding = headers.get("transfer-encoding")
    if coding is not None:
        if coding.strip().lower() != "chunked" or "content-length" in headers:
            raise FramingError("a request body has a Content-Length or is chunked, not both nor otherwise")
        return None
    text = headers.get("content-length")
    if text is None:
        return 0
    if not (text.isascii() and text.isdecimal()) or len(text) > MAX_LENGTH_DIGITS:
        raise FramingError("the Content-Length is not a number")
    return int(text)


class ChunkedBody:
    """Decodes `Transfer-Encoding: chunked`. Payload is handed out as it comes; at most a line is kept."""

    __slots__ = ("_buffer", "_left", "_state", "is_complete")

    def __init__(self) -> None:
        self._buffer = b""
        self._left = 0
        self._state: Callable[[bytes, int, list[bytes]], int] = self._line
        self.is_complete = False

    def feed(self, data: bytes) -> tuple[list[bytes], bytes]:
        """Return the payload in `data` and, once the body is complete, what follows it. Raises
        `FramingError`."""
        pieces: list[bytes] = []
        if self._buffer:
            data, self._buffer = self._buffer + data, b""
        position = 0
        while position < len(data) and not self.is_complete:
            after = self._state(data, position, pieces)
            if after == position:
                break
            position = after
        if self.is_complete:
            return pieces, data[position:]
        self._buffer = data[position:]
        return pieces, b""

    def _line(self, data: bytes, position: int, _: list[bytes]) -> int:
        end = data.find(b"\r\n", position, position + MAX_CHUNK_LINE_BYTES)
        if end < 0:
            if len(data) - position >= MAX_CHUNK_LINE_BYTES or b"\n" in data[position:]:
                raise FramingError("a chunk's size line is too long, or no line")
            return position
        found = _CHUNK_LINE.fullmatch(data, position, end)
        if found is None:
            raise FramingError("a chunk's size is not a number")
        self._left = int(found[1], 16)
        self._state = self._payload if self._left else self._trailers
        return end + 2

    def _payload(self, data: bytes, position: int, pieces: list[bytes]) -> int:
        piece = data[position : position + self._left]
        pieces.append(piece)
        self._left -= len(piece)
        if not self._left:
            self._state = self._end_of_chunk
        return position + len(piece)

    def _end_of_chunk(self, data: bytes, position: int, _: list[bytes]) -> int:
        end = data[position : position + len(_CRLF)]
        if end != _CRLF[: len(end)]:
            raise FramingError("a chunk is longer than its size says")
        if len(end) < len(_CRLF):
            return position
        self._state = self._line
        return position + 2

    def _trailers(self, data: bytes, position: int, _: list[bytes]) -> int:
        if data.startswith(b"\r\n", position):
            self.is_complete = True
            return position + 2
        end = data.find(END_OF_HEAD, position, position + MAX_TRAILER_BYTES)
        if end < 0:
            if len(data) - position >= MAX_TRAILER_BYTES:
                raise FramingError("the trailers are too long")
            return position
        if not all(_TRAILER_LINE.fullmatch(line) for line in data[position:end].split(_CRLF)):
            raise FramingError("a trailer is no header")
        self.is_complete = True
        return end + 4


class CountedBody:
    """Counts a body of a known length."""

    __slots__ = ("is_complete", "left")

    def __init__(self, length: int) -> None:
        self.left = length
        self.is_complete = length == 0

    def feed(self, data: bytes) -> tuple[list[bytes], bytes]:
        """Return the payload in `data` and, once the body is complete, what follows it."""
        left = self.left - len(data)
        if left > 0:
            self.left = left
            return [data], b""
        self.is_complete = True
        size, self.left = self.left, 0
        return ([data] if left == 0 else [data[:size]]), (b"" if left == 0 else data[size:])
