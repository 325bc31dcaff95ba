"""Copies that policies ask for, between two real sites: made, chosen, kept for a while, removed."""

import pytest
from rigs import Rig, eventually, make_bytes

from continuum.store import DescribeObject, GetLag, PlaceObjects, SetPolicy
from continuum.store.locator import placing
from continuum.store.locator.messages import Lag, ObjectDescription, Placed

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="session")]

KIB = 1024


async def _set(rig: Rig, bucket: str, document: bytes) -> None:
    await rig.ask(SetPolicy(bucket=bucket, document=document))


async def _stores(rig: Rig, bucket: str, key: str) -> list[str]:
    found: ObjectDescription = await rig.ask(DescribeObject(bucket=bucket, key=key))
    return [replica.store.removeprefix("store.") for replica in found.version.replicas]


async def _eventually_at(rig: Rig, bucket: str, key: str, stores: list[str]) -> None:
    async def is_there() -> bool:
        return await _stores(rig, bucket, key) == stores

    await eventually(is_there, f"{key} is not at {stores}")


async def test_pushed_objects_survive_the_loss_of_the_site_that_wrote_them(rig: Rig) -> None:
    bucket = await rig.make_bucket()
    await _set(rig, bucket, b'{"placement": "push", "sites": ["cloud"]}')
    data = make_bytes(300 * KIB)
    async with rig.client("edge") as edge, rig.client("cloud") as cloud:
        await edge.put(bucket, "large", data)
        await edge.put(bucket, "empty", b"")
        await _eventually_at(rig, bucket, "large", ["edge", "cloud"])
        await _eventually_at(rig, bucket, "empty", ["edge", "cloud"])
        read, info = await cloud.get_with_info(bucket, "large")
        assert (read, info.source_site) == (data, "cloud")
        lag: Lag = await rig.ask(GetLag(bucket=bucket))
        assert lag.stores == ()


async def test_a_copy_is_made_once_the_store_is_back(rig: Rig) -> None:
    bucket = await rig.make_bucket()
    await _set(rig, bucket, b'{"placement": "replicate_all"}')
    async with rig.client("edge") as edge:
        await rig.sites["cloud"].near.refuse()
        try:
            await edge.put(bucket, "key", b"data")

            async def is_known() -> bool:
                lag: Lag = await rig.ask(GetLag(bucket=bucket))
                return any(each.store == "store.cloud" and each.failing for each in lag.stores)

            await eventually(is_known, "nobody says that the copy fails")
        finally:
            await rig.sites["cloud"].near.mend()
        await _eventually_at(rig, bucket, "key", ["edge", "cloud"])


async def test_a_new_policy_moves_what_is_there(rig: Rig) -> None:
    bucket = await rig.make_bucket()
    async with rig.client("edge") as edge, rig.client("cloud") as cloud:
        await edge.put(bucket, "key", b"data")
        await _set(rig, bucket, b'{"placement": "single_region", "sites": ["cloud"]}')
        placed: Placed = await rig.ask(PlaceObjects(bucket=bucket))
        assert (placed.objects, placed.queued) == (1, 1)
        await _eventually_at(rig, bucket, "key", ["cloud"])
        assert await cloud.get(bucket, "key") == await edge.get(bucket, "key") == b"data"


async def test_reads_leave_copies_at_the_second_hit_for_as_long_as_the_policy_says(rig: Rig) -> None:
    bucket = await rig.make_bucket()
    await _set(
        rig,
        bucket,
        b'{"keeping": "fixed_ttl", "ttl": "1h", "admission": "second_hit", "reading": "cheapest"}',
    )
    data = make_bytes(100 * KIB)
    async with rig.another_gateway("cloud") as gateway, rig.client("edge") as edge:
        await edge.put(bucket, "key", data)
        async with rig.client(gateway) as cloud:
            assert await cloud.get(bucket, "key") == data
            assert gateway.counts.copies == {}
            assert await _stores(rig, bucket, "key") == ["edge"]
            assert await cloud.get(bucket, "key") == data
            await _eventually_at(rig, bucket, "key", ["edge", "cloud"])
            found: ObjectDescription = await rig.ask(DescribeObject(bucket=bucket, key="key"))
            first = found.version.replicas[1].expires_at
            assert 3500 < first - found.now <= 3600

            async def is_longer() -> bool:
                assert await cloud.get(bucket, "key") == data
                again: ObjectDescription = await rig.ask(DescribeObject(bucket=bucket, key="key"))
                return again.version.replicas[1].expires_at > first

            await eventually(is_longer, "a read does not make the copy live longer")


async def test_a_store_above_its_capacity_gives_cached_copies_up_and_nothing_else(rig: Rig) -> None:
    bucket = await rig.make_bucket()
    await _set(rig, bucket, b'{"keeping": "always"}')
    data = make_bytes(200 * KIB)
    continuum = b'{"sites": {"cloud": {"capacity": "100kB"}}}'
    async with (
        rig.another_gateway("cloud") as gateway,
        rig.client("edge") as edge,
        rig.client(gateway) as cloud,
    ):
        await edge.put(bucket, "cached", data)
        await cloud.put(bucket, "written", data)
        assert await cloud.get(bucket, "cached") == data
        await _eventually_at(rig, bucket, "cached", ["edge", "cloud"])
        try:
            await _set(rig, "", continuum)
            placer = rig.locator._placer
            assert placer is not None
            placer._measured_at = -placing.MEASURE_EVERY_S  # it is due
            await _eventually_at(rig, bucket, "cached", ["edge"])
        finally:
            await _set(rig, "", b"")
        assert await _stores(rig, bucket, "written") == ["cloud"]
        assert await cloud.get(bucket, "cached") == data
