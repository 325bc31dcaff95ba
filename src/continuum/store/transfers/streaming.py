"""Passing the bytes of a piece from one end to the other: no queue, no copy, back-pressure both ways.

On the way the bytes are counted, kept to the bandwidth that was asked for, and hashed (MD5, which is the ETag
of what is written in one go; CRC-64/NVME, which can be combined over parts). The last bytes are held back
until the hash of all of them was compared with what the source says of itself: the target of a corrupted
read never gets a complete body, so nothing of it becomes visible there.
"""

import asyncio
import hashlib
from collections.abc import Awaitable
from typing import Protocol

import msgspec
from awscrt import checksums as crt

from continuum.model.errors import ConflictError, ContinuumError
from continuum.model.transfers import is_md5
from continuum.store.stores.exchanges import Exchange, Sink, Source, StoreProtocolError, StoreUnavailableError
from continuum.store.stores.s3 import raise_reply

BURST_S = 0.05
_FAILED_STATUS = 300
_CUSTOMER = "x-amz-server-side-encryption-customer-algorithm"


class CorruptedError(ContinuumError):
    """The bytes that arrived are not those that one end says it has."""

    code = "Corrupted"


class SourceChangedError(ConflictError):
    """The source was changed while it was being sent."""

    code = "SourceChanged"


class Body(Source, Protocol):
    """What gives the bytes of a piece."""

    def start(self, sink: Sink) -> None:
        """Hand all bytes to `sink`."""

    def abort(self) -> None:
        """Nobody wants the rest."""


class Receiver(Protocol):
    """What takes the bytes of a piece."""

    def attach(self, passing: "Passing") -> None:
        """Take bytes from this one, which can be told to wait and that it failed."""

    def write(self, data: bytes) -> None:
        """Take the next bytes."""

    async def finish(self) -> str:
        """All was written: wait until it is in place and return its ETag (empty: there is none)."""

    def abort(self) -> None:
        """Leave nothing."""


class Expected(msgspec.Struct, frozen=True):
    """What the source says of the bytes: MD5 (hex) and CRC-64/NVME, if it does."""

    md5: str = ""
    crc64: int | None = None

    def fits(self, md5: str, crc64: int) -> bool:
        """Whether bytes with these are the expected ones."""
        return self.md5 in {"", md5} and self.crc64 in {None, crc64}


class Carried(msgspec.Struct, frozen=True):
    """What went over: its length, MD5 (hex) and CRC-64/NVME, and the ETag that the target gave it."""

    size_bytes: int
    md5: str
    crc64: int
    etag: str


class Meter:
    """Counts the bytes of all lanes and keeps them to a bandwidth (bytes/s; None: no limit)."""

    def __init__(self, bandwidth_bytes_per_s: float | None = None) -> None:
        self._rate = bandwidth_bytes_per_s
        self._next_at = 0.0
        self.passed_bytes = 0

    def count(self, size_bytes: int, now: float) -> float:
        """Count bytes that passed; return for how long (s) this lane must wait then."""
        self.passed_bytes += size_bytes
        if self._rate is None:
            return 0.0
        self._next_at = max(self._next_at, now - BURST_S) + size_bytes / self._rate
        return max(self._next_at - now, 0.0)


