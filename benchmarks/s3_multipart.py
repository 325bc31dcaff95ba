"""One multipart upload from a process of its own: `python s3_multipart.py` reads an `Upload` as JSON and
writes how many seconds it took, from the first request to the last answer."""

import asyncio
import sys
import time

import msgspec
import uvloop

from continuum.model.objects import Store
from continuum.store.stores.s3 import StoreClient

PIECE_BYTES = 256 * 1024


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """What to upload: `parts` parts of `part_bytes`, `parallel` at a time."""

    endpoint: str
    access_key: str
    secret_key: str
    bucket: str
    key: str
    parts: int
    part_bytes: int
    parallel: int = 4


async def upload(wanted: Upload) -> float:
    """Upload; return the seconds that it took."""
    store = Store(
        name="", site="", endpoint=wanted.endpoint, region="us-east-1", bucket=wanted.bucket,
        access_key=wanted.access_key, secret_key=wanted.secret_key,
    )  # fmt: skip
    client = StoreClient(store)
    numbers = iter(range(1, wanted.parts + 1))
    etags: dict[int, str] = {}
    begun = time.perf_counter()
    upload_id = await client.create_upload(wanted.key)

    async def work() -> None:
        for number in numbers:
            etags[number] = await _send_part(client, wanted, upload_id, number)

    try:
        await asyncio.gather(*(work() for _ in range(wanted.parallel)))
        await client.complete_upload(wanted.key, upload_id, sorted(etags.items()))
        return time.perf_counter() - begun
    finally:
        await client.close()


class _Body:
    """The source of a part: pieces as the connection takes them."""

    def __init__(self) -> None:
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()

    def pause(self) -> None:
        self.may_go_on.clear()

    def resume(self) -> None:
        self.may_go_on.set()


async def _send_part(client: StoreClient, wanted: Upload, upload_id: str, number: int) -> str:
    exchange = await client.begin_part(wanted.key, upload_id, number, wanted.part_bytes)
    body, piece = _Body(), bytes(PIECE_BYTES)
    exchange.source = body
    left = wanted.part_bytes
    while left:
        await body.may_go_on.wait()
        size = min(left, PIECE_BYTES)
        exchange.write(piece[:size] if size < PIECE_BYTES else piece)
        left -= size
    await exchange.reply()
    await exchange.read()
    if exchange.status != 200:
        raise SystemExit(f"a part was answered with {exchange.status}")
    return exchange.headers.get("etag", "").strip('"')


if __name__ == "__main__":
    decoded = msgspec.json.decode(sys.stdin.buffer.read(), type=Upload)
    sys.stdout.write(f"{uvloop.run(upload(decoded))}")
