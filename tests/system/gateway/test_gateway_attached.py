"""Existing buckets, attached where they are, at gateways of two sites and a store that others use too."""

import asyncio
import base64
import contextlib
import hashlib
import secrets
from collections.abc import AsyncIterator

import msgspec
import pytest
from rigs import Rig, eventually, make_bytes

from continuum.model.errors import ConflictError
from continuum.store import (
    AttachBucket,
    DetachBucket,
    Detaching,
    GetJob,
    Job,
    StartJob,
    StoreClient,
    StoreReplyError,
)
from continuum.store.locator.messages import NoSuchKeyError

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="session")]

STORE = "store.edge"


class Outside:
    """A bucket of the edge's store, as somebody sees it who knows nothing of gateways; attached as `name`."""

    def __init__(self, rig: Rig, client: StoreClient) -> None:
        self.rig = rig
        self.client = client
        self.bucket = client.store.bucket
        self.name = f"a-{secrets.token_hex(4)}"

    async def put(self, key: str, data: bytes, **headers: str) -> None:
        await self.client.put(key, data, headers={name.replace("_", "-"): v for name, v in headers.items()})

    async def get(self, key: str) -> bytes:
        return await (await self.client.get(key)).read()

    async def keys(self) -> list[str]:
        return [found.key for found in (await self.client.list()).objects]

    async def attach(self, prefix: str = "") -> Job:
        request = AttachBucket(
            name=self.name,
            owner="admin",
            store=STORE,
            bucket=self.bucket,
            prefix=prefix,
            rescan_every_s=0,
        )
        return await self.rig.finish(await self.rig.ask(request))

    async def rescan(self) -> Job:
        return await self.rig.finish(await self.rig.ask(StartJob(kind="scan", store="", bucket=self.name)))

    async def detach(self) -> None:
        async def is_done() -> bool:
            step: Detaching = await self.rig.ask(DetachBucket(name=self.name))
            return step.is_done

        await eventually(is_done, "it is not detached")


@contextlib.asynccontextmanager
async def outside(rig: Rig) -> AsyncIterator[Outside]:
    site = rig.sites["edge"]
    store = site.store(site.port)
    client = StoreClient(msgspec.structs.replace(store, bucket=f"outside-{secrets.token_hex(4)}"))
    await client.ensure_bucket()
    try:
        yield Outside(rig, client)
    finally:
        await client.close()


async def test_an_attached_bucket_is_served_as_it_is_at_every_site(rig: Rig) -> None:
    async with outside(rig) as there, rig.client("edge") as edge, rig.client("cloud") as cloud:
        data = make_bytes(100_000)
        await there.put("b/with metadata.txt", data, content_type="text/x-own", x_amz_meta_who="me")
        for key in ("a", "b.txt", "b/c", "b/ü &<>", "empty"):
            await there.put(key, key.encode() if key != "empty" else b"")
        job = await there.attach()
        assert (job.state, job.counts["new"], job.counts["objects"]) == ("done", 6, 6)
        assert [each.key for each in await edge.list(there.name)] == sorted(await there.keys())
        for client in (edge, cloud):
            found, info = await client.get_with_info(there.name, "b/with metadata.txt")
            assert (found, info.content_type, info.metadata) == (data, "text/x-own", {"who": "me"})
            assert await client.get(there.name, "b/ü &<>") == "b/ü &<>".encode()
            assert await client.get(there.name, "empty") == b""
        await there.detach()
        assert await there.get("b/with metadata.txt") == data


async def test_a_prefix_is_left_out_of_keys(rig: Rig) -> None:
    async with outside(rig) as there, rig.client("cloud") as cloud:
        for key in ("x/1", "y/1", "y/2", "z"):
            await there.put(key, key.encode())
        await there.attach(prefix="y/")
        assert [each.key for each in await cloud.list(there.name)] == ["1", "2"]
        assert await cloud.get(there.name, "2") == b"y/2"
        with pytest.raises(ConflictError, match="attached already"):
            await rig.ask(AttachBucket(name="another", owner="admin", store=STORE, bucket=there.bucket))
        await there.detach()


async def test_a_changed_object_is_never_served_under_its_old_description(rig: Rig) -> None:
    async with outside(rig) as there, rig.client("cloud") as cloud:
        await there.put("key", b"old", content_type="text/old")
        await there.put("gone", b"soon")
        await there.attach()
        assert (await cloud.get_with_info(there.name, "key"))[1].content_type == "text/old"
        await there.put("key", b"the new one", content_type="text/new")
        found, info = await cloud.get_with_info(there.name, "key")
        assert (found, info.content_type, info.size_bytes) == (b"the new one", "text/new", 11)
        await there.client.delete("gone")
        with pytest.raises(NoSuchKeyError):
            await cloud.get(there.name, "gone")
        assert [each.key for each in await cloud.list(there.name)] == ["key"]
        await there.detach()


