"""Encrypted objects when bytes in stores are changed, cut or away; copies on read of them; missing keys."""

import base64
import contextlib
import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from rigs import Rig, eventually, make_bytes, status_of

from continuum.model.encryption import SEGMENT_BYTES, stored_size
from continuum.model.errors import ContinuumError, InvalidInputError
from continuum.model.policies import Policy
from continuum.store import ensure_master_keys
from continuum.store.gateway.gateways import Gateway
from continuum.store.stores.s3 import StoreReplyError

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="session")]

AES = {"x-amz-server-side-encryption": "AES256"}
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keys") / "master.keys"
    ensure_master_keys(path)
    return path


@contextlib.asynccontextmanager
async def encrypting(rig: Rig, keys: Path, site: str = "edge", **changes) -> AsyncIterator[Gateway]:
    async with rig.another_gateway(site, master_keys_file=keys, **changes) as gateway:
        yield gateway


async def look_up(gateway: Gateway, bucket: str, key: str):
    return await gateway._locations.look_up(bucket, key)


async def change_stored(gateway: Gateway, bucket: str, key: str, change) -> None:
    """Change the bytes in the own store behind everybody's back."""
    version = await look_up(gateway, bucket, key)
    own = gateway._peers.own
    replica = next(each for each in version.replicas if each.store == own.store.name)
    exchange = await own.get(replica.key, bucket=replica.bucket)
    stored = bytearray(await exchange.read())
    assert len(stored) == stored_size(version)
    await own.put(replica.key, bytes(change(stored)), bucket=replica.bucket)


def flip(place: int):
    def change(stored: bytearray) -> bytearray:
        stored[place] ^= 1
        return stored

    return change


@pytest.mark.parametrize("size", [100, 3 * MIB])
async def test_changed_bytes_never_reach_a_client(rig: Rig, keys: Path, size: int) -> None:
    bucket, body = await rig.make_bucket(), make_bytes(size)
    async with encrypting(rig, keys) as gateway, rig.wire_client(gateway) as wire:
        await wire.put("a", body, bucket=bucket, headers=AES)
        for _ in range(2):  # the usual way, then the short one
            assert await (await wire.get("a", bucket=bucket)).read() == body
        place = size // 2 + 40
        await change_stored(gateway, bucket, "a", flip(place))
        for _ in range(2):
            given = await _read_all(wire, bucket, "a")
            assert len(given) < size
            assert body.startswith(given)
            assert len(given) <= place
        assert gateway.counts.corrupt_segments == 2
        last = f"bytes={size - 10}-{size - 1}"
        if size > MIB:  # segments that were not changed can be read
            assert await (await wire.get("a", bucket=bucket, byte_range=last)).read() == body[-10:]


async def _read_all(wire, bucket: str, key: str) -> bytes:
    """Return what came before the reply was cut off."""
    exchange = await wire.get(key, bucket=bucket)
    sink = _Kept()
    exchange.start(sink)

    async def is_over() -> bool:
        return sink.is_over

    await eventually(is_over, "the reply neither ended nor failed")
    assert sink.failed, "a reply with changed bytes ended as if it were whole"
    return b"".join(sink.pieces)


class _Kept:
    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.is_over = self.failed = False

    def feed(self, data: bytes) -> None:
        self.pieces.append(data)

    def end(self) -> None:
        self.is_over = True

    def fail(self, problem: Exception) -> None:
        self.is_over = self.failed = True


@contextlib.asynccontextmanager
async def copied(rig: Rig, keys: Path, body: bytes) -> AsyncIterator[tuple[str, Gateway, Gateway]]:
    """An encrypted object `a` of the edge, of which the cloud has a copy: its bucket and both gateways."""
    bucket = await rig.make_bucket()
    async with (
        encrypting(rig, keys) as edge,
        encrypting(rig, keys, "cloud", policy=Policy.COPY_ON_READ) as cloud,
    ):
        async with rig.wire_client(edge) as writer, rig.wire_client(cloud) as reader:
            await writer.put("a", body, bucket=bucket, headers=AES)
            assert await (await reader.get("a", bucket=bucket)).read() == body

        async def is_copied() -> bool:
            for gateway in (edge, cloud):
                gateway._locations.forget(bucket, "a")
            found = [await look_up(gateway, bucket, "a") for gateway in (edge, cloud)]
            return all(len(version.replicas) == 2 for version in found)

        await eventually(is_copied, "no copy was kept")
        yield bucket, edge, cloud


async def test_a_read_goes_on_with_another_replica_where_one_was_changed(rig: Rig, keys: Path) -> None:
    body = make_bytes(2 * MIB)
    async with copied(rig, keys, body) as (bucket, edge, cloud):
        stored = []
        for gateway in (edge, cloud):
            version = await look_up(cloud, bucket, "a")
            replica = next(each for each in version.replicas if each.store == gateway._peers.own.store.name)
            exchange = await gateway._peers.own.get(replica.key, bucket=replica.bucket)
            stored.append(await exchange.read())
        assert stored[0] == stored[1]  # ciphertext as it is
        await change_stored(cloud, bucket, "a", flip(5 * SEGMENT_BYTES + 9))
        async with rig.wire_client(cloud) as reader:
            assert await (await reader.get("a", bucket=bucket)).read() == body
        assert cloud.counts.corrupt_segments == 1
        assert cloud.counts.failovers == 1


async def test_a_store_that_fails_in_the_middle_is_taken_over_from(rig: Rig, keys: Path) -> None:
    body = make_bytes(4 * MIB)
    async with copied(rig, keys, body) as (bucket, edge, _):
        rig.sites["edge"].near.cut_after(MIB)
        try:
            async with rig.wire_client(edge) as reader:
                assert await (await reader.get("a", bucket=bucket)).read() == body
        finally:
            await rig.sites["edge"].near.mend()


async def test_a_gateway_without_the_master_key_says_so(rig: Rig, keys: Path, tmp_path: Path) -> None:
    bucket = await rig.make_bucket()
    async with encrypting(rig, keys) as gateway, rig.wire_client(gateway) as wire:
        await wire.put("a", b"body", bucket=bucket, headers=AES)
    async with rig.wire_client("edge") as wire:  # this one has no master keys at all
        with pytest.raises(StoreReplyError, match=r"master key .* is not known") as refusal:
            await wire.get("a", bucket=bucket)
        assert refusal.value.status == 500
        with pytest.raises(StoreReplyError, match="no master key"):
            await wire.put("b", b"body", bucket=bucket, headers=AES)
        assert await status_of(wire.exchange("HEAD", "a", bucket=bucket)) == 200
    with pytest.raises(InvalidInputError, match="cannot read the master keys"):
        Gateway(rig.settings("edge", master_keys_file=tmp_path / "missing"))


async def test_an_upload_that_is_wrong_leaves_nothing_encrypted_either(rig: Rig, keys: Path) -> None:
    bucket = await rig.make_bucket()
    wrong = AES | {"content-md5": base64.b64encode(hashlib.md5(b"other").digest()).decode()}
    async with encrypting(rig, keys) as gateway, rig.wire_client(gateway) as wire:
        for size in (100, MIB):
            with pytest.raises(StoreReplyError) as refusal:
                await wire.put("a", os.urandom(size), bucket=bucket, headers=wrong)
            assert refusal.value.code == "BadDigest"
        with pytest.raises(ContinuumError):
            await look_up(gateway, bucket, "a")
