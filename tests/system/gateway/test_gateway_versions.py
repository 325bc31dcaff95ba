"""Versions where gateways remember, copy and fall over to other stores."""

import asyncio
from typing import Any, NamedTuple

import pytest
from rigs import Rig, eventually, make_bytes

from continuum.model.policies import Policy
from continuum.store.stores.s3 import StoreClient

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="session")]

ENABLED = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes


async def ask(client: StoreClient, method: str, bucket: str, key: str = "", **options: Any) -> Answer:
    exchange = await client.exchange(method, key, bucket=bucket, **options)
    body = await exchange.read()
    return Answer(exchange.status, dict(exchange.headers), body)


async def make_versioned(rig: Rig, client: StoreClient) -> str:
    bucket = await rig.make_bucket()
    done = await ask(client, "PUT", bucket, query=[("versioning", "")], body=ENABLED)
    assert done.status == 200
    return bucket


async def test_an_older_version_is_copied_on_read_and_read_when_its_first_store_is_down(rig: Rig) -> None:
    old, new = make_bytes(400_000), make_bytes(1000)
    async with (
        rig.another_gateway("cloud", policy=Policy.COPY_ON_READ) as gateway,
        rig.wire_client("edge") as edge,
        rig.wire_client(gateway) as cloud,
    ):
        bucket = await make_versioned(rig, edge)
        version_id = (await ask(edge, "PUT", bucket, "key", body=old)).headers["x-amz-version-id"]
        await ask(edge, "PUT", bucket, "key", body=new)
        query = [("versionId", version_id)]
        got = await ask(cloud, "GET", bucket, "key", query=query)
        assert (got.body, got.headers["x-continuum-source-site"]) == (old, "edge")

        async def is_kept() -> bool:
            return gateway.counts.copies.get("kept", 0) >= 1

        await eventually(is_kept, f"no copy was kept: {gateway.counts.copies}")
        await rig.sites["edge"].far.refuse()
        try:
            got = await ask(cloud, "GET", bucket, "key", query=query)
            assert (got.body, got.headers["x-continuum-source-site"]) == (old, "cloud")
            assert (got := await ask(cloud, "GET", bucket, "key")).status == 503, dict(
                got.headers
            )  # no copy here
        finally:
            await rig.mend()


async def test_who_reads_while_objects_are_hidden_and_shown_sees_one_or_the_other(rig: Rig) -> None:
    async with rig.wire_client("edge") as edge, rig.wire_client("cloud") as cloud:
        bucket = await make_versioned(rig, edge)
        await ask(edge, "PUT", bucket, "key", body=b"there")
        seen: list[int] = []

        async def read(client: StoreClient) -> None:
            for _ in range(40):
                got = await ask(client, "GET", bucket, "key")
                assert (got.status, got.body == b"there") in {(200, True), (404, False)}
                seen.append(got.status)

        async def hide_and_show() -> None:
            for _ in range(5):
                marker = (await ask(edge, "DELETE", bucket, "key")).headers["x-amz-version-id"]
                for client in (edge, cloud, edge, cloud):  # what was acknowledged is seen everywhere
                    assert (await ask(client, "GET", bucket, "key")).status == 404
                await ask(cloud, "DELETE", bucket, "key", query=[("versionId", marker)])
                for client in (edge, cloud, edge, cloud):
                    assert (await ask(client, "GET", bucket, "key")).body == b"there"

        await asyncio.gather(read(edge), read(cloud), hide_and_show())
        assert len(seen) == 80


async def test_a_version_costs_no_round_trip_more_than_an_object(rig: Rig) -> None:
    """The rig's gateway has duties of its own that ask the locator now and then, and on a busy machine its
    lease may end: the cheapest of several goes is what the requests themselves cost."""
    async with rig.wire_client("edge") as edge:
        bucket = await make_versioned(rig, edge)
        locations = rig.gateways["edge"]._locations

        async def cost_of(*requests: tuple[str, str, list[tuple[str, str]], int]) -> int:
            before = locations.round_trips
            for method, key, query, status in requests:
                answer = await ask(edge, method, bucket, key, query=query, body=b"x" * (method == "PUT"))
                assert answer.status == status
            return locations.round_trips - before

        costs: dict[str, list[int]] = {"put": [], "read": [], "read a marker": []}
        for key in ("first", "second", "third", "fourth"):
            costs["put"].append(await cost_of(("PUT", key, [], 200)))
            newest = [("versionId", (await ask(edge, "HEAD", bucket, key)).headers["x-amz-version-id"])]
            reads = [(method, key, query, 200) for query in ([], newest) for method in ("GET", "HEAD")]
            costs["read"].append(await cost_of(*reads))  # both are the newest, which is remembered
            await ask(edge, "DELETE", bucket, key)
            assert (await ask(edge, "GET", bucket, key)).status == 404
            costs["read a marker"].append(await cost_of(("HEAD", key, [], 404)))  # it is remembered too
        cheapest = {what: min(each) for what, each in costs.items()}
        assert cheapest["put"] <= 2, costs
        assert cheapest["read"] == cheapest["read a marker"] == 0, costs
