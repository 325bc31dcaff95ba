"""The backbone over a real nats-server with mutual TLS."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from backbone_server import BackboneServer

from continuum.backbone import Backbone, BackboneUnavailableError, RemoteError
from continuum.model.errors import ConflictError, ContinuumError
from continuum.security import create_identity

pytestmark = pytest.mark.system


class Question(msgspec.Struct, frozen=True, kw_only=True):
    number: int


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    number: int


class OddError(ContinuumError):
    code = "Odd"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[BackboneServer]:
    server = BackboneServer(tmp_path)
    server.start()
    yield server
    server.kill()


@pytest.fixture
async def pair(server: BackboneServer) -> AsyncIterator[tuple[Backbone, Backbone]]:
    asker = await Backbone.connect(server.settings("driver"), wait_s=10)
    answerer = await Backbone.connect(server.settings("hub"), wait_s=10)
    yield asker, answerer
    await asker.close()
    await answerer.close()


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while True:
            if condition():
                return
            await asyncio.sleep(0.01)


async def twice(question: Question) -> Answer:
    if question.number < 0:
        raise ConflictError("negative", hint="use a natural number")
    if question.number == 1300:
        raise OddError("unlucky")
    if question.number == 9900:
        raise ZeroDivisionError
    return Answer(number=question.number * 2)


async def test_a_request_is_answered_with_the_type_that_was_asked_for(
    pair: tuple[Backbone, Backbone],
) -> None:
    asker, answerer = pair
    await answerer.serve("numbers.twice", Question, twice, queue="hub")
    answers = await asyncio.gather(
        *(asker.request("numbers.twice", Question(number=n), Answer) for n in range(50))
    )
    assert [answer.number for answer in answers] == [2 * n for n in range(50)]


@pytest.mark.parametrize(
    ("number", "kind", "code"),
    [(-1, ConflictError, "Conflict"), (1300, RemoteError, "Odd"), (9900, RemoteError, "InternalError")],
)
async def test_errors_cross_the_wire_with_code_and_hint_but_without_inner_details(
    pair: tuple[Backbone, Backbone], number: int, kind: type[ContinuumError], code: str
) -> None:
    asker, answerer = pair
    await answerer.serve("numbers.twice", Question, twice)
    with pytest.raises(kind) as caught:
        await asker.request("numbers.twice", Question(number=number), Answer)
    assert caught.value.code == code
    assert "ZeroDivision" not in str(caught.value)
    if number == -1:
        assert caught.value.hint == "use a natural number"


async def test_a_message_of_the_wrong_shape_is_refused_and_says_where(
    pair: tuple[Backbone, Backbone],
) -> None:
    asker, answerer = pair
    await answerer.serve("numbers.twice", Question, twice)
    with pytest.raises(RemoteError, match=r"number") as caught:
        await asker.request("numbers.twice", {"number": "two"}, Answer)
    assert caught.value.code == "InvalidMessage"


async def test_nobody_there_is_said_at_once(pair: tuple[Backbone, Backbone]) -> None:
    asker, _ = pair
    with pytest.raises(BackboneUnavailableError):
        await asker.request("nobody.home", Question(number=1), Answer)


async def test_connections_and_services_come_back_after_the_server_was_killed(
    server: BackboneServer, pair: tuple[Backbone, Backbone]
) -> None:
    asker, answerer = pair
    await answerer.serve("numbers.twice", Question, twice)
    server.kill()
    with pytest.raises(BackboneUnavailableError):
        await asker.request("numbers.twice", Question(number=1), Answer, timeout_s=0.5)
    server.start()
    answer = None
    async with asyncio.timeout(20):
        while answer is None:
            try:
                answer = await asker.request("numbers.twice", Question(number=4), Answer, timeout_s=1)
            except BackboneUnavailableError:
                await asyncio.sleep(0.05)
    assert answer == Answer(number=8)


async def test_closing_in_the_middle_of_a_reconnection_ends_in_bounded_time(server: BackboneServer) -> None:
    for moment in range(8):
        backbone = await Backbone.connect(server.settings("driver"), wait_s=10)
        server.kill()
        await eventually(lambda lost=backbone: not lost.is_connected)
        server.start()
        await asyncio.sleep(0.01 * moment)
        async with asyncio.timeout(5):
            await backbone.close()


async def test_a_connection_that_the_server_ends_for_an_error_is_replaced_with_its_services(
    pair: tuple[Backbone, Backbone],
) -> None:
    asker, answerer = pair
    kept = await answerer.serve("numbers.twice", Question, twice)
    ended = await answerer.serve("numbers.thrice", Question, twice)
    await ended.unsubscribe()
    first = answerer._client
    first._transport.write(b"NONSENSE\r\n")  # the server says -ERR, and nats-py closes for good
    await eventually(lambda: answerer._client is not first and answerer.is_connected)
    await answerer.serve("numbers.new", Question, twice)  # a round trip: what was replayed has arrived
    for subject in ("numbers.twice", "numbers.new"):
        assert await asker.request(subject, Question(number=4), Answer) == Answer(number=8)
    with pytest.raises(BackboneUnavailableError):
        await asker.request("numbers.thrice", Question(number=1), Answer)
    await kept.unsubscribe()
    with pytest.raises(BackboneUnavailableError):
        await asker.request("numbers.twice", Question(number=1), Answer)


class ForgetfulWall:
    """A relay to a server, as a firewall: told to `forget`, it passes nothing more on in connections that are
    open, and tells nobody; new ones pass."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._passing: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []
        self.server: asyncio.Server

    async def start(self) -> int:
        self.server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        port: int = self.server.sockets[0].getsockname()[1]
        return port

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._target)
        self._writers += [writer, back]
        for source, target in ((reader, back), (there, writer)):
            task = asyncio.create_task(self._pass(source, target))
            self._passing.add(task)
            task.add_done_callback(self._passing.discard)

    async def _pass(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                target.write(data)
                await target.drain()
            target.close()

    async def forget(self) -> None:
        passing = list(self._passing)
        for task in passing:
            task.cancel()
        await asyncio.gather(*passing, return_exceptions=True)

    async def stop(self) -> None:
        self.server.close()
        await self.forget()
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.sleep(0)


async def test_a_link_that_went_silent_is_left_without_a_farewell_and_made_anew(
    server: BackboneServer,
) -> None:
    wall = ForgetfulWall(server.port)
    settings = msgspec.structs.replace(server.settings("hub"), url=f"tls://127.0.0.1:{await wall.start()}")
    hub = await Backbone.connect(settings, wait_s=10)
    agent = await Backbone.connect(server.settings("agent.edge"), wait_s=10)
    try:
        await hub.serve("double", Question, twice)
        await wall.forget()
        with pytest.raises(BackboneUnavailableError):
            await agent.request("double", Question(number=1), Answer, timeout_s=0.2)

        async with asyncio.timeout(20):  # a farewell over TLS alone is waited for for 30 s
            while True:
                try:
                    answer = await agent.request("double", Question(number=4), Answer, timeout_s=0.5)
                except BackboneUnavailableError:
                    continue
                break
        assert answer == Answer(number=8)
    finally:
        await agent.close()
        await hub.close()
        await wall.stop()


async def test_a_client_of_a_foreign_authority_is_refused(server: BackboneServer, tmp_path: Path) -> None:
    good = await Backbone.connect(server.settings("driver"), wait_s=10)
    await good.close()
    foreign = create_identity(tmp_path / "foreign", "driver", "driver")
    settings = msgspec.structs.replace(
        server.settings("driver"), certificate_file=foreign.certificate_file, key_file=foreign.key_file
    )
    with pytest.raises(BackboneUnavailableError):
        await Backbone.connect(settings)


async def test_events_reach_all_who_listen(pair: tuple[Backbone, Backbone]) -> None:
    asker, answerer = pair
    heard: asyncio.Queue[int] = asyncio.Queue()

    async def hear(event: Question) -> None:
        heard.put_nowait(event.number)

    await answerer.listen("events.>", Question, hear)
    await asker.listen("events.>", Question, hear)
    await asker.publish("events.one", Question(number=7))
    assert [await asyncio.wait_for(heard.get(), 5) for _ in range(2)] == [7, 7]
