"""A client of one S3 store: pooled connections, signed requests, bodies streamed both ways and never
gathered.

Requests to stores are signed with `UNSIGNED-PAYLOAD`: the way is TLS or a unix socket (plain HTTP only on
loopback), and hashing each byte again would cost more than moving it. A request is repeated in one case
only: a kept connection turned out to be closed before anything of the reply came, and the request has no
streamed body. All other failures are the caller's to judge.
"""

import asyncio
import base64
import hashlib
import ssl
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

import msgspec

from continuum.model.errors import ContinuumError
from continuum.model.objects import Store
from continuum.security import client_context
from continuum.store.signing import encode_path, encode_query, sign
from continuum.store.stores.breakers import Breaker
from continuum.store.stores.connections import StoreConnection
from continuum.store.stores.exchanges import Exchange, StoreUnavailableError
from continuum.store.stores.heads import PlainHeads
from continuum.store.stores.parts import read_parts_page
from continuum.store.stores.pools import Pool, PoolLimits, parse_endpoint

VIRTUAL = "virtual"  # the addressing that names the bucket in Host
MAX_XML_BYTES = 16 * 1024 * 1024
_OK = frozenset({200, 204, 206})
_FAILED_STATUS = 300
_NOT_FOUND = 404
_UNAVAILABLE = 503
_CONDITION_FAILED = 412


class StoreReplyError(ContinuumError):
    """A store answered with an error. `status` is HTTP's, `code` S3's, `headers` the reply's."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str]) -> None:
        super().__init__(message or f"the store answered {status} {code}")
        self.status = status
        self.code = code
        self.headers = dict(headers)


class StoredObject(msgspec.Struct, frozen=True, kw_only=True):
    """A line of a store's list."""

    key: str
    etag: str
    size_bytes: int
    modified: str


class StorePage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of a list; `next_token` is empty if it is the last."""

    objects: tuple[StoredObject, ...]
    common_prefixes: tuple[str, ...]
    next_token: str


class StoredVersion(msgspec.Struct, frozen=True, kw_only=True):
    """A line of a list of versions. `is_marker`: a deletion."""

    key: str
    version_id: str
    etag: str = ""
    size_bytes: int = 0
    is_marker: bool = False


class VersionPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of versions; `next_key` is empty if it is the last."""

    versions: tuple[StoredVersion, ...]
    next_key: str
    next_id: str


class StoredPart(msgspec.Struct, frozen=True, kw_only=True):
    """A part of an upload, as the store has it."""

    number: int
    etag: str
    size_bytes: int
    modified: str


