"""Forms of browsers (multipart/form-data, RFC 7578) whose last field is a file, read as a stream.

The fields before the file are kept, within S3's bound of 20 KB. The file is passed on as it comes: its length
is known from that of the request, because nothing may follow it but the closing delimiter. So whatever
follows the file (S3 ignores further fields there) is refused, before the object becomes visible.
"""

import asyncio
import re

import msgspec

from continuum.store.errors import S3Error
from continuum.store.gateway.bodies import HeldBody, RequestBody

MAX_FIELDS_BYTES = 20 * 1024
FILE = "file"

_CRLF = b"\r\n"
_BOUNDARY = re.compile(
    r'multipart/form-data\s*;.*?\bboundary=("?)([\w\'()+,./:=? -]{1,70})\1\s*(?:;.*)?', re.I
)
_DISPOSITION = re.compile(r"form-data\s*(;.*)", re.I | re.S)
_PARAMETER = re.compile(r';\s*([\w*-]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s";]+))', re.S)


class Form(msgspec.Struct, frozen=True):
    """The fields before the file by lower-case name; of the file what its headers say."""

    fields: dict[str, str]
    file_name: str
    file_type: str


def parse_boundary(content_type: str) -> bytes:
    """Return the delimiter of a form's parts. Raises `S3Error` `MalformedPOSTRequest`."""
    found = _BOUNDARY.fullmatch(content_type.strip())
    if found is None or found[2].endswith(" "):
        raise S3Error("MalformedPOSTRequest", hint="send multipart/form-data with a boundary")
    return b"--" + found[2].encode("latin-1")


class FormBody(HeldBody):
    """Between a request's body and whoever takes the file: first `read_form`, then it is the file's body.

    Takes the place of a `RequestBody` for who writes an object.
    """

    def __init__(self, body: RequestBody, boundary: bytes) -> None:
        if body.length is None:
            raise S3Error("MissingContentLength")
        super().__init__()
        self._body = body
        self._boundary = boundary
        self._tail = _CRLF + boundary + b"--" + _CRLF
        self._head = b""
        self._tail_seen = b""
        self._overlap = b""
        self._file_left = 0
        self._is_over = False
        self._form: asyncio.Future[Form] = asyncio.get_running_loop().create_future()
        self._total: int = body.length
        self.length: int | None = 0

    async def read_form(self) -> Form:
        """Return the fields. Raises `S3Error`, and `ClientGoneError` if the client leaves."""
        self._body.start(self)
        return await self._form

    # ---- as the file's body ----

    @property
    def is_complete(self) -> bool:
        """Whether the whole file came, and what follows it is right."""
        return self._is_over and self._problem is None

    def pause(self) -> None:
        """Let the client wait."""
        self._body.pause()

    def resume(self) -> None:
        """Let the client go on."""
        self._body.resume()

    # ---- as the sink of the request's body ----

    def feed(self, data: bytes) -> None:
        """Take bytes of the request."""
        if self._problem is not None:
            return
        if not self._form.done():
            self._head += data
            try:
                self._look_for_file()
            except S3Error as problem:
                self.fail(problem)
            return
        self._feed_file(data)
        if self._sink is None:
            self._body.pause()

    def _look_for_file(self) -> None:
        parsed = parse_fields(self._head, self._boundary)
        if parsed is None:
            if len(self._head) > MAX_FIELDS_BYTES:
                raise S3Error("MaxPostPreDataLengthExceeded")
            return
        form, position = parsed
        if position > MAX_FIELDS_BYTES:
            raise S3Error("MaxPostPreDataLengthExceeded")
        self._file_left = self._total - position - len(self._tail)
        if self._file_left < 0:
            raise _malformed()
        self.length = self._file_left
        rest, self._head = self._head[position:], b""
        self._form.set_result(form)
        self._feed_file(rest)

    def _feed_file(self, data: bytes) -> None:
        piece, rest = data[: self._file_left], data[self._file_left :]
        self._file_left -= len(piece)
        delimiter = self._tail[:-4]
        seen = self._overlap + piece
        if delimiter in seen:  # a further field, which must not pass for bytes of the file
            self.fail(_not_last())
            return
        self._overlap = seen[-len(delimiter) + 1 :]
        if piece:
            if self._sink is None:
                self._pieces.append(piece)
            else:
                self._sink.feed(piece)
        self._tail_seen += rest

    def end(self) -> None:
        """The request is complete: so is the file, if nothing but the closing delimiter follows it."""
        if self._problem is not None:
            return
        if not self._form.done():
            self.fail(_malformed())
        elif self._tail_seen != self._tail:
            self.fail(_not_last())
        else:
            self._is_over = True
            if self._sink is not None:
                self._sink.end()

    def fail(self, problem: Exception) -> None:
        """The rest will not come, or is wrong."""
        self._problem = problem
        if not self._form.done():
            self._form.set_exception(problem)
        elif self._sink is not None:
            self._sink.fail(problem)


def parse_fields(data: bytes, boundary: bytes) -> tuple[Form, int] | None:
    """Return the fields before the file and where its bytes begin; None if more must come. Raises
    `S3Error`."""
    fields: dict[str, str] = {}
    position = _after_delimiter(data, 0, boundary)
    while position:
        end = data.find(_CRLF * 2, position)
        if end < 0:
            return None
        name, file_name, file_type = _parse_headers(data[position:end])
        start = end + 4
        if name == FILE:
            return Form(fields, file_name, file_type), start
        end = data.find(_CRLF + boundary, start)
        if end < 0:
            return None
        if name in fields:
            raise S3Error("MalformedPOSTRequest", f"The field {name[:60]} is given twice.")
        fields[name] = _decode(data[start:end])
        position = _after_delimiter(data, end + 2, boundary)
    return None


def _after_delimiter(data: bytes, position: int, boundary: bytes) -> int:
    """Return where the part after a delimiter begins; 0 if more must come."""
    expected = boundary + _CRLF
    found = data[position : position + len(expected)]
    if found == expected:
        return position + len(expected)
    if expected.startswith(found):
        return 0
    if found == boundary + b"--":
        raise S3Error("IncorrectNumberOfFilesInPostRequest")
    raise _malformed()


def _parse_headers(block: bytes) -> tuple[str, str, str]:
    """Return name, file name and content type of a part."""
    headers: dict[str, str] = {}
    for line in _decode(block).split("\r\n"):
        name, colon, value = line.partition(":")
        if not colon or name.lower() in headers:
            raise _malformed()
        headers[name.strip().lower()] = value.strip()
    found = _DISPOSITION.fullmatch(headers.get("content-disposition", ""))
    parameters = {}
    if found is not None:
        for name, quoted, bare in _PARAMETER.findall(found[1]):
            parameters[name.lower()] = re.sub(r"\\(.)", r"\1", quoted) if quoted else bare
    if not parameters.get("name"):
        raise _malformed()
    return parameters["name"].lower(), parameters.get("filename", ""), headers.get("content-type", "")


def _decode(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise _malformed() from None


def _not_last() -> S3Error:
    return S3Error("MalformedPOSTRequest", hint="the file must be the last field of the form")


def _malformed() -> S3Error:
    return S3Error("MalformedPOSTRequest")
