"""What clients see when stores, wires, the hub or other clients fail in the middle of things."""

import asyncio
import base64

import pytest
from rigs import Rig, eventually, make_bytes, status_of

from continuum.model.errors import UnavailableError
from continuum.model.policies import Policy
from continuum.store import StoreReplyError
from continuum.store.locator.messages import NoSuchKeyError
from continuum.store.stores.exchanges import StoreUnavailableError

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="session")]

MIB = 1024 * 1024


async def test_an_upload_that_is_cut_off_leaves_nothing(rig: Rig) -> None:
    bucket = await rig.make_bucket()
    before = set(await rig.sites["edge"].stored_keys())
    async with rig.wire_client("edge") as wire, rig.client("edge") as client:
        upload = await wire.begin("PUT", "half", bucket=bucket, length=8 * MIB)
        upload.write(make_bytes(3 * MIB))
        await asyncio.sleep(0)
        upload.abort()
        assert not await client.exists(bucket, "half")

        async def is_clean() -> bool:
            return set(await rig.sites["edge"].stored_keys()) <= before

        await eventually(is_clean, "the store still has a part of the upload")
        assert not await client.exists(bucket, "half")


@pytest.mark.parametrize("size_bytes", [10, 2 * MIB])
async def test_an_upload_with_a_wrong_digest_is_refused_and_leaves_nothing(rig: Rig, size_bytes: int) -> None:
    bucket = await rig.make_bucket()
    before = set(await rig.sites["edge"].stored_keys())
    wrong = {"x-amz-checksum-sha256": base64.b64encode(bytes(32)).decode()}
    async with rig.wire_client("edge") as wire, rig.client("edge") as client:
        with pytest.raises(StoreReplyError) as refusal:
            await wire.put("key", make_bytes(size_bytes), bucket=bucket, headers=wrong)
        assert (refusal.value.status, refusal.value.code) == (400, "BadDigest")
        assert not await client.exists(bucket, "key")

        async def is_clean() -> bool:
            return set(await rig.sites["edge"].stored_keys()) <= before

        await eventually(is_clean, "the store still has the refused upload")


async def test_a_store_that_is_down_is_503_and_works_again_when_it_is_back(rig: Rig) -> None:
    bucket = await rig.make_bucket()
    data = make_bytes(1000)
    async with rig.client("edge") as client, rig.wire_client("edge") as wire:
        await client.put(bucket, "key", data)
        await rig.sites["edge"].near.refuse()
        for _ in range(6):
            assert await status_of(wire.exchange("GET", "key", bucket=bucket)) == 503
            assert await status_of(wire.exchange("PUT", "new", bucket=bucket, body=b"x")) == 503
        assert await status_of(wire.exchange("HEAD", "key", bucket=bucket)) == 200
        assert await status_of(wire.exchange("GET", bucket=bucket)) == 200
        await rig.sites["edge"].near.mend()

    async with rig.client("edge", patience_s=10.0) as client:
        assert await client.get(bucket, "key") == data
        assert not await client.exists(bucket, "new")


async def test_a_read_falls_over_to_the_replica_of_another_site_when_the_own_store_is_down(rig: Rig) -> None:
    bucket = await rig.make_bucket()
    data = make_bytes(MIB)
    await _put_at_both(rig, bucket, "key", data)
    await rig.sites["edge"].near.refuse()
    async with rig.client("edge") as client:
        for _ in range(5):
            read, info = await client.get_with_info(bucket, "key")
            assert read == data
            assert info.source_site == "cloud"


async def _put_at_both(rig: Rig, bucket: str, key: str, data: bytes) -> None:
    """Write at the edge and let a gateway of the cloud keep a copy."""
    async with rig.client("edge") as client:
        await client.put(bucket, key, data)
    async with (
        rig.another_gateway("cloud", policy=Policy.COPY_ON_READ) as gateway,
        rig.client(gateway) as client,
    ):
        await client.get(bucket, key)

        async def is_copied() -> bool:
            return gateway.counts.copies.get("kept", 0) == 1

        await eventually(is_copied, "no copy was kept")


