"""Bytes that were written and not committed: removed at once, or left to the collector if the store does
not answer.

Bytes whose commit nobody answered may be in use: they are never removed here but shown to the locator, which
removes them if they are not.

Even if both fail nothing is lost but space: when the session ends, all that lies under its prefix and
nothing points at is removed.
"""

import asyncio
import contextlib
import logging
from collections.abc import Coroutine, Iterator

from continuum.backbone import RemoteError
from continuum.model.errors import ContinuumError, UnavailableError
from continuum.store.gateway.locations import Locations, PhysicalKey
from continuum.store.gateway.peers import Peers
from continuum.store.locator.messages import DiscardObject

log = logging.getLogger(__name__)


class Discarding:
    """Removes what failed writes left; owns the tasks that do so."""

    def __init__(self, peers: Peers, locations: Locations) -> None:
        self._peers = peers
        self._locations = locations
        self._running: set[asyncio.Task[None]] = set()
        self._doubted: set[str] = set()

    @contextlib.contextmanager
    def doubting(self, key: str) -> Iterator[None]:
        """Around the question that makes the bytes at a physical key part of an object.

        Without a clear answer (none came, the other side failed, whoever asked was cancelled) they count as
        doubtful from then on: whatever removes them here has the locator decide instead.
        """
        self._doubted.add(key)
        try:
            yield
        except (UnavailableError, RemoteError):
            raise
        except ContinuumError:
            self._doubted.discard(key)
            raise
        self._doubted.discard(key)

    def begin(self, physical: PhysicalKey) -> None:
        """Remove an object of the own store in the background; who failed to write it need not wait."""
        self._own(self.discard(physical))

    def abort(self, physical: PhysicalKey, store_upload_id: str) -> None:
        """Abort an upload of the own store in the background."""
        self._own(self._abort(physical, store_upload_id))

    async def _abort(self, physical: PhysicalKey, store_upload_id: str) -> None:
        try:
            await self._peers.own.abort_upload(physical.key, store_upload_id)
        except ContinuumError:
            await self._hand_over(physical, store_upload_id)

    def _own(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def discard(self, physical: PhysicalKey) -> None:
        """Remove an object of the own store, or have the collector do it."""
        own = self._peers.own
        if physical.key in self._doubted:
            await self._hand_over(physical)
            return
        try:
            await own.delete(physical.key)
        except ContinuumError as problem:
            log.info("%s could not be removed now: %s", physical.key, problem.message)
            await self._hand_over(physical)

    async def _hand_over(self, physical: PhysicalKey, store_upload_id: str = "") -> None:
        store = self._peers.own.store
        self._doubted.discard(physical.key)
        request = DiscardObject(
            session_id=physical.session_id,
            store=store.name,
            bucket=store.bucket,
            key=physical.key,
            store_upload_id=store_upload_id,
        )
        with contextlib.suppress(ContinuumError):  # the end of the session brings it up again
            await self._locations.ask(request)

    async def close(self) -> None:
        """Wait for what is under way."""
        await asyncio.gather(*self._running, return_exceptions=True)
