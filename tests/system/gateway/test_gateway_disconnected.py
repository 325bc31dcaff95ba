"""Buckets with `disconnected: accept` while the hub is away: writes go on, nothing acknowledged is lost,
both of two writes that met are kept."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest
from apart import Killed, accept, apart_gateway, away, has_kept, mend, partition
from rigs import Rig, eventually, make_bytes, status_of

from continuum.model.errors import UnavailableError
from continuum.model.objects import Versioning
from continuum.store import StoreClient, StoreReplyError
from continuum.store.gateway.disconnected import standins
from continuum.store.locator.messages import (
    ChangeBucket,
    Commit,
    DeleteBucket,
    OpenSession,
    RenewSession,
)

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="session")]

MIB = 1024 * 1024
PART = 5 * MIB
Part = tuple[str, int, bytes]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


async def test_writes_go_on_without_the_hub_and_are_there_when_it_is_back(rig: Rig, state: Path) -> None:
    bucket, strong = await accept(rig), await rig.make_bucket()
    large, before = make_bytes(3 * MIB), make_bytes(1000)
    async with apart_gateway(rig, state, bucket) as apart, rig.client(apart.gateway) as client:
        await client.put(bucket, "before", before)
        await client.put(bucket, "gone", b"x")
        await client.put(strong, "key", b"x")
        async with rig.client("cloud") as cloud:
            await cloud.put(bucket, "theirs", b"theirs")
        await apart.wait_until_known("before", "gone", "theirs")
        async with away(rig, apart), rig.wire_client(apart.gateway) as wire:
            await client.put(bucket, "small", b"small")
            await client.put(bucket, "large", large)
            await client.put(bucket, "before", b"changed")
            await client.delete(bucket, "gone")
            copy = {"x-amz-copy-source": f"/{bucket}/large"}
            assert await status_of(wire.exchange("PUT", "copy", bucket=bucket, headers=copy)) == 200
            only_new = {"if-none-match": "*"}
            with pytest.raises(StoreReplyError) as refusal:
                await wire.put("small", b"again", bucket=bucket, headers=only_new)
            assert refusal.value.code == "PreconditionFailed"
            assert [info.key for info in await client.list(bucket)] == [
                *("before", "copy", "large", "small", "theirs"),
            ]
            assert await client.get(bucket, "before") == b"changed"
            assert await client.get(bucket, "theirs") == b"theirs"
            assert await client.get(bucket, "copy") == large
            assert not await client.exists(bucket, "gone")
            reply = await wire.exchange("HEAD", "small", bucket=bucket)
            await reply.read()
            assert reply.headers[standins.HEADER].endswith("Z")
            health = await wire.exchange("GET", "health", bucket="-")
            told = msgspec.json.decode(await health.read())["disconnected"]
            assert (told["buckets"], told["waiting"]) == (1, 5)
            metrics = await (await wire.exchange("GET", "metrics", bucket="-")).read()
            assert b'continuum_gateway_journal_records{site="edge"} 5' in metrics
            assert await status_of(wire.exchange("GET", "key", bucket=strong)) == 503
            assert await status_of(wire.exchange("PUT", "key", bucket=strong, body=b"y")) == 503
        await apart.wait_until_replayed()
        async with rig.client("cloud", patience_s=10) as cloud:
            assert await cloud.get(bucket, "large") == large
            assert await cloud.get(bucket, "before") == b"changed"
            assert await cloud.get(bucket, "copy") == large
            assert [info.key for info in await cloud.list(bucket)] == [
                *("before", "copy", "large", "small", "theirs"),
            ]
        assert await apart.told() == []
        assert await client.get(strong, "key") == b"x"


async def test_what_is_written_at_a_second_time_without_the_hub_is_replayed_as_well(
    rig: Rig, state: Path
) -> None:
    bucket = await accept(rig)
    async with apart_gateway(rig, state, bucket) as apart, rig.client(apart.gateway) as client:
        await apart.wait_until_known()
        for round_number in range(3):
            await partition(apart)
            await client.put(bucket, f"key{round_number}", b"data")
            await client.put(bucket, "same", f"{round_number}".encode())
            mend(apart)
            await apart.wait_until_replayed()
            found = {entry.key for entry in await cloud_list(rig, bucket)}
            assert {f"key{round_number}", "same"} <= found
        assert (await apart.find("same")).size_bytes == 1
        assert await client.get(bucket, "same") == b"2"
        assert await apart.told() == []


async def cloud_list(rig: Rig, bucket: str) -> Any:
    async with rig.client("cloud", patience_s=10) as cloud:
        return await cloud.list(bucket)


async def test_both_of_two_writes_that_met_are_kept(rig: Rig, state: Path) -> None:
    bucket = await accept(rig)
    async with apart_gateway(rig, state, bucket) as apart, rig.client(apart.gateway) as client:
        await client.put(bucket, "key", b"base")
        await apart.wait_until_known("key")
        await partition(apart)
        await client.put(bucket, "key", b"ours")
        await client.delete(bucket, "key")
        await client.put(bucket, "key", b"ours again")
        async with rig.client("cloud") as cloud:
            await cloud.put(bucket, "key", b"theirs")
        mend(apart)
        await apart.wait_until_replayed()
        async with rig.client("cloud") as cloud:
            (outcome, name), *_ = await apart.told()
            assert outcome == "older"
            assert name.startswith("key.conflict-edge-")
            assert [info.key for info in await cloud.list(bucket)] == ["key", name]
            assert await cloud.get(bucket, "key") == b"theirs"
            assert await cloud.get(bucket, name) == b"ours again"


async def test_with_versioning_both_are_versions_and_ours_is_newest_if_it_was_later(
    rig: Rig, state: Path
) -> None:
    bucket = await accept(rig)
    await rig.ask(ChangeBucket(name=bucket, versioning=Versioning.ENABLED))
    async with apart_gateway(rig, state, bucket) as apart, rig.client(apart.gateway) as client:
        await apart.wait_until_known()
        await partition(apart)
        async with rig.client("cloud") as cloud:
            await cloud.put(bucket, "key", b"theirs")
            await client.put(bucket, "key", b"ours")
            assert await client.get(bucket, "key") == b"ours"
            mend(apart)
            await apart.wait_until_replayed()
            assert await cloud.get(bucket, "key") == b"ours"
            ((outcome, kept_as),) = await apart.told()
            assert outcome == "newer"
            async with rig.wire_client("cloud") as wire:
                query = [("versionId", kept_as.removeprefix("versionId="))]
                reply = await wire.exchange("GET", "key", bucket=bucket, query=query)
                assert await reply.read() == b"theirs"


async def test_what_was_written_to_a_bucket_that_was_deleted_meanwhile_is_kept_beside_it(
    rig: Rig, state: Path
) -> None:
    bucket = await accept(rig)
    async with apart_gateway(rig, state, bucket) as apart, rig.client(apart.gateway) as client:
        await apart.wait_until_known()
        await partition(apart)
        await client.put(bucket, "key", b"ours")
        await rig.ask(DeleteBucket(name=bucket))
        mend(apart)
        await apart.wait_until_replayed()
        ((outcome, kept_as),) = await apart.told()
        assert outcome == "aside"
        async with rig.client("cloud") as cloud:
            assert await cloud.get(*kept_as.split("/")) == b"ours"


async def test_an_upload_in_parts_goes_on_when_the_hub_goes_and_comes_back(rig: Rig, state: Path) -> None:
    bucket = await accept(rig)
    parts = [make_bytes(PART), make_bytes(1000)]
    async with apart_gateway(rig, state, bucket) as apart, rig.wire_client(apart.gateway) as wire:
        await apart.wait_until_known()
        begun_before = await wire.create_upload("before", bucket=bucket)
        etags = {begun_before: [await put_part(wire, (bucket, "before"), (begun_before, 1, parts[0]))]}
        async with away(rig, apart):
            begun_apart = await wire.create_upload("apart", bucket=bucket)
            etags[begun_apart] = [await put_part(wire, (bucket, "apart"), (begun_apart, 1, parts[0]))]
            etags[begun_before].append(await put_part(wire, (bucket, "before"), (begun_before, 2, parts[1])))
            await wire.complete_upload("before", begun_before, etags[begun_before], bucket=bucket)
        await apart.wait_until_replayed()
        etags[begun_apart].append(await put_part(wire, (bucket, "apart"), (begun_apart, 2, parts[1])))
        await wire.complete_upload("apart", begun_apart, etags[begun_apart], bucket=bucket)
        async with rig.client("cloud") as cloud:
            assert await cloud.get(bucket, "before") == b"".join(parts)
            assert await cloud.get(bucket, "apart") == b"".join(parts)


async def put_part(wire: StoreClient, place: tuple[str, str], part: Part) -> tuple[int, str]:
    """Send a part (of which upload, number, bytes) of an object; return its number and ETag."""
    upload_id, number, data = part
    query = [("partNumber", str(number)), ("uploadId", upload_id)]
    reply = await wire.exchange("PUT", place[1], bucket=place[0], query=query, body=data)
    await reply.read()
    assert reply.status == 200
    return number, reply.headers["etag"].strip('"')


@pytest.mark.parametrize("hub_has_it", [False, True])
async def test_a_commit_that_the_hub_leaves_unanswered_is_taken_over_and_made_once(
    rig: Rig, state: Path, hub_has_it: bool
) -> None:
    bucket = await accept(rig)
    data = make_bytes(1000)
    async with apart_gateway(rig, state, bucket) as apart, rig.client(apart.gateway) as client:
        await client.put(bucket, "key", b"before")
        await apart.wait_until_known("key")
        locations = apart.gateway._locations
        assert locations is not None
        ask = locations._locator.ask

        async def lose_answers(request: Any, **options: Any) -> Any:
            if isinstance(request, Commit) and hub_has_it:
                await ask(request, **options)
            if isinstance(request, Commit | RenewSession | OpenSession):
                raise UnavailableError("cut off by the test")
            return await ask(request, **options)

        locations._locator.ask = lose_answers  # type: ignore[method-assign]
        await client.put(bucket, "key", data)
        assert apart.standin.standing.waiting == 1
        assert await client.get(bucket, "key") == data
        mend(apart)
        await apart.wait_until_replayed()
        async with rig.client("cloud") as cloud:
            assert await cloud.get(bucket, "key") == data
            assert [info.key for info in await cloud.list(bucket)] == ["key"]
        assert await apart.told() == []


async def test_bytes_of_the_journal_stay_and_what_was_cut_off_goes(
    rig: Rig, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standins, "FINISH_AFTER_S", 0.1)
    bucket = await accept(rig)
    async with apart_gateway(rig, state, bucket) as apart, rig.client(apart.gateway) as client:
        await apart.wait_until_known()
        async with away(rig, apart):
            await client.put(bucket, "key", b"kept")
            physical = apart.standin.local.make_physical_key()
            await apart.gateway._peers.own.put(physical.key, b"left")  # type: ignore[union-attr]
        await apart.wait_until_replayed()

        async def is_gone() -> bool:
            return physical.key not in await rig.sites["edge"].stored_keys()

        await eventually(is_gone, "what was not acknowledged stays", within_s=30)
        assert await client.get(bucket, "key") == b"kept"
        assert apart.standin.local.session_id != physical.session_id


async def test_a_gateway_that_was_killed_serves_without_the_hub_what_it_acknowledged(
    rig: Rig, tmp_path: Path, state: Path
) -> None:
    """The hub goes, then the gateway is killed and the network goes; it starts alone; all come back."""
    bucket = await accept(rig)
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    killed = Killed(rig, tmp_path, state, port)
    await killed.start()
    written: dict[str, bytes] = {}
    try:
        async with killed.client() as client:
            await client.put(bucket, "before", b"before")
            written["before"] = b"before"
            await eventually(lambda: has_kept(state, bucket, "before"), "the object is not kept")
            async with away(rig):
                for number in range(20):
                    data = make_bytes(100)
                    await client.put(bucket, f"first/{number:02}", data)
                    written[f"first/{number:02}"] = data
                await killed.kill()
                rig.nats.kill()
                await killed.start()
                async with killed.client() as again:
                    assert {info.key for info in await again.list(bucket)} == set(written)
                    for key, data in written.items():
                        assert await again.get(bucket, key) == data
                    await again.put(bucket, "second", b"second")
                    written["second"] = b"second"
                rig.nats.start()
        async with rig.client("cloud", patience_s=30) as cloud:

            async def are_there() -> bool:
                return {info.key for info in await cloud.list(bucket)} == set(written)

            await eventually(are_there, "not all is replayed", within_s=40)
            for key, data in written.items():
                assert await cloud.get(bucket, key) == data
    finally:
        await killed.kill()
