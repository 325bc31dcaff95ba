"""A directory store as a process, asked as any store: what it takes and gives, and what a crash leaves."""

import asyncio
import hashlib
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from directory_store import DirectoryStoreProcess

from continuum.model.objects import Store
from continuum.security import create_identity
from continuum.store import PoolLimits, StoreClient, StoreReplyError
from continuum.store.stores.exchanges import StoreProtocolError, StoreUnavailableError

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="module")]

BIG = os.urandom(3 * 1024 * 1024) + b"end"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> "DirectoryStoreProcess":
    store = DirectoryStoreProcess(tmp_path_factory.mktemp("directory"))
    store.start()
    yield store
    store.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def client(served: DirectoryStoreProcess) -> AsyncIterator[StoreClient]:
    made = StoreClient(describe(served), limits=PoolLimits(connections=8))
    await made.ensure_bucket()
    yield made
    await made.close()


def describe(served: DirectoryStoreProcess) -> Store:
    return Store(
        name="test",
        site="edge",
        endpoint=served.endpoint,
        region="us-east-1",
        bucket="data",
        access_key=served.access_key,
        secret_key=served.secret_key,
    )


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


async def put_streamed(client: StoreClient, key: str, data: bytes) -> None:
    exchange = await client.begin("PUT", key, length=len(data))
    for start in range(0, len(data), 100_000):
        exchange.write(data[start : start + 100_000])
    assert (await exchange.reply()).status == 200
    await exchange.read()


async def test_objects_are_files_and_files_are_objects(
    served: DirectoryStoreProcess, client: StoreClient
) -> None:
    headers = await client.put(
        "a/b.txt", b"hello", headers={"content-type": "text/plain", "x-amz-meta-k": "v"}
    )
    assert headers["etag"].strip('"') == md5(b"hello")
    assert (served.root / "data/a/b.txt").read_bytes() == b"hello"
    found = await client.head("a/b.txt")
    assert (found["content-type"], found["x-amz-meta-k"]) == ("text/plain", "v")
    (served.root / "data/a/theirs.txt").write_bytes(b"0123456789")
    exchange = await client.get("a/theirs.txt", byte_range="bytes=2-4")
    assert await exchange.read() == b"234"
    listed = await client.list("a/")
    assert [(each.key, each.size_bytes) for each in listed.objects] == [("a/b.txt", 5), ("a/theirs.txt", 10)]
    await client.delete("a/b.txt")
    assert not (served.root / "data/a/b.txt").exists()


async def test_a_large_body_is_streamed_both_ways(served: DirectoryStoreProcess, client: StoreClient) -> None:
    await put_streamed(client, "big", BIG)
    assert (served.root / "data/big").read_bytes() == BIG
    exchange = await client.get("big")
    assert exchange.headers["etag"].strip('"') == md5(BIG)
    assert await exchange.read() == BIG
    etag = await client.copy("big-2", source_bucket="data", source_key="big")
    assert etag == md5(BIG)
    assert (served.root / "data/big-2").read_bytes() == BIG


async def test_a_multipart_upload_becomes_a_file(served: DirectoryStoreProcess, client: StoreClient) -> None:
    upload_id = await client.create_upload("parts", headers={"content-type": "text/x"})
    pieces = {number: bytes([number]) * 300_000 for number in (2, 1)} | {3: b"tail"}
    parts = {}
    for number, data in pieces.items():
        exchange = await client.begin_part("parts", upload_id, number, len(data))
        exchange.write(data)
        parts[number] = (await exchange.reply()).headers["etag"].strip('"')
        await exchange.read()
    there, _ = await client.list_parts("parts", upload_id)
    assert [(part.number, part.etag) for part in there] == sorted(parts.items())
    etag = await client.complete_upload("parts", upload_id, sorted(parts.items()))
    assert etag.endswith("-3")
    assert (served.root / "data/parts").read_bytes() == b"".join(pieces[number] for number in (1, 2, 3))
    assert (await client.head("parts"))["content-type"] == "text/x"
    with pytest.raises(StoreReplyError, match="upload"):
        await client.complete_upload("parts", upload_id, sorted(parts.items()))


async def test_conditions_are_decided_where_the_file_is(client: StoreClient) -> None:
    await client.delete("once")
    tries = [client.put("once", bytes([each]), headers={"if-none-match": "*"}) for each in range(8)]
    outcomes = await asyncio.gather(*tries, return_exceptions=True)
    assert [type(each) for each in outcomes].count(dict) == 1
    with pytest.raises(StoreReplyError) as caught:
        await client.get("once", if_match="0" * 32)
    assert caught.value.status == 412
    known = await client.head("once")
    for method in ("GET", "HEAD"):
        unchanged = await client.exchange(method, "once", headers={"if-none-match": known["etag"]})
        assert (unchanged.status, unchanged.headers["etag"]) == (304, known["etag"])
        assert await unchanged.read() == b""
    assert (await client.head("once"))["etag"] == known["etag"]


