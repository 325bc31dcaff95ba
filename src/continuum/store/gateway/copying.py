"""Copies on read: while a whole object passes from another site to a client, the same bytes go into the own
store.

The client never waits for the copy. What the own store has not taken yet is kept up to a bound; beyond it
the copy is dropped. A copy becomes a replica only when the store has confirmed all of it (its length
always, its MD5 where the ETag is one); until then, and if anything goes wrong, nobody can see it. One copy
at a time per version.

Where the bytes pass through the block cache, the copy is one more reader of its blocks: it takes them as
fast as the own store does, costs no second read from the other site, and is given up only if all clients that
read the whole object left before one had all of it.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable

from continuum.model.encryption import stored_size
from continuum.model.errors import ContinuumError
from continuum.model.objects import Version
from continuum.store.gateway.adding import Adder
from continuum.store.gateway.blocks import BlockReader
from continuum.store.gateway.discarding import Discarding
from continuum.store.gateway.locations import Locations, PhysicalKey
from continuum.store.gateway.metrics import Counts
from continuum.store.gateway.peers import Peers
from continuum.store.stores.exchanges import Exchange
from continuum.store.stores.s3 import raise_reply

log = logging.getLogger(__name__)

MAX_COPIES = 32
MAX_WAITING_BYTES = 32 * 1024 * 1024  # of all copies together: what the own store has not taken yet
_OK = 200


class CopyDroppedError(ContinuumError):
    """The copy was given up; the reason is in the message."""


class Waiting:
    """How many bytes of all copies wait for the own store, and how many may."""

    def __init__(self, limit_bytes: int = MAX_WAITING_BYTES) -> None:
        self.left_bytes = limit_bytes

    def take(self, size_bytes: int) -> bool:
        """Whether there is room for so many more; then they count."""
        if size_bytes > self.left_bytes:
            return False
        self.left_bytes -= size_bytes
        return True

    def give_back(self, size_bytes: int) -> None:
        """They wait no longer."""
        self.left_bytes += size_bytes


class Companions:
    """The clients that read the whole object of which a copy is being made."""

    def __init__(self, task: "asyncio.Task[None]") -> None:
        self._task = task
        self._count = 0
        self._is_wanted = False

    def join(self, reader: BlockReader) -> None:
        """One more."""
        self._count += 1
        reader.on_over = self._leave

    def _leave(self, is_whole: bool) -> None:
        self._count -= 1
        self._is_wanted = self._is_wanted or is_whole
        if not self._count and not self._is_wanted:
            self._task.cancel()


class Copier:
    """Begins copies and owns them until they end."""

    def __init__(self, peers: Peers, locations: Locations, discarding: Discarding, counts: Counts) -> None:
        self._peers = peers
        self._locations = locations
        self._discarding = discarding
        self._adder = Adder(peers, locations, discarding)
        self._counts = counts
        self._running: dict[str, asyncio.Task[None]] = {}
        self._companions: dict[str, Companions] = {}
        self._waiting = Waiting()

    def begin_beside(
        self, version: Version, expires_at: float, reader: BlockReader, make_body: Callable[[], BlockReader]
    ) -> None:
        """Make a copy of the blocks that `reader`, a client's, reads as well; `make_body` gives another
        reader. The copy may go at `expires_at` (0: it stays)."""
        version_id = version.version_id
        if version_id not in self._running and len(self._running) < MAX_COPIES:
            task = asyncio.create_task(self._run_beside(version, expires_at, make_body))
            self._running[version_id] = task
            self._companions[version_id] = Companions(task)
            task.add_done_callback(lambda _: self._forget(version_id))
        companions = self._companions.get(version_id)
        if companions is not None:
            companions.join(reader)

    def _forget(self, version_id: str) -> None:
        self._running.pop(version_id, None)
        self._companions.pop(version_id, None)

    async def _run_beside(
        self, version: Version, expires_at: float, make_body: Callable[[], BlockReader]
    ) -> None:
        try:
            physical = self._locations.make_physical_key()
        except ContinuumError as problem:
            log.info("no copy of %s/%s is made: %s", version.bucket, version.key, problem.message)
            return
        try:
            body = make_body()
            await body.open()
            await self._adder.write(version, physical, body, expires_at)
        except ContinuumError as problem:
            log.info("no copy of %s/%s was kept: %s", version.bucket, version.key, problem.message)
            self._drop(physical)
        except asyncio.CancelledError:
            self._drop(physical)
            raise
        else:
            self._note_kept(version)

    def _drop(self, physical: PhysicalKey) -> None:
        self._counts.count_copy("dropped")
        self._discarding.begin(physical)

    def _note_kept(self, version: Version) -> None:
        self._counts.count_copy("kept")
        self._counts.copied_bytes += version.size_bytes

    def begin(self, version: Version, expires_at: float = 0.0) -> "Copy | None":
        """Return a sink for the version's bytes; None if this version is being copied already or too much
        is going on. The copy may go at `expires_at` (0: it stays)."""
        if version.version_id in self._running or len(self._running) >= MAX_COPIES:
            return None
        copy = Copy(stored_size(version), self._waiting)
        task = asyncio.create_task(self._run(version, copy, expires_at))
        self._running[version.version_id] = task
        task.add_done_callback(lambda _: self._running.pop(version.version_id, None))
        return copy

    async def _run(self, version: Version, copy: "Copy", expires_at: float) -> None:
        try:
            physical = self._locations.make_physical_key()
        except ContinuumError as problem:
            copy.drop(problem.message)
            return
        try:
            await self._write(version, physical, copy, expires_at)
        except ContinuumError as problem:
            log.info("no copy of %s/%s was kept: %s", version.bucket, version.key, problem.message)
            self._drop(physical)
        except asyncio.CancelledError:
            copy.drop("the gateway stops")
            raise
        else:
            self._note_kept(version)
        finally:
            copy.close()

    async def _write(self, version: Version, physical: PhysicalKey, copy: "Copy", expires_at: float) -> None:
        own = self._peers.own
        exchange = await own.begin("PUT", physical.key, length=stored_size(version))
        await copy.write_to(exchange)
        await exchange.reply()
        if exchange.status != _OK:
            await raise_reply(exchange)
        await exchange.read()
        await self._adder.add(version, physical, exchange.headers.get("etag", ""), expires_at)

    async def close(self) -> None:
        """Drop the copies that are under way."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Copy:
    """A sink that passes a body on to the own store as fast as that takes it, and gives up when it is too
    slow."""

    def __init__(self, size_bytes: int, room: Waiting) -> None:
        self._left = size_bytes
        self._room = room
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._exchange: Exchange | None = None
        self._is_full = False
        self._dropped = ""
        self._settled: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    # ---- as the sink of the body ----

    def feed(self, data: bytes) -> None:
        """Take the next bytes; never blocks."""
        if self._dropped:
            return
        self._left -= len(data)
        if self._exchange is not None and not self._is_full and not self._waiting:
            self._exchange.write(data)
        elif self._room.take(len(data)):
            self._waiting.append(data)
            self._waiting_bytes += len(data)
        else:
            self.drop("the own store is too slow for it")
        self._settle()

    def end(self) -> None:
        """The body is complete."""
        if self._left:
            self.drop("the body has another length than the object")

    def fail(self, problem: Exception) -> None:
        """The body will never be complete."""
        self.drop(f"the read was cut off: {problem}")

    # ---- towards the own store ----

    async def write_to(self, exchange: Exchange) -> None:
        """Write what waits, then all that comes, and return when it is written. Raises if the copy is given
        up."""
        self._exchange = exchange
        exchange.source = self
        exchange.on_over = self._store_is_over
        self._drain()
        self._settle()
        try:
            await self._settled
        except BaseException:
            exchange.abort()
            raise

    def pause(self) -> None:
        """The own store takes no more for now."""
        self._is_full = True

    def resume(self) -> None:
        """The own store takes more."""
        self._is_full = False
        self._drain()
        self._settle()

    def _drain(self) -> None:
        while self._waiting and self._exchange is not None and not self._is_full:
            piece = self._waiting.popleft()
            self._waiting_bytes -= len(piece)
            self._room.give_back(len(piece))
            self._exchange.write(piece)

    def _settle(self) -> None:
        if not self._left and not self._waiting and self._exchange is not None and not self._settled.done():
            self._settled.set_result(None)

    def _store_is_over(self) -> None:
        if self._left or self._waiting:
            self.drop("the own store does not take it")

    def drop(self, reason: str) -> None:
        """Give the copy up."""
        self._dropped = self._dropped or reason
        self._waiting.clear()
        self._room.give_back(self._waiting_bytes)
        self._waiting_bytes = 0
        if not self._settled.done():
            self._settled.set_exception(CopyDroppedError(reason))

    def close(self) -> None:
        """Nobody waits any more."""
        if not self._settled.cancel() and not self._settled.cancelled():
            self._settled.exception()  # it was known to whoever waited
        self.drop("over")
