"""A bucket, or what lies under a prefix of it, as an end of a transfer: a gateway's or another store's.

Reads carry `If-Match`, so an object that is overwritten while it is read in parts is never mixed of two.
With the bytes go content headers, metadata and tags; ACLs and old versions do not.
"""

import base64
import binascii
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlencode

import msgspec

from continuum.model.errors import AccessDeniedError, ContinuumError, NotFoundError
from continuum.model.transfers import Line, Part, is_md5
from continuum.store.signing import encode_path
from continuum.store.stores.exchanges import Exchange, StoreProtocolError
from continuum.store.stores.s3 import StoreClient, StoreReplyError, raise_reply
from continuum.store.transfers.ends import Described, patiently
from continuum.store.transfers.streaming import Body, ExchangeReceiver, Receiver, SourceChangedError

MAX_DELETE = 1000
_KEPT = (
    "content-type",
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "expires",
)
_META = "x-amz-meta-"
_TAGGING = "x-amz-tagging"
_COMPOSITE = re.compile(r"[0-9a-f]{32}-[0-9]+")
_FAILED_STATUS = 300
_FORBIDDEN = 403
_NOT_FOUND = 404
_CHANGED = 412
_CHECKSUMS = {"x-amz-checksum-mode": "ENABLED"}
_COPY_ERROR = re.compile(rb"<Error>.*?<Code>([^<]*)</Code>", re.DOTALL)
_COPY_ETAG = re.compile(rb"<ETag>(?:&quot;|&#34;|\")?([^<&\"]*)")


