"""Requests drawn at random from S3's own service model: right in form, odd in content, or odd in both.

Every operation that a gateway serves is drawn, with parameters that exist and values that nobody sends.
"""

import base64
import hashlib
import random
from typing import NamedTuple
from xml.sax.saxutils import escape

from continuum.store.gateway.operations import OPERATIONS
from continuum.store.gateway.shapes import Reference, input_shape, is_flattened, s3_model, shape_of

OPERATION_NAMES = sorted(OPERATIONS)
ODD = (
    *("", " ", "0", "1", "-1", "+5", "1e3", "2147483648", "9" * 30, "x", "null", "true", "TRUE", "*", "/"),
    *(
        "..",
        "//",
        "a/b/",
        "\u00fc",
        "\u6771\U0001f600",
        "\ufffe",
        "a\x00b",
        "\x7f",
        "&amp;",
        "<a>",
        "%2F",
        "%zz",
    ),
    *('"', "'", '"x"', 'W/"x"', "2024-02-30", "2024-01-01T00:00:00Z", "Mon, 01 Jan 2024 00:00:00 GMT"),
    *("9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "bytes=0-0", "bytes=-0", "bytes=5-1", "bytes=0-1,3-4"),
    *(
        "AAAAAA==",
        "a=b&c=d",
        "id=x",
        "Enabled",
        "Disabled",
        "x" * 1025,
        "x" * 300,
        "[]",
        "{}",
        "REPLACE",
        "COPY",
    ),
    *("url", "private", "public-read", "GOVERNANCE", "COMPLIANCE", "AES256", "aws:kms", "CRC32", "SHA256"),
)
LIKELY = {
    "integer": ("0", "1", "2", "1000", "10000", "10001"),
    "long": ("0", "1", "1099511627776"),
    "boolean": ("true", "false"),
    "timestamp": ("2030-01-01T00:00:00Z", "Tue, 01 Jan 2030 00:00:00 GMT"),
}
POLICIES = (
    b'{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"*"}]}',
    b'{"Statement":{}}',
    b'{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":{"AWS":[]},"Action":[],"Resource":1}]}',
    b"[" * 5000,
    b"\xff",
)


class Wild(NamedTuple):
    """A request."""

    method: str
    bucket: str
    key: str
    query: list[tuple[str, str]]
    headers: dict[str, str]
    body: bytes


class Drawer:
    """Draws requests for a bucket with some keys; the same seed draws the same. `known` are values of members
    by the names of their shapes, such as uploads that there are."""

    def __init__(self, seed: int, bucket: str, keys: list[str]) -> None:
        self._random = random.Random(seed)
        self._bucket = bucket
        self._keys = keys
        self.known: dict[str, list[str]] = {}

    def draw(self) -> Wild:
        """Return a request."""
        pick = self._random
        name = pick.choice(OPERATION_NAMES)
        operation = s3_model().operations[name]
        path, _, literals = operation.http.request_uri.partition("?")
        query = [
            tuple(part.split("=", 1)) if "=" in part else (part, "") for part in literals.split("&") if part
        ]
        headers: dict[str, str] = {}
        shape = input_shape(name)
        for member, at in shape.members.items():
            if not self._wants(member in shape.required) or at.shape == "AccountId":
                continue
            if at.location == "querystring":
                query.append((at.location_name, self._scalar(at)))
            elif at.location == "header":
                headers[at.location_name.lower()] = self._header(at)
            elif at.location == "headers":
                headers[f"{at.location_name}a"] = self._header_text(pick.choice(ODD))
        body = self._body(name)
        if body and pick.random() < 0.9:
            headers["content-md5"] = base64.b64encode(hashlib.md5(body).digest()).decode()
        headers.pop("content-length", None)
        bucket = self._bucket if "{Bucket}" in path else ""
        if bucket and pick.random() < 0.05:
            bucket = pick.choice(["missing-bucket", "x", "A_B", "127.0.0.1"])
        key = self._key() if "{Key+}" in path else ""
        return Wild(operation.http.method, bucket, key, query, headers, body)  # type: ignore[arg-type]

    def _wants(self, is_required: bool) -> bool:
        return self._random.random() < (0.95 if is_required else 0.12)

    def _key(self) -> str:
        pick = self._random
        return pick.choice(self._keys) if pick.random() < 0.8 else pick.choice(ODD) or "k"

    def _scalar(self, at: Reference) -> str:
        pick, shape = self._random, shape_of(at)
        if at.shape in self.known and pick.random() < 0.8:
            return pick.choice(self.known[at.shape])
        if pick.random() < 0.5:
            if shape.enum:
                return pick.choice(shape.enum)
            if shape.type in LIKELY:
                return pick.choice(LIKELY[shape.type])
            if at.shape in {"ObjectKey", "CopySource"}:
                return pick.choice([f"/{self._bucket}/{self._key()}", *self._keys])
        return pick.choice(ODD)

    def _header(self, at: Reference) -> str:
        return self._header_text(self._scalar(at))

    @staticmethod
    def _header_text(text: str) -> str:
        """Return what can be a header at all; what cannot is another test's business."""
        return "".join(c for c in text.encode().decode("latin-1") if c >= " " and c != "\x7f").strip()

    # ---- documents ----

    def _body(self, name: str) -> bytes:
        pick, shape = self._random, input_shape(name)
        if name == "PutBucketPolicy":
            return pick.choice(POLICIES)
        at = shape.members.get(shape.payload)
        if at is None:
            return b""
        if at.streaming or shape_of(at).type != "structure":
            return pick.choice([b"", b"body", b"x" * 3000])
        document = self._element(at.location_name or shape.payload, at, 0).encode("utf-8", "surrogatepass")
        return document if pick.random() < 0.85 else self._spoil(document)

    def _element(self, name: str, at: Reference, depth: int) -> str:
        return f"<{name}>{self._content(at, depth)}</{name}>"

    def _content(self, at: Reference, depth: int) -> str:
        shape = shape_of(at)
        if shape.type == "structure" and depth < 8:
            parts = [
                self._member(member, inner, depth + 1)
                for member, inner in shape.members.items()
                if self._random.random() < (0.95 if member in shape.required else 0.5)
            ]
            return "".join(parts)
        if shape.member is not None:
            item = shape.member
            return "".join(
                self._element(item.location_name or "member", item, depth + 1) for _ in range(self._count())
            )
        text = self._scalar(at)
        return escape("".join(c for c in text if c >= " " and c not in "\ufffe\x7f"))

    def _member(self, member: str, at: Reference, depth: int) -> str:
        name, shape = at.location_name or member, shape_of(at)
        if shape.member is not None and is_flattened(at):
            return "".join(self._element(name, shape.member, depth) for _ in range(self._count()))
        return self._element(name, at, depth)

    def _count(self) -> int:
        return self._random.choice([0, 1, 1, 1, 2, 3])

    def _spoil(self, document: bytes) -> bytes:
        """Cut, repeat or replace a piece."""
        pick = self._random
        at, length = pick.randrange(len(document) + 1), pick.randrange(20)
        put = pick.choice(
            [b"", document[at : at + length] * 2, b"<x/>", b"\xff", b"&#0;", b"]]>", b"<!DOCTYPE a>"]
        )
        return document[:at] + put + document[at + length :]
