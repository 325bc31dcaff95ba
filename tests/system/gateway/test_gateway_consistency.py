"""Two gateways, one name space: what one acknowledged the other never contradicts."""

import asyncio

import pytest
from rigs import Rig, status_of

from continuum.store import LocatorClient, StoreClient, StoreReplyError
from continuum.store.locator.messages import IssueKey

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="session")]


async def test_a_read_at_one_gateway_never_returns_less_than_what_the_other_acknowledged(rig: Rig) -> None:
    bucket = await rig.make_bucket()
    acknowledged = 0
    stop = asyncio.Event()

    async def read(site: str) -> int:
        reads = 0
        async with rig.client(site) as client:
            while not stop.is_set():
                known = acknowledged
                assert int(await client.get(bucket, "key")) >= known
                reads += 1
        return reads

    async with rig.client("edge") as writer:
        await writer.put(bucket, "key", b"0")
        readers = [asyncio.create_task(read(site)) for site in ("edge", "cloud", "cloud")]
        for number in range(1, 150):
            await writer.put(bucket, "key", str(number).encode())
            acknowledged = number
        stop.set()
        assert all(reads > 10 for reads in await asyncio.gather(*readers))


async def test_a_deleted_object_is_gone_at_the_other_gateway_at_once(rig: Rig) -> None:
    bucket = await rig.make_bucket()
    async with rig.client("edge") as edge, rig.client("cloud") as cloud:
        for number in range(30):
            await edge.put(bucket, "key", str(number).encode())
            assert await cloud.get(bucket, "key") == str(number).encode()
            await edge.delete(bucket, "key")
            assert not await cloud.exists(bucket, "key")


async def test_of_concurrent_writes_that_want_a_new_key_exactly_one_wins(rig: Rig) -> None:
    bucket = await rig.make_bucket()
    async with rig.wire_client("edge") as edge, rig.wire_client("cloud") as cloud:
        for round_number in range(5):
            key = f"key-{round_number}"
            writes = [
                _write_if(client, bucket, key, f"{site} {number}".encode(), {"if-none-match": "*"})
                for number in range(10)
                for site, client in (("edge", edge), ("cloud", cloud))
            ]
            outcomes = await asyncio.gather(*writes)
            assert sorted(set(outcomes)) == [200, 412]
            assert outcomes.count(200) == 1


async def _write_if(
    client: StoreClient, bucket: str, key: str, data: bytes, condition: dict[str, str]
) -> int:
    return await status_of(client.exchange("PUT", key, bucket=bucket, body=data, headers=condition))


async def test_counting_with_if_match_at_both_gateways_loses_no_step(rig: Rig) -> None:
    bucket = await rig.make_bucket()

    async def count(client: StoreClient) -> int:
        steps = 0
        for _ in range(15):
            exchange = await client.get("counter", bucket=bucket)
            number = int(await exchange.read())
            condition = {"if-match": exchange.headers["etag"]}
            written = await _write_if(client, bucket, "counter", str(number + 1).encode(), condition)
            assert written in {200, 412}
            steps += written == 200
        return steps

    async with rig.wire_client("edge") as edge, rig.wire_client("cloud") as cloud:
        await edge.put("counter", b"0", bucket=bucket)
        steps = await asyncio.gather(*(count(client) for client in (edge, edge, cloud, cloud)))
        final = int(await (await edge.get("counter", bucket=bucket)).read())
        assert final == sum(steps) > 0


async def test_a_deleted_user_is_refused_at_both_gateways_at_once(rig: Rig) -> None:
    bucket = await rig.make_bucket()
    user = await rig.add_user("leaving")
    async with rig.wire_client("edge", user) as edge, rig.wire_client("cloud", user) as cloud:
        assert await status_of(edge.exchange("PUT", bucket=f"{bucket}-own")) == 200
        assert await status_of(cloud.exchange("HEAD", bucket=f"{bucket}-own")) == 200
        assert await status_of(cloud.exchange("HEAD", bucket=bucket)) == 403
        await rig.delete_user("leaving")
        for client in (edge, cloud):
            with pytest.raises(StoreReplyError) as refusal:
                await client.list(bucket=f"{bucket}-own")
            assert refusal.value.code == "InvalidAccessKeyId"


async def test_members_see_their_own_buckets_only(rig: Rig) -> None:
    foreign = await rig.make_bucket()
    user = await rig.add_user("member")
    async with rig.wire_client("edge", user) as wire, rig.wire_client("cloud") as admin:
        await admin.put("key", b"secret", bucket=foreign)
        for method, key in (("GET", "key"), ("PUT", "key"), ("DELETE", "key"), ("GET", ""), ("DELETE", "")):
            assert await status_of(wire.exchange(method, key, bucket=foreign)) == 403, (method, key)
        copied = {"x-amz-copy-source": f"/{foreign}/key"}
        assert await status_of(wire.exchange("PUT", bucket="members-bucket")) == 200
        assert await status_of(wire.exchange("PUT", "copy", bucket="members-bucket", headers=copied)) == 403
        await wire.put("key", b"x", bucket="members-bucket")
        for _ in range(2):
            assert await (await wire.get("key", bucket="members-bucket")).read() == b"x"
            assert await status_of(wire.exchange("GET", "key", bucket=foreign)) == 403


async def test_temporary_keys_do_not_open_the_hubs_own_door(rig: Rig) -> None:
    issued = await LocatorClient(rig._backbone).ask(
        IssueKey(access_key=rig.admin.access_key, duration_s=900, policy=b"")
    )
    assert await rig.locator.find_user(rig.admin.access_key) == rig.admin
    assert await rig.locator.find_user(issued.access_key) is None
