"""Several equal hubs over one PostgreSQL: what one acknowledges every gateway of all sees; hubs die."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from locator_gateway import BUCKET, SmallGateway, make_store
from locator_world import DEADLINE_S, LEASE_S, World, count_up, eventually, make_world
from postgresql_server import PostgresServer

from continuum.model.errors import ContinuumError, UnavailableError
from continuum.model.objects import Replica, Version
from continuum.store import Locator
from continuum.store.gateway.locations import Locations
from continuum.store.locator import messages as m

pytestmark = pytest.mark.system


@pytest.fixture
async def world(postgresql: PostgresServer, tmp_path: Path) -> AsyncIterator[World]:
    async with make_world(tmp_path, postgresql) as world:
        yield world


async def gateway_of(world: World, locator: Locator, site: str = "edge") -> SmallGateway:
    """A gateway whose session is with this very hub: sessions open with any."""
    while True:
        gateway = await world.gateway(site)
        if gateway.session.hub == locator._peers.epoch:
            return gateway
        await gateway.locator.ask(m.CloseSession(session_id=gateway.session.session_id))
        await gateway.close()


async def test_what_one_hub_acknowledges_no_gateway_of_another_serves_older(world: World) -> None:
    hubs = [await world.start_here() for _ in range(3)]
    gateways = [await gateway_of(world, hub) for hub in hubs]
    await world.make_bucket(gateways[0])
    enough, ends_at = 60, time.monotonic() + DEADLINE_S

    def is_going(counts: dict[str, int]) -> bool:
        return counts["writes"] < enough and time.monotonic() < ends_at

    counts = await count_up(gateways, is_going, seed=11, writers=3, readers=12)
    assert counts["writes"] >= enough
    assert sum(gateway.served_from_memory for gateway in gateways) > counts["reads"] / 4
    assert sum(hub._peers.is_on_duty for hub in hubs) <= 1


async def test_a_change_waits_for_a_deaf_gateway_of_another_hub_until_its_lease_ran_out(world: World) -> None:
    hubs = [await world.start_here() for _ in range(2)]
    deaf, writer = await gateway_of(world, hubs[0]), await gateway_of(world, hubs[1])
    await world.make_bucket(writer)
    await writer.write("key", "old")
    assert await deaf.read("key") == "old"
    deaf.hears.clear()
    began_at = time.monotonic()
    change = asyncio.ensure_future(writer.write("key", "new"))
    while not change.done():
        try:
            assert await deaf.read("key") in {"old", "new"}
        except (m.SessionEndedError, m.SessionElsewhereError):
            break
        await asyncio.sleep(0.01)
    await change
    assert time.monotonic() - began_at > LEASE_S
    epochs = {hub._peers.epoch for hub in hubs}
    assert len(epochs) == 2  # the hub of the deaf gateway was not taken for silent
    assert deaf.session.hub in epochs


class Writers:
    """One writer for each gateway, of ten keys each, until they are told to `end`."""

    def __init__(self, gateways: list[Locations]) -> None:
        self.acknowledged: dict[str, int] = {}
        self._counts = [0] * len(gateways)
        self._is_going = True
        self._tasks = [asyncio.ensure_future(self._write(*pair)) for pair in enumerate(gateways)]

    async def _write(self, index: int, gateway: Locations) -> None:
        number = 0
        while self._is_going:
            number += 1
            key = f"key-{index}-{number % 10}"
            try:
                await gateway.publish(commit_of(gateway, key, str(number)))
            except UnavailableError:
                continue
            self.acknowledged[key] = number
            self._counts[index] += 1

    async def have_written(self, more: int) -> None:
        enough = [count + more for count in self._counts]

        async def is_enough() -> bool:
            return all(count >= wanted for count, wanted in zip(self._counts, enough, strict=True))

        await eventually(is_enough)

    async def end(self) -> None:
        self._is_going = False
        await asyncio.gather(*self._tasks)


async def test_an_acknowledged_commit_survives_kill_9_of_a_hub_and_gateways_go_on(world: World) -> None:
    """Writers with the product's own side of sessions; the hubs are processes, one is killed under load."""
    for _ in range(2):
        await world.start_process()
    gateways = [await open_locations(world, f"gateway-{number}") for number in range(4)]
    await gateways[0].ask(m.CreateBucket(name=BUCKET, owner="admin", home="edge"))
    sessions = [gateway.session_id for gateway in gateways]
    writers = Writers(gateways)
    await writers.have_written(5)
    await world.end_process(signal.SIGKILL)
    await writers.have_written(5)  # nobody waits for the hub that is no more for longer than its lease
    await writers.end()
    for key, number in writers.acknowledged.items():
        for gateway in gateways:
            assert int((await gateway.look_up(BUCKET, key)).etag) >= number
    assert [gateway.session_id for gateway in gateways] == sessions  # what was under way counts
    assert len({gateway._locator.hub for gateway in gateways}) == 1
    for gateway in gateways:
        await gateway.close()


async def test_a_hub_that_is_stopped_in_its_tracks_holds_up_the_others_for_one_lease_only(
    world: World,
) -> None:
    await world.start_process()
    held = await world.gateway()  # with the hub that will stop
    here = await world.start_here()
    writer = await gateway_of(world, here)
    await world.make_bucket(writer)
    await writer.write("key", "old")
    assert await held.read("key") == "old"
    os.kill(world.pid, signal.SIGSTOP)
    await writer.write("key", "new")

    async def has_moved() -> bool:
        return held.session.hub == here._peers.epoch

    await eventually(has_moved)
    assert await held.read("key") == "new"
    os.kill(world.pid, signal.SIGCONT)
    await writer.write("key", "newer")  # the hub that is back sees that it was given up
    assert await held.read("key") == "newer"


async def test_duties_pass_to_another_hub_and_bereft_sessions_end(world: World) -> None:
    await world.start_process()
    silent = await world.gateway(renews=False)
    second = await world.start_here()
    other = await gateway_of(world, second)
    assert silent.session.hub != second._peers.epoch
    await world.end_process(signal.SIGKILL)

    async def is_on_duty() -> bool:
        return second._peers.is_on_duty

    await eventually(is_on_duty)
    claim = m.ClaimGarbage(session_id=other.session.session_id, store="edge")
    found: list[m.GarbageItem] = []

    async def is_offered() -> bool:
        found.extend((await other.locator.ask(claim)).items)
        return any(item.key == f"{silent.session.session_id}/" for item in found)

    await eventually(is_offered)


async def test_users_that_two_hubs_make_sure_of_at_once_are_made_once(world: World) -> None:
    hubs = [await world.start_here() for _ in range(2)]
    users = await asyncio.gather(*(hub.ensure_user("admin") for hub in hubs))
    assert users[0].secret_key == users[1].secret_key


async def open_locations(world: World, name: str) -> Locations:
    backbone = await world.connect("gateway.edge")
    locations = Locations(backbone, site="edge", gateway=name, store=make_store("edge"), max_versions=1000)
    async with asyncio.timeout(DEADLINE_S):
        while True:
            try:
                await locations.open()
            except ContinuumError:
                await asyncio.sleep(0.05)
            else:
                return locations


def commit_of(gateway: Locations, key: str, etag: str) -> m.Commit:
    place = gateway.make_physical_key()
    version = Version(
        bucket=BUCKET,
        key=key,
        version_id=os.urandom(8).hex(),
        etag=etag,
        size_bytes=1,
        modified_at=0.0,
        replicas=(Replica(store="edge", bucket="physical", key=place.key, created_at=0.0),),
    )
    return m.Commit(session_id=place.session_id, version=version)
