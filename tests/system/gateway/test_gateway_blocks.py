"""The block cache: what lies at another site is fetched once, for all who want it, now and later."""

import asyncio
import base64
import contextlib
import hashlib
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from rigs import Rig, eventually, make_bytes

from continuum.model.policies import Policy
from continuum.store import BlockSettings, SetPolicy, StoreClient
from continuum.store.gateway.blocks.files import PROBATION_S
from continuum.store.gateway.gateways import Gateway
from continuum.store.stores.exchanges import Exchange

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="session")]

KIB = 1024
MIB = 1024 * KIB
BLOCK = 256 * KIB


@contextlib.asynccontextmanager
async def caching_gateway(rig: Rig, folder: Path, **changes: Any) -> AsyncIterator[Gateway]:
    blocks = BlockSettings(folder=folder, capacity_bytes=256 * MIB, block_bytes=BLOCK, coincidence_s=0.0)
    async with rig.another_gateway("cloud", **({"blocks": blocks} | changes)) as gateway:
        yield gateway


@contextlib.asynccontextmanager
async def cold_object(
    rig: Rig, folder: Path, size_bytes: int, **changes: Any
) -> AsyncIterator[tuple[Gateway, str, bytes]]:
    """An object `key` of the edge that a caching gateway in the cloud never read: gateway, bucket, bytes."""
    bucket, data = await rig.make_bucket(), make_bytes(size_bytes)
    async with rig.client("edge") as edge:
        await edge.put(bucket, "key", data)
    async with caching_gateway(rig, folder, **changes) as gateway:
        yield gateway, bucket, data


async def read_range(client: StoreClient, bucket: str, first: int, last: int) -> bytes:
    exchange = await client.get("key", bucket=bucket, byte_range=f"bytes={first}-{last}")
    return await exchange.read()


def fetched_bytes(gateway: Gateway) -> int:
    return gateway.counts.read_bytes.get("edge", 0)


