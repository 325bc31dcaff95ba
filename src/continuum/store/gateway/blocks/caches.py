"""The block cache of one gateway process: what it fetches at the moment, and the folder that it shares with
the other processes of its gateway.

What is fetched within the process stands in a table, so that readers join; what other processes fetch is
known by their claims. The folder is swept when so much was added that its bound is near, and now and then
for blocks that nobody uses. If the disk does not take or give blocks the cache suspends itself for a while,
and reads go directly to the stores.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from continuum.model.errors import InvalidInputError
from continuum.model.objects import Version
from continuum.store.gateway.blocks.choosing import CAPACITY, FOLDER
from continuum.store.gateway.blocks.claims import Claims
from continuum.store.gateway.blocks.contents import Content, describe_content
from continuum.store.gateway.blocks.fetching import Fetch, Stream
from continuum.store.gateway.blocks.files import BlockFile, BlockFiles, PartFile
from continuum.store.gateway.blocks.readers import BlockReader
from continuum.store.gateway.blocks.sweeping import HIGH, sweep
from continuum.store.gateway.keeping import Keeper
from continuum.store.gateway.metrics import Counts
from continuum.store.gateway.peers import Peers
from continuum.store.gateway.settings import BlockSettings

log = logging.getLogger(__name__)

MAX_FETCHES = 64  # of a process at a time
SUSPENDED_S = 30.0
SWEEP_EVERY_S = 600.0
LARGEST_SHARE = 0.5  # of the capacity: a larger read would wash everything else away

OpenStream = Callable[[Version, int, int], Awaitable[tuple[Stream, str]]]


class NoBlocksError(OSError):
    """Blocks cannot be fetched now."""


def open_block_cache(
    settings: BlockSettings,
    peers: Peers,
    keeper: Keeper,
    counts: Counts,
    open_stream: OpenStream,
    *,
    processes: int,
) -> "BlockCache":
    """Return the cache; its folder is made if it is not there. Raises `InvalidInputError` if it cannot be."""
    try:
        return BlockCache(settings, peers, keeper, counts, open_stream, processes=processes)
    except OSError as problem:
        raise InvalidInputError(
            f"blocks cannot be kept in {settings.folder}: {problem.strerror}",
            hint=f"name another folder in {FOLDER}, or switch the cache off with {CAPACITY}=0",
        ) from problem


class BlockCache:
    """`read` gives a body of a version's bytes. Belongs to the event loop; `await close()` ends it."""

    def __init__(
        self,
        settings: BlockSettings,
        peers: Peers,
        keeper: Keeper,
        counts: Counts,
        open_stream: OpenStream,
        *,
        processes: int = 1,
    ) -> None:
        self.site = peers.own.store.site
        self._own = peers.own.store.name
        self._settings = settings
        self._peers = peers
        self._open_stream = open_stream
        self._keeper = keeper
        self._counts = counts
        self._processes = processes
        self._files = BlockFiles(settings.folder, coincidence_s=settings.coincidence_s)
        self._claims = Claims(settings.folder / "claims")
        self._fetches: dict[tuple[str, int], Fetch] = {}
        self._running: set[Fetch] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._suspended_until = 0.0
        self._used_bytes = 0
        self._added_bytes = 0
        self._limit_bytes = settings.capacity_bytes
        self._is_due = asyncio.Event()
        self._sweeping = asyncio.create_task(self._sweep())

    def suits(self, version: Version, length: int) -> bool:
        """Whether a read of so many bytes goes through blocks: no store of this site has it, and it is not
        too large. Asked at every read, so it begins with what is the case mostly."""
        for replica in version.replicas:
            if replica.store == self._own:
                return False
        if any(self._peers.site_of(replica.store) == self.site for replica in version.replicas):
            return False
        return length <= self._limit_bytes * LARGEST_SHARE and time.monotonic() >= self._suspended_until

    def read(self, version: Version, start: int, length: int) -> BlockReader:
        """Return a body of `length` stored bytes from `start`. `open` it before anything else."""
        content = describe_content(version, self._settings.block_bytes)
        return BlockReader(version, content, start, length, self)

    # ---- what readers need ----

    def find_fetch(self, content: Content, block: int) -> Fetch | None:
        """Return the fetch of this process that brings a block."""
        return self._fetches.get((content.name, block))

    def find_file(self, content: Content, block: int) -> BlockFile | None:
        """Return a block that is there. Raises `OSError`."""
        return self._files.open(content, block)

    def begin_fetch(self, version: Version, content: Content, block: int, end: int) -> Fetch | None:
        """Fetch from a block on; None if another process brings it. Raises `NoBlocksError`."""
        if len(self._running) >= MAX_FETCHES or time.monotonic() < self._suspended_until:
            raise NoBlocksError("too much is fetched, or the cache is suspended")
        on_probation = not self._keeper.admits_at_once(version)
        fetch = Fetch(version, content, block, end, self, on_probation=on_probation)
        fetch.claim_ahead()
        if fetch.claimed == block:
            return None
        self._running.add(fetch)
        self._counts.block_fetches += 1
        self.own(asyncio.create_task(fetch.run()))
        return fetch

    def remove(self, content: Content, first_block: int, end: int) -> None:
        """What these blocks hold is not what was stored."""
        for block in range(first_block, content.find_block(end - 1) + 1):
            self._files.remove(content, block)

    async def open_stream(self, version: Version, start: int, length: int) -> tuple[Stream, str]:
        """Return bytes of a version from a store, and that store's site. Raises `ContinuumError`."""
        return await self._open_stream(version, start, length)

    def count(self, outcome: str) -> None:
        """A reader got to a block: `hit`, `joined` or `fetched`."""
        self._counts.count_block(outcome)

    def own(self, task: "asyncio.Task[None]") -> None:
        """Keep a task until it is done."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # ---- what fetches need ----

    def claim(self, fetch: Fetch, block: int) -> bool:
        """Whether this fetch is to bring the block: nobody else does, and it is not there."""
        key = (fetch.content.name, block)
        if key in self._fetches or not self._claims.take(fetch.content, block):
            return False
        if self._files.has(fetch.content, block):
            self._claims.release(fetch.content, block)
            return False
        self._fetches[key] = fetch
        return True

    def _release(self, fetch: Fetch, block: int) -> None:
        key = (fetch.content.name, block)
        if self._fetches.get(key) is fetch:
            del self._fetches[key]
            self._claims.release(fetch.content, block)

    def begin_part(self, fetch: Fetch, block: int) -> PartFile:
        """Return a file for a block. Raises `OSError`."""
        return self._files.begin(fetch.content, block)

    def end_part(self, fetch: Fetch, part: PartFile) -> None:
        """A block is whole. Raises `OSError`."""
        try:
            if fetch.is_spoilt:
                part.drop()
            else:
                self._files.publish(part, on_probation=fetch.on_probation)
                self._note_added(part.size_bytes)
        finally:
            self._release(fetch, part.number)

    def end_fetch(self, fetch: Fetch, first_block: int, problem: Exception | None) -> None:
        """The fetch is over; of what it claimed the blocks from this on are not there."""
        for block in range(first_block, fetch.claimed):
            self._release(fetch, block)
        self._running.discard(fetch)
        if isinstance(problem, OSError):
            log.warning("no blocks are kept for %d s: %s", SUSPENDED_S, problem)
            self._suspended_until = time.monotonic() + SUSPENDED_S
            self._is_due.set()

    # ---- the bound ----

    def _note_added(self, size_bytes: int) -> None:
        """Other processes are taken to add as much."""
        self._added_bytes += size_bytes
        self._counts.block_cache_bytes = self._used_bytes + self._added_bytes
        if self._used_bytes + self._added_bytes * self._processes > self._limit_bytes * HIGH:
            self._is_due.set()

    async def _sweep(self) -> None:
        """Sweep at the start, when it is due, and now and then."""
        settings = self._settings
        while True:
            self._is_due.clear()
            added_bytes = self._added_bytes
            try:
                self._used_bytes, self._limit_bytes = await asyncio.to_thread(
                    sweep,
                    settings.folder,
                    capacity_bytes=settings.capacity_bytes,
                    idle_s=settings.idle_s,
                )
                self._added_bytes -= added_bytes
                self._counts.block_cache_bytes = self._used_bytes + self._added_bytes
            except OSError as problem:
                log.warning("the blocks in %s cannot be swept: %s", settings.folder, problem)
            try:
                async with asyncio.timeout(SWEEP_EVERY_S):
                    await self._is_due.wait()
            except TimeoutError:
                continue

    async def close(self) -> None:
        """End all fetches; what is whole stays for the next start."""
        self._suspended_until = float("inf")
        for fetch in tuple(self._running):
            fetch.cancel()
        tasks = [self._sweeping, *self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._claims.close()