class BucketEnd:
    """Objects of `bucket` under `prefix`; with `exact`, the one object that `prefix` names."""

    def __init__(self, client: StoreClient, bucket: str, prefix: str = "", *, exact: bool = False) -> None:
        self.client = client
        self.bucket = bucket
        self.prefix = prefix if exact or not prefix or prefix.endswith("/") else f"{prefix}/"
        self.exact = exact
        self.problems: dict[str, str] = {}

    async def close(self) -> None:
        """Close all connections."""
        await self.client.close()

    async def has_bucket(self) -> bool:
        """Whether the bucket is there, as far as is known: who may only write is not told."""
        exchange = await patiently(lambda: self.client.exchange("HEAD", bucket=self.bucket))
        return exchange.status != _NOT_FOUND

    def _full(self, key: str) -> str:
        return self.prefix + key

    def _translate(self, problem: StoreReplyError, key: str) -> ContinuumError:
        place = f"{self.bucket}/{self._full(key)}"
        if problem.status == _FORBIDDEN:
            return AccessDeniedError(
                f"{self.client.store.name} does not allow this on {place}: {problem.message}",
                hint="do the keys belong to somebody who may?",
            )
        if problem.code == "NoSuchBucket":
            return NotFoundError(f"{self.client.store.name} has no bucket {self.bucket}")
        return problem

    # ---- what is there ----

    async def lines(self) -> AsyncIterator[Line]:
        """List the objects, page by page."""
        if self.exact:
            described = await self.describe("")
            if described is not None:
                yield described.line
            return
        token = ""
        while True:

            async def ask(token: str = token) -> tuple[list[Line], str]:
                page = await self.client.list(self.prefix, bucket=self.bucket, token=token)
                cut = len(self.prefix)
                found = [
                    Line(each.key[cut:], each.size_bytes, _instant(each.modified), each.etag)
                    for each in page.objects
                ]
                return found, page.next_token

            try:
                found, token = await patiently(ask)
            except StoreReplyError as problem:
                raise self._translate(problem, "") from problem
            for line in found:
                yield line
            if not token:
                return

    def takes(self, line: Line) -> bool:
        """Whether such a key can be written here."""
        return bool(self._full(line.key))

    async def describe(self, key: str) -> Described | None:
        """Ask for what is known of one object."""
        exchange = await self._ask(key)
        if exchange.status == _NOT_FOUND:
            return None
        await self._check(exchange, key)
        return _described(key, exchange.headers)

    async def describe_version(self, key: str, version_id: str) -> Described:
        """Ask for what is known of one version, its tags too. Raises `SourceChangedError` if it is gone."""
        exchange = await self._ask(key, version_id)
        await self._check(exchange, key)
        return await self.take_tags(_described(key, exchange.headers), version_id)

    async def _ask(self, key: str, version_id: str = "") -> Exchange:
        full, query = self._full(key), _query(version_id)
        return await patiently(
            lambda: self.client.exchange("HEAD", full, bucket=self.bucket, query=query, headers=_CHECKSUMS)
        )

    async def open_version(self, key: str, version_id: str, size_bytes: int, part: Part | None) -> Exchange:
        """Begin to read a version or a part of it."""
        headers = {"range": _range(part)} if part is not None else {}
        length = size_bytes if part is None else part.length
        return await self._begin_read(key, length, headers, version_id)

    async def _begin_read(
        self, key: str, length: int, headers: dict[str, str], version_id: str = ""
    ) -> Exchange:
        exchange = await self.client.exchange(
            "GET", self._full(key), bucket=self.bucket, query=_query(version_id), headers=headers
        )
        await self._check(exchange, key)
        if exchange.length != length:
            exchange.abort()
            raise StoreProtocolError("the source announced another length than it had listed")
        return exchange

    async def take_tags(self, described: Described, version_id: str = "") -> Described:
        """Ask for the tags of an object that has some; they go with its headers."""
        if not described.tag_count:
            return described
        key = described.line.key
        try:
            tags = await patiently(lambda: self._get_tags(key, version_id))
        except StoreReplyError as problem:
            raise self._translate(problem, key) from problem
        headers = described.headers | ({_TAGGING: urlencode(tags)} if tags else {})
        return msgspec.structs.replace(described, headers=headers)

    async def _get_tags(self, key: str, version_id: str) -> dict[str, str]:
        return await self.client.get_tags(self._full(key), bucket=self.bucket, version_id=version_id)

    async def find_part_bytes(self, described: Described) -> int:
        """Return the size of the parts of an object that came in parts, 0 if it is not known."""
        if not _COMPOSITE.fullmatch(described.line.etag):
            return 0
        exchange = await self.client.exchange(
            "HEAD", self._full(described.line.key), bucket=self.bucket, query=[("partNumber", "1")]
        )
        if exchange.status >= _FAILED_STATUS or "x-amz-mp-parts-count" not in exchange.headers:
            return 0
        return int(exchange.headers.get("content-length", "0"))

    async def _check(self, exchange: Exchange, key: str) -> None:
        if exchange.status < _FAILED_STATUS:
            return
        if exchange.status == _CHANGED:
            await exchange.read()
            raise SourceChangedError(f"{self.bucket}/{self._full(key)} was changed while it was sent")
        try:
            await raise_reply(exchange)
        except StoreReplyError as problem:
            if problem.code == "NoSuchKey":
                raise SourceChangedError(f"{self.bucket}/{self._full(key)} was deleted meanwhile") from None
            raise self._translate(problem, key) from problem

    # ---- reading ----

    async def open(self, described: Described, part: Part | None = None) -> tuple[Body, Described]:
        """Begin to read an object or a part."""
        line = described.line
        headers = {"if-match": f'"{line.etag}"'} if line.etag else {}
        if part is None:
            headers |= _CHECKSUMS
        elif line.size_bytes:
            headers["range"] = _range(part)
        length = line.size_bytes if part is None else part.length
        exchange = await self._begin_read(line.key, length, headers)
        if part is not None:
            return exchange, described
        found = msgspec.structs.replace(_described(line.key, exchange.headers), line=line)
        try:
            return exchange, await self.take_tags(found)
        except BaseException:
            exchange.abort()
            raise

    async def remove(self, described: Described) -> None:
        """Remove an object, if it is still the one that was described."""
        key, etag = described.line.key, described.line.etag
        now = await self.describe(key)
        if now is None:
            return
        if now.line.etag != etag:
            raise SourceChangedError(f"{self.bucket}/{self._full(key)} was changed; it stays")
        exchange = await patiently(
            lambda: self.client.exchange(
                "DELETE", self._full(key), bucket=self.bucket, headers={"if-match": f'"{etag}"'}
            )
        )
        await self._check(exchange, key)
        await exchange.read()

    async def remove_many(self, keys: Sequence[str]) -> dict[str, str]:
        """Remove objects, many in one request."""
        failed: dict[str, str] = {}
        for start in range(0, len(keys), MAX_DELETE):
            full = [self._full(key) for key in keys[start : start + MAX_DELETE]]
            try:
                remaining = await patiently(
                    lambda full=full: self.client.delete_many(full, bucket=self.bucket)  # type: ignore[misc]
                )
            except StoreReplyError as problem:
                raise self._translate(problem, keys[start]) from problem
            failed |= {key.removeprefix(self.prefix): code for key, code in remaining.items()}
        return failed

    # ---- writing ----

    async def receive(self, described: Described) -> Receiver:
        """Begin to write a whole object."""
        headers = dict(described.headers)
        if described.md5:
            headers["content-md5"] = base64.b64encode(bytes.fromhex(described.md5)).decode()
        exchange = await self.client.begin(
            "PUT",
            self._full(described.line.key),
            bucket=self.bucket,
            headers=headers,
            length=described.line.size_bytes,
        )
        return ExchangeReceiver(exchange)

    async def begin_upload(self, described: Described) -> str:
        """Begin to write an object in parts."""
        key = self._full(described.line.key)
        try:
            return await patiently(
                lambda: self.client.create_upload(key, bucket=self.bucket, headers=described.headers)
            )
        except StoreReplyError as problem:
            raise self._translate(problem, described.line.key) from problem

    async def receive_part(self, key: str, upload_id: str, part: Part) -> Receiver:
        """Begin to write a part."""
        exchange = await self.client.begin_part(
            self._full(key), upload_id, part.number, part.length, bucket=self.bucket
        )
        return ExchangeReceiver(exchange)

    async def find_parts(self, key: str, upload_id: str) -> dict[int, tuple[str, int]] | None:
        """Ask for the parts that are there."""
        found: dict[int, tuple[str, int]] = {}
        after, more = 0, True
        while more:

            async def ask(after: int = after) -> tuple[Sequence[tuple[int, str, int]], bool]:
                parts, more = await self.client.list_parts(
                    self._full(key), upload_id, bucket=self.bucket, after=after
                )
                return [(part.number, part.etag, part.size_bytes) for part in parts], more

            try:
                page, more = await patiently(ask)
            except StoreReplyError as problem:
                if problem.status == _NOT_FOUND:
                    return None
                raise self._translate(problem, key) from problem
            for number, etag, size_bytes in page:
                found[number] = (etag, size_bytes)
                after = max(after, number)
            more = more and bool(page)
        return found

    async def complete_upload(self, described: Described, upload_id: str, etags: Mapping[int, str]) -> str:
        """Make the object of its parts."""
        key = self._full(described.line.key)
        parts = sorted(etags.items())
        return await patiently(lambda: self.client.complete_upload(key, upload_id, parts, bucket=self.bucket))

    async def abort_upload(self, key: str, upload_id: str) -> None:
        """Forget an upload and its parts."""
        await self.client.abort_upload(self._full(key), upload_id, bucket=self.bucket)

    # ---- copies that the store makes itself ----

    def is_same_store(self, other: "BucketEnd") -> bool:
        """Whether the other end is served by the same endpoint with the same keys."""
        mine, theirs = self.client.store, other.client.store
        return (mine.endpoint, mine.access_key) == (theirs.endpoint, theirs.access_key)

    async def copy_here(
        self, source: "BucketEnd", described: Described, upload_id: str = "", part: Part | None = None
    ) -> str:
        """Let the store copy an object, or make a part of an upload of it; return the copy's ETag."""
        line = described.line
        headers = {
            "x-amz-copy-source": encode_path(f"/{source.bucket}/{source.prefix}{line.key}"),
            "x-amz-copy-source-if-match": f'"{line.etag}"',
        }
        query = []
        if part is not None:
            headers["x-amz-copy-source-range"] = _range(part)
            query = [("partNumber", str(part.number)), ("uploadId", upload_id)]
        exchange = await self.client.exchange(
            "PUT", self._full(line.key), bucket=self.bucket, query=query, headers=headers
        )
        await self._check(exchange, line.key)
        body = await exchange.read()
        if failed := _COPY_ERROR.search(body):  # S3 may find an error after it sent the status
            raise StoreReplyError(500, failed[1].decode("latin-1"), "", exchange.headers)
        found = _COPY_ETAG.search(body)
        return found[1].decode("latin-1") if found else ""