class Hesitating:
    """A sink that takes nothing more after the first bytes, until it is told."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self.data = bytearray()
        self.done: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def feed(self, data: bytes) -> None:
        if not self.data:
            self._exchange.pause()
        self.data += data

    def end(self) -> None:
        self.done.set_result(bytes(self.data))

    def fail(self, problem: Exception) -> None:
        self.done.set_exception(problem)


async def test_a_herd_on_a_cold_object_makes_one_remote_read(rig: Rig, tmp_path: Path) -> None:
    async with (
        cold_object(rig, tmp_path, 3 * MIB + 17) as (gateway, bucket, data),
        rig.client(gateway) as cloud,
    ):
        found = await asyncio.gather(*(cloud.get_with_info(bucket, "key") for _ in range(16)))
        assert all(read == data and info.source_site == "edge" for read, info in found)
        assert gateway.counts.block_fetches == 1
        assert gateway.counts.read_bytes == {"edge": len(data)}

        read, info = await cloud.get_with_info(bucket, "key")
        assert (read, info.source_site) == (data, "cloud")
        assert gateway.counts.read_bytes == {"edge": len(data)}
        assert gateway.counts.blocks["hit"] >= 13


async def test_ranges_that_overlap_are_fetched_once_and_in_whole_blocks(rig: Rig, tmp_path: Path) -> None:
    ranges = [(0, 99), (0, BLOCK), (100, 2 * BLOCK), (3 * BLOCK - 1, 3 * BLOCK), (BLOCK, BLOCK)]
    async with (
        cold_object(rig, tmp_path, 8 * BLOCK) as (gateway, bucket, data),
        rig.wire_client(gateway) as cloud,
    ):
        found = await asyncio.gather(*(read_range(cloud, bucket, *wanted) for wanted in ranges))
        assert found == [data[first : last + 1] for first, last in ranges]
        assert fetched_bytes(gateway) == 4 * BLOCK
        assert await read_range(cloud, bucket, 10, 4 * BLOCK - 10) == data[10 : 4 * BLOCK - 9]
        assert fetched_bytes(gateway) == 4 * BLOCK
        assert await read_range(cloud, bucket, 7 * BLOCK, 9 * BLOCK) == data[7 * BLOCK :]
        assert fetched_bytes(gateway) == 5 * BLOCK


async def test_blocks_outlive_the_gateway(rig: Rig, tmp_path: Path) -> None:
    bucket = await rig.make_bucket()
    data = make_bytes(MIB)
    async with rig.client("edge") as edge:
        await edge.put(bucket, "key", data)
    async with caching_gateway(rig, tmp_path) as gateway, rig.client(gateway) as cloud:
        assert await cloud.get(bucket, "key") == data
    async with caching_gateway(rig, tmp_path) as gateway, rig.client(gateway) as cloud:
        assert await cloud.get(bucket, "key") == data
        assert fetched_bytes(gateway) == 0


async def test_what_was_replaced_is_never_served_from_a_block(rig: Rig, tmp_path: Path) -> None:
    bucket = await rig.make_bucket()
    async with (
        caching_gateway(rig, tmp_path) as gateway,
        rig.client("edge") as edge,
        rig.client(gateway) as cloud,
    ):
        for _ in range(3):
            data = make_bytes(BLOCK + 5)
            await edge.put(bucket, "key", data)
            assert await cloud.get(bucket, "key") == data


async def test_a_damaged_block_is_fetched_again(rig: Rig, tmp_path: Path) -> None:
    async with (
        cold_object(rig, tmp_path, 3 * BLOCK) as (gateway, bucket, data),
        rig.client(gateway) as cloud,
    ):
        assert await cloud.get(bucket, "key") == data
        spoil(tmp_path)
        for _ in range(2):
            assert await cloud.get(bucket, "key") == data


def spoil(folder: Path) -> None:
    """Change one byte in the middle of each block."""
    found = [path for path in folder.glob("??/*.*") if path.is_file()]
    assert found
    for path in found:
        held = bytearray(path.read_bytes())
        held[BLOCK // 2] ^= 1
        path.write_bytes(held)


async def test_a_slow_reader_stalls_nobody_and_a_reader_who_leaves_ends_nothing(
    rig: Rig, tmp_path: Path
) -> None:
    async with (
        cold_object(rig, tmp_path, 12 * MIB) as (gateway, bucket, data),
        rig.client(gateway) as cloud,
        rig.wire_client(gateway) as wire,
    ):
        slow = await wire.get("key", bucket=bucket)
        taking = Hesitating(slow)
        slow.start(taking)
        gone = await wire.get("key", bucket=bucket)
        gone.abort()
        assert await cloud.get(bucket, "key") == data
        slow.resume()
        assert await taking.done == data
        assert fetched_bytes(gateway) == len(data)


async def test_a_read_that_a_store_cut_off_is_fetched_on_from_there_once_for_all(
    rig: Rig, tmp_path: Path
) -> None:
    async with (
        cold_object(rig, tmp_path, 3 * MIB) as (gateway, bucket, data),
        rig.client(gateway) as cloud,
    ):
        rig.sites["edge"].far.cut_after(MIB, once=True)
        found = await asyncio.gather(*(cloud.get(bucket, "key") for _ in range(8)))
        assert all(read == data for read in found)
        assert gateway.counts.block_fetches == 2
        assert len(data) <= fetched_bytes(gateway) <= len(data) + BLOCK


async def test_a_store_that_is_down_is_told_to_all_and_forgotten(rig: Rig, tmp_path: Path) -> None:
    async with (
        cold_object(rig, tmp_path, MIB) as (gateway, bucket, data),
        rig.client(gateway) as cloud,
    ):
        await rig.sites["edge"].far.refuse()
        problems = await asyncio.gather(*(cloud.get(bucket, "key") for _ in range(4)), return_exceptions=True)
        assert all(isinstance(problem, Exception) for problem in problems)
        await rig.sites["edge"].far.mend()

        async def is_readable() -> bool:
            with contextlib.suppress(Exception):
                return await cloud.get(bucket, "key") == data
            return False

        await eventually(is_readable, "the object cannot be read again")


async def test_a_copy_on_read_is_made_of_the_blocks(rig: Rig, tmp_path: Path) -> None:
    async with (
        cold_object(rig, tmp_path, 5 * MIB + 1, policy=Policy.COPY_ON_READ) as (gateway, bucket, data),
        rig.client(gateway) as cloud,
    ):
        found = await asyncio.gather(*(cloud.get(bucket, "key") for _ in range(8)))
        assert all(read == data for read in found)

        async def is_kept() -> bool:
            return gateway.counts.copies == {"kept": 1}

        await eventually(is_kept, f"no copy was kept: {gateway.counts.copies}")
        assert fetched_bytes(gateway) == len(data)
        read, info = await cloud.get_with_info(bucket, "key")
        assert (read, info.source_site) == (data, "cloud")
        assert gateway.counts.read_bytes == {"edge": len(data), "cloud": len(data)}


async def test_a_copy_that_no_reader_waited_for_is_dropped(rig: Rig, tmp_path: Path) -> None:
    async with (
        cold_object(rig, tmp_path, 16 * MIB, policy=Policy.COPY_ON_READ) as (gateway, bucket, _),
        rig.wire_client(gateway) as cloud,
    ):
        rig.sites["cloud"].near.hold()
        exchange = await cloud.get("key", bucket=bucket)
        exchange.abort()

        async def is_dropped() -> bool:
            return gateway.counts.copies == {"dropped": 1}

        await eventually(is_dropped, f"the copy goes on: {gateway.counts.copies}")
        await rig.sites["cloud"].near.mend()


async def test_the_folder_stays_within_its_bound_and_what_was_used_last_stays(
    rig: Rig, tmp_path: Path
) -> None:
    bucket = await rig.make_bucket()
    blocks = BlockSettings(folder=tmp_path, capacity_bytes=16 * BLOCK, block_bytes=BLOCK)
    async with (
        caching_gateway(rig, tmp_path, blocks=blocks) as gateway,
        rig.client("edge") as edge,
        rig.client(gateway) as cloud,
    ):
        data = make_bytes(4 * BLOCK)
        for number in range(10):
            await edge.put(bucket, f"key-{number}", data)
            assert await cloud.get(bucket, f"key-{number}") == data

            async def is_within() -> bool:
                return kept_bytes(tmp_path) <= blocks.capacity_bytes

            await eventually(is_within, "too much is kept")
        before = fetched_bytes(gateway)
        assert await cloud.get(bucket, "key-9") == data
        assert fetched_bytes(gateway) == before


def kept_bytes(folder: Path) -> int:
    """Return how much the blocks take, of which some may go at this moment."""
    size_bytes = 0
    for path in folder.glob("??/*.*"):
        with contextlib.suppress(FileNotFoundError):
            size_bytes += path.stat().st_size
    return size_bytes


async def test_what_a_policy_admits_at_the_second_hit_is_on_probation_until_then(
    rig: Rig, tmp_path: Path
) -> None:
    bucket = await rig.make_bucket()
    await rig.ask(SetPolicy(bucket=bucket, document=b'{"admission": "second_hit"}'))
    data = make_bytes(BLOCK)
    async with rig.client("edge") as edge:
        await edge.put(bucket, "key", data)
    for coincidence_s, are_on_probation in ((3600.0, [True]), (0.0, [False])):
        blocks = BlockSettings(folder=tmp_path, block_bytes=BLOCK, coincidence_s=coincidence_s)
        async with caching_gateway(rig, tmp_path, blocks=blocks) as gateway, rig.client(gateway) as cloud:
            for _ in range(2):
                assert await cloud.get(bucket, "key") == data
            assert list_probation(tmp_path) == are_on_probation


def list_probation(folder: Path) -> list[bool]:
    """Return for each block whether it is on probation."""
    return [path.stat().st_mtime < time.time() - PROBATION_S / 2 for path in folder.glob("??/*.*")]


async def test_encrypted_objects_lie_sealed_in_blocks(rig: Rig, tmp_path: Path) -> None:
    bucket = await rig.make_bucket()
    data = b"a secret that can be recognised " * 32 * KIB
    headers = sse_c(b"k" * 32)
    async with (
        caching_gateway(rig, tmp_path) as gateway,
        rig.wire_client("edge") as edge,
        rig.wire_client(gateway) as cloud,
    ):
        await edge.put("key", data, bucket=bucket, headers=headers)
        for first, last in ((0, len(data) - 1), (BLOCK + 5, 3 * BLOCK)):
            exchange = await cloud.exchange(
                "GET", "key", bucket=bucket, headers=headers | {"range": f"bytes={first}-{last}"}
            )
            assert exchange.status == 206
            assert await exchange.read() == data[first : last + 1]
        assert gateway.counts.block_fetches == 1
        held = read_blocks(tmp_path)
        assert len(held) == 5
        assert not any(b"recognised" in each for each in held)
        exchange = await cloud.exchange("GET", "key", bucket=bucket, headers=sse_c(b"x" * 32))
        assert exchange.status == 403
        await exchange.read()


def read_blocks(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in folder.glob("??/*.*")]


def sse_c(key: bytes) -> dict[str, str]:
    digest = hashlib.md5(key, usedforsecurity=False).digest()
    name = "x-amz-server-side-encryption-customer"
    return {
        f"{name}-algorithm": "AES256",
        f"{name}-key": base64.b64encode(key).decode(),
        f"{name}-key-md5": base64.b64encode(digest).decode(),
    }
