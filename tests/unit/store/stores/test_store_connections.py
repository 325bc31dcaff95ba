"""A store's replies, however they are cut into pieces; what is no reply is a failure of the exchange."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from continuum.store.stores.connections import StoreConnection
from continuum.store.stores.exchanges import Exchange, StoreProtocolError, StoreUnavailableError


class Transport:
    """What a connection writes to, kept."""

    def __init__(self) -> None:
        self.written = b""
        self.is_closed = False
        self.is_reading = True

    def write(self, data: bytes) -> None:
        self.written += data

    def abort(self) -> None:
        self.is_closed = True

    def pause_reading(self) -> None:
        self.is_reading = False

    def resume_reading(self) -> None:
        self.is_reading = True


class Made:
    """A connection with an exchange under way."""

    def __init__(self, method: str = "GET", body_bytes: int = 0) -> None:
        self.released: list[StoreConnection] = []
        self.lost: list[bool] = []
        self.connection = StoreConnection(self.released.append, lambda _, failed: self.lost.append(failed))
        self.transport = Transport()
        self.connection.connection_made(self.transport)  # type: ignore[arg-type]
        self.exchange: Exchange = self.connection.begin(method, b"HEAD\r\n\r\n", body_bytes)


class Kept:
    """A sink that keeps everything."""

    def __init__(self) -> None:
        self.data = b""
        self.ended = False
        self.problem: Exception | None = None

    def feed(self, data: bytes) -> None:
        self.data += data

    def end(self) -> None:
        self.ended = True

    def fail(self, problem: Exception) -> None:
        self.problem = problem


def run(work: Any) -> None:
    asyncio.run(work())


REPLIES = {
    "a length": b'HTTP/1.1 200 OK\r\nContent-Length: 11\r\nETag: "x"\r\n\r\nhello world',
    "chunks": b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nETag: "x"\r\n\r\n'
    b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n",
    "an interim reply first": b"HTTP/1.1 100 Continue\r\n\r\n"
    b'HTTP/1.1 200 OK\r\ncontent-length: 11\r\netag: "x"\r\n\r\n'
    b"hello world",
}


@given(st.sampled_from(sorted(REPLIES)), st.lists(st.integers(1, 100), max_size=6), st.integers(0, 3))
def test_a_reply_is_the_same_however_it_is_split(name: str, cuts: list[int], start_after: int) -> None:
    async def work() -> None:
        made, sink = Made(), Kept()
        made.exchange.flush_head()
        coded = REPLIES[name]
        places = sorted({cut for cut in cuts if cut < len(coded)})
        pieces = [coded[a:b] for a, b in zip([0, *places], [*places, len(coded)], strict=True)]
        for number, piece in enumerate(pieces):
            made.connection.data_received(piece)
            if number == start_after:
                made.exchange.start(sink)
        if start_after >= len(pieces):
            made.exchange.start(sink)
        assert (made.exchange.status, sink.data, sink.ended) == (200, b"hello world", True)
        assert made.exchange.headers["etag"] == '"x"'
        assert made.released == [made.connection]
        assert made.transport.is_reading

    run(work)


@pytest.mark.parametrize(
    "method_and_head",
    [("HEAD", b"200 OK\r\nContent-Length: 5"), ("GET", b"304 Not Modified"), ("DELETE", b"204 No Content")],
)
def test_replies_without_a_body_end_with_their_head(method_and_head: tuple[str, bytes]) -> None:
    async def work() -> None:
        made = Made(method_and_head[0])
        made.connection.data_received(b"HTTP/1.1 " + method_and_head[1] + b"\r\n\r\n")
        assert (made.exchange.is_complete, made.released) == (True, [made.connection])

    run(work)


@pytest.mark.parametrize(
    "coded",
    [
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000,
    ],
)
def test_what_is_no_reply_fails_the_exchange_and_closes_the_connection(coded: bytes) -> None:
    async def work() -> None:
        made = Made()
        made.connection.data_received(coded)
        with pytest.raises(StoreProtocolError):
            await made.exchange.reply()
        assert made.transport.is_closed
        assert made.released == []

    run(work)


def test_a_short_body_fails_its_sink_and_never_ends_it() -> None:
    async def work() -> None:
        made, sink = Made(), Kept()
        made.connection.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
        made.exchange.start(sink)
        made.connection.connection_lost(None)
        assert (sink.data, sink.ended) == (b"abc", False)
        assert isinstance(sink.problem, StoreUnavailableError)
        assert made.lost == [True]

    run(work)


def test_a_body_that_nobody_takes_is_not_read_on() -> None:
    async def work() -> None:
        made, sink = Made(), Kept()
        made.connection.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
        assert not made.transport.is_reading
        made.exchange.start(sink)
        assert made.transport.is_reading

    run(work)


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\nConnection: close\r\n", b"HTTP/1.0 200 OK\r\n"])
def test_a_connection_that_the_store_will_close_is_not_used_again(head: bytes) -> None:
    async def work() -> None:
        made = Made()
        made.connection.data_received(head + b"Content-Length: 2\r\n\r\nok")
        assert made.exchange.is_complete
        assert made.released == []
        assert made.transport.is_closed

    run(work)


def test_a_reply_before_the_whole_request_was_sent_ends_the_connection() -> None:
    async def work() -> None:
        made = Made("PUT", body_bytes=10)
        told: list[bool] = []
        made.exchange.on_over = lambda: told.append(True)
        made.exchange.write(b"12345")
        made.connection.data_received(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        assert (made.exchange.status, told, made.released) == (403, [True], [])
        assert made.transport.is_closed

    run(work)


def test_the_source_of_a_request_waits_while_the_store_takes_no_more() -> None:
    class Valve:
        steps: list[str]

        def __init__(self) -> None:
            self.steps = []

        def pause(self) -> None:
            self.steps.append("pause")

        def resume(self) -> None:
            self.steps.append("resume")

    async def work() -> None:
        made = Made("PUT", body_bytes=10)
        valve = made.exchange.source = Valve()
        made.connection.pause_writing()
        assert made.connection.waits_for_store()
        made.connection.resume_writing()
        assert valve.steps == ["pause", "resume"]
        assert not made.connection.waits_for_store()

    run(work)


def test_an_exchange_that_is_given_up_takes_the_connection_with_it() -> None:
    async def work() -> None:
        made = Made("PUT", body_bytes=10)
        made.exchange.write(b"123")
        made.exchange.abort()
        made.connection.connection_lost(None)
        made.exchange.write(b"456")
        assert made.transport.written == b"HEAD\r\n\r\n123"
        assert (made.transport.is_closed, made.lost) == (True, [False])

    run(work)
