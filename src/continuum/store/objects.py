"""Objects of the global store for programs: what agents, drivers and commands use to read and write through
a gateway.

A small face over `StoreClient`. Memory stays small: files are streamed, large ones in parts. Everything
here may be repeated, and is, for `patience_s`, while the gateway or the store behind it does not answer;
what a gateway refuses is raised at once, as the project's own errors.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

from continuum.model.errors import AccessDeniedError, ContinuumError, UnavailableError
from continuum.model.objects import Store
from continuum.store.locator.messages import NoSuchBucketError, NoSuchKeyError, NoSuchUploadError
from continuum.store.stores.exchanges import (
    MAX_GATHERED_BYTES,
    StoreProtocolError,
    StoreUnavailableError,
)
from continuum.store.stores.pools import PoolLimits
from continuum.store.stores.s3 import StoreClient, StoreReplyError
from continuum.store.transfers.files import save_body, send_file, size_of

PART_BYTES = 32 * 1024 * 1024
MULTIPART_ABOVE_BYTES = 64 * 1024 * 1024
PARTS_AT_ONCE = 4
REGION = "us-east-1"
SOURCE_SITE_HEADER = "x-continuum-source-site"

_FIRST_WAIT_S = 0.05
_LONGEST_WAIT_S = 1.0
_KINDS: dict[str, type[ContinuumError]] = {
    "NoSuchBucket": NoSuchBucketError,
    "NoSuchKey": NoSuchKeyError,
    "NoSuchUpload": NoSuchUploadError,
    "NotFound": NoSuchKeyError,
    "Http404": NoSuchKeyError,
    "AccessDenied": AccessDeniedError,
    "Http403": AccessDeniedError,
    "InvalidAccessKeyId": AccessDeniedError,
    "SignatureDoesNotMatch": AccessDeniedError,
    "RequestTimeTooSkewed": AccessDeniedError,
}

Result = TypeVar("Result")


class ObjectInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of an object. `source_site` (of a read): the site whose store gave the bytes, if the
    gateway said."""

    key: str
    size_bytes: int
    etag: str
    content_type: str = ""
    metadata: dict[str, str] = {}
    source_site: str = ""


class StagedUpload(msgspec.Struct, frozen=True, array_like=True):
    """What is in the store and not an object yet: an upload, and the number and ETag of each part."""

    upload_id: str
    parts: tuple[tuple[int, str], ...]