def _query(version_id: str) -> list[tuple[str, str]]:
    return [("versionId", version_id)] if version_id else []


def _range(part: Part) -> str:
    return f"bytes={part.start}-{part.start + part.length - 1}"


def _described(key: str, headers: Mapping[str, str]) -> Described:
    etag = headers.get("etag", "").strip('"')
    modified = headers.get("last-modified", "")
    encrypted = headers.get("x-amz-server-side-encryption", "AES256") != "AES256"
    is_opaque = encrypted or "x-amz-server-side-encryption-customer-algorithm" in headers
    full = headers.get("x-amz-checksum-type", "FULL_OBJECT") == "FULL_OBJECT"
    return Described(
        line=Line(
            key,
            int(headers.get("content-length", "0")),
            parsedate_to_datetime(modified).timestamp() if modified else 0.0,
            etag,
        ),
        headers={name: value for name, value in headers.items() if name in _KEPT or name.startswith(_META)},
        tag_count=int(headers.get("x-amz-tagging-count", "0")),
        md5=etag if is_md5(etag) and not is_opaque else "",
        crc64=_crc64(headers.get("x-amz-checksum-crc64nvme", "")) if full else None,
    )


def _crc64(text: str) -> int | None:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return int.from_bytes(raw, "big") if len(raw) == 8 else None  # noqa: PLR2004 - 64 bits


def _instant(text: str) -> float:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return 0.0
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