async def test_a_file_that_changes_while_it_is_read_is_never_taken_for_whole(
    served: DirectoryStoreProcess, client: StoreClient
) -> None:
    data = os.urandom(64 * 1024 * 1024)
    path = served.root / "data/changing"
    path.write_bytes(data)
    exchange = await client.get("changing")  # more than all buffers on the way hold
    path.write_bytes(data[::-1])
    with pytest.raises((StoreProtocolError, StoreUnavailableError)):
        await exchange.read(limit_bytes=len(data))
    path.unlink()


async def test_wrong_keys_and_unsigned_requests_are_refused(
    served: DirectoryStoreProcess, client: StoreClient
) -> None:
    store = describe(served)
    other = StoreClient(
        Store(**{**{f: getattr(store, f) for f in store.__struct_fields__}, "secret_key": "x"})
    )
    with pytest.raises(StoreReplyError) as caught:
        await other.list()
    assert caught.value.code == "SignatureDoesNotMatch"
    await other.close()
    with pytest.raises(StoreReplyError) as caught:
        await client.head("nothing")
    assert caught.value.status == 404


async def test_paths_that_lead_elsewhere_lead_nowhere(
    served: DirectoryStoreProcess, client: StoreClient
) -> None:
    (served.root.parent / "secret").write_text("secret")
    for key in ("../../secret", "a/../../../secret", ".continuum/lock", "./x"):
        with pytest.raises(StoreReplyError) as caught:
            await client.head(key)
        assert caught.value.status == 404, key
    await client.put("../../secret", b"mine")
    assert (served.root.parent / "secret").read_text() == "secret"
    assert await (await client.get("../../secret")).read() == b"mine"
    assert "../../secret" in [each.key for each in (await client.list()).objects]


async def test_what_dies_in_the_middle_of_a_write_leaves_the_old_object(
    served: DirectoryStoreProcess, client: StoreClient
) -> None:
    await client.put("kept", b"old")
    exchange = await client.begin("PUT", "kept", length=len(BIG))
    exchange.write(BIG[: len(BIG) // 2])
    temporary = served.root / ".continuum/tmp"
    async with asyncio.timeout(30):
        while not any(path.stat().st_size for path in temporary.iterdir()):  # noqa: ASYNC110 -- another process
            await asyncio.sleep(0.01)
    served.kill()
    with pytest.raises(StoreUnavailableError):
        await exchange.reply()
    assert (served.root / "data/kept").read_bytes() == b"old"
    await asyncio.to_thread(served.start)
    assert await (await client.get("kept")).read() == b"old"
    assert (await client.head("kept"))["etag"].strip('"') == md5(b"old")
    assert not any(temporary.iterdir())


async def test_a_second_server_of_the_folder_says_why_it_cannot(
    served: DirectoryStoreProcess, tmp_path: Path, client: StoreClient
) -> None:
    del client
    second = DirectoryStoreProcess(tmp_path)
    second.root = served.root
    with pytest.raises(AssertionError, match="another server"):
        await asyncio.to_thread(second.start)
    second.stop()


async def test_a_folder_is_served_by_command_with_a_certificate(tmp_path: Path) -> None:
    (tmp_path / "lab").mkdir()
    identity = create_identity(tmp_path / "home", "lab", "store")
    words = ["store", "serve", str(tmp_path / "lab"), "--listen", "127.0.0.1:0", "--credentials", "env:LAB"]
    words += [
        "--certificate",
        str(identity.certificate_file),
        "--key",
        str(identity.key_file),
        "--bucket",
        "data",
    ]
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("continuum")),
        *words,
        env=os.environ | {"LAB_ACCESS_KEY_ID": "lab", "LAB_SECRET_ACCESS_KEY": "lab-secret"},
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(60):
            ready = (await process.stdout.readline()).decode()
        assert ready.startswith("ready https://127.0.0.1:"), ready
        store = Store(
            name="lab",
            site="edge",
            endpoint=ready.split()[1],
            region="us-east-1",
            bucket="data",
            access_key="lab",
            secret_key="lab-secret",
            ca_pem=identity.ca_file.read_text(),
        )
        client = StoreClient(store)
        await client.put("a/b", b"hello")
        await client.close()
        assert (tmp_path / "lab/data/a/b").read_bytes() == b"hello"
        process.terminate()
        async with asyncio.timeout(30):
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
