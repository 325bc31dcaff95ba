"""A gateway over a real Ceph RGW, where its programs are installed."""

import asyncio
import os
from collections.abc import AsyncIterator

import msgspec
import pytest
import pytest_asyncio
from ceph_store import PACKAGES, CephStore, find_missing
from rigs import Rig, eventually, make_bytes

from continuum.model.objects import Store
from continuum.store import AttachBucket, DetachBucket, Detaching, Job, StartJob, StoreClient
from continuum.store.gateway.gateways import Gateway
from continuum.store.stores.s3 import StoreReplyError

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="session")]

MIB = 1024 * 1024
NAME = "store.ceph"


class Ceph:
    """A gateway whose own store is RGW, and that store itself."""

    def __init__(self, rig: Rig, gateway: Gateway, store: Store) -> None:
        self.rig = rig
        self.gateway = gateway
        self.store = store


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def ceph(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Ceph]:
    missing = find_missing()
    if missing:
        said = f"Ceph is not tested: {', '.join(missing)} not installed; apt-get install {PACKAGES}"
        if os.environ.get("CONTINUUM_REQUIRE_CEPH"):
            pytest.fail(said)
        pytest.skip(said)
    running = CephStore(tmp_path_factory.mktemp("ceph"))
    await asyncio.to_thread(running.start)
    store = Store(
        name=NAME,
        site="edge",
        endpoint=running.endpoint,
        region="us-east-1",
        bucket="continuum",
        access_key=running.access_key,
        secret_key=running.secret_key,
    )
    # Its own: the gateways of other tests would miss a store that ends.
    rig = Rig(tmp_path_factory.mktemp("rig"))
    try:
        await rig.start()
        async with rig.another_gateway("edge", own_store=store, peer_store=store) as gateway:
            yield Ceph(rig, gateway, store)
    finally:
        await rig.close()
        running.stop()


async def finish(rig: Rig, job: Job) -> Job:
    job = await rig.finish(job)
    assert job.state == "done", job.problem
    return job


async def test_objects_are_written_read_listed_copied_and_deleted(ceph: Ceph) -> None:
    bucket = await ceph.rig.make_bucket()
    async with ceph.rig.wire_client(ceph.gateway) as client, ceph.rig.client("cloud") as cloud:
        data = make_bytes(3 * MIB)
        await client.put("a/ü &<> %25.bin", data, bucket=bucket, headers={"x-amz-meta-who": "me"})
        await client.put("empty", b"", bucket=bucket)
        assert await (await client.get("a/ü &<> %25.bin", bucket=bucket)).read() == data
        part = await client.get("a/ü &<> %25.bin", bucket=bucket, byte_range="bytes=1000-1999")
        assert (part.status, await part.read()) == (206, data[1000:2000])
        headers = await client.head("a/ü &<> %25.bin", bucket=bucket)
        assert (headers["x-amz-meta-who"], headers["content-length"]) == ("me", str(len(data)))
        await client.copy("copied", source_bucket=bucket, source_key="a/ü &<> %25.bin", bucket=bucket)
        assert await cloud.get(bucket, "copied") == data
        assert await cloud.get(bucket, "empty") == b""
        page = await client.list(bucket=bucket, delimiter="/")
        assert ([found.key for found in page.objects], page.common_prefixes) == (["copied", "empty"], ("a/",))
        assert await client.delete_many(["copied", "a/ü &<> %25.bin", "empty"], bucket=bucket) == {}
        assert (await client.list(bucket=bucket)).objects == ()


async def test_large_objects_come_in_parts(ceph: Ceph) -> None:
    bucket = await ceph.rig.make_bucket()
    parts = [make_bytes(5 * MIB), make_bytes(5 * MIB), make_bytes(1000)]
    async with ceph.rig.wire_client(ceph.gateway) as client:
        upload_id = await client.create_upload("large", bucket=bucket)
        etags = []
        for number, data in enumerate(parts, start=1):
            exchange = await client.begin_part("large", upload_id, number, len(data), bucket=bucket)
            exchange.write(data)
            await exchange.reply()
            assert exchange.status == 200, await exchange.read()
            etags.append((number, exchange.headers["etag"].strip('"')))
            await exchange.read()
        listed, _ = await client.list_parts("large", upload_id, bucket=bucket)
        assert [found.number for found in listed] == [1, 2, 3]
        await client.complete_upload("large", upload_id, etags, bucket=bucket)
        assert await (await client.get("large", bucket=bucket)).read() == b"".join(parts)
        again = await client.create_upload("aborted", bucket=bucket)
        await client.abort_upload("aborted", again, bucket=bucket)


async def test_conditional_writes_hold(ceph: Ceph) -> None:
    bucket = await ceph.rig.make_bucket()
    async with ceph.rig.wire_client(ceph.gateway) as client:
        await client.put("key", b"first", bucket=bucket, headers={"if-none-match": "*"})
        with pytest.raises(StoreReplyError) as refused:
            await client.put("key", b"second", bucket=bucket, headers={"if-none-match": "*"})
        assert refused.value.code == "PreconditionFailed"


async def test_what_was_replaced_is_collected_and_the_rest_verifies(ceph: Ceph) -> None:
    bucket = await ceph.rig.make_bucket()
    direct = StoreClient(ceph.store)
    async with ceph.rig.client(ceph.gateway) as client:
        before = {found.key for found in (await direct.list()).objects}
        for number in range(5):
            await client.put(bucket, "key", make_bytes(1000 + number))

        async def is_clean() -> bool:
            return len({found.key for found in (await direct.list()).objects} - before) == 1

        await eventually(is_clean, "replaced bytes are still there")
        started = await ceph.rig.ask(StartJob(kind="verify", store=NAME, bucket=bucket, is_deep=True))
        job = await finish(ceph.rig, started)
        assert (job.findings, job.counts["objects"]) == ((), 1)
    await direct.close()


async def test_an_existing_bucket_is_attached_in_place(ceph: Ceph) -> None:
    direct = StoreClient(msgspec.structs.replace(ceph.store, bucket="outside"))
    await direct.ensure_bucket()
    for number in range(20):
        await direct.put(f"d{number % 3}/{number:02}", b"x" * number, headers={"content-type": "text/x"})
    request = AttachBucket(name="from-ceph", owner="admin", store=NAME, bucket="outside", rescan_every_s=0)
    job = await finish(ceph.rig, await ceph.rig.ask(request))
    assert job.counts["new"] == 20
    async with ceph.rig.client("cloud") as cloud, ceph.rig.client(ceph.gateway) as edge:
        for client in (cloud, edge):
            found, info = await client.get_with_info("from-ceph", "d1/07")
            assert (found, info.content_type) == (b"x" * 7, "text/x")
        await direct.put("d1/07", b"changed")
        assert await edge.get("from-ceph", "d1/07") == b"changed"
        await cloud.put("from-ceph", "ours", b"ours")

    async def is_done() -> bool:
        step: Detaching = await ceph.rig.ask(DetachBucket(name="from-ceph"))
        return step.is_done

    await eventually(is_done, "it is not detached")
    assert await (await direct.get("ours")).read() == b"ours"
    await direct.close()
