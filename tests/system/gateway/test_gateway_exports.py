"""A site whose store refuses everybody else: what others read of it, and what goes wrong in the middle.

The wire by which other sites would connect to the store of `edge` is closed all the time.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from rigs import Rig, eventually, make_bytes, status_of

from continuum.model.errors import ConflictError, InvalidInputError
from continuum.model.sites import Reach
from continuum.store import DescribeObject, GatewaySettings, SetPolicy
from continuum.store.gateway.exporting.requests import Export, Progress, Wanted
from continuum.store.gateway.gateways import Gateway
from continuum.store.locator.messages import ObjectDescription

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="session")]

MIB = 1024 * 1024


class ClosedRig(Rig):
    """A rig of which `edge` has a store that only itself can connect to."""

    def settings(self, name: str, **changes: Any) -> GatewaySettings:
        settings = super().settings(name, **changes)
        if name != "edge" or settings.peer_store is None:
            return settings
        peer = msgspec.structs.replace(settings.peer_store, reach=Reach.SITE)
        return msgspec.structs.replace(settings, peer_store=peer)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shared_closed(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ClosedRig]:
    folder: Path = tmp_path_factory.mktemp("closed")
    rig = ClosedRig(folder, kind="directory")
    await rig.start()
    await rig.sites["edge"].far.refuse()
    yield rig
    await rig.close()


@pytest_asyncio.fixture(loop_scope="session")
async def closed(shared_closed: ClosedRig) -> ClosedRig:
    await shared_closed.wake()
    return shared_closed


async def test_bytes_are_brought_once_and_read_in_the_own_store_after_that(closed: ClosedRig) -> None:
    bucket, data = await closed.make_bucket(), make_bytes(3 * MIB)
    exports = closed.gateways["edge"].counts.exports.get("made", 0)
    async with closed.client("edge") as edge, closed.client("cloud") as cloud:
        await edge.put(bucket, "key", data)
        read = await asyncio.gather(*(cloud.get_with_info(bucket, "key") for _ in range(16)))
        assert all(each == data for each, _ in read)
        assert {info.source_site for _, info in read} == {"edge"}
        again, info = await cloud.get_with_info(bucket, "key")
        assert (again, info.source_site) == (data, "cloud")
    assert closed.gateways["edge"].counts.exports["made"] == exports + 1
    assert await _stores(closed, bucket, "key") == ["edge", "cloud"]


async def test_policies_get_copies_out_of_such_a_site_and_into_it(closed: ClosedRig) -> None:
    bucket = await closed.make_bucket()
    await closed.ask(SetPolicy(bucket=bucket, document=b'{"placement": "replicate_all"}'))
    async with closed.client("edge") as edge, closed.client("cloud") as cloud:
        await edge.put(bucket, "out", b"out" * 100_000)
        await cloud.put(bucket, "in", b"in" * 100_000)
    for key, sites in (("out", ["edge", "cloud"]), ("in", ["cloud", "edge"])):
        await _until(lambda key=key, sites=sites: _are_at(closed, bucket, key, sites), f"{key} is not copied")
    described: ObjectDescription = await closed.ask(DescribeObject(bucket=bucket, key="out"))
    assert not any(replica.expires_at for replica in described.version.replicas)


async def test_an_export_that_breaks_off_leaves_nothing_and_is_made_when_it_can_be(closed: ClosedRig) -> None:
    bucket, data = await closed.make_bucket(), make_bytes(8 * MIB)
    before = set(await closed.sites["cloud"].stored_keys())
    async with closed.client("edge") as edge, closed.client("cloud", patience_s=60.0) as cloud:
        await edge.put(bucket, "key", data)
        closed.sites["edge"].near.cut_after(3 * MIB)
        async with closed.wire_client("cloud") as wire:
            assert await status_of(wire.exchange("GET", "key", bucket=bucket)) == 503
        await _until(lambda: _has_only(closed, before), "the store still has a part")
        await closed.sites["edge"].near.mend()
        assert await cloud.get(bucket, "key") == data


async def test_while_the_backbone_is_away_it_is_503_and_works_again_after(closed: ClosedRig) -> None:
    bucket, data = await closed.make_bucket(), make_bytes(MIB)
    async with closed.client("edge") as edge:
        await edge.put(bucket, "key", data)
    closed.nats.kill()
    try:
        async with closed.wire_client("cloud") as wire:
            assert await status_of(wire.exchange("GET", "key", bucket=bucket)) == 503
    finally:
        closed.nats.start()
    await closed.wake()
    async with closed.client("cloud", patience_s=60.0) as cloud:
        assert await cloud.get(bucket, "key") == data


async def test_a_gateway_that_is_gone_costs_seconds_and_another_one_goes_on(closed: ClosedRig) -> None:
    bucket, data = await closed.make_bucket(), make_bytes(MIB)
    async with closed.client("edge") as edge:
        await edge.put(bucket, "key", data)
    await closed.gateways["edge"].stop()
    async with asyncio.timeout(60.0), closed.wire_client("cloud") as wire:
        assert await status_of(wire.exchange("GET", "key", bucket=bucket)) == 503
    closed.gateways["edge"] = Gateway(closed.settings("edge"))
    await closed.gateways["edge"].start()
    async with closed.client("cloud", patience_s=60.0) as cloud:
        assert await cloud.get(bucket, "key") == data


async def test_an_object_that_is_replaced_or_removed_meanwhile_is_never_served_old(closed: ClosedRig) -> None:
    bucket = await closed.make_bucket()
    async with closed.client("edge") as edge, closed.client("cloud", patience_s=60.0) as cloud:
        await edge.put(bucket, "key", b"old" * MIB)
        reading = asyncio.create_task(cloud.get(bucket, "key"))
        await edge.put(bucket, "key", b"new" * MIB)
        assert await reading in {b"old" * MIB, b"new" * MIB}
        assert await cloud.get(bucket, "key") == b"new" * MIB
        await edge.delete(bucket, "key")
        async with closed.wire_client("cloud") as wire:
            assert await status_of(wire.exchange("GET", "key", bucket=bucket)) == 404


async def test_an_export_goes_only_to_stores_of_others_and_under_keys_of_sessions(closed: ClosedRig) -> None:
    bucket = await closed.make_bucket()
    async with closed.client("edge") as edge:
        await edge.put(bucket, "key", b"data")
    described: ObjectDescription = await closed.ask(DescribeObject(bucket=bucket, key="key"))
    wanted = Wanted(bucket=bucket, key="key", version_id=described.version.version_id)
    async with closed.nats.connected("gateway.cloud") as backbone:
        for store, key, expected in (
            ("store.cloud", "../elsewhere", InvalidInputError),
            ("store.cloud", "no-session", InvalidInputError),
            ("store.edge", "session/1", ConflictError),
        ):
            with pytest.raises(expected):
                await backbone.request(
                    "gateway.edge.export", Export(wanted=wanted, store=store, key=key), Progress
                )


async def test_parts_of_an_upload_at_such_a_site_are_refused_elsewhere_at_once(closed: ClosedRig) -> None:
    bucket = await closed.make_bucket()
    async with closed.wire_client("edge") as edge, closed.wire_client("cloud") as cloud:
        upload_id = await edge.create_upload("key", bucket=bucket)
        query = [("partNumber", "1"), ("uploadId", upload_id)]
        reply = cloud.exchange("PUT", "key", bucket=bucket, query=query, body=b"part")
        assert await status_of(reply) == 400
        await edge.abort_upload("key", upload_id, bucket=bucket)


async def _stores(rig: Rig, bucket: str, key: str) -> list[str]:
    found: ObjectDescription = await rig.ask(DescribeObject(bucket=bucket, key=key))
    return [replica.store.removeprefix("store.") for replica in found.version.replicas]


async def _are_at(rig: Rig, bucket: str, key: str, sites: list[str]) -> bool:
    return await _stores(rig, bucket, key) == sites


async def _has_only(rig: Rig, keys: set[str]) -> bool:
    return set(await rig.sites["cloud"].stored_keys()) <= keys


async def _until(is_so: Callable[[], Awaitable[bool]], otherwise: str) -> None:
    await eventually(is_so, otherwise, within_s=60.0)
