"""Copies that policies ask for: each gateway process fetches what its own store is to get.

The locator queued them with the commits (durably, in the same transaction) and leases each for a minute, so
several processes share the work, and of one that died the copies are made by another. What lies only where
this site cannot connect is brought by the gateway there (`exporting`). A copy that fails is
reported and tried again after a growing pause. The same loop tells the locator which cached copies were read.
"""

import asyncio
import logging

from continuum.model.errors import ConflictError, ContinuumError
from continuum.model.objects import Version
from continuum.store.gateway.adding import Adder
from continuum.store.gateway.discarding import Discarding
from continuum.store.gateway.exporting import Bringer
from continuum.store.gateway.keeping import Keeper
from continuum.store.gateway.locations import Locations
from continuum.store.gateway.metrics import Counts
from continuum.store.gateway.peers import Peers
from continuum.store.gateway.reading import StreamOpener
from continuum.store.locator.messages import (
    ClaimCopies,
    Copies,
    CopyFailure,
    CopyItem,
    NoSuchKeyError,
    ReportCopies,
)

log = logging.getLogger(__name__)

AT_ONCE = 4
BATCH = 32
COPY_S = 3600.0  # a copy that takes longer is given up; the store's own bounds end most failures sooner


class Replicator:
    """Claims and copies until it is cancelled."""

    def __init__(  # noqa: PLR0917 -- what copies need
        self,
        peers: Peers,
        locations: Locations,
        discarding: Discarding,
        keeper: Keeper,
        bringer: Bringer,
        counts: Counts,
        *,
        every_s: float,
    ) -> None:
        self._peers = peers
        self._locations = locations
        self._discarding = discarding
        self._opener = StreamOpener(peers, locations, counts)
        self._adder = Adder(peers, locations, discarding)
        self._keeper = keeper
        self._bringer = bringer
        self._counts = counts
        self._every_s = every_s

    async def run(self) -> None:
        """Replicate for ever; what does not work now is tried again later."""
        while True:
            await asyncio.sleep(self._every_s)
            try:
                while await self.replicate() >= BATCH:
                    pass
                await self._tell_of_reads()
            except ContinuumError as problem:
                log.info("copies are made later: %s", problem.message)

    async def replicate(self) -> int:
        """Do one round; return how many copies there were to make."""
        if not self._locations.session_id:
            return 0
        own = self._peers.own.store.name
        claimed: Copies = await self._locations.ask(
            ClaimCopies(session_id=self._locations.session_id, store=own, limit=BATCH)
        )
        self._keeper.set_continuum(claimed.policy)
        if not claimed.items:
            return 0
        room = asyncio.Semaphore(AT_ONCE)
        outcomes = await asyncio.gather(*(self._attempt(item, room) for item in claimed.items))
        failures = tuple(failure for failure in outcomes if failure is not None)
        if failures:
            request = ReportCopies(session_id=self._locations.session_id, failures=failures)
            await self._locations.ask(request)
        return len(claimed.items)

    async def _tell_of_reads(self) -> None:
        while (request := self._keeper.collect_touched(self._locations.session_id)) is not None:
            await self._locations.ask(request)

    async def _attempt(self, item: CopyItem, room: asyncio.Semaphore) -> CopyFailure | None:
        async with room:
            try:
                async with asyncio.timeout(COPY_S):
                    await self._copy(item.version)
            except (NoSuchKeyError, ConflictError):
                return None  # it ended meanwhile, or was copied otherwise: the next claim ends the item
            except (ContinuumError, TimeoutError) as problem:
                log.warning("no copy of %s/%s was made: %s", item.version.bucket, item.version.key, problem)
                self._counts.count_placed("failed")
                return CopyFailure(item.item_id, str(problem) or "it took too long")
        self._counts.count_placed("made")
        return None

    async def _copy(self, version: Version) -> None:
        await self._peers.know(version)
        if not any(self._peers.can_connect(replica.store) for replica in version.replicas):
            await self._bringer.bring(version, expires_at=0.0, wait_s=COPY_S)
            return
        physical = self._locations.make_physical_key()
        try:
            await self._adder.write(version, physical, await self._opener.open_whole(version))
        except BaseException:
            self._discarding.begin(physical)
            raise
