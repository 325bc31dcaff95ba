"""One read from another site's store that fills blocks, for all who want them.

The bytes go into files as they come, and from the same callback to those readers that stand where they
belong; a reader that is slower reads them from the file when it likes. So nobody waits for anybody, and
nothing is kept in memory. A fetch that runs far ahead of its fastest reader pauses; one that nobody waits for
any more ends with the block that it is at.

A fetch claims the blocks a little way ahead of it. Whoever wants one of these joins it; whoever wants bytes
farther on begins a fetch of their own, and this one ends where that began. If the store fails in the middle
the read goes on with another replica (`reading`).
"""

import asyncio
import logging
from typing import Protocol

from continuum.model.errors import ContinuumError
from continuum.model.objects import Version
from continuum.store.gateway.blocks.contents import Content
from continuum.store.gateway.blocks.files import PartFile
from continuum.store.gateway.bodies import ReplyBody

log = logging.getLogger(__name__)

REACH_BYTES = 16 * 1024 * 1024  # a reader joins a fetch that is at most so far from what it wants


class Stream(ReplyBody, Protocol):
    """Bytes of a version that come from one replica after another."""

    def reject(self, good_bytes: int, problem: Exception) -> None:
        """What came after the first `good_bytes` is not what was stored: another replica is to give it."""


class Reader(Protocol):
    """Somebody who waits for bytes of a fetch. `position` is the next byte that it wants."""

    position: int

    def offer(self, position: int, data: memoryview) -> None:
        """These bytes came just now; they can be read from the fetch as well."""

    def leave_fetch(self, problem: Exception | None) -> None:
        """The fetch is over; with a problem if its last bytes did not come."""


class Keeping(Protocol):
    """What a fetch needs of the cache that began it."""

    def claim(self, fetch: "Fetch", block: int) -> bool:
        """Whether this fetch is to bring the block: nobody else does, and it is not there."""

    async def open_stream(self, version: Version, start: int, length: int) -> tuple[Stream, str]:
        """Return bytes of a version from a store, and that store's site. Raises `ContinuumError`."""

    def begin_part(self, fetch: "Fetch", block: int) -> PartFile:
        """Return a file for a block. Raises `OSError`."""

    def end_part(self, fetch: "Fetch", part: PartFile) -> None:
        """A block is whole. Raises `OSError`."""

    def end_fetch(self, fetch: "Fetch", first_block: int, problem: Exception | None) -> None:
        """The fetch is over; of what it claimed the blocks from this on are not there."""


