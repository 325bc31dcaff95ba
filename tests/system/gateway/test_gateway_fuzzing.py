"""Wild requests at a running gateway: whatever is asked, it is answered, and never with a fault of the
gateway's own.

`make fuzz` tries many more, from another seed each time; it prints the seed.
"""

import asyncio
import os
import re

import pytest
from rigs import Rig
from wild_requests import Drawer, Wild

from continuum.store import StoreClient

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="session")]

REQUESTS = int(os.environ.get("FUZZ_REQUESTS", "400"))
SEED = int(os.environ.get("FUZZ_SEED", "1"))
AT_ONCE = 4
KEYS = ["a", "b/c", "\u00fc & <d>"]
REQUEST_S = 20.0
NOT_IMPLEMENTED = 501
FAULT = 500
UNAVAILABLE, LOST_SESSION = 503, b"lost its session"


async def ask(client: StoreClient, wild: Wild) -> str:
    """Send a request; return what is wrong with the reply, '' if nothing. A gateway may lose its session on a
    busy machine and says so: then it is asked again."""
    async with asyncio.timeout(REQUEST_S):
        while True:
            reply = await client.exchange(
                wild.method,
                wild.key,
                bucket=wild.bucket,
                query=wild.query,
                headers=wild.headers,
                body=wild.body,
            )
            body = await reply.read()
            if reply.status != UNAVAILABLE or LOST_SESSION not in body:
                break
            await asyncio.sleep(0.1)
    if reply.status >= FAULT and reply.status != NOT_IMPLEMENTED:
        return f"{reply.status} {body[:500]!r} for {wild}"
    if b"InternalError" in body:
        return f"an error inside the reply: {body[:800]!r} for {wild}"
    return ""


async def fill(rig: Rig, client: StoreClient, bucket: str) -> dict[str, list[str]]:
    """Put some objects and an upload into a bucket, and return what is known of them by the model's names."""
    known: dict[str, list[str]] = {"ObjectVersionId": ["null"], "ETag": [], "MultipartUploadId": ["none"]}
    async with rig.client("edge") as objects:
        await objects.ensure_bucket(bucket)
    for key in KEYS:
        put = await client.exchange("PUT", key, bucket=bucket, body=key.encode() * 100)
        await put.read()
        known["ETag"].append(put.headers.get("etag", ""))
        known["ObjectVersionId"].append(put.headers.get("x-amz-version-id", "null"))
        made = await client.exchange("POST", key, bucket=bucket, query=[("uploads", "")])
        known["MultipartUploadId"] += re.findall(r"<UploadId>(.*?)</UploadId>", (await made.read()).decode())
    return known


async def test_no_request_makes_a_gateway_fail(rig: Rig) -> None:
    bucket = await rig.make_bucket()
    drawer = Drawer(SEED, bucket, KEYS)
    drawer.access_key, drawer.secret_key = rig.admin.access_key, rig.admin.secret_key
    problems: list[str] = []
    async with rig.wire_client("edge") as one, rig.wire_client("cloud") as other:
        for position in range(0, REQUESTS, AT_ONCE):
            if position % 100 == 0:
                drawer.known = await fill(rig, one, bucket)  # it may have been deleted
            batch = [drawer.draw() for _ in range(AT_ONCE)]
            clients = [one, other] * (AT_ONCE // 2)
            problems += await asyncio.gather(*map(ask, clients, batch))
    assert not [problem for problem in problems if problem], f"FUZZ_SEED={SEED}"
