"""Doing a transfer: each object of the plan is sent, verified and written down.

A small object goes in one request. A large one goes in parts, several at once; the journal and the target's
own list of parts tell after an interruption which are there. An object counts as done when the target has
confirmed all of it: the ETag that it must have, its length, and, where the source names a checksum, that of
the bytes that were sent. If both ends are the same endpoint it copies by itself. A source is removed (move)
only when the target, asked anew, still has what was confirmed.

What concerns one object alone is counted and told at the end; the others go on.
"""

from functools import partial

import msgspec

from continuum.model.errors import ContinuumError
from continuum.model.transfers import (
    MULTIPART_ABOVE_BYTES,
    Line,
    Part,
    Reason,
    Verb,
    choose_part_bytes,
)
from continuum.store.transfers.buckets import BucketEnd
from continuum.store.transfers.comparing import have_same_content
from continuum.store.transfers.ends import Described, End, patiently
from continuum.store.transfers.journals import Journal
from continuum.store.transfers.lanes import Crew
from continuum.store.transfers.planning import Plan, Step, TransferRequest
from continuum.store.transfers.streaming import (
    Carried,
    CorruptedError,
    Expected,
    Meter,
    SourceChangedError,
    carry_to,
)
from continuum.store.transfers.tallies import Tally
from continuum.store.transfers.uploading import Upload

FRESH_STARTS = 2  # how often an object that changes while it is sent is begun again


