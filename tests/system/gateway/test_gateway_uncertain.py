"""Answers of the locator that never come: what may have become part of an object is not removed."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec
import pytest
from rigs import LIMITS, Rig, eventually, make_bytes

from continuum.backbone import BackboneUnavailableError
from continuum.model.errors import UnavailableError
from continuum.model.objects import Version
from continuum.model.policies import Policy
from continuum.store.gateway.gateways import Gateway
from continuum.store.locator.messages import Commit, DiscardObject, LookUp

Ask = Callable[[Any], Awaitable[Any]]
pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="session")]


def lose_answers(monkeypatch: pytest.MonkeyPatch, gateway: Gateway) -> list[Any]:
    """Let what the gateway asks to change be done, and its answers be lost; return what was asked."""
    asked: list[Any] = []
    assert gateway._locations is not None
    change = gateway._locations.change

    async def lose(request: Any, *keys: tuple[str, str]) -> None:
        await change(request, *keys)
        asked.append(request)
        raise BackboneUnavailableError("no answer")

    monkeypatch.setattr(gateway._locations, "change", lose)
    return asked


async def test_a_copy_whose_answer_was_lost_keeps_its_bytes(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = await rig.make_bucket()
    data = make_bytes(100_000)
    async with (
        rig.another_gateway("cloud", policy=Policy.COPY_ON_READ) as gateway,
        rig.client("edge") as edge,
        rig.client(gateway) as cloud,
    ):
        await edge.put(bucket, "key", data)
        asked = lose_answers(monkeypatch, gateway)
        assert await cloud.get(bucket, "key") == data

        async def is_over() -> bool:
            return gateway.counts.copies == {"dropped": 1}

        await eventually(is_over, "the copy has no end")
        assert gateway._discarding is not None
        await gateway._discarding.close()  # what it had to do is done
        found: Version = await rig.ask(LookUp(bucket=bucket, key="key"))
        keys = {replica.store: replica.key for replica in found.replicas}
        assert keys["store.cloud"] == asked[0].replica.key
        assert keys["store.cloud"] in await rig.sites["cloud"].stored_keys()
        read, info = await cloud.get_with_info(bucket, "key")
        assert (read, info.source_site) == (data, "cloud")


async def test_a_gateway_that_stops_in_the_middle_of_a_commit_removes_nothing(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = await rig.make_bucket()
    old, new = make_bytes(5000), make_bytes(5000)
    committed = asyncio.Event()
    gateway = Gateway(rig.settings("edge", limits=msgspec.structs.replace(LIMITS, stop_s=0.1)))
    await gateway.start()
    assert gateway._locations is not None
    publish = gateway._locations.publish

    async def hang(request: Any) -> None:
        await publish(request)
        committed.set()
        await asyncio.Event().wait()

    async with rig.client("cloud") as cloud, rig.client(gateway) as client:
        await cloud.put(bucket, "key", old)
        monkeypatch.setattr(gateway._locations, "publish", hang)
        writing = asyncio.create_task(client.put(bucket, "key", new))
        await asyncio.wait_for(committed.wait(), 10)
        await gateway.stop()
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        assert await cloud.get(bucket, "key") == new


@contextlib.asynccontextmanager
async def asking_through(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, first: Callable[[Any, Ask], Awaitable[None]]
) -> AsyncIterator[tuple[Gateway, list[type]]]:
    """A gateway whose first commit meets `first` and is not answered.

    Gives also the kinds of what it asked.
    """
    async with rig.another_gateway("edge") as gateway:
        assert gateway._locations is not None
        ask = gateway._locations.ask
        asked: list[type] = []

        async def pass_on(request: Any) -> Any:
            asked.append(type(request))
            if asked.count(Commit) == 1 and isinstance(request, Commit):
                await first(request, ask)
                raise BackboneUnavailableError("no answer")
            return await ask(request)

        monkeypatch.setattr(gateway._locations, "ask", pass_on)
        yield gateway, asked


async def test_a_commit_that_was_done_is_answered_also_when_its_session_ended_since(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = await rig.make_bucket()
    old, new = make_bytes(5000), make_bytes(5000)

    async def commit(request: Any, ask: Ask) -> None:
        await ask(request)
        rig.locator._leases.end(request.session_id)

    async with (
        asking_through(rig, monkeypatch, commit) as (gateway, asked),
        rig.client(gateway) as client,
        rig.client("cloud") as cloud,
    ):
        await cloud.put(bucket, "key", old)
        await client.put(bucket, "key", new)
        assert asked.count(Commit) == 2
        assert await cloud.get(bucket, "key") == new


async def test_bytes_of_a_commit_without_answer_are_left_to_the_locator_when_the_next_is_refused(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = await rig.make_bucket()

    async def lose(request: Any, ask: Ask) -> None:
        del ask
        rig.locator._leases.end(request.session_id)

    async with asking_through(rig, monkeypatch, lose) as (gateway, asked), rig.client(gateway) as client:
        with pytest.raises(UnavailableError):
            await client.put(bucket, "key", make_bytes(5000))
        assert gateway._discarding is not None
        await gateway._discarding.close()
        assert DiscardObject in asked


async def test_the_answer_to_a_repeated_commit_is_not_taken_for_the_current_version(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = await rig.make_bucket()
    mine, theirs = make_bytes(5000), make_bytes(5000)
    async with rig.client("cloud") as cloud:

        async def commit_and_be_replaced(request: Any, ask: Ask) -> None:
            await ask(request)
            await cloud.put(bucket, "key", theirs)

        async with (
            asking_through(rig, monkeypatch, commit_and_be_replaced) as (gateway, asked),
            rig.client(gateway) as client,
        ):
            await client.put(bucket, "key", mine)
            assert asked.count(Commit) == 2
            assert await client.get(bucket, "key") == theirs
