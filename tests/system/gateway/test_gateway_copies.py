"""Copies on read: made of whole objects only, once, and never at the client's cost."""

import asyncio

import pytest
from rigs import Rig, eventually, make_bytes

from continuum.model.policies import Policy
from continuum.store.gateway.gateways import Gateway

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="session")]

MIB = 1024 * 1024


async def _outcome(gateway: Gateway, name: str) -> None:
    async def is_there() -> bool:
        return gateway.counts.copies.get(name, 0) >= 1

    await eventually(is_there, f"no copy was {name}: {gateway.counts.copies}")


async def test_a_whole_object_read_from_elsewhere_is_kept_and_served_from_the_own_store(rig: Rig) -> None:
    bucket = await rig.make_bucket()
    data = make_bytes(3 * MIB)
    async with (
        rig.another_gateway("cloud", policy=Policy.COPY_ON_READ) as gateway,
        rig.client("edge") as edge,
        rig.client(gateway) as cloud,
    ):
        await edge.put(bucket, "key", data, content_type="text/x", metadata={"a": "b"})
        read, info = await cloud.get_with_info(bucket, "key")
        assert (read, info.source_site) == (data, "edge")
        await _outcome(gateway, "kept")
        read, info = await cloud.get_with_info(bucket, "key")
        assert (read, info.source_site, info.content_type, info.metadata) == (
            data,
            "cloud",
            "text/x",
            {"a": "b"},
        )
        assert gateway.counts.read_bytes == {"edge": len(data), "cloud": len(data)}
        assert gateway.counts.copied_bytes == len(data)

        await edge.put(bucket, "key", b"new")
        assert await cloud.get(bucket, "key") == b"new"


async def test_a_range_makes_no_copy(rig: Rig) -> None:
    bucket = await rig.make_bucket()
    data = make_bytes(MIB)
    async with (
        rig.another_gateway("cloud", policy=Policy.COPY_ON_READ) as gateway,
        rig.client("edge") as edge,
        rig.wire_client(gateway) as cloud,
    ):
        await edge.put(bucket, "key", data)
        for _ in range(3):
            exchange = await cloud.get("key", bucket=bucket, byte_range="bytes=100-199")
            assert await exchange.read() == data[100:200]
        assert gateway.counts.copies == {}
        assert (await edge.head(bucket, "key")).size_bytes == len(data)


async def test_many_readers_of_one_cold_object_make_one_copy(rig: Rig) -> None:
    bucket = await rig.make_bucket()
    data = make_bytes(2 * MIB)
    async with (
        rig.another_gateway("cloud", policy=Policy.COPY_ON_READ) as gateway,
        rig.client("edge") as edge,
        rig.client(gateway) as cloud,
    ):
        await edge.put(bucket, "key", data)
        assert all(
            read == data for read in await asyncio.gather(*(cloud.get(bucket, "key") for _ in range(8)))
        )
        await _outcome(gateway, "kept")
        assert gateway.counts.copies == {"kept": 1}


async def test_a_reader_who_goes_away_leaves_no_partial_copy(rig: Rig) -> None:
    bucket = await rig.make_bucket()
    data = make_bytes(32 * MIB)
    before = set(await rig.sites["cloud"].stored_keys())
    async with (
        rig.another_gateway("cloud", policy=Policy.COPY_ON_READ) as gateway,
        rig.client("edge") as edge,
        rig.wire_client(gateway) as cloud,
    ):
        await edge.put(bucket, "key", data)
        exchange = await cloud.get("key", bucket=bucket)
        exchange.abort()
        await _outcome(gateway, "dropped")
        async with rig.client(gateway) as client:
            assert await client.get(bucket, "key") == data
        await _outcome(gateway, "kept")

    async def is_clean() -> bool:
        return len(set(await rig.sites["cloud"].stored_keys()) - before) == 1

    await eventually(is_clean, "the dropped copy is still in the store")


async def test_a_slow_own_store_drops_the_copy_and_not_the_reader(rig: Rig) -> None:
    bucket = await rig.make_bucket()
    data = make_bytes(48 * MIB)
    async with (
        rig.another_gateway("cloud", policy=Policy.COPY_ON_READ) as gateway,
        rig.client("edge") as edge,
        rig.client(gateway) as cloud,
    ):
        await edge.put(bucket, "key", data)
        rig.sites["cloud"].near.hold()
        async with asyncio.timeout(20):
            assert await cloud.get(bucket, "key") == data
        await rig.sites["cloud"].near.mend()
        await _outcome(gateway, "dropped")


async def test_without_the_policy_no_copy_is_made(rig: Rig) -> None:
    bucket = await rig.make_bucket()
    async with rig.client("edge") as edge, rig.client("cloud") as cloud:
        await edge.put(bucket, "key", b"data")
        for _ in range(2):
            _, info = await cloud.get_with_info(bucket, "key")
            assert info.source_site == "edge"
    assert rig.gateways["cloud"].counts.copies == {}
