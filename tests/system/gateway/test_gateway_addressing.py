"""Stores that are asked by `bucket.host`: a real SeaweedFS with a domain, and a gateway with one."""

import secrets
from collections.abc import AsyncIterator

import msgspec
import pytest
from plain_store import DOMAIN, PlainStore
from rigs import Rig

from continuum.model.objects import Store
from continuum.store import StoreClient, StoreReplyError

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="session")]


async def find_store(rig: Rig, kind: str) -> AsyncIterator[Store]:
    """Give the store to be asked by host: the edge's, or a gateway as if it were a store."""
    site = rig.sites["edge"]
    port = site.port
    if kind == "seaweedfs":
        if not isinstance(site.plain, PlainStore):
            pytest.skip("another kind of store was asked for (CONTINUUM_TEST_STORE)")
        yield msgspec.structs.replace(site.store(port), endpoint=f"http://{DOMAIN}:{port}")
        return
    async with rig.another_gateway("edge", domain=DOMAIN) as gateway:
        yield msgspec.structs.replace(
            site.store(port),
            endpoint=f"http://{DOMAIN}:{gateway.port}",
            access_key=rig.admin.access_key,
            secret_key=rig.admin.secret_key,
        )


@pytest.mark.parametrize("kind", ["seaweedfs", "gateway"])
async def test_a_store_is_asked_by_the_bucket_s_own_host(rig: Rig, kind: str) -> None:
    bucket = f"v-{secrets.token_hex(4)}"
    async for store in find_store(rig, kind):
        wanted = msgspec.structs.replace(store, addressing="virtual", bucket=bucket)
        client, by_path = StoreClient(wanted), StoreClient(msgspec.structs.replace(wanted, addressing="path"))
        try:
            await client.ensure_bucket()
            await try_all(client, by_path)
        finally:
            await client.close()
            await by_path.close()


async def try_all(client: StoreClient, by_path: StoreClient) -> None:
    """Do all that gateways and transfers ask of a store, and see by path that it is there."""
    for key in ("a", "folder/b c", "é/ü+%"):
        await client.put(key, key.encode(), headers={"content-type": "text/x"})
        assert await (await by_path.get(key)).read() == key.encode()
        assert await (await client.get(key, byte_range="bytes=0-0")).read() == key.encode()[:1]
        assert (await client.head(key))["content-type"] == "text/x"
    listed = await client.list("", max_keys=2)
    more = await client.list("", token=listed.next_token)
    assert len(listed.objects) + len(more.objects) == 3
    await client.copy("copy", source_bucket=client.store.bucket, source_key="folder/b c")
    assert await (await client.get("copy")).read() == b"folder/b c"
    upload_id = await client.create_upload("parts")
    exchange = await client.begin_part("parts", upload_id, 1, 4)
    exchange.write(b"part")
    etag = (await exchange.reply()).headers["etag"].strip('"')
    await exchange.read()
    assert (await client.list_parts("parts", upload_id))[0][0].etag == etag
    await client.complete_upload("parts", upload_id, [(1, etag)])
    assert await (await client.get("parts")).read() == b"part"
    assert await client.delete_many(["a", "copy"]) == {}
    await client.delete("parts")
    with pytest.raises(StoreReplyError):
        await client.head("a")
    assert len((await by_path.list()).objects) == 2