class Passing:
    """The sink of the one end and the source of the other."""

    def __init__(
        self, body: Body, receiver: Receiver, length: int, meter: Meter, expected: "Expected"
    ) -> None:
        self._body = body
        self._receiver = receiver
        self._left = length
        self._meter = meter
        self._expected = expected
        self._held = b""
        self._is_full = False
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self.md5 = hashlib.md5(usedforsecurity=False)
        self.crc64 = 0
        self.is_cut = False
        self.done: asyncio.Future[None] = self._loop.create_future()
        receiver.attach(self)

    # ---- as the sink of the source ----

    def feed(self, data: bytes) -> None:
        """Take the next bytes and pass on those before."""
        if self.done.done():
            return
        self._left -= len(data)
        if self._left < 0:
            self.fail(StoreProtocolError("the source gave more bytes than it announced"))
            return
        self.md5.update(data)
        self.crc64 = crt.crc64nvme(data, self.crc64)
        held, self._held = self._held, data
        if held:
            self._receiver.write(held)
        delay_s = self._meter.count(len(data), self._loop.time())
        if delay_s > BURST_S / 2 and self._left:
            self._wait(delay_s)

    def end(self) -> None:
        """All bytes are here: compare, and pass on the last."""
        if self.done.done():
            return
        if self._left:
            self.fail(StoreProtocolError("the source gave fewer bytes than it announced"))
        elif not self._expected.fits(self.md5.hexdigest(), self.crc64):
            self.fail(CorruptedError("the bytes that the source gave do not have the checksum that it names"))
        else:
            if self._held:
                self._receiver.write(self._held)
            if not self.done.done():
                self.done.set_result(None)

    def fail(self, problem: Exception) -> None:
        """One of the ends failed."""
        if not self.done.done():
            self.done.set_exception(problem)

    def stop(self) -> None:
        """The target answered before it had everything: its answer says why."""
        if not self.done.done():
            self.is_cut = True
            self.done.set_result(None)

    # ---- as the source of the target ----

    def pause(self) -> None:
        """The target takes no more for now."""
        self._is_full = True
        self._body.pause()

    def resume(self) -> None:
        """The target takes more."""
        self._is_full = False
        if self._timer is None:
            self._body.resume()

    # ---- the bandwidth ----

    def _wait(self, delay_s: float) -> None:
        if self._timer is None:
            self._body.pause()
            self._timer = self._loop.call_later(delay_s, self._go_on)

    def _go_on(self) -> None:
        self._timer = None
        if not self._is_full:
            self._body.resume()

    def close(self) -> None:
        """It is over."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self.done.cancel() and not self.done.cancelled():
            self.done.exception()  # whoever waited knows


async def carry(
    body: Body, receiver: Receiver, length: int, meter: Meter, expected: Expected | None = None
) -> Carried:
    """Pass `length` bytes from `body` to `receiver`; both are over then.

    Raises what either end raises, `CorruptedError` if the bytes are not what is `expected`.
    """
    passing = Passing(body, receiver, length, meter, expected or Expected())
    try:
        body.start(passing)
        await passing.done
        if passing.is_cut:
            body.abort()
        etag = await receiver.finish()
    except BaseException:
        body.abort()
        receiver.abort()
        raise
    finally:
        passing.close()
    return Carried(length, passing.md5.hexdigest(), passing.crc64, etag)


async def carry_to(
    receiving: Awaitable[Receiver], body: Body, length: int, meter: Meter, expected: Expected | None = None
) -> Carried:
    """The same to what `receiving` gives; if it fails nobody wants the body."""
    try:
        receiver = await receiving
    except BaseException:
        body.abort()
        raise
    return await carry(body, receiver, length, meter, expected)


class ExchangeReceiver:
    """A request to a store whose body is the piece."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._passing: Passing | None = None

    def attach(self, passing: Passing) -> None:
        """Take bytes from this one."""
        self._passing = passing
        self._exchange.source = passing
        self._exchange.on_over = passing.stop

    def write(self, data: bytes) -> None:
        """Send the next bytes."""
        self._exchange.write(data)

    async def finish(self) -> str:
        """Wait for the store's answer. An ETag that is an MD5 must be that of the bytes."""
        exchange = self._exchange
        await exchange.reply()
        if exchange.status >= _FAILED_STATUS:
            await raise_reply(exchange)
        await exchange.read()
        headers = exchange.headers
        etag = headers.get("etag", "").strip('"')
        is_clear = (
            headers.get("x-amz-server-side-encryption", "AES256") == "AES256" and _CUSTOMER not in headers
        )
        passing = self._passing
        if passing is None or passing.is_cut:
            raise StoreUnavailableError("the target took only a part of the body")
        if is_clear and is_md5(etag) and etag != passing.md5.hexdigest():
            raise CorruptedError("the target has other bytes than were sent to it")
        return etag

    def abort(self) -> None:
        """Cut the request off."""
        self._exchange.abort()
