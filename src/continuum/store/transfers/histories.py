"""Old versions too: the history of each key, oldest first, from one bucket to another that keeps versions.

What the target has of a key must be the beginning of what the source has; the rest is sent after it, each
version with a request of its own, in the order in which they came to be, delete markers among them. So the
same command goes on where it was, whatever ended it. A key whose history is another one at the target is left
alone and told. Times and version ids are the target's own: no S3 store takes those of another.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from functools import partial

import msgspec

from continuum.model.errors import ConflictError, ContinuumError
from continuum.model.transfers import (
    FIRST_LANES,
    MULTIPART_ABOVE_BYTES,
    Line,
    Part,
    Reason,
    choose_part_bytes,
    is_md5,
    plan_parts,
)
from continuum.store.stores.exchanges import Exchange
from continuum.store.stores.s3 import StoredVersion
from continuum.store.transfers.buckets import BucketEnd
from continuum.store.transfers.ends import Described, patiently
from continuum.store.transfers.planning import Step, TransferRequest
from continuum.store.transfers.streaming import Carried, CorruptedError, Expected, Meter, carry_to
from continuum.store.transfers.tallies import Tally

History = Sequence[StoredVersion]


def plan_history(source: History, target: History) -> History | None:
    """Return what of a key's history (oldest first) is to be sent; None if the target has another one."""
    if len(target) > len(source) or not all(map(_are_alike, source, target)):
        return None
    return source[len(target) :]


def _are_alike(source: StoredVersion, target: StoredVersion) -> bool:
    """Whether two versions can be the same. ETags count where both are those of the bytes."""
    if (source.is_marker, source.size_bytes) != (target.is_marker, target.size_bytes):
        return False
    return source.etag == target.etag or not (is_md5(source.etag) and is_md5(target.etag))


class HistoryMover:
    """Does one transfer of histories; `tally` tells how far it is, in versions. `run` it once."""

    def __init__(self, source: BucketEnd, target: BucketEnd, request: TransferRequest) -> None:
        self._source = source
        self._target = target
        self._request = request
        self._meter = Meter(request.bandwidth_bytes_per_s)
        self._turns = asyncio.Semaphore(self.lanes)
        self.tally = Tally()

    @property
    def lanes(self) -> int:
        """How many keys are under way at once."""
        return self._request.lanes or FIRST_LANES

    @property
    def passed_bytes(self) -> int:
        """How many bytes went over so far."""
        return self._meter.passed_bytes

    async def run(self) -> None:
        """Send what the target lacks. Raises `ConflictError` unless the target keeps versions."""
        if await self._target.client.get_versioning(self._target.bucket) != "Enabled":
            raise ConflictError(
                f"the bucket {self._target.bucket} does not keep versions",
                hint="enable versioning first: aws s3api put-bucket-versioning",
            )
        sending: set[asyncio.Task[None]] = set()
        try:
            async for key, missing in self._plan():
                await self._turns.acquire()
                task = asyncio.create_task(self._send_all(key, missing))
                sending.add(task)
                task.add_done_callback(sending.discard)
            self.tally.is_planned = True
            await asyncio.gather(*sending)
        finally:
            left = list(sending)
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    async def _plan(self) -> AsyncIterator[tuple[str, History]]:
        """Give each key of which the target lacks something, with that."""
        matches = self._request.filters.matches
        there = {key: history async for key, history in self._list(self._target)}
        async for key, history in self._list(self._source):
            if not matches(key):
                continue
            missing = plan_history(history, there.get(key, ()))
            if missing is None:
                self.tally.fail(key, "the target has another history of it")
                continue
            present = len(history) - len(missing)
            for number, version in enumerate(history):
                reason = Reason.SAME if number < present else Reason.MISSING
                self.tally.plan(Step(_line(key, version), reason))
            if missing:
                yield key, missing

    async def _list(self, end: BucketEnd) -> AsyncIterator[tuple[str, History]]:
        """Give each key with its history, oldest first."""
        key, newest_first = "", list[StoredVersion]()
        async for version in _list_versions(end):
            if version.key != key and newest_first:
                yield key, newest_first[::-1]
                newest_first = []
            key = version.key
            newest_first.append(version)
        if newest_first:
            yield key, newest_first[::-1]

    async def _send_all(self, key: str, missing: History) -> None:
        """Send versions one after another; a failure ends this key's alone."""
        try:
            for version in missing:
                if version.is_marker:
                    await patiently(partial(self._mark, key))
                else:
                    await self._send(key, version)
                self.tally.pass_bytes(version.size_bytes)
                self.tally.send()
        except ContinuumError as problem:
            self.tally.fail(key, problem.message)
        finally:
            self._turns.release()

    async def _mark(self, key: str) -> None:
        target = self._target
        await target.client.delete(f"{target.prefix}{key}", bucket=target.bucket)

    async def _send(self, key: str, version: StoredVersion) -> None:
        described = await self._source.describe_version(key, version.version_id)
        described = msgspec.structs.replace(described, line=_line(key, version))
        if version.size_bytes <= MULTIPART_ABOVE_BYTES:
            await patiently(partial(self._carry, described, version), self._slow_down)
        else:
            await self._send_parts(described, version)

    async def _carry(self, described: Described, version: StoredVersion) -> Carried:
        body = await self._open(described, version)
        expected = Expected(described.md5, described.crc64)
        receiving = self._target.receive(described)
        return await carry_to(receiving, body, version.size_bytes, self._meter, expected)

    async def _open(self, described: Described, version: StoredVersion, part: Part | None = None) -> Exchange:
        return await self._source.open_version(
            described.line.key, version.version_id, version.size_bytes, part
        )

    async def _send_parts(self, described: Described, version: StoredVersion) -> None:
        target, key = self._target, described.line.key
        upload_id = await target.begin_upload(described)
        etags: dict[int, str] = {}
        try:
            for part in plan_parts(version.size_bytes, choose_part_bytes(version.size_bytes)):
                carried = await patiently(
                    partial(self._carry_part, described, version, upload_id, part), self._slow_down
                )
                etags[part.number] = carried.etag
            await target.complete_upload(described, upload_id, etags)
        except BaseException:
            await asyncio.shield(target.abort_upload(key, upload_id))
            raise
        found = await target.describe(key)
        if found is None or found.line.size_bytes != version.size_bytes:
            raise CorruptedError("the target does not have all of what was sent")

    async def _carry_part(
        self, described: Described, version: StoredVersion, upload_id: str, part: Part
    ) -> Carried:
        body = await self._open(described, version, part)
        receiving = self._target.receive_part(described.line.key, upload_id, part)
        return await carry_to(receiving, body, part.length, self._meter)

    def _slow_down(self) -> None:
        self.tally.retries += 1


def _line(key: str, version: StoredVersion) -> Line:
    return Line(key, version.size_bytes, 0.0, version.etag)


async def _list_versions(end: BucketEnd) -> AsyncIterator[StoredVersion]:
    """Give all versions under the end's prefix, keys without it; of a key the newest first."""
    at = ("", "")
    while True:
        page = await patiently(
            partial(
                end.client.list_versions, end.prefix, bucket=end.bucket, key_marker=at[0], id_marker=at[1]
            )
        )
        for version in page.versions:
            yield msgspec.structs.replace(version, key=version.key.removeprefix(end.prefix))
        if not page.next_key:
            return
        at = (page.next_key, page.next_id)
