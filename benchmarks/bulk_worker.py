"""Fill a store, or copy from one to another with the engine of `continuum bucket copy`; used by transfer.py.

    bulk_worker.py fill|copy < ARGUMENTS        (JSON, see `Arguments`)

A process of its own, so that it can be started inside a network namespace. The command itself refuses plain
HTTP beyond loopback, therefore the engine is driven directly here.
"""

import secrets
import sys
import tempfile
from pathlib import Path

import msgspec
import uvloop

from continuum.model.objects import Store
from continuum.model.transfers import MAX_LANES
from continuum.store import BucketEnd, FolderEnd, Journal, Mover, PoolLimits, StoreClient, TransferRequest

LIMITS = PoolLimits(connections=MAX_LANES + 8, wait_s=60.0, reply_s=120.0)


class Arguments(msgspec.Struct):
    """Endpoints (`target` empty: fill the source), and what to fill with."""

    source: str
    target: str
    access_key: str
    secret_key: str
    bucket: str
    count: int = 0
    size_bytes: int = 0


def open_end(endpoint: str, given: Arguments) -> BucketEnd:
    store = Store(
        name=endpoint,
        site="",
        endpoint=endpoint,
        region="us-east-1",
        bucket="",
        access_key=given.access_key,
        secret_key=given.secret_key,
    )
    return BucketEnd(StoreClient(store, limits=LIMITS), given.bucket)


async def fill(given: Arguments) -> None:
    """Make the bucket at the source with random objects, and nothing else in it."""
    end = open_end(given.source, given)
    await end.client.ensure_bucket(given.bucket)
    with tempfile.TemporaryDirectory() as folder:
        for number in range(given.count):
            with (Path(folder) / f"object-{number:05}").open("wb") as file:
                for start in range(0, given.size_bytes, 1 << 20):
                    file.write(secrets.token_bytes(min(1 << 20, given.size_bytes - start)))
        if given.count:
            await move(FolderEnd(Path(folder)), end)
    await end.close()


async def copy(given: Arguments) -> None:
    """Copy the bucket, and say what was done."""
    source, target = open_end(given.source, given), open_end(given.target, given)
    mover = await move(source, target)
    await source.close()
    await target.close()
    tally = mover.tally
    done = {"objects": tally.sent_objects, "bytes": tally.sent_bytes, "lanes": mover.lanes}
    sys.stdout.buffer.write(msgspec.json.encode(done | {"failed": tally.failed, "retries": tally.retries}))


async def move(source: BucketEnd | FolderEnd, target: BucketEnd) -> Mover:
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(Path(folder) / "journal")
        mover = Mover(source, target, journal, TransferRequest())
        await mover.run()
        journal.remove()
    if mover.tally.failed:
        raise SystemExit(f"failed: {mover.tally.failures}")
    return mover


if __name__ == "__main__":
    found = msgspec.json.decode(sys.stdin.buffer.read(), type=Arguments)
    uvloop.run({"fill": fill, "copy": copy}[sys.argv[1]](found))
