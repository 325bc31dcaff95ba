"""Requests drawn at random from S3's own service model: right in form, odd in content, or odd in both.

Every operation that a gateway serves is drawn, with parameters that exist and values that nobody sends; and
what the model does not know: forms of browsers and preflights.
"""

import base64
import hashlib
import hmac
import json
import random
from typing import NamedTuple
from xml.sax.saxutils import escape

from continuum.store.gateway.operations import OPERATIONS
from continuum.store.gateway.shapes import Reference, input_shape, is_flattened, s3_model, shape_of
from continuum.store.signing import signing_key

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
        self.access_key = self.secret_key = "unknown"

    def draw(self) -> Wild:
        """Return a request."""
        return self._random.choice([self._operation] * 12 + [self._form, self._preflight])()

    def _operation(self) -> Wild:
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

    # ---- what the model does not know ----

    def _preflight(self) -> Wild:
        pick = self._random
        headers = {
            "origin": self._header_text(pick.choice(["http://a.example", *ODD])),
            "access-control-request-method": self._header_text(pick.choice(["GET", "PUT", *ODD])),
            "access-control-request-headers": self._header_text(pick.choice(["x-amz-date", *ODD])),
        }
        kept = {name: text for name, text in headers.items() if pick.random() < 0.8}
        return Wild("OPTIONS", self._bucket, pick.choice(["", self._key()]), [], kept, b"")

    def _form(self) -> Wild:
        """Return an upload by a form; the policy in it is signed, well or badly."""
        pick = self._random
        fields = self._fields()
        for name in pick.sample(sorted(fields), pick.choice([0, 0, 1, 2])):
            fields[name] = pick.choice(ODD)
        lines = [
            f'--edge\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'
            for name, text in fields.items()
            if pick.random() < 0.98
        ]
        file_name = pick.choice(["a.txt", *ODD])
        lines.append(f'--edge\r\nContent-Disposition: form-data; name="file"; filename="{file_name}"\r\n')
        body = "".join(lines).encode("utf-8", "replace") + b"\r\nbody\r\n--edge--\r\n"
        headers = {"content-type": "multipart/form-data; boundary=edge"}
        return Wild("POST", self._bucket, "", [], headers, body if pick.random() < 0.8 else self._spoil(body))

    def _fields(self) -> dict[str, str]:
        pick = self._random
        names = ("key", "x-amz-meta-a", "acl", "tagging", "Content-Type", "success_action_status")
        names += ("success_action_redirect", "x-amz-algorithm", "x-amz-credential", "x-amz-date")
        conditions = [["starts-with", f"${name}", ""] for name in names]
        conditions += [{"bucket": self._bucket}, ["content-length-range", 0, pick.choice([0, 4, 4, 10**12])]]
        policy = {
            "expiration": "2099-01-01T00:00:00Z" if pick.random() < 0.9 else pick.choice(ODD),
            "conditions": conditions,
        }
        encoded = base64.b64encode(json.dumps(policy).encode()).decode()
        key = signing_key(self.secret_key, "20260101", "us-east-1")
        return {
            "key": pick.choice(["a/${filename}", self._key()]),
            "acl": "private",
            "tagging": "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>",
            "x-amz-meta-a": "b",
            "Content-Type": "text/plain",
            "success_action_status": "201",
            "success_action_redirect": "http://a.example/",
            "policy": encoded,
            "x-amz-algorithm": "AWS4-HMAC-SHA256",
            "x-amz-credential": f"{self.access_key}/20260101/us-east-1/s3/aws4_request",
            "x-amz-date": "20260101T000000Z",
            "x-amz-signature": hmac.digest(key, encoded.encode(), "sha256").hex(),
        }

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