async def test_a_rescan_follows_what_others_did(rig: Rig) -> None:
    async with outside(rig) as there, rig.client("cloud") as cloud:
        for number in range(40):
            await there.put(f"d{number % 3}/{number:02}", b"1")
        await there.attach()
        await there.put("d0/new", b"new")
        await there.put("d1/01", b"changed")
        await there.client.delete("d2/02")
        job = await there.rescan()
        counts = {name: job.counts.get(name) for name in ("objects", "new", "changed", "vanished")}
        assert counts == {"objects": 40, "new": 1, "changed": 1, "vanished": 1}
        assert [each.key for each in await cloud.list(there.name)] == sorted(await there.keys())
        assert await cloud.get(there.name, "d1/01") == b"changed"
        again = await there.rescan()
        assert again.counts["unchanged"] == 40
        await there.detach()


async def test_writes_come_to_their_own_names_and_stay_there(rig: Rig) -> None:
    async with outside(rig) as there, rig.client("cloud") as cloud, rig.client("edge") as edge:
        await there.put("replaced", b"old")
        await there.put("deleted", b"old")
        await there.attach()
        await cloud.put(there.name, "replaced", b"new", content_type="text/new", metadata={"who": "us"})
        await cloud.put(there.name, "made/here", b"made")
        await cloud.delete(there.name, "deleted")
        assert await edge.get(there.name, "replaced") == b"new"

        async def is_there() -> bool:
            if await there.keys() != ["made/here", "replaced"]:
                return False
            return await there.get("replaced") == b"new"

        await eventually(is_there, "the writes are not at their own names")
        headers = await there.client.head("replaced")
        assert (headers["content-type"], headers["x-amz-meta-who"]) == ("text/new", "us")
        job = await there.rescan()
        assert (job.counts.get("changed", 0), job.counts.get("new", 0)) == (0, 0)
        await there.detach()
        assert await there.keys() == ["made/here", "replaced"]
        assert await there.get("made/here") == b"made"


async def test_a_scan_that_is_cut_off_goes_on_where_it_stood(rig: Rig) -> None:
    async with outside(rig) as there, rig.client("cloud") as cloud:
        await asyncio.gather(*(there.put(f"d{n % 5}/{n:03}", b"x") for n in range(140)))
        request = AttachBucket(
            name=there.name, owner="admin", store=STORE, bucket=there.bucket, rescan_every_s=0
        )
        job: Job = await rig.ask(request)

        async def is_under_way() -> bool:
            nonlocal job
            job = await rig.ask(GetJob(job_id=job.job_id))
            return job.counts.get("objects", 0) > 20

        await eventually(is_under_way, "the scan does not begin")
        await rig.sites["edge"].near.refuse()
        stopped: Job = await rig.ask(GetJob(job_id=job.job_id))
        assert stopped.state == "running"
        assert 0 < stopped.counts["objects"] < 140
        await rig.sites["edge"].near.mend()
        done = await rig.finish(job)
        assert (done.counts["objects"], done.counts["new"]) == (140, 140)
        assert len(await cloud.list(there.name)) == 140
        await there.detach()


async def test_a_bucket_that_is_not_there_fails_with_the_reason(rig: Rig) -> None:
    job: Job = await rig.ask(
        AttachBucket(name="nothing-there", owner="admin", store=STORE, bucket="no-such-bucket-at-all")
    )
    done = await rig.finish(job)
    assert done.state == "failed"
    assert done.problem
    step: Detaching = await rig.ask(DetachBucket(name="nothing-there"))
    assert step.is_done


async def test_what_would_be_encrypted_is_refused_because_others_could_not_read_it(rig: Rig) -> None:
    async with outside(rig) as there, rig.wire_client("cloud") as client:
        await there.attach()
        customer = {
            "x-amz-server-side-encryption-customer-algorithm": "AES256",
            "x-amz-server-side-encryption-customer-key": base64.b64encode(bytes(32)).decode(),
            "x-amz-server-side-encryption-customer-key-md5": base64.b64encode(
                hashlib.md5(bytes(32), usedforsecurity=False).digest()
            ).decode(),
        }
        for headers in ({"x-amz-server-side-encryption": "AES256"}, customer):
            with pytest.raises(StoreReplyError, match="is attached") as caught:
                await client.put("sealed", b"x", bucket=there.name, headers=headers)
            assert (caught.value.status, caught.value.code) == (400, "InvalidRequest")
            with pytest.raises(StoreReplyError, match="is attached"):
                await client.create_upload("sealed", bucket=there.name, headers=headers)
        await client.put("plain", b"x", bucket=there.name)
        await there.detach()
