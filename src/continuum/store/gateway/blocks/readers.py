"""A body that is read from blocks: from files where they are there, from fetches where they are on their way.

A reader takes one block after the other. One that is there is read from its file; one that a fetch brings is
waited for, bytes being passed on as they come; one that nobody has is fetched, by this reader's fetch and
for all. A block that another process fetches is waited for. If blocks cannot be had (the disk is full, a
file is damaged) the rest is read directly from a replica, as if there were no cache.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from continuum.model.errors import ContinuumError
from continuum.model.objects import Version
from continuum.store.gateway.blocks.contents import Content
from continuum.store.gateway.blocks.fetching import Fetch, Stream
from continuum.store.gateway.blocks.files import BlockFile, DamagedBlockError
from continuum.store.gateway.blocks.lending import Lending
from continuum.store.stores.exchanges import Gatherer, Sink

log = logging.getLogger(__name__)

MAX_FAILURES = 2  # of fetches, without a byte in between; then the rest is read directly
LOOK_EVERY_S = 0.01  # whether another process brought the block
MAX_WAIT_S = 60.0  # for it
MAX_AT_ONCE = 32  # pieces in one go, before others have their turn


class BlockReader:
    """`length` of a version's stored bytes from `start`; the source of a reply. `open` it first.

    `on_over` is told once whether all bytes were passed on.
    """

    def __init__(self, version: Version, content: Content, start: int, length: int, lending: Lending) -> None:
        self.position = start
        self.on_over: Callable[[bool], None] | None = None
        self._version = version
        self._content = content
        self._start = start
        self._end = start + length
        self._lending = lending
        self._site = lending.site
        self._sink: Sink | None = None
        self._file: BlockFile | None = None
        self._fetch: Fetch | None = None
        self._own_until = start  # bytes that a fetch brought which this reader waited for
        self._direct: Stream | None = None
        self._direct_start = start
        self._going_on: asyncio.Task[None] | None = None
        self._failures = 0
        self._is_paused = False
        self._is_pumping = False
        self._is_over = False

    @property
    def left_bytes(self) -> int:
        """How many bytes are still to be passed on."""
        return self._end - self.position

    async def open(self) -> str:
        """Wait until the first bytes are known to come; return the site that they come from. Raises what a
        read from a store raises."""
        try:
            await self._find()
        except BaseException:
            self._finish(is_whole=False)
            raise
        return self._site

    # ---- finding the block at the position ----

    async def _find(self) -> None:
        """Find where the next bytes are; wait for whoever brings them. Raises `ContinuumError`."""
        waited_s = 0.0
        while not self._is_over:
            try:
                found = self._look("joined" if waited_s else "hit")
            except OSError as problem:
                log.warning("blocks cannot be used: %s", problem)
                break
            if found and self._fetch is not None:
                await self._wait_for(self._fetch)
            if found and (self._fetch is not None or self._file is not None):
                return
            if not found:
                if waited_s > MAX_WAIT_S:
                    break
                await asyncio.sleep(LOOK_EVERY_S)
                waited_s += LOOK_EVERY_S
        if not self._is_over:
            await self._go_direct()

    async def _wait_for(self, fetch: Fetch) -> None:
        try:
            await asyncio.shield(fetch.opened)
        except (ContinuumError, OSError):
            if self._fetch is fetch:
                self._leave()
            raise
        self._site = fetch.site

    def _look(self, outcome: str) -> bool:
        """Join a fetch, open a file or begin a fetch. False: another process brings the block. Raises
        `OSError`."""
        lending, content = self._lending, self._content
        block = content.find_block(self.position)
        fetch = lending.find_fetch(content, block)
        if fetch is not None:
            self._join(fetch, "joined")
            return True
        self._file = lending.find_file(content, block)
        if self._file is not None:
            if self.position >= self._own_until:
                lending.count(outcome)
            return True
        last = content.find_block(self._end - 1)
        fetch = lending.begin_fetch(self._version, content, block, content.end_of(last))
        if fetch is not None:
            self._join(fetch, "fetched")
        return fetch is not None

    def _join(self, fetch: Fetch, outcome: str) -> None:
        self._fetch = fetch
        self._lending.count(outcome)
        fetch.join(self)

    def _leave(self) -> None:
        fetch, self._fetch = self._fetch, None
        if fetch is not None:
            self._own_until = max(self._own_until, fetch.position)
            fetch.leave(self)

    def _close_file(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()

    # ---- as a source ----

    def take_first(self) -> bytes:
        """Return what is there already."""
        try:
            data = self._take()
        except (OSError, DamagedBlockError):
            return b""  # `start` meets it again
        self.position += len(data)
        return bytes(data)

    def start(self, sink: Sink) -> None:
        """Push the rest into `sink`."""
        self._sink = sink
        if self._direct is not None:
            self._direct.start(self)
        else:
            self._pump()

    def pause(self) -> None:
        """Give no more for now."""
        self._is_paused = True
        if self._direct is not None:
            self._direct.pause()

    def resume(self) -> None:
        """Go on."""
        self._is_paused = False
        if self._direct is not None:
            self._direct.resume()
        else:
            self._pump()

    def abort(self) -> None:
        """Nobody wants the rest."""
        if self._direct is not None:
            self._direct.abort()
        self._finish(is_whole=False)

    def reject(self, good_bytes: int, problem: Exception) -> None:
        """What came after the first `good_bytes` is not what was stored: forget these blocks and read the
        rest from a replica."""
        if self._direct is not None:
            self._direct.reject(good_bytes - (self._direct_start - self._start), problem)
            return
        if self._fetch is not None:
            self._fetch.is_spoilt = True
        self._lending.remove(self._content, self._content.find_block(self._start + good_bytes), self.position)
        self.position = self._start + good_bytes
        self._begin(self._go_direct)

    def _finish(self, *, is_whole: bool) -> None:
        if self._is_over:
            return
        self._is_over = True
        self._leave()
        self._close_file()
        if self._going_on is not None:
            self._going_on.cancel()
        told, self.on_over = self.on_over, None
        if told is not None:
            told(is_whole)

    # ---- passing bytes on ----

    def _pump(self) -> None:
        """Pass on what can be read without waiting."""
        if self._is_pumping or self._going_on is not None or self._sink is None:
            return
        self._is_pumping = True
        try:
            for _ in range(MAX_AT_ONCE):
                if self._is_over or self._is_paused or self._going_on or self._direct:
                    return
                if self.position >= self._end:
                    self._end_well()
                    return
                data = self._take()
                if not data:
                    return
                self._pass_on(data)
            asyncio.get_running_loop().call_soon(self._pump)
        except (OSError, DamagedBlockError) as problem:
            log.warning("blocks cannot be used: %s", problem)
            self._begin(self._go_direct)
        finally:
            self._is_pumping = False

    def _pass_on(self, data: bytes | memoryview) -> None:
        self._failures = 0
        self.position += len(data)
        if self._fetch is not None:
            self._fetch.go_on()
        if self._sink is not None:
            self._sink.feed(data)  # type: ignore[arg-type]  # whoever takes bytes takes views of them

    def _take(self) -> bytes | memoryview:
        """Return the next bytes, or none if they are still to come. Raises `OSError` and
        `DamagedBlockError`."""
        content = self._content
        while self.position < self._end and not self._is_over:
            block = content.find_block(self.position)
            if self._file is not None and self._file.number == block:
                return self._read_file(self._file)
            self._close_file()
            fetch = self._fetch
            if fetch is not None and fetch.holds(self.position):
                return fetch.read(self.position, self._end)
            if fetch is not None and self.position >= fetch.position:
                return b""
            if fetch is not None and self._open_behind(block):
                continue
            self._leave()
            if self._sink is not None:
                self._begin(self._advance)
            return b""
        return b""

    def _open_behind(self, block: int) -> bool:
        """Open a block that the fetch has already brought."""
        self._file = self._lending.find_file(self._content, block)
        return self._file is not None

    def _read_file(self, file: BlockFile) -> bytes | memoryview:
        try:
            return file.read(self.position, self._end)
        except DamagedBlockError:
            self._lending.remove(self._content, file.number, self._content.end_of(file.number))
            raise

    def _begin(self, work: Callable[[], Awaitable[None]]) -> None:
        self._leave()
        self._close_file()
        self._going_on = asyncio.get_running_loop().create_task(self._owned(work))
        self._lending.own(self._going_on)

    async def _owned(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except (ContinuumError, OSError) as problem:
            self._going_on = None
            self.fail(problem)
            return
        self._going_on = None
        if self._direct is None:
            self._pump()

    async def _advance(self) -> None:
        """Find the next block; a fetch that fails is tried again."""
        while True:
            try:
                return await self._find()
            except ContinuumError:
                self._failures += 1
                if self._failures > MAX_FAILURES:
                    raise

    async def _go_direct(self) -> None:
        self._direct_start = self.position
        self._direct, self._site = await self._lending.open_stream(
            self._version, self.position, self._end - self.position
        )
        if self._is_over:
            self._direct.abort()
            return
        if self._sink is not None:
            self._direct.start(self)
            if self._is_paused:
                self._direct.pause()

    # ---- as a reader of a fetch ----

    def offer(self, position: int, data: memoryview) -> None:
        """Bytes came; take them if they are the next ones."""
        if self._is_paused or self._sink is None or self._is_pumping or self._going_on or self._is_over:
            return
        if not position <= self.position < position + len(data):
            return
        self._close_file()
        some = data[self.position - position : self._end - position]
        self._failures = 0
        self.position += len(some)
        self._sink.feed(some)  # type: ignore[arg-type]  # whoever takes bytes takes views of them
        if self.position >= self._end:
            self._end_well()

    def leave_fetch(self, problem: Exception | None) -> None:
        """The fetch is over; what it did not bring is to be had otherwise."""
        fetch, self._fetch = self._fetch, None
        if fetch is not None:
            self._own_until = max(self._own_until, fetch.position)
        if problem is not None:
            self._failures += 1
        if self._failures > MAX_FAILURES and problem is not None:
            self.fail(problem)
        else:
            self._pump()

    def _end_well(self) -> None:
        if self._is_over:
            return  # it was aborted while it took the last bytes
        sink = self._sink
        self._finish(is_whole=True)
        if sink is not None:
            sink.end()

    # ---- as the sink of a direct read ----

    def feed(self, data: bytes) -> None:
        """Pass on what a store gave."""
        self.position += len(data)
        if self._sink is not None:
            self._sink.feed(data)

    def end(self) -> None:
        """A store gave all."""
        self._end_well()

    def fail(self, problem: Exception) -> None:
        """The rest cannot be had."""
        if self._is_over:
            return
        sink = self._sink
        self._finish(is_whole=False)
        if sink is not None:
            sink.fail(problem)


async def read_all(reader: BlockReader) -> bytes:
    """Return all bytes of a reader of few, which was not opened yet. Raises what a read from a store
    raises."""
    await reader.open()
    gatherer = Gatherer(reader.left_bytes)
    first = reader.take_first()
    if first:
        gatherer.feed(first)
    reader.start(gatherer)
    return await gatherer.done
