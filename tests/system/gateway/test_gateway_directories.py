"""Gateways over directory stores: objects of both sites, an existing folder attached where it is."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from directory_store import DirectoryStoreProcess
from rigs import Rig, eventually, make_bytes

from continuum.store import AttachBucket, DetachBucket, Detaching, StartJob
from continuum.store.locator.messages import NoSuchKeyError

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="session")]

LARGE = make_bytes(5 * 1024 * 1024 + 17)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def folders(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    rig = Rig(tmp_path_factory.mktemp("folders"), kind="directory")
    await rig.start()
    yield rig
    await rig.close()


def root(rig: Rig, site: str) -> Path:
    store = rig.sites[site].plain
    assert isinstance(store, DirectoryStoreProcess)
    return store.root


async def test_what_one_site_writes_into_its_folder_the_other_reads(folders: Rig) -> None:
    bucket = await folders.make_bucket()
    async with folders.client("edge") as edge, folders.client("cloud") as cloud:
        for key, data in (
            ("small", b"small"),
            ("big", LARGE),
            ("a//b/../c", b"odd"),
            ("empty", b""),
        ):
            await edge.put(bucket, key, data)
            assert await cloud.get(bucket, key) == data
        await edge.put(bucket, "small", b"new")
        assert await cloud.get(bucket, "small") == b"new"
        await cloud.delete(bucket, "small")
        with pytest.raises(NoSuchKeyError):
            await edge.get(bucket, "small")


async def test_a_folder_of_files_is_attached_followed_written_and_left_as_it_is(folders: Rig) -> None:
    there = root(folders, "edge") / "museum"
    (there / "raw").mkdir(parents=True)
    (there / "raw/a.txt").write_text("one")
    (there / "Größe \N{SLIGHTLY SMILING FACE}.bin").write_bytes(LARGE)
    (there / os.fsdecode(b"\xff")).write_text("no object")
    (there / "link").symlink_to("/etc/passwd")
    request = AttachBucket(
        name="museum", owner="admin", store="store.edge", bucket="museum", prefix="", rescan_every_s=0
    )
    job = await folders.finish(await folders.ask(request))
    assert (job.state, job.problem, job.counts.get("objects")) == ("done", "", 2)
    async with folders.client("edge") as edge, folders.client("cloud") as cloud:
        assert await cloud.get("museum", "raw/a.txt") == b"one"
        assert await cloud.get("museum", "Größe \N{SLIGHTLY SMILING FACE}.bin") == LARGE
        (there / "raw/a.txt").write_text("other")  # at once: the ETag that the index knows is demanded
        assert await cloud.get("museum", "raw/a.txt") == b"other"
        (there / "raw/b.txt").write_text("two")
        await folders.finish(await folders.ask(StartJob(kind="scan", store="", bucket="museum")))
        assert await edge.get("museum", "raw/b.txt") == b"two"
        await cloud.put("museum", "new/c.txt", b"three")
        await eventually(lambda: _is(there / "new/c.txt", b"three"), "the write has no name of its own")
        await cloud.delete("museum", "new/c.txt")
        await eventually(lambda: _is(there / "new", None), "the deletion did not reach the file")
    await eventually(lambda: _is_detached(folders), "it is not detached")
    names = sorted(os.fsencode(path.relative_to(there)) for path in there.rglob("*"))
    kept = ("raw", "raw/a.txt", "raw/b.txt", "Größe \N{SLIGHTLY SMILING FACE}.bin", "link")
    assert names == sorted([*map(os.fsencode, kept), b"\xff"])


async def _is_detached(rig: Rig) -> bool:
    step: Detaching = await rig.ask(DetachBucket(name="museum"))
    return step.is_done


async def _is(path: Path, data: bytes | None) -> bool:
    try:
        return path.read_bytes() == data  # noqa: ASYNC240 -- a few bytes
    except FileNotFoundError:
        return data is None
    except IsADirectoryError:
        return False