class Fetch:
    """Brings the blocks from `first_block` on, up to the position `ends_at` at most. `opened` is done when a
    store answered, and then `site` is that store's."""

    def __init__(
        self,
        version: Version,
        content: Content,
        first_block: int,
        end: int,
        keeping: Keeping,
        *,
        on_probation: bool = False,
    ) -> None:
        self.version = version
        self.content = content
        self.on_probation = on_probation
        self.position = content.start_of(first_block)
        self.first_block = first_block
        self.claimed = first_block  # the first block that is not
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.opened.add_done_callback(_look_at)
        self.site = ""
        self.is_over = False
        self.is_spoilt = False  # somebody saw that its bytes are not what was stored
        self.ends_at = end
        self._asked_end = end
        self._keeping = keeping
        self._readers: set[Reader] = set()
        self._part: PartFile | None = None
        self._stream: Stream | None = None
        self._is_paused = False
        self._is_feeding = False

    def claim_ahead(self) -> None:
        """Claim the blocks that come next; end before the first that others bring or that is there."""
        reach = self.content.find_block(self.position) + REACH_BYTES // self.content.block_bytes
        while self.claimed <= reach and self.content.start_of(self.claimed) < self.ends_at:
            if not self._keeping.claim(self, self.claimed):
                self.ends_at = self.content.start_of(self.claimed)
                return
            self.claimed += 1

    async def run(self) -> None:
        """Open a replica and let its bytes come; returns when they begin to."""
        self._asked_end = self.ends_at
        try:
            stream, self.site = await self._keeping.open_stream(
                self.version, self.position, self.ends_at - self.position
            )
        except ContinuumError as problem:
            self._stop(problem)
            return
        except BaseException:
            self.cancel()
            raise
        if self.is_over:
            stream.abort()
            return
        self._stream = stream
        self.opened.set_result(None)
        first = stream.take_first()
        if first:
            self.feed(first)
        if not self.is_over:
            stream.start(self)

    # ---- readers ----

    def join(self, reader: Reader) -> None:
        """The reader waits for bytes from here on."""
        self._readers.add(reader)
        self.go_on()

    def leave(self, reader: Reader) -> None:
        """The reader waits no longer."""
        self._readers.discard(reader)
        self.go_on()
        if self._stream is not None and not self._is_feeding:
            self._end_if_nobody_waits()

    def holds(self, position: int) -> bool:
        """Whether a byte can be read from the block that is being written."""
        return self._part is not None and self._part_start() <= position < self.position

    def read(self, position: int, end: int) -> bytes:
        """Return some bytes that it `holds`. Raises `OSError`."""
        if self._part is None:
            raise AssertionError("no block is being written")
        return self._part.read(position, min(end, self.position))

    def _part_start(self) -> int:
        return self.content.start_of(self._part.number) if self._part is not None else self.position

    def go_on(self) -> None:
        """A reader went on, came or left: maybe more is wanted, maybe nothing."""
        if self._is_paused and not self._is_far_ahead():
            self._is_paused = False
            if self._stream is not None:
                self._stream.resume()

    def _is_far_ahead(self) -> bool:
        if not self._readers:
            return False
        return self.position - max(reader.position for reader in self._readers) > REACH_BYTES

    # ---- as the sink of the stream ----

    def feed(self, data: bytes) -> None:
        """Write what came and offer it to the readers."""
        self._is_feeding = True
        try:
            self._feed(memoryview(data))
        finally:
            self._is_feeding = False
        if not self._is_paused and self._stream is not None and self._is_far_ahead():
            self._is_paused = True
            self._stream.pause()

    def _feed(self, left: memoryview) -> None:
        while left and not self.is_over:
            block = self.content.find_block(self.position)
            some = left[: self.content.end_of(block) - self.position]
            left = left[len(some) :]
            try:
                self._write(block, some)
            except OSError as problem:
                log.warning("a block cannot be written: %s", problem)
                self._stop(problem)
                return
            self._pass_on(some)
            self._end_if_nobody_waits()

    def _write(self, block: int, data: memoryview) -> None:
        if self._part is None:
            self._part = self._keeping.begin_part(self, block)
        self._part.write(data)

    def _pass_on(self, data: memoryview) -> None:
        position = self.position
        self.position += len(data)
        for reader in tuple(self._readers):
            try:
                reader.offer(position, data)
            except Exception:
                log.exception("a reader of a block failed; the others go on")
                self._readers.discard(reader)
        part = self._part
        if part is None or self.position < self.content.end_of(part.number):
            return
        self._part = None
        try:
            self._keeping.end_part(self, part)
        except OSError as problem:
            log.warning("a block cannot be kept: %s", problem)
            self._stop(problem)
            return
        self.claim_ahead()

    def _end_if_nobody_waits(self) -> None:
        if not self.is_over and (self.position >= self.ends_at or (self._part is None and not self._readers)):
            self._stop(None)

    def end(self) -> None:
        """The store gave all that it was asked for."""
        self._stop(None if self.position >= self.ends_at else ContinuumError("the fetch ended too early"))

    def fail(self, problem: Exception) -> None:
        """No store gives the rest."""
        self._stop(problem)

    def cancel(self) -> None:
        """Stop at once, whoever waits."""
        self._stop(ContinuumError("the gateway stops"))

    def _stop(self, problem: Exception | None) -> None:
        if self.is_over:
            return
        self.is_over = True
        stream, self._stream = self._stream, None
        if stream is not None and self.position < self._asked_end:
            stream.abort()  # a reply that is whole ends by itself
        part, self._part = self._part, None
        block = self.content.find_block(self.position) if part is None else part.number
        if part is not None:
            part.drop()
        if not self.opened.done():
            self.opened.set_exception(problem or ContinuumError("the fetch was given up"))
        self._keeping.end_fetch(self, block, problem)
        readers, self._readers = self._readers, set()
        for reader in readers:
            reader.leave_fetch(problem)


def _look_at(future: "asyncio.Future[None]") -> None:
    """Whoever waits hears of a problem; that nobody waits is none."""
    if not future.cancelled():
        future.exception()
