"""The locator behind a real backbone: races, leases, fencing, kills, full disks."""

import asyncio
import contextlib
import os
import resource
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from locator_gateway import BUCKET, make_store
from locator_world import DEADLINE_S, LEASE_S, World, count_up, eventually, make_world

from continuum.backbone import BackboneUnavailableError
from continuum.model.errors import (
    ConflictError,
    ContinuumError,
    InvalidInputError,
    NotFoundError,
    UnavailableError,
)
from continuum.store import Locator
from continuum.store.locator import messages as m

pytestmark = pytest.mark.system

LOST = (m.SessionEndedError, m.SessionElsewhereError)  # one hub of several cannot tell; the renewal tells
on_both_databases = pytest.mark.parametrize("world", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    """Over SQLite, or, for tests that ask for it, over the database that the parameter names."""
    is_postgresql = getattr(request, "param", "") == "postgresql"
    server = request.getfixturevalue("postgresql") if is_postgresql else None
    async with make_world(tmp_path, server) as world:
        yield world


@on_both_databases
async def test_of_fifty_writers_who_want_to_be_first_exactly_one_is(world: World) -> None:
    await world.start_here()
    gateways = [await world.gateway(site) for site in ("edge", "cloud")]
    await world.make_bucket(gateways[0])
    for key in ("one", "two", "three"):
        results = await asyncio.gather(
            *(gateways[i % 2].write(key, f"value-{i}", if_none_match=True) for i in range(50)),
            return_exceptions=True,
        )
        winners = [result for result in results if not isinstance(result, Exception)]
        assert len(winners) == 1
        assert all(isinstance(lost, m.PreconditionFailedError) for lost in results if lost not in winners)
        assert await gateways[0].read(key) == await gateways[1].read(key) == winners[0].etag


async def test_no_gateway_serves_a_value_older_than_an_acknowledged_one(world: World) -> None:
    await world.start_here()
    gateways = [await world.gateway(site) for site in ("edge", "cloud", "edge")]
    await world.make_bucket(gateways[0])
    ends_at = time.monotonic() + 3.0

    def is_going(counts: dict[str, int]) -> bool:
        return time.monotonic() < ends_at or counts["writes"] <= 100

    counts = await count_up(gateways, is_going, seed=7, writers=4, readers=24)
    from_memory = sum(gateway.served_from_memory for gateway in gateways)
    assert from_memory > counts["reads"] / 4  # else nothing was put to the test


async def test_the_stress_above_with_unordered_writers_ends_with_everybody_agreeing(world: World) -> None:
    await world.start_here()
    gateways = [await world.gateway(site) for site in ("edge", "cloud")]
    await world.make_bucket(gateways[0])
    for round_number in range(20):
        results = await asyncio.gather(
            *(gateways[i % 2].write("key", f"{round_number}-{i}") for i in range(10)),
            *(gateways[i % 2].read("key") for i in range(10)),
        )
        newest = max(results[:10], key=lambda version: version.modified_at).etag
        assert [await gateway.read("key") for gateway in gateways] == [newest, newest]


@on_both_databases
async def test_a_change_waits_for_a_gateway_that_went_deaf_until_its_lease_ran_out(world: World) -> None:
    await world.start_here()
    deaf, writer = await world.gateway("edge"), await world.gateway("cloud")
    await world.make_bucket(writer)
    await writer.write("key", "old")
    assert await deaf.read("key") == "old"
    deaf.hears.clear()
    began_at = time.monotonic()
    change = asyncio.ensure_future(writer.write("key", "new"))
    while not change.done():
        waited_s = time.monotonic() - began_at
        with contextlib.suppress(*LOST):
            assert await deaf.read("key") in {"old", "new"}
        await asyncio.sleep(0.01)
    assert LEASE_S < waited_s < DEADLINE_S  # it renewed for one lease, then was not let to
    with pytest.raises(LOST):
        await deaf.read("key")
    with pytest.raises(m.SessionEndedError):  # it is told, and has to begin anew
        await deaf.locator.ask(m.RenewSession(session_id=deaf.session.session_id))
    await deaf.close()
    await deaf.open()
    assert await deaf.read("key") == "new"


@on_both_databases
async def test_a_silent_session_is_fenced_and_its_store_is_searched(world: World) -> None:
    await world.start_here()
    silent = await world.gateway("edge", renews=False)
    await world.make_bucket(silent)
    await silent.write("key", "value")
    other = await world.gateway("edge")

    async def is_fenced() -> bool:
        try:
            await silent.write("key", "again")
        except LOST:
            return True
        return False

    await eventually(is_fenced)
    claim = m.ClaimGarbage(session_id=other.session.session_id, store="edge")
    found: list[m.GarbageItem] = []

    async def is_offered() -> bool:
        found.extend((await other.locator.ask(claim)).items)
        return any(item.is_prefix for item in found)

    await eventually(is_offered)
    (sweep,) = [item for item in found if item.is_prefix]
    prefix = f"{silent.session.session_id}/"
    assert (sweep.bucket, sweep.key) == ("physical", prefix)
    current = await other.locator.ask(m.LookUp(bucket=BUCKET, key="key"))
    keys = (f"{prefix}lost", current.replicas[0].key)
    question = m.FilterOrphans(store="edge", bucket="physical", keys=keys)
    assert (await other.locator.ask(question)).keys == (f"{prefix}lost",)
    await other.locator.ask(
        m.ReportGarbage(session_id=other.session.session_id, item_ids=tuple(item.item_id for item in found))
    )


async def test_every_acknowledged_commit_survives_kill_9_of_the_hub(world: World) -> None:
    await world.start_process()
    gateway = await world.gateway()
    await world.make_bucket(gateway)
    acknowledged: dict[str, str] = {}
    going = True

    async def write(writer: int) -> None:
        for number in range(10_000):
            if not going:
                return
            key, value = f"{writer}-{number % 50}", f"{writer}.{number}"
            try:
                await gateway.locator.ask(gateway.make_commit(key, value), timeout_s=DEADLINE_S)
            except BackboneUnavailableError:
                return
            acknowledged[key] = value

    writers = [asyncio.ensure_future(write(number)) for number in range(16)]
    for _ in range(2):
        enough = len(acknowledged) + 100

        async def has_grown(enough: int = enough) -> bool:
            return len(acknowledged) >= enough

        await eventually(has_grown)
        await world.end_process(signal.SIGKILL)
        going = False
        for writer in writers:
            writer.cancel()
        await asyncio.gather(*writers, return_exceptions=True)
        before = dict(acknowledged)
        await world.start_process()
        for key, value in before.items():
            version = await gateway.locator.ask(m.LookUp(bucket=BUCKET, key=key))
            writer_number, _, number = version.etag.partition(".")
            at_least = int(value.partition(".")[2])
            assert writer_number == key.partition("-")[0]
            assert int(number) >= at_least  # what was under way may have been done, unacknowledged
        going = True
        acknowledged.clear()
        writers = [asyncio.ensure_future(write(number)) for number in range(16, 32)]
    going = False
    await asyncio.gather(*writers)


async def test_after_a_crash_sessions_go_on_and_changes_wait_for_the_leases_from_before(world: World) -> None:
    await world.start_process()
    reader, writer = await world.gateway("edge"), await world.gateway("cloud")
    await world.make_bucket(writer)
    await writer.write("key", "old")
    assert await reader.read("key") == "old"
    epoch = reader.session.hub_epoch
    await world.end_process(signal.SIGKILL)
    await world.start_process()
    restarted_at = time.monotonic()
    change = asyncio.ensure_future(writer.write("key", "new"))
    while not change.done():
        await reader.read("key")
        await asyncio.sleep(0.005)
    assert await reader.read("key") == "new"
    assert time.monotonic() - restarted_at > LEASE_S / 2  # it was ready a little before it said so

    async def knows() -> bool:
        return reader.session.hub_epoch != epoch

    await eventually(knows)
    assert await reader.read("key") == "new"


async def test_a_hub_that_is_asked_to_stop_answers_what_it_has_and_leaves(world: World) -> None:
    await world.start_process()
    gateway = await world.gateway()
    await world.make_bucket(gateway)
    await gateway.locator.ask(m.CloseSession(session_id=gateway.session.session_id))
    assert await world.end_process(signal.SIGTERM) == 0
    await world.start_process()
    again = await world.gateway()
    began_at = time.monotonic()
    await again.write("key", "value")  # no lease is out, so nothing waits
    assert time.monotonic() - began_at < LEASE_S


async def test_a_full_disk_refuses_changes_acknowledges_nothing_and_recovers(world: World) -> None:
    await world.start_process()
    gateway = await world.gateway()
    await world.make_bucket(gateway)
    await gateway.write("key", "before")
    _, hard = resource.prlimit(world.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(world.pid, resource.RLIMIT_FSIZE, (4096, hard))  # the kernel refuses to write more
    for number in range(3):
        with pytest.raises(UnavailableError, match="the index cannot be used now"):
            await gateway.write("key", f"refused-{number}")
    assert await gateway.read("key") == "before"
    resource.prlimit(world.pid, resource.RLIMIT_FSIZE, (hard, hard))
    await gateway.write("key", "after")
    assert await gateway.read("key") == "after"
    await world.end_process(signal.SIGKILL)
    await world.start_process()
    assert await gateway.read("key") == "after"


async def test_a_second_hub_over_the_same_database_is_refused(world: World) -> None:
    await world.start_here()
    with pytest.raises(ConflictError, match="another hub"):
        await Locator(world.settings()).start(await world.connect("hub"))


async def test_a_hub_whose_key_file_was_lost_says_so_and_starts_nothing(world: World) -> None:
    locator = Locator(world.settings())
    backbone = await world.connect("hub")
    await locator.start(backbone)
    await locator.ensure_user("admin", "admin")
    await locator.stop()
    (world.home / "hub" / "key").unlink()
    with pytest.raises(ConflictError, match="key file"):
        await Locator(world.settings()).start(backbone)
    (world.home / "hub" / "key").write_bytes(os.urandom(32))
    again = Locator(world.settings())
    with pytest.raises(ConflictError, match="same backup"):
        await again.start(backbone)


async def test_users_are_made_found_listed_and_gone_for_every_gateway_when_deleted(world: World) -> None:
    locator = await world.start_here()
    admin = await locator.ensure_user("admin", "admin")
    assert await locator.ensure_user("admin", "admin") == admin
    gateway = await world.gateway()
    session_id = gateway.session.session_id
    user = await gateway.locator.ask(m.CreateUser(name="ann", role="member"))
    found = await gateway.locator.ask(m.FindUser(session_id=session_id, access_key=user.access_key))
    assert found == user
    listed = (await gateway.locator.ask(m.ListUsers())).users
    assert [(each.name, each.secret_key) for each in listed] == [("admin", ""), ("ann", "")]
    await gateway.locator.ask(m.DeleteUser(name="ann"))
    assert gateway.forgotten_users == [user.access_key]
    with pytest.raises(m.NoSuchUserError):
        await gateway.locator.ask(m.FindUser(session_id=session_id, access_key=user.access_key))
    for bad in (m.CreateUser(name="admin", role="member"), m.CreateUser(name="eve", role="king")):
        with pytest.raises((ConflictError, InvalidInputError)):
            await gateway.locator.ask(bad)


@pytest.mark.parametrize(
    "request_",
    [
        m.LookUp(bucket=BUCKET, key=""),
        m.LookUp(bucket=BUCKET, key="x" * 1025),
        m.LookUp(bucket=BUCKET, key="nul\0"),
        m.ListObjects(bucket=BUCKET, prefix="x" * 2000),
        m.Delete(session_id="s", bucket=BUCKET, objects=(m.DeleteItem(key="k"),) * 1001),
        m.Locate(objects=((BUCKET, "k"),) * 10_001),
        m.OpenSession(site="edge", gateway="g", store=make_store("cloud")),
        m.OpenSession(site="Bad Site", gateway="g", store=make_store("cloud")),
        m.CreateBucket(name="Bad", owner="o", home="edge"),
        m.CreateUser(name="line\nbreak", role="admin"),
    ],
    ids=lambda request: type(request).__name__,
)
async def test_what_is_out_of_bounds_is_refused_with_a_reason(world: World, request_: object) -> None:
    await world.start_here()
    gateway = await world.gateway()
    with pytest.raises(InvalidInputError) as refused:
        await gateway.locator.ask(request_)
    assert str(refused.value)


async def test_requests_without_a_live_session_are_refused_or_need_none(world: World) -> None:
    await world.start_here()
    gateway = await world.gateway()
    for request in (
        m.RenewSession(session_id="nobody"),
        m.ListStores(session_id="nobody"),
        m.LookUp(session_id="nobody", bucket=BUCKET, key="k"),
        m.ClaimGarbage(session_id="nobody", store="edge"),
        m.Delete(session_id="nobody", bucket=BUCKET, objects=()),
    ):
        with pytest.raises(m.SessionEndedError):
            await gateway.locator.ask(request)
    with pytest.raises(NotFoundError):
        await gateway.locator.ask(m.LookUp(bucket=BUCKET, key="k"))
    stores = await gateway.locator.ask(m.ListStores(session_id=gateway.session.session_id))
    assert stores.stores == (make_store("edge"),)
    with pytest.raises(ContinuumError):
        await gateway.locator.ask(m.GetBucket(name="nowhere"))
