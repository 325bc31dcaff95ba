"""Garbage collection: each gateway process removes what nothing points at any more from its own store.

The locator says what (replaced versions after a grace, deleted objects, aborted uploads, the leavings of
ended sessions) and leases each piece of work for a minute, so several processes share it and a crash loses
nothing. Everything here may be done twice.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Coroutine

from continuum.model.errors import ContinuumError
from continuum.store.gateway.locations import Locations
from continuum.store.gateway.metrics import Counts
from continuum.store.locator.messages import (
    ClaimGarbage,
    FilterOrphans,
    Garbage,
    GarbageItem,
    Orphans,
    ReportGarbage,
)
from continuum.store.stores.s3 import StoreClient

log = logging.getLogger(__name__)

BATCH = 1000


class Collector:
    """Claims and removes, every few seconds, until it is cancelled."""

    def __init__(self, own: StoreClient, locations: Locations, counts: Counts, *, every_s: float) -> None:
        self._own = own
        self._locations = locations
        self._counts = counts
        self._every_s = every_s

    async def run(self) -> None:
        """Collect for ever; what does not work now is tried again later."""
        while True:
            await asyncio.sleep(self._every_s)
            try:
                while await self.collect() >= BATCH:
                    pass
            except ContinuumError as problem:
                log.info("garbage is collected later: %s", problem.message)

    async def collect(self) -> int:
        """Do one round; return how many pieces of work there were."""
        if not self._locations.session_id:
            return 0
        found: Garbage = await self._locations.ask(
            ClaimGarbage(session_id=self._locations.session_id, store=self._own.store.name, limit=BATCH)
        )
        if found.items:
            done = await self._remove(found.items)
            await self._report(done)
        return len(found.items)

    async def _remove(self, items: tuple[GarbageItem, ...]) -> list[int]:
        done: list[int] = []
        objects: dict[str, list[GarbageItem]] = defaultdict(list)
        for item in items:
            if item.is_prefix:
                done += await self._attempt(item, self._sweep(item))
            elif item.store_upload_id:
                done += await self._attempt(item, self._abort(item))
            else:
                objects[item.bucket].append(item)
        for bucket, members in objects.items():
            remaining = await self._own.delete_many([item.key for item in members], bucket=bucket)
            gone = [item.item_id for item in members if item.key not in remaining]
            self._counts.collected += len(gone)
            done += gone
        return done

    async def _attempt(self, item: GarbageItem, work: Coroutine[None, None, None]) -> list[int]:
        try:
            await work
        except ContinuumError as problem:
            log.info("%s/%s is removed later: %s", item.bucket, item.key, problem.message)
            return []
        return [item.item_id]

    async def _abort(self, item: GarbageItem) -> None:
        await self._own.abort_upload(item.key, item.store_upload_id, bucket=item.bucket)
        self._counts.collected += 1

    async def _sweep(self, item: GarbageItem) -> None:
        """Remove what an ended session left: all under its prefix that nothing points at."""
        token = ""
        while True:
            page = await self._own.list(item.key, bucket=item.bucket, token=token, max_keys=BATCH)
            keys = tuple(found.key for found in page.objects)
            if keys:
                orphans: Orphans = await self._locations.ask(
                    FilterOrphans(store=self._own.store.name, bucket=item.bucket, keys=keys)
                )
                await self._delete(orphans.keys, item.bucket)
            token = page.next_token
            if not token:
                return

    async def _delete(self, keys: tuple[str, ...], bucket: str) -> None:
        if keys:
            await self._own.delete_many(keys, bucket=bucket)
            self._counts.collected += len(keys)

    async def _report(self, item_ids: list[int]) -> None:
        if item_ids:
            await self._locations.ask(
                ReportGarbage(session_id=self._locations.session_id, item_ids=tuple(item_ids))
            )
