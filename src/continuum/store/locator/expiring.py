"""Following the lifecycle rules of buckets: every so often by itself, and whenever somebody asks.

A run is steps: a page of versions (then of uploads) is read, and what is due in it is removed in small
transactions, so that other changes are never held up for long, at no more than a bounded rate. Where a run
has come to is noted in the index after each step; after a restart it goes on there. One step is done at a
time, whoever asked for it. What a gateway remembers is taken back before a step is answered, as with every
other change.

It does not promise punctuality: something goes at the first run after it is due, and S3 says no more either.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, TypeVar

import msgspec

from continuum.model.errors import ContinuumError, InvalidInputError, NotFoundError
from continuum.store.locator.families import Duty, Family, Handlers, Workings
from continuum.store.locator.index import expiring as index
from continuum.store.locator.index import lifecycles
from continuum.store.locator.index.expiring import Done, Piece, add_counts
from continuum.store.locator.index.lifecycles import Progress
from continuum.store.locator.leases import Thing
from continuum.store.locator.messages import LifecycleCounts, LifecycleLine, LifecycleStep, RunLifecycle

log = logging.getLogger(__name__)

CHECK_EVERY_S = 30.0
BATCH = 50  # pieces per transaction; most are one object, each takes well under a millisecond
LAST_INSTANT = 253_402_300_799.0  # the end of the year 9999

Tell = Callable[[Iterable[Thing]], Awaitable[None]]
Item = TypeVar("Item")


class Cursor(msgspec.Struct, frozen=True, array_like=True):
    """Where a run goes on: in the versions, or, once those are through, in the uploads."""

    piece: Piece | None = None
    upload: tuple[str, str] = ("", "")
    is_in_uploads: bool = False


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Cursor).decode


class Expirer(Family, Duty):
    """Runs lifecycles. `start` and `stop` it."""

    def __init__(self, workings: Workings) -> None:
        super().__init__(workings)
        self._working = asyncio.Lock()

    def handlers(self) -> Handlers:
        """Return what answers requests."""
        return {RunLifecycle: self._handle}

    # ---- by itself ----

    async def _run(self) -> None:
        is_failing = False
        while True:
            try:
                for progress in await self._reader.scan(lifecycles.list_runs, now=self._clock()):
                    if self._is_due(progress) and self._peers.is_on_duty:
                        await self.run_bucket(progress)
                is_failing = False
            except ContinuumError as problem:
                if not is_failing:
                    log.warning("cannot follow lifecycle rules, will go on trying: %s", problem)
                is_failing = True
            except Exception:
                log.exception("following lifecycle rules failed; trying again later")
            await asyncio.sleep(min(CHECK_EVERY_S, self._settings.lifecycle_every_s))

    def _is_due(self, progress: Progress) -> bool:
        if progress.cursor:
            return True
        return self._clock() >= progress.finished_at + self._settings.lifecycle_every_s

    async def run_bucket(self, progress: Progress) -> LifecycleCounts:
        """Run a bucket's rules to the end, from where an earlier run was cut off."""
        begun_at = progress.begun_at if progress.cursor else self._clock()
        counts = progress.counts if progress.cursor else LifecycleCounts()
        cursor = progress.cursor
        while True:
            step = await self.step(progress.bucket, at=begun_at, is_dry=False, cursor=cursor)
            counts, cursor = add_counts(counts, step.counts), step.cursor
            reached = Progress(
                bucket=progress.bucket,
                begun_at=begun_at,
                finished_at=0.0 if cursor else self._clock(),
                cursor=cursor,
                counts=counts,
            )
            await self._writer.write(lifecycles.note_run, reached)
            if not cursor:
                log.info("lifecycle of %s: %s", progress.bucket, format_counts(counts))
                return counts

    # ---- asked for ----

    async def _handle(self, request: RunLifecycle) -> LifecycleStep:
        if not 0.0 <= request.now <= LAST_INSTANT:
            raise InvalidInputError("the instant is out of range", hint="for example 2027-01-01T00:00:00Z")
        bucket, rules = await self._reader.scan(index.find_rules, request.bucket)
        if bucket is None:
            raise NotFoundError(f"there is no bucket {request.bucket!r}")
        if not rules:
            raise NotFoundError(
                f"{request.bucket!r} has no lifecycle rules", hint="set some with any S3 tool"
            )
        at = request.now or self._clock()
        return await self.step(request.bucket, at=at, is_dry=request.is_dry, cursor=request.cursor)

    async def step(self, name: str, *, at: float, is_dry: bool, cursor: bytes) -> LifecycleStep:
        """Do one page."""
        place = _open(cursor)
        async with self._working:
            bucket, rules = await self._reader.scan(index.find_rules, name)
            if bucket is None or not rules:
                return LifecycleStep(counts=LifecycleCounts())
            if place.is_in_uploads:
                return await self._step_in_uploads(name, rules, place, at=at, is_dry=is_dry)
            return await self._step_in_versions(name, rules, place, at=at, is_dry=is_dry)

    async def _step_in_versions(
        self, name: str, rules: Any, place: Cursor, *, at: float, is_dry: bool
    ) -> LifecycleStep:
        found = await self._reader.scan(index.find_due, name, rules, place.piece, now=at)
        lines: tuple[LifecycleLine, ...] = found.lines
        if is_dry:
            counts = index.count_lines(lines)
        else:
            done = await self._in_batches(found.pieces, name, index.expire_pieces, at)
            counts, lines = done.counts, done.lines
        following = Cursor(found.following) if found.following else Cursor(is_in_uploads=True)
        return LifecycleStep(
            counts=msgspec.structs.replace(counts, versions=found.versions),
            lines=lines,
            cursor=_encode(following),
        )

    async def _step_in_uploads(
        self, name: str, rules: Any, place: Cursor, *, at: float, is_dry: bool
    ) -> LifecycleStep:
        found = await self._reader.scan(index.find_due_uploads, name, rules, place.upload, now=at)
        lines = found.lines
        if not is_dry:
            lines = (await self._in_batches(lines, name, index.abort_uploads, at)).lines
        following = Cursor(upload=found.following, is_in_uploads=True) if found.following else None
        return LifecycleStep(
            counts=LifecycleCounts(uploads=found.uploads, aborted=len(lines)),
            lines=lines,
            cursor=_encode(following) if following else b"",
        )

    async def _in_batches(
        self, items: Sequence[Item], name: str, change: Callable[..., Done], at: float
    ) -> Done:
        """Change in small transactions, at a bounded rate; gateways forget before the next one."""
        counts, lines = LifecycleCounts(), list[LifecycleLine]()
        for first in range(0, len(items), BATCH):
            began = time.monotonic()
            done = await self._writer.write(
                change,
                name,
                items[first : first + BATCH],
                at=at,
                now=self._clock(),
                grace_s=self._settings.grace_s,
            )
            await self._invalidator.tell([(name, key) for key in done.keys])
            counts = add_counts(counts, done.counts)
            lines += done.lines
            pause_s = len(done.lines) / self._settings.lifecycle_actions_per_s
            await asyncio.sleep(max(0.0, pause_s - (time.monotonic() - began)))
        return Done(counts, tuple(lines))


def _open(cursor: bytes) -> Cursor:
    if not cursor:
        return Cursor()
    try:
        return _decode(cursor)
    except (msgspec.DecodeError, msgspec.ValidationError) as problem:
        raise InvalidInputError("this is no cursor of a lifecycle run") from problem


def format_counts(counts: LifecycleCounts) -> str:
    """Return counts as words."""
    words = (f"{getattr(counts, name)} {name.replace('_', ' ')}" for name in counts.__struct_fields__)
    return ", ".join(words)
