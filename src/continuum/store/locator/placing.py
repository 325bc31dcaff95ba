"""The locator's answers about policies and the copies that they ask for, and the removal of cached copies.

Every few seconds cached copies whose time is over go, in transactions of at most `BATCH` of them; every
minute the stores with a capacity are measured, and above their high-water mark cached copies go until they
are below the low-water mark. Measuring reads a row for every replica in the store, so it is done only where
a capacity is set.
"""

import asyncio
import logging
import time

from continuum.model.errors import ContinuumError
from continuum.model.objects import Setting
from continuum.model.policies.documents import parse_bucket_policy, parse_continuum_policy
from continuum.store.locator import messages as m
from continuum.store.locator.database import Connection
from continuum.store.locator.families import Duty, Family, Handlers, Workings
from continuum.store.locator.index import bringing, buckets, copies, placements
from continuum.store.locator.validating import MAX_SETTING_BYTES, check_count

log = logging.getLogger(__name__)

BATCH = 200
MEASURE_EVERY_S = 60.0
MAX_CLAIM = 100
MAX_PAGE = 500


class Placer(Family, Duty):
    """Answers what concerns policies; `start` and `stop` its task."""

    def __init__(self, workings: Workings) -> None:
        super().__init__(workings)
        self._measured_at = -MEASURE_EVERY_S

    def handlers(self) -> Handlers:
        """Return what answers which request."""
        return {
            m.ClaimCopies: self._claim_copies,
            m.ReportCopies: self._report_copies,
            m.KeepCopies: self._keep_copies,
            m.SetPolicy: self._set_policy,
            m.GetPolicy: self._get_policy,
            m.PlaceObjects: self._place_objects,
            m.BringObjects: self._bring_objects,
            m.GetLag: self._get_lag,
            m.DescribeObject: self._describe_object,
        }

    async def _claim_copies(self, request: m.ClaimCopies) -> m.Copies:
        check_count(range(request.limit), "copies", MAX_CLAIM)
        document = await self._reader.point(placements.find_continuum_policy)
        if not await self._reader.point(copies.has_due, request.store, now=self._clock()):
            return m.Copies(policy=document)
        claimed = await self._writer.write(
            copies.claim_copies, request, now=self._clock(), claim_s=self._settings.claim_s
        )
        return m.Copies(items=claimed.items, policy=document)

    async def _report_copies(self, request: m.ReportCopies) -> m.Empty:
        check_count(request.failures, "failures", MAX_CLAIM)
        await self._writer.write(copies.report_copies, request.failures, now=self._clock())
        return m.Empty()

    async def _keep_copies(self, request: m.KeepCopies) -> m.Empty:
        check_count(request.copies, "copies")
        await self._writer.write(_keep, request)
        return m.Empty()

    async def _set_policy(self, request: m.SetPolicy) -> m.Empty:
        check_count(request.document, "bytes of a policy", MAX_SETTING_BYTES)
        if not request.bucket:
            if request.document:
                parse_continuum_policy(request.document)
            await self._writer.write(placements.set_continuum_policy, request.document)
            return m.Empty()
        if request.document:
            parse_bucket_policy(request.document)
        await self._writer.write(_set_bucket_policy, request)
        await self._invalidator.tell([(request.bucket, "")])
        return m.Empty()

    async def _get_policy(self, request: m.GetPolicy) -> m.Policies:
        return await self._reader.point(copies.get_policies, request.bucket)

    async def _place_objects(self, request: m.PlaceObjects) -> m.Placed:
        check_count(range(request.limit), "objects", MAX_PAGE)
        return await self._writer.write(copies.place_objects, request, now=self._clock())

    async def _bring_objects(self, request: m.BringObjects) -> m.Brought:
        check_count(request.keys, "objects", MAX_PAGE)
        return await self._writer.write(bringing.bring_objects, request, now=self._clock())

    async def _get_lag(self, request: m.GetLag) -> m.Lag:
        return await self._reader.scan(copies.get_lag, request.bucket, now=self._clock())

    async def _describe_object(self, request: m.DescribeObject) -> m.ObjectDescription:
        return await self._reader.scan(copies.describe_object, request, now=self._clock())

    # ---- cached copies ----

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._settings.evict_every_s)
            try:
                if self._peers.is_on_duty:
                    await self.evict()
            except ContinuumError as problem:
                log.warning("cached copies go later: %s", problem)

    async def evict(self) -> int:
        """Remove what may go now; return how many copies that were."""
        document = await self._reader.point(placements.find_continuum_policy)
        places = await self._reader.point(placements.read_places, document)
        is_measuring = time.monotonic() >= self._measured_at + MEASURE_EVERY_S
        count = 0
        for place in places.stores:
            if await self._reader.point(placements.has_expired, place.name, before=self._clock()):
                count += await self._evict(place.name, None)
            if is_measuring:
                count += await self._evict_above_capacity(place, places)
        if is_measuring:
            self._measured_at = time.monotonic()
        return count

    async def _evict_above_capacity(self, place: m.StorePlace, places: placements.Places) -> int:
        facts = places.find_capacity(place)
        if not facts.capacity_bytes:
            return 0
        used = await self._reader.scan(placements.measure, place.name)
        if used <= facts.capacity_bytes * facts.high_water:
            return 0
        log.warning("%s holds %d of %d bytes: cached copies in it go", place.name, used, facts.capacity_bytes)
        return await self._evict(place.name, int(used - facts.capacity_bytes * facts.low_water))

    async def _evict(self, store: str, wanted_bytes: int | None) -> int:
        things = await self._writer.write(
            placements.evict,
            store,
            now=self._clock(),
            grace_s=self._settings.grace_s,
            limit=BATCH,
            wanted_bytes=wanted_bytes,
        )
        if things:
            log.info("%d cached copies went from %s", len(things), store)
            await self._invalidator.tell(things)
        return len(things)


def _keep(connection: Connection, request: m.KeepCopies) -> None:
    for copy in request.copies:
        placements.keep(connection, request.store, copy.version_id, copy.expires_at)


def _set_bucket_policy(connection: Connection, request: m.SetPolicy) -> None:
    name = Setting.PLACEMENT.value
    change = m.ChangeBucket(name=request.bucket, settings={name: request.document})
    if not request.document:
        change = m.ChangeBucket(name=request.bucket, unset=(name,))
    buckets.change_bucket(connection, change)
