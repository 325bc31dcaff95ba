"""Verification of stores that somebody damaged, and repair from the other site."""

import pytest
from rigs import PHYSICAL, Rig, eventually, make_bytes

from continuum.model.errors import UnavailableError
from continuum.model.objects import Version
from continuum.model.policies import Policy
from continuum.store import Job, StartJob, StoreClient
from continuum.store.locator.messages import LookUp

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="session")]


async def verify(rig: Rig, site: str, bucket: str, *, deep: bool = False, repair: bool = False) -> Job:
    """Verify what a site's store has of a bucket; return the job once it is over."""
    job: Job = await rig.ask(
        StartJob(kind="verify", store=f"store.{site}", bucket=bucket, is_deep=deep, is_repairing=repair)
    )
    job = await rig.finish(job)
    assert job.state == "done", job.problem
    return job


def direct(rig: Rig, site: str) -> StoreClient:
    """The store itself, for doing damage."""
    there = rig.sites[site]
    return StoreClient(there.store(there.port))


async def find(rig: Rig, bucket: str, key: str) -> Version:
    version: Version = await rig.ask(LookUp(bucket=bucket, key=key))
    return version


async def put_at_both(rig: Rig, bucket: str, contents: dict[str, bytes]) -> None:
    """Write objects at the edge with a copy in the cloud."""
    async with rig.client("edge") as edge:
        for key, data in contents.items():
            await edge.put(bucket, key, data)
    async with (
        rig.another_gateway("cloud", policy=Policy.COPY_ON_READ) as keeping,
        rig.client(keeping) as cloud,
    ):
        for key in contents:
            await cloud.get(bucket, key)

            async def has_copy(key: str = key) -> bool:
                return len((await find(rig, bucket, key)).replicas) == 2

            await eventually(has_copy, f"{key} has no copy")


async def test_a_store_that_is_well_has_no_findings(rig: Rig) -> None:
    bucket = await rig.make_bucket()
    async with rig.client("edge") as edge:
        for key in ("a", "b/c", "empty"):
            await edge.put(bucket, key, b"" if key == "empty" else make_bytes(50_000))
    job = await verify(rig, "edge", bucket, deep=True)
    assert (job.findings, job.counts) == ((), {"objects": 3, "bytes": 100_000})


async def test_what_is_lost_or_damaged_is_found_and_never_served(rig: Rig) -> None:
    bucket = await rig.make_bucket()
    contents = {name: make_bytes(20_000) for name in ("missing", "short", "rotten", "well")}
    await put_at_both(rig, bucket, contents)
    store = direct(rig, "edge")
    places = {name: (await find(rig, bucket, name)).replicas[0].key for name in contents}
    await store.delete(places["missing"])
    await store.put(places["short"], b"short")
    await store.put(places["rotten"], make_bytes(20_000))
    shallow = await verify(rig, "edge", bucket)
    assert {found.key: found.kind for found in shallow.findings} == {
        "missing": "missing",
        "short": "size",
        "rotten": "etag",
    }
    async with rig.client("edge") as edge:
        for name, data in contents.items():
            assert await edge.get(bucket, name) == data  # from the other site
    repaired = await verify(rig, "edge", bucket, deep=True, repair=True)
    assert {found.outcome for found in repaired.findings} == {"repaired"}
    assert repaired.counts["repaired"] == 3
    after = await verify(rig, "edge", bucket, deep=True)
    assert after.findings == ()
    async with rig.client("edge") as edge:
        for name, data in contents.items():
            assert await edge.get(bucket, name) == data
            at_edge = [
                each for each in (await find(rig, bucket, name)).replicas if each.store == "store.edge"
            ]
            assert len(at_edge) == 1
    await store.close()


async def test_the_last_copy_is_reported_lost_and_not_served_with_wrong_bytes(rig: Rig) -> None:
    bucket = await rig.make_bucket()
    async with rig.client("edge") as edge:
        await edge.put(bucket, "only", make_bytes(10_000))
        place = (await find(rig, bucket, "only")).replicas[0].key
        store = direct(rig, "edge")
        await store.put(place, make_bytes(10_000))
        job = await verify(rig, "edge", bucket, deep=True, repair=True)
        assert [(found.key, found.outcome) for found in job.findings] == [("only", "lost")]
        with pytest.raises(UnavailableError):
            await edge.get(bucket, "only")
        assert place in [
            found.key for found in (await store.list(place)).objects
        ]  # for whoever can salvage it
        await store.close()


async def test_bytes_of_ended_sessions_that_nobody_knows_are_found_and_removed(rig: Rig) -> None:
    store = direct(rig, "edge")
    async with rig.another_gateway("edge") as gateway, rig.client(gateway) as client:
        bucket = await rig.make_bucket()
        await client.put(bucket, "key", b"known")
        session_id = (await find(rig, bucket, "key")).replicas[0].key.partition("/")[0]
        await store.put(f"{session_id}/left", b"swept when the session has ended")

    async def was_swept() -> bool:
        return not (await store.list(f"{session_id}/left")).objects

    await eventually(was_swept, "the session's leavings are still there")
    await store.put(f"{session_id}/stray", b"stray")
    job = await verify(rig, "edge", "", repair=True)
    orphans = [found for found in job.findings if found.kind == "orphan"]
    assert [found.physical for found in orphans] == [f"{PHYSICAL}/{session_id}/stray"]

    async def is_gone() -> bool:
        return not (await store.list(f"{session_id}/stray")).objects

    await eventually(is_gone, "the orphan is still there")
    await store.close()
