"""Passing bytes from one end to the other."""

import asyncio
import hashlib

import pytest

from continuum.store.stores.exchanges import StoreProtocolError
from continuum.store.transfers.streaming import CorruptedError, Expected, Meter, carry


class Pieces:
    """A body of given pieces, given as long as it is not told to wait."""

    def __init__(self, *pieces):
        self.pieces = list(pieces)
        self.is_aborted = False
        self._sink = None
        self._is_paused = False

    def start(self, sink):
        self._sink = sink
        self._give()

    def _give(self):
        while self.pieces and not self._is_paused:
            self._sink.feed(self.pieces.pop(0))
        if not self.pieces and not self._is_paused:
            self._sink.end()

    def pause(self):
        self._is_paused = True

    def resume(self):
        self._is_paused = False
        asyncio.get_running_loop().call_soon(self._give)

    def abort(self):
        self.is_aborted = True


class Taken:
    """A receiver that keeps what it gets."""

    def __init__(self):
        self.data = b""
        self.is_aborted = False
        self.is_finished = False

    def attach(self, passing):
        self.passing = passing

    def write(self, data):
        self.data += data

    async def finish(self):
        self.is_finished = True
        return "etag"

    def abort(self):
        self.is_aborted = True


async def test_all_bytes_arrive_and_are_hashed():
    taken = Taken()
    carried = await carry(Pieces(b"abc", b"def", b"g"), taken, 7, Meter())
    assert taken.data == b"abcdefg"
    assert (carried.size_bytes, carried.etag) == (7, "etag")
    assert carried.md5 == hashlib.md5(b"abcdefg").hexdigest()


async def test_an_empty_body_is_a_body():
    taken = Taken()
    await carry(Pieces(), taken, 0, Meter())
    assert (taken.data, taken.is_finished) == (b"", True)


@pytest.mark.parametrize("pieces", [(b"abcdefg",), (b"abc", b"defg"), (b"abcdef", b"g")])
async def test_the_target_never_gets_all_of_a_corrupted_body(pieces):
    body, taken = Pieces(*pieces), Taken()
    with pytest.raises(CorruptedError):
        await carry(body, taken, 7, Meter(), Expected(md5=hashlib.md5(b"abcdefX").hexdigest()))
    assert len(taken.data) < 7
    assert (taken.is_finished, taken.is_aborted, body.is_aborted) == (False, True, True)


@pytest.mark.parametrize("length", [3, 9])
async def test_a_body_of_another_length_is_refused(length):
    taken = Taken()
    with pytest.raises(StoreProtocolError):
        await carry(Pieces(b"abcd", b"ef"), taken, length, Meter())
    assert not taken.is_finished


async def test_the_bandwidth_is_kept():
    loop = asyncio.get_running_loop()
    began = loop.time()
    meter = Meter(1_000_000)
    await carry(Pieces(*[bytes(20_000)] * 15), Taken(), 300_000, meter)
    assert loop.time() - began >= 0.15
    assert meter.passed_bytes == 300_000
