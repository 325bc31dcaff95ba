"""Hostile bytes on a connection: no exception, no unbounded buffer, and one reading however they arrive.

The connection is the real one; its transport and server are stood in for, so that thousands of inputs take
seconds.
"""

import asyncio
from typing import Any

import pytest
from http_corpus import NEXT, SMUGGLED, WELL_FORMED, mutated, split
from hypothesis import given
from hypothesis import strategies as st

from continuum.model.errors import ContinuumError
from continuum.store.gateway.bodies import ClientGoneError
from continuum.store.gateway.connections import Connection, Request
from continuum.store.gateway.framing import FramingError
from continuum.store.gateway.replies import Reply
from continuum.store.gateway.settings import Limits

LIMITS = Limits(header_bytes=4096)
TURNS = 12  # of the event loop; more than a request of these sizes needs


class Wire(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.is_reading = True
        self.is_over = False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """There is room for everything."""

    def write(self, data: Any) -> None:
        assert not self.is_over
        self.written += bytes(data)

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.is_over = True

    def close(self) -> None:
        self.is_over = True

    def abort(self) -> None:
        self.is_over = True

    def pause_reading(self) -> None:
        self.is_reading = False

    def resume_reading(self) -> None:
        self.is_reading = True


class Listener:
    """A server that reads every body, or none, and notes what it was asked."""

    limits = LIMITS
    is_stopping = False

    def __init__(self, *, reads: bool) -> None:
        self._reads = reads
        self.asked: list[tuple[str, bytes, bytes]] = []
        self.refused = 0

    def admit(self, connection: Connection) -> bool:
        return True

    def forget(self, connection: Connection) -> None:
        """There is but one."""

    def shorten(self, request: Request, connection: Connection) -> bool:
        return False

    async def handle(self, request: Request) -> Reply:
        try:
            body = await request.body.read(100_000) if self._reads else b""
        except (ContinuumError, ClientGoneError):
            self.refused += 1
            return Reply(status=400)
        self.asked.append((request.method, request.raw_path, body))
        return Reply(body=b"yes")

    def refuse(self, problem: FramingError, request_id: str) -> Reply:
        self.refused += 1
        return Reply(status=400, body=b"no")


async def bring(pieces: list[bytes], *, reads: bool) -> tuple[Listener, Wire]:
    """Bring bytes to a new connection and end it."""
    loop = asyncio.get_running_loop()
    problems: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: problems.append(context))
    listener, wire = Listener(reads=reads), Wire()
    connection = Connection(listener)
    connection.connection_made(wire)
    for piece in pieces:
        for _ in range(TURNS):
            if wire.is_reading:
                break
            await asyncio.sleep(0)
        if wire.is_over or not piece:
            continue
        connection.data_received(piece)
        assert len(connection._buffer) <= LIMITS.header_bytes + len(piece)
        await asyncio.sleep(0)
    for _ in range(TURNS):
        await asyncio.sleep(0)
    connection.connection_lost(None)
    for _ in range(TURNS):
        await asyncio.sleep(0)
    assert not problems, problems
    return listener, wire


def listen(pieces: list[bytes], *, reads: bool = True) -> tuple[Listener, Wire]:
    return asyncio.run(bring(pieces, reads=reads))


@pytest.mark.parametrize("name", SMUGGLED)
def test_a_smuggled_request_is_refused_and_the_connection_closed(name: str) -> None:
    listener, wire = listen([SMUGGLED[name] + NEXT])
    assert wire.is_over
    assert wire.written.startswith(b"HTTP/1.1 400 ")
    assert wire.written.count(b"HTTP/1.1 ") == 1
    assert not [path for _, path, _ in listener.asked if path == b"/smuggled"]


@pytest.mark.parametrize("request_bytes", WELL_FORMED)
def test_what_fuzzing_starts_from_is_well_formed(request_bytes: bytes) -> None:
    listener, wire = listen([request_bytes])
    assert not listener.refused
    assert len(listener.asked) == 1
    assert b"HTTP/1.1 200 " in wire.written


well_formed = mutated(st.sampled_from(WELL_FORMED))
hostile = mutated(st.sampled_from(sorted(SMUGGLED.values())))
conversations = st.lists(st.one_of(well_formed, hostile), min_size=1, max_size=3).map(b"".join)


@given(conversations, st.data())
def test_bytes_are_read_in_one_way_however_they_arrive(conversation: bytes, data: st.DataObject) -> None:
    whole, _ = listen([conversation])
    pieces, _ = listen(data.draw(split(conversation)))
    assert pieces.asked == whole.asked
    assert bool(pieces.refused) == bool(whole.refused)


@given(conversations, st.data())
def test_a_body_that_nobody_reads_is_not_taken_for_a_request(
    conversation: bytes, data: st.DataObject
) -> None:
    """Who answers without reading a body reads it off or closes; so no request is seen that a reader of
    bodies does not see."""
    read, _ = listen([conversation])
    unread, _ = listen(data.draw(split(conversation)), reads=False)
    seen = [(method, path) for method, path, _ in read.asked]
    unseen = [(method, path) for method, path, _ in unread.asked][: len(seen)]
    assert unseen == seen[: len(unseen)]
    assert len(unread.asked) <= len(seen) + read.refused