class ObjectClient:
    """Reads and writes objects at one endpoint. Belongs to one event loop; `await close()`, or use it in
    `async with`.

    Errors: `NoSuchKeyError`, `NoSuchBucketError`, `AccessDeniedError`, `UnavailableError` (after
    `patience_s`), and `StoreReplyError` with S3's code for whatever else the endpoint refuses.
    """

    def __init__(
        self,
        endpoint: str,
        access_key: str,
        secret_key: str,
        ca_file: Path | None = None,
        *,
        patience_s: float = 10.0,
        limits: PoolLimits | None = None,
    ) -> None:
        store = Store(
            name=endpoint,
            site="",
            endpoint=endpoint,
            region=REGION,
            bucket="",
            access_key=access_key,
            secret_key=secret_key,
        )
        self._store = StoreClient(store, ca_file=ca_file, limits=limits or PoolLimits(connections=32))
        self._patience_s = patience_s

    async def __aenter__(self) -> "ObjectClient":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._store.close()

    # ---- reading ----

    async def get(self, bucket: str, key: str) -> bytes:
        """Return a whole object in memory; for objects that may be large use `get_to_file`."""
        return (await self.get_with_info(bucket, key))[0]

    async def get_with_info(self, bucket: str, key: str) -> tuple[bytes, ObjectInfo]:
        """Return a whole object in memory, and what is known of it."""

        async def read() -> tuple[bytes, ObjectInfo]:
            exchange = await self._store.get(key, bucket=bucket)
            data = await exchange.read(MAX_GATHERED_BYTES if exchange.length is None else exchange.length)
            return data, _info(key, exchange.headers)

        return await self._patiently(read, bucket, key)

    async def get_to_file(self, bucket: str, key: str, path: Path) -> ObjectInfo:
        """Write a whole object to `path`, which appears complete or not at all."""

        async def read() -> ObjectInfo:
            exchange = await self._store.get(key, bucket=bucket)
            await save_body(exchange, path)
            return _info(key, exchange.headers)

        return await self._patiently(read, bucket, key)

    async def head(self, bucket: str, key: str) -> ObjectInfo:
        """Return what is known of an object."""

        async def ask() -> ObjectInfo:
            return _info(key, await self._store.head(key, bucket=bucket))

        return await self._patiently(ask, bucket, key)

    async def exists(self, bucket: str, key: str) -> bool:
        """Whether there is such an object."""
        try:
            await self.head(bucket, key)
        except (NoSuchKeyError, NoSuchBucketError):
            return False
        return True

    async def list(self, bucket: str, prefix: str = "") -> list[ObjectInfo]:
        """Return all objects whose keys begin with `prefix`, in the order of the keys."""
        found: list[ObjectInfo] = []
        token = ""
        while True:

            async def ask(token: str = token) -> tuple[list[ObjectInfo], str]:
                page = await self._store.list(prefix, bucket=bucket, token=token)
                lines = [
                    ObjectInfo(key=line.key, size_bytes=line.size_bytes, etag=line.etag)
                    for line in page.objects
                ]
                return lines, page.next_token

            lines, token = await self._patiently(ask, bucket, prefix)
            found += lines
            if not token:
                return found

    # ---- writing ----

    async def put(
        self,
        bucket: str,
        key: str,
        content: bytes | Path,
        *,
        content_type: str = "",
        metadata: Mapping[str, str] | None = None,
    ) -> str:
        """Write an object from memory or from a file; return its ETag. Files above 64 MiB go in parts,
        several at once."""
        headers = {f"x-amz-meta-{name}": value for name, value in (metadata or {}).items()}
        if content_type:
            headers["content-type"] = content_type
        if isinstance(content, Path):
            return await self._put_file(bucket, key, content, headers)

        async def write() -> str:
            reply = await self._store.put(key, content, bucket=bucket, headers=headers)
            return reply.get("etag", "").strip('"')

        return await self._patiently(write, bucket, key)

    async def _put_file(self, bucket: str, key: str, path: Path, headers: Mapping[str, str]) -> str:
        size_bytes = await asyncio.to_thread(size_of, path)
        if size_bytes > MULTIPART_ABOVE_BYTES:
            return await self._put_in_parts(bucket, key, path, size_bytes, headers)

        async def write() -> str:
            exchange = await self._store.begin("PUT", key, bucket=bucket, headers=headers, length=size_bytes)
            return await send_file(exchange, path, 0, size_bytes)

        return await self._patiently(write, bucket, key)

    async def _put_in_parts(
        self, bucket: str, key: str, path: Path, size_bytes: int, headers: Mapping[str, str]
    ) -> str:
        upload = await self._send_parts(bucket, key, path, size_bytes, headers)
        try:
            return await self.complete(bucket, key, upload)
        except BaseException:
            await self._abort(bucket, key, upload.upload_id)
            raise

    # ---- writing in two steps ----

    async def stage(self, bucket: str, key: str, path: Path) -> StagedUpload:
        """Bring a file into the store without anybody seeing it, until `complete` makes it the object; or
        `abort` removes it."""
        return await self._send_parts(bucket, key, path, await asyncio.to_thread(size_of, path), {})

    async def complete(self, bucket: str, key: str, upload: StagedUpload) -> str:
        """Let what was staged be the object; return its ETag. At a gateway this may be repeated: the object
        is written once. Raises `NoSuchUploadError` if it was aborted."""
        return await self._patiently(
            lambda: self._store.complete_upload(key, upload.upload_id, upload.parts, bucket=bucket),
            bucket,
            key,
        )

    async def abort(self, bucket: str, key: str, upload_id: str) -> None:
        """Remove what was staged; what is complete, or gone, stays so."""
        await self._patiently(lambda: self._store.abort_upload(key, upload_id, bucket=bucket), bucket, key)

    async def _send_parts(
        self, bucket: str, key: str, path: Path, size_bytes: int, headers: Mapping[str, str]
    ) -> StagedUpload:
        part_bytes = max(PART_BYTES, -(-size_bytes // 10_000))
        upload_id = await self._patiently(
            lambda: self._store.create_upload(key, bucket=bucket, headers=headers), bucket, key
        )
        turns = asyncio.Semaphore(PARTS_AT_ONCE)

        async def send(number: int, start: int) -> tuple[int, str]:
            async def write() -> str:
                length = min(part_bytes, size_bytes - start)
                exchange = await self._store.begin_part(key, upload_id, number, length, bucket=bucket)
                return await send_file(exchange, path, start, length)

            async with turns:
                return number, await self._patiently(write, bucket, key)

        try:
            async with asyncio.TaskGroup() as group:
                starts = range(0, size_bytes, part_bytes) or (0,)  # an empty file has one part too
                tasks = [group.create_task(send(n, start)) for n, start in enumerate(starts, start=1)]
        except BaseException as problem:
            await self._abort(bucket, key, upload_id)
            if isinstance(problem, BaseExceptionGroup):
                raise problem.exceptions[0] from None
            raise
        return StagedUpload(upload_id, tuple([task.result() for task in tasks]))

    async def _abort(self, bucket: str, key: str, upload_id: str) -> None:
        try:
            await asyncio.shield(self._store.abort_upload(key, upload_id, bucket=bucket))
        except ContinuumError:
            return  # the locator ends uploads that nobody goes on with

    async def delete(self, bucket: str, key: str) -> None:
        """Delete an object; one that is not there is no error."""
        await self._patiently(lambda: self._store.delete(key, bucket=bucket), bucket, key)

    async def ensure_bucket(self, bucket: str) -> None:
        """Create a bucket unless it is there and ours."""
        await self._patiently(lambda: self._store.ensure_bucket(bucket), bucket, "")

    # ---- trying again ----

    async def _patiently(self, attempt: Callable[[], Awaitable[Result]], bucket: str, key: str) -> Result:
        """Try, and try again while what is needed does not answer; translate what is refused."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._patience_s
        wait_s = _FIRST_WAIT_S
        while True:
            try:
                return await attempt()
            except (StoreUnavailableError, StoreProtocolError) as problem:
                if loop.time() + wait_s > deadline:
                    raise UnavailableError(
                        f"{self._store.store.endpoint} does not serve {bucket}/{key} now: {problem.message}",
                        hint="is the continuum up? `continuum status` tells",
                    ) from problem
            except StoreReplyError as problem:
                raise _translate(problem, bucket, key) from problem
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, _LONGEST_WAIT_S)


def _translate(problem: StoreReplyError, bucket: str, key: str) -> ContinuumError:
    kind = _KINDS.get(problem.code)
    if kind is None:
        return problem
    return kind(f"{bucket}/{key}: {problem.message}")


def _info(key: str, headers: Mapping[str, str]) -> ObjectInfo:
    prefix = "x-amz-meta-"
    return ObjectInfo(
        key=key,
        size_bytes=int(headers.get("content-length", "0")),
        etag=headers.get("etag", "").strip('"'),
        content_type=headers.get("content-type", ""),
        metadata={name.removeprefix(prefix): v for name, v in headers.items() if name.startswith(prefix)},
        source_site=headers.get(SOURCE_SITE_HEADER, ""),
    )