class Mover:
    """Does one transfer; `tally` tells how far it is. `run` it once."""

    def __init__(self, source: End, target: End, journal: Journal, request: TransferRequest) -> None:
        self._source = source
        self._target = target
        self._journal = journal
        self._request = request
        self._meter = Meter(request.bandwidth_bytes_per_s)
        self._crew = Crew(self._meter, fixed=request.lanes)
        self._plan = Plan(source, target, request)
        self._within = find_one_store(source, target)
        self.tally = Tally()

    @property
    def lanes(self) -> int:
        """How many pieces may be under way at once."""
        return self._crew.lanes.count

    @property
    def passed_bytes(self) -> int:
        """How many bytes went over so far, those sent again included."""
        return self._meter.passed_bytes

    async def run(self) -> None:
        """Send what is to be sent, then delete what is to be deleted. Raises what ends everything."""
        await self._crew.run(self._feed)
        self.tally.take_problems(self._source.problems, self._target.problems)
        if not self.tally.failed:
            for key, upload_id in self._journal.open_uploads():
                await self._give_up(key, upload_id)  # of objects that the source has no more
        if self._request.verb is Verb.SYNC and self._request.delete:
            await self._delete()

    async def _feed(self) -> None:
        async for step in self._plan.steps():
            self.tally.plan(step)
            if step.reason is Reason.SAME and self._request.verb is not Verb.MOVE:
                continue
            await self._crew.add(partial(self._handle, step))
        self.tally.is_planned = True

    async def _delete(self) -> None:
        if self.tally.failed:
            self.tally.note = "nothing was deleted, because not everything could be sent"
            return
        for start in range(0, len(self._plan.surplus), 1000):
            keys = self._plan.surplus[start : start + 1000]
            failed = await self._target.remove_many(keys)
            self.tally.deleted += len(keys) - len(failed)
            for key, reason in failed.items():
                self.tally.fail(key, reason)

    # ---- one object ----

    async def _handle(self, step: Step) -> None:
        """Do what a step asks; a failure is this object's alone."""
        line = step.line
        try:
            etag = self._find_done(step)
            if etag is not None:
                self.tally.skip(step, resumed=True)
            elif step.reason is Reason.SAME:
                etag = line.etag
            elif step.reason is Reason.UNSURE and await have_same_content(
                self._source, self._target, line, self._meter
            ):
                self.tally.skip(step)
                return
            else:
                await self._send_afresh(step)
                return
            await self._leave(line, etag)
        except ContinuumError as problem:
            self.tally.fail(line.key, problem.message)

    def _find_done(self, step: Step) -> str | None:
        """Return the target's ETag if the journal knows that this was sent and the target has it still."""
        etag, target = self._journal.find_done(step.line), step.target
        if etag is None or target is None or target.size_bytes != step.line.size_bytes:
            return None
        return etag if etag in {"", target.etag} else None

    async def _send_afresh(self, step: Step) -> None:
        """Send an object; if it changed meanwhile, begin again with what it is now."""
        line = step.line
        for left in reversed(range(FRESH_STARTS + 1)):
            try:
                await self._send(step, line)
            except SourceChangedError:
                found = await self._source.describe(line.key)
                if not left or found is None:
                    raise
                line = found.line
            else:
                return

    async def _send(self, step: Step, line: Line) -> None:
        if line.size_bytes > MULTIPART_ABOVE_BYTES:
            await self._begin_upload(step, line)
            return
        if self._within is not None:
            etag = await patiently(partial(self._copy_there, *self._within, line), self._slow_down)
        else:
            etag = (await patiently(partial(self._carry, line), self._slow_down)).etag
        self._journal.write_done(line, etag)
        self.tally.pass_bytes(line.size_bytes)
        self.tally.send()
        await self._leave(line, etag)

    async def _copy_there(self, source: BucketEnd, target: BucketEnd, line: Line) -> str:
        etag = await target.copy_here(source, Described(line=line))
        self._meter.passed_bytes += line.size_bytes
        return etag

    async def _carry(self, line: Line) -> Carried:
        body, found = await self._source.open(Described(line=line))
        expected = Expected(found.md5, found.crc64)
        return await carry_to(self._target.receive(found), body, line.size_bytes, self._meter, expected)

    async def _leave(self, line: Line, etag: str) -> None:
        """Move: remove the source, now that the target has it."""
        if self._request.verb is not Verb.MOVE:
            return
        found = await self._target.describe(line.key)
        if found is None or found.line.size_bytes != line.size_bytes or (etag and found.line.etag != etag):
            raise CorruptedError("the target does not have it as it was sent; the source stays")
        await self._source.remove(Described(line=line))
        self.tally.removed += 1

    def _slow_down(self) -> None:
        self._crew.failures += 1
        self.tally.retries += 1

    # ---- an object in parts ----

    async def _begin_upload(self, step: Step, line: Line) -> None:
        described = await self._source.describe(line.key)
        if described is None or described.line.size_bytes != line.size_bytes:
            raise SourceChangedError("it was changed or deleted since it was listed")
        if line.etag and described.line.etag != line.etag:
            raise SourceChangedError("it was changed since it was listed")
        described = msgspec.structs.replace(described, line=line)
        upload = await self._open_upload(described)
        self.tally.resume(upload.present_bytes)
        self._crew.add_parts([partial(self._send_part, step, upload, part) for part in upload.missing])
        if upload.is_whole:
            await self._complete(upload)

    async def _open_upload(self, described: Described) -> Upload:
        """Go on with the upload in the journal if it is of the same source, else begin one."""
        line = described.line
        known = self._journal.find_upload(line.key)
        if known is not None:
            there = await self._target.find_parts(line.key, known.upload_id) if known.line == line else None
            if there is not None:
                listed = isinstance(self._target, BucketEnd)
                return Upload.resumed(described, known, there, listed=listed)
            await self._give_up(line.key, known.upload_id)
        like_bytes = 0
        if isinstance(self._source, BucketEnd):
            like_bytes = await self._source.find_part_bytes(described)
            described = await self._source.take_tags(described)
        part_bytes = choose_part_bytes(line.size_bytes, like_bytes)
        upload_id = await self._target.begin_upload(described)
        self._journal.write_upload(line, upload_id, part_bytes)
        return Upload(described, upload_id, part_bytes)

    async def _send_part(self, step: Step, upload: Upload, part: Part) -> None:
        if upload.has_failed:
            return
        try:
            await patiently(partial(self._carry_part, upload, part), self._slow_down)
            self.tally.pass_bytes(part.length)
            if upload.is_whole:
                await self._complete(upload)
        except ContinuumError as problem:
            await self._fail_upload(step, upload, problem)

    async def _carry_part(self, upload: Upload, part: Part) -> None:
        line = upload.described.line
        if self._within is not None:
            source, target = self._within
            etag = await target.copy_here(source, upload.described, upload.upload_id, part)
            self._meter.passed_bytes += part.length
            upload.take(part, etag, None)
            return
        body, _ = await self._source.open(upload.described, part)
        receiving = self._target.receive_part(line.key, upload.upload_id, part)
        carried = await carry_to(receiving, body, part.length, self._meter)
        self._journal.write_part(upload.upload_id, part.number, carried.md5, carried.crc64)
        upload.take(part, carried.etag, carried)

    async def _complete(self, upload: Upload) -> None:
        line = upload.described.line
        upload.check_source()
        etag = await self._target.complete_upload(upload.described, upload.upload_id, upload.etags)
        self._journal.end_upload(line.key, upload.upload_id)
        upload.check_target(etag)
        found = await self._target.describe(line.key)
        if found is None or found.line.size_bytes != line.size_bytes:
            raise CorruptedError("the target does not have all of what was sent")
        self._journal.write_done(line, etag)
        self.tally.send()
        await self._leave(line, etag)

    async def _fail_upload(self, step: Step, upload: Upload, problem: ContinuumError) -> None:
        """Keep the parts for the next time, unless they are of no use."""
        line = upload.described.line
        if upload.has_failed:
            return
        upload.has_failed = True
        if isinstance(problem, SourceChangedError | CorruptedError):
            await self._give_up(line.key, upload.upload_id)
        if isinstance(problem, SourceChangedError) and not step.is_again:
            found = await self._source.describe(line.key)
            if found is not None:
                again = Step(found.line, Reason.NEWER, is_again=True)
                self._crew.add_parts([partial(self._handle, again)])
                return
        self.tally.fail(line.key, problem.message)

    async def _give_up(self, key: str, upload_id: str) -> None:
        try:
            await self._target.abort_upload(key, upload_id)
        except ContinuumError as problem:
            self.tally.note = f"an upload of {key} could not be aborted: {problem.message}"
        self._journal.end_upload(key, upload_id)


def find_one_store(source: End, target: End) -> tuple[BucketEnd, BucketEnd] | None:
    """Return both ends if one endpoint serves them with the same keys: it can copy by itself."""
    if isinstance(source, BucketEnd) and isinstance(target, BucketEnd) and target.is_same_store(source):
        return source, target
    return None