class StoreClient:
    """Reads and writes objects of one store. Belongs to the event loop in which it is used first; `await
    close()` ends it.

    Every verb takes `bucket`; left out, it is the store's own. Verbs raise `StoreUnavailableError` if the
    store cannot be reached and `StoreReplyError` if it answers with an error.
    """

    def __init__(
        self, store: Store, *, limits: PoolLimits | None = None, ca_file: Path | None = None
    ) -> None:
        self.store = store
        self.breaker = Breaker()
        address = parse_endpoint(store.endpoint)
        context = _tls(store.ca_pem, ca_file) if address.is_tls else None
        self._host = address.host_header
        self._plain_heads = PlainHeads(store, address.host_header)
        self._pool = Pool(
            address, context, limits or PoolLimits(), self.breaker, store.name or store.endpoint
        )

    def __repr__(self) -> str:
        return f"StoreClient({self.store!r})"

    def is_available(self) -> bool:
        """Whether the store answered lately, as far as is known."""
        return not self.breaker.is_open(asyncio.get_running_loop().time())

    async def close(self) -> None:
        """Close all connections."""
        await self._pool.close()

    # ---- requests ----

    async def begin(
        self,
        method: str,
        key: str = "",
        *,
        bucket: str | None = None,
        query: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        length: int = 0,
        fresh: bool = False,
    ) -> Exchange:
        """Start a request with a body of `length` bytes, to be written to the exchange. Nothing is sent
        before the first write."""
        connection = await self._pool.take(fresh=fresh)
        return connection.begin(
            method, self._head(method, key, bucket, query, headers, length=length), length
        )

    def _head(
        self,
        method: str,
        key: str,
        bucket: str | None,
        query: Sequence[tuple[str, str]],
        headers: Mapping[str, str] | None,
        *,
        length: int,
    ) -> bytes:
        name = self.store.bucket if bucket is None else bucket
        has_body = length > 0 or method in {"PUT", "POST"}
        if key and not query and not headers and self.store.addressing != VIRTUAL:
            path = encode_path(f"/{name}/{key}")
            return self._plain_heads.format(
                method, path, time.time(), body_bytes=length if has_body else None
            )
        if self.store.addressing == VIRTUAL:
            path, host = encode_path(f"/{key}"), f"{name}.{self._host}"
        else:
            path, host = encode_path(f"/{name}/{key}" if key else f"/{name}"), self._host
        raw_query = encode_query(query) if query else ""
        sent = {"host": host}
        if headers:
            sent.update(headers)
        store = self.store
        sent.update(
            sign(
                method,
                path,
                raw_query,
                sent,
                access_key=store.access_key,
                secret_key=store.secret_key,
                region=store.region,
                now=time.time(),
            )
        )
        if has_body:
            sent["content-length"] = str(length)
        target = f"{path}?{raw_query}" if raw_query else path
        lines = "".join([f"{field}: {value}\r\n" for field, value in sent.items()])
        return f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode("latin-1")

    async def exchange(
        self,
        method: str,
        key: str = "",
        *,
        bucket: str | None = None,
        query: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Exchange:
        """Send a request whose body is in memory and wait for the head of the reply, whatever its status."""
        connection = await self._pool.take()
        kept = connection.exchanges > 0
        head = self._head(method, key, bucket, query, headers, length=len(body))
        try:
            return await _send(connection, method, head, body)
        except StoreUnavailableError:
            if not kept:
                raise
        connection = await self._pool.take(fresh=True)
        return await _send(connection, method, head, body)

    def begin_get(self, key: str, bucket: str, *, byte_range: str = "") -> Exchange | None:
        """Start reading an object, or a range of it (`bytes=0-99`), at once if a kept connection is free;
        `on_over` hears of its reply."""
        connection = None if self.store.addressing == VIRTUAL else self._pool.find_idle()
        if connection is None:
            return None
        path = encode_path(f"/{bucket}/{key}")
        head = self._plain_heads.format("GET", path, time.time(), byte_range=byte_range)
        exchange = connection.begin("GET", head, 0)
        exchange.flush_head()
        return exchange

    async def _call(
        self,
        method: str,
        key: str = "",
        *,
        bucket: str | None = None,
        query: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> tuple[Exchange, bytes]:
        exchange = await self.exchange(method, key, bucket=bucket, query=query, headers=headers, body=body)
        if exchange.status >= _FAILED_STATUS:
            await raise_reply(exchange)
        return exchange, await exchange.read(MAX_XML_BYTES)

    # ---- objects ----

    async def get(
        self, key: str, *, bucket: str | None = None, byte_range: str = "", if_match: str = ""
    ) -> Exchange:
        """Start reading an object; `byte_range` is like `bytes=0-99`. The reply's body is still to be taken.

        `if_match`: only if it still has this ETag (also where the store does not know the condition); else
        the error is 412.
        """
        headers = {"range": byte_range} if byte_range else {}
        if if_match:
            headers["if-match"] = f'"{if_match}"'
        exchange = await self.exchange("GET", key, bucket=bucket, headers=headers)
        if exchange.status not in _OK:
            await raise_reply(exchange)
        if if_match and exchange.headers.get("etag", "").strip('"') != if_match:
            exchange.abort()
            raise StoreReplyError(_CONDITION_FAILED, "PreconditionFailed", "the object changed", {})
        return exchange

    async def head(self, key: str, *, bucket: str | None = None) -> dict[str, str]:
        """Return the headers of an object."""
        exchange, _ = await self._call("HEAD", key, bucket=bucket)
        return exchange.headers

    async def get_tags(self, key: str, *, bucket: str | None = None, version_id: str = "") -> dict[str, str]:
        """Return the tags of an object, or of a version of it."""
        query = [("tagging", "")] + ([("versionId", version_id)] if version_id else [])
        _, body = await self._call("GET", key, bucket=bucket, query=query)
        return {
            _text(tag, "Key"): _text(tag, "Value")
            for tags in _children(_parse(body), "TagSet")
            for tag in _children(tags, "Tag")
        }

    async def put(
        self, key: str, body: bytes, *, bucket: str | None = None, headers: Mapping[str, str] | None = None
    ) -> dict[str, str]:
        """Write a small object from memory; return the reply's headers (`etag`)."""
        exchange, _ = await self._call("PUT", key, bucket=bucket, headers=headers, body=body)
        return exchange.headers

    async def copy(
        self,
        key: str,
        *,
        source_bucket: str,
        source_key: str,
        bucket: str | None = None,
    ) -> str:
        """Copy an object inside the store; return the copy's ETag."""
        headers = {"x-amz-copy-source": encode_path(f"/{source_bucket}/{source_key}")}
        _, body = await self._call("PUT", key, bucket=bucket, headers=headers)
        return _text(_parse(body), "ETag").strip('"')

    async def delete(self, key: str, *, bucket: str | None = None) -> None:
        """Delete an object; one that is not there is no error."""
        try:
            await self._call("DELETE", key, bucket=bucket)
        except StoreReplyError as problem:
            if problem.status != _NOT_FOUND:
                raise

    async def delete_many(self, keys: Sequence[str], *, bucket: str | None = None) -> dict[str, str]:
        """Delete up to 1,000 objects; return the keys that remain, each with the store's error code."""
        items = "".join(f"<Object><Key>{escape(key)}</Key></Object>" for key in keys)
        body = f"<Delete><Quiet>true</Quiet>{items}</Delete>".encode()
        headers = {"content-type": "application/xml", "content-md5": _md5(body)}
        _, reply = await self._call("POST", bucket=bucket, query=[("delete", "")], headers=headers, body=body)
        failed = _children(_parse(reply), "Error") if reply else []
        return {_text(item, "Key"): _text(item, "Code") for item in failed}

    async def list(
        self,
        prefix: str = "",
        *,
        bucket: str | None = None,
        token: str = "",
        start_after: str = "",
        delimiter: str = "",
        max_keys: int = 1000,
    ) -> StorePage:
        """Return a page of the store's list, from its beginning, a token or a key on."""
        query = [("list-type", "2"), ("max-keys", str(max_keys)), ("prefix", prefix)]
        query += [("delimiter", delimiter)] if delimiter else []
        query += [("continuation-token", token)] if token else []
        query += [("start-after", start_after)] if start_after else []
        _, body = await self._call("GET", bucket=bucket, query=query)
        root = _parse(body)
        return StorePage(
            objects=tuple(_stored_object(item) for item in _children(root, "Contents")),
            common_prefixes=tuple(_text(item, "Prefix") for item in _children(root, "CommonPrefixes")),
            next_token=_text(root, "NextContinuationToken"),
        )

    async def list_versions(
        self, prefix: str = "", *, bucket: str | None = None, key_marker: str = "", id_marker: str = ""
    ) -> VersionPage:
        """Return a page of the versions of objects; of a key the newest first."""
        query = [("versions", ""), ("prefix", prefix)]
        query += [("key-marker", key_marker)] if key_marker else []
        query += [("version-id-marker", id_marker)] if id_marker else []
        _, body = await self._call("GET", bucket=bucket, query=query)
        root = _parse(body)
        found = [_stored_version(item) for item in root]
        is_truncated = _text(root, "IsTruncated") == "true"
        return VersionPage(
            versions=tuple(each for each in found if each is not None),
            next_key=_text(root, "NextKeyMarker") if is_truncated else "",
            next_id=_text(root, "NextVersionIdMarker") if is_truncated else "",
        )

    async def get_versioning(self, bucket: str | None = None) -> str:
        """Return whether a bucket keeps versions: `Enabled`, `Suspended` or nothing."""
        _, body = await self._call("GET", bucket=bucket, query=[("versioning", "")])
        return _text(_parse(body), "Status")

    async def ensure_bucket(self, bucket: str | None = None) -> None:
        """Create a bucket unless it is there and ours."""
        exchange = await self.exchange("HEAD", bucket=bucket)
        if exchange.status != _NOT_FOUND:
            if exchange.status >= _FAILED_STATUS:
                await raise_reply(exchange)
            return
        try:
            await self._call("PUT", bucket=bucket, body=_bucket_configuration(self.store.region))
        except StoreReplyError as problem:
            if problem.code != "BucketAlreadyOwnedByYou":
                raise

    # ---- multipart uploads ----

    async def create_upload(
        self, key: str, *, bucket: str | None = None, headers: Mapping[str, str] | None = None
    ) -> str:
        """Begin a multipart upload; return the store's id for it."""
        _, body = await self._call("POST", key, bucket=bucket, query=[("uploads", "")], headers=headers)
        return _text(_parse(body), "UploadId")

    async def begin_part(
        self, key: str, upload_id: str, number: int, length: int, *, bucket: str | None = None
    ) -> Exchange:
        """Start sending a part, to be written to the exchange."""
        query = [("partNumber", str(number)), ("uploadId", upload_id)]
        return await self.begin("PUT", key, bucket=bucket, query=query, length=length)

    async def list_parts(
        self, key: str, upload_id: str, *, bucket: str | None = None, after: int = 0, max_parts: int = 1000
    ) -> tuple[tuple[StoredPart, ...], bool]:
        """Return a page of the parts after number `after`, in order, and whether more follow."""

        async def fetch(after: int, limit: int) -> tuple[list[StoredPart], bool]:
            query = [("max-parts", str(limit)), ("part-number-marker", str(after)), ("uploadId", upload_id)]
            _, body = await self._call("GET", key, bucket=bucket, query=query)
            root = _parse(body)
            parts = [_stored_part(item) for item in _children(root, "Part")]
            return parts, _text(root, "IsTruncated") == "true"

        return await read_parts_page(fetch, after, max_parts)

    async def complete_upload(
        self, key: str, upload_id: str, parts: Sequence[tuple[int, str]], *, bucket: str | None = None
    ) -> str:
        """Make an object of parts (number, ETag); return its ETag."""
        items = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>&quot;{escape(etag)}&quot;</ETag></Part>"
            for number, etag in parts
        )
        body = f"<CompleteMultipartUpload>{items}</CompleteMultipartUpload>".encode()
        exchange, reply = await self._call(
            "POST",
            key,
            bucket=bucket,
            query=[("uploadId", upload_id)],
            headers={"content-type": "application/xml"},
            body=body,
        )
        root = _parse(reply)
        if root.tag.endswith("Error"):  # S3 may find an error after it sent the status
            raise StoreReplyError(500, _text(root, "Code"), _text(root, "Message"), exchange.headers)
        etag = _text(root, "ETag").strip().strip('"')
        if not etag:  # Ceph's RGW leaves it out
            etag = (await self.head(key, bucket=bucket)).get("etag", "").strip('"')
        return etag

    async def abort_upload(self, key: str, upload_id: str, *, bucket: str | None = None) -> None:
        """Abort an upload; one that is not there is no error."""
        try:
            await self._call("DELETE", key, bucket=bucket, query=[("uploadId", upload_id)])
        except StoreReplyError as problem:
            if problem.status != _NOT_FOUND:
                raise


async def _send(connection: StoreConnection, method: str, head: bytes, body: bytes) -> Exchange:
    exchange = connection.begin(method, head, len(body))
    try:
        if body:
            exchange.write(body)
        return await exchange.reply()
    except asyncio.CancelledError:
        exchange.abort()
        raise


async def raise_reply(exchange: Exchange) -> NoReturn:
    """Read the error that a store answered and raise it."""
    body = await exchange.read(MAX_XML_BYTES)
    code, message = f"Http{exchange.status}", ""
    if body.lstrip().startswith(b"<"):
        root = _parse(body)
        code, message = _text(root, "Code") or code, _text(root, "Message")
    if exchange.status == _UNAVAILABLE:
        raise StoreUnavailableError(message or f"the store answered {exchange.status} {code}")
    raise StoreReplyError(exchange.status, code, message, exchange.headers)


# ---- XML, as stores send it ----


def _parse(body: bytes) -> ET.Element:
    try:
        return ET.fromstring(body)  # noqa: S314 - stores are ours; expat bounds entity expansion
    except ET.ParseError as problem:
        raise StoreReplyError(
            500, "MalformedXML", f"the store's reply is not XML: {problem}", {}
        ) from problem


def _children(element: ET.Element, name: str) -> "list[ET.Element]":
    return [child for child in element if child.tag.rpartition("}")[2] == name]


def _text(element: ET.Element, name: str) -> str:
    found = _children(element, name)
    return (found[0].text or "") if found else ""


def _stored_object(item: ET.Element) -> StoredObject:
    return StoredObject(
        key=_text(item, "Key"),
        etag=_text(item, "ETag").strip('"'),
        size_bytes=int(_text(item, "Size") or 0),
        modified=_text(item, "LastModified"),
    )


def _stored_version(item: ET.Element) -> StoredVersion | None:
    """Return a version or a delete marker; None for what else is in such a list."""
    kind = item.tag.rpartition("}")[2]
    if kind not in {"Version", "DeleteMarker"}:
        return None
    return StoredVersion(
        key=_text(item, "Key"),
        version_id=_text(item, "VersionId"),
        etag=_text(item, "ETag").strip('"'),
        size_bytes=int(_text(item, "Size") or 0),
        is_marker=kind == "DeleteMarker",
    )


def _stored_part(item: ET.Element) -> StoredPart:
    return StoredPart(
        number=int(_text(item, "PartNumber")),
        etag=_text(item, "ETag").strip('"'),
        size_bytes=int(_text(item, "Size") or 0),
        modified=_text(item, "LastModified"),
    )


def _tls(ca_pem: str, ca_file: Path | None) -> ssl.SSLContext:
    return client_context(ca_file, ca_pem=ca_pem)


def _bucket_configuration(region: str) -> bytes:
    """Return the body that makes a bucket in `region`; S3's oldest region is asked for by saying nothing."""
    if region == "us-east-1":
        return b""
    return (
        '<CreateBucketConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<LocationConstraint>{escape(region)}</LocationConstraint></CreateBucketConfiguration>"
    ).encode()


def _md5(data: bytes) -> str:
    return base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()