async def test_a_store_that_fails_in_the_middle_of_a_body_is_continued_from_the_other_replica(
    rig: Rig,
) -> None:
    bucket = await rig.make_bucket()
    data = make_bytes(8 * MIB)
    await _put_at_both(rig, bucket, "key", data)
    failovers = rig.gateways["edge"].counts.failovers
    rig.sites["edge"].near.cut_after(3 * MIB)
    async with rig.client("edge") as client:
        assert await client.get(bucket, "key") == data
    assert rig.gateways["edge"].counts.failovers == failovers + 1


async def test_a_body_that_cannot_be_completed_is_cut_and_never_passes_for_whole(rig: Rig) -> None:
    bucket = await rig.make_bucket()
    async with rig.client("edge") as client:
        await client.put(bucket, "key", make_bytes(8 * MIB))
        rig.sites["edge"].near.cut_after(3 * MIB)
        with pytest.raises(UnavailableError):
            await client.get(bucket, "key")


async def test_a_store_that_takes_no_more_bytes_does_not_hold_up_other_requests(rig: Rig) -> None:
    bucket = await rig.make_bucket()
    data = make_bytes(100)
    async with rig.client("cloud") as client:
        await client.put(bucket, "elsewhere", data)
    rig.sites["edge"].near.hold()
    async with rig.wire_client("edge") as wire, rig.client("edge") as client:
        stuck = asyncio.create_task(wire.exchange("PUT", "stuck", bucket=bucket, body=make_bytes(4 * MIB)))
        assert await client.get(bucket, "elsewhere") == data
        assert not stuck.done()
        await rig.sites["edge"].near.mend()
        assert (await stuck).status == 200


async def test_without_the_hub_known_objects_are_served_for_a_lease_and_then_nothing_is(rig: Rig) -> None:
    bucket = await rig.make_bucket()
    async with rig.client("edge") as client, rig.wire_client("edge") as wire:
        await client.put(bucket, "key", b"value")
        await rig.locator.stop()
        try:

            async def is_refused() -> bool:
                return await status_of(wire.exchange("GET", "key", bucket=bucket)) == 503

            await eventually(is_refused, "a gateway without a lease still serves")
            assert await status_of(wire.exchange("PUT", "other", bucket=bucket, body=b"x")) == 503
        finally:
            await rig.start_locator()
    async with rig.client("edge", patience_s=15.0) as client:
        assert await client.get(bucket, "key") == b"value"
        await client.put(bucket, "other", b"y")
        assert await client.get(bucket, "other") == b"y"


async def test_replaced_and_deleted_objects_are_removed_from_the_store(rig: Rig) -> None:
    bucket = await rig.make_bucket()

    async def count() -> int:
        return len(await rig.sites["edge"].stored_keys())

    before = await count()
    async with rig.client("edge") as client:
        for number in range(5):
            await client.put(bucket, "replaced", f"{number}".encode())
        await client.put(bucket, "deleted", b"x")
        await client.delete(bucket, "deleted")

        async def is_collected() -> bool:
            return await count() <= before + 1

        await eventually(is_collected, "garbage is still in the store")
        assert await client.get(bucket, "replaced") == b"4"


async def test_a_read_of_a_missing_object_is_404_also_when_stores_are_down(rig: Rig) -> None:
    bucket = await rig.make_bucket()
    await rig.sites["edge"].near.refuse()
    async with rig.client("edge") as client:
        with pytest.raises(NoSuchKeyError):
            await client.get(bucket, "nothing")


async def test_an_upload_to_a_store_that_dies_under_it_is_503(rig: Rig) -> None:
    bucket = await rig.make_bucket()
    async with rig.wire_client("edge") as wire:
        upload = await wire.begin("PUT", "key", bucket=bucket, length=64 * MIB)
        upload.write(make_bytes(4 * MIB))
        await asyncio.sleep(0.2)
        await rig.sites["edge"].near.refuse()
        try:
            await upload.reply()
        except StoreUnavailableError:
            return  # the reply was overtaken by the end of the connection: a client repeats that as well
        assert upload.status == 503
        upload.abort()
