"""A herd on a cold remote object, and ranged reads of a remote object, over a wide area link.

    python benchmarks/herd.py [--quick]      (needs root, for network namespaces)

A SeaweedFS in one namespace; in another a gateway with its own store, NATS and locator; between them a
link of 100 Mbit/s and 20 ms each way (chaos/links.py). 64 clients read the same object at once which lies
beyond the link, once through a gateway without a block cache and once with one (a new object each time, the
sides in turn); time is until each has the whole object. What crossed the link is the gateway's own count.
Then single ranged reads, one after the other: directly from the store beyond the link (kept connections),
through the gateway from blocks, and from the gateway's own store for comparison. Without root, or without
`ip`, it measures nothing and says so.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import re
import secrets
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec
import uvloop

from chaos.links import open_link
from continuum.model.objects import Store
from continuum.store import BlockSettings, ObjectClient, PoolLimits, StoreClient
from s3_servers import GatewayServer, LocatorServer, NatsServer, StoreServer, start_gateway

HERE = Path(__file__).parent
RESULTS = HERE / "results"
MIB = 1024 * 1024
RATE_BIT_PER_S = 100e6
DELAY_S = 0.02
ADDRESSES = ("10.77.0.1", "10.77.0.2")
READERS = 64
BUCKET = "bench"
RANGE_BYTES = 64 * 1024
LIMITS = PoolLimits(connections=READERS, wait_s=300.0, reply_s=300.0)
SIDES = ("without blocks", "with blocks")


class Task(msgspec.Struct):
    """What the process beyond the link is told: where the far store is, and how much to do."""

    folder: str
    endpoint: str
    access_key: str
    secret_key: str
    object_bytes: int
    rounds: int
    ranges: int


class Site:
    """The near site, inside its namespace: one gateway without and one with a block cache, the far one to
    write with."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.folder = Path(task.folder)
        self.stack = contextlib.AsyncExitStack()
        self.gateways: dict[str, GatewayServer] = {}
        self.locator: LocatorServer

    async def start(self) -> None:
        nats = NatsServer(self.folder)
        self.stack.callback(nats.stop)
        await nats.start()
        self.locator = LocatorServer(self.folder, nats)
        self.stack.callback(self.locator.stop)
        await self.locator.start()
        near = StoreServer(self.folder / "near")
        self.stack.callback(near.stop)
        await near.start()
        far = Store(
            name="store.far",
            site="far",
            endpoint=self.task.endpoint,
            region="us-east-1",
            bucket="physical",
            access_key=self.task.access_key,
            secret_key=self.task.secret_key,
        )
        blocks = BlockSettings(folder=self.folder / "blocks")
        changes: dict[str, dict[str, Any]] = {
            "far": {
                "own_store": far,
                "site": "far",
                "gateway": "gateway.far",
                "backbone": nats.settings("gateway.far"),
            },
            SIDES[0]: {},
            SIDES[1]: {"blocks": blocks},
        }
        for name, each in changes.items():
            gateway = await start_gateway(self.folder, near, nats, **each)
            self.gateways[name] = gateway
            self.stack.push_async_callback(gateway.stop)

    def client(self, side: str) -> StoreClient:
        user = self.locator.user
        return StoreClient(
            Store(
                name=side,
                site="",
                endpoint=f"http://127.0.0.1:{self.gateways[side].port}",
                region="us-east-1",
                bucket=BUCKET,
                access_key=user.access_key,
                secret_key=user.secret_key,
            ),
            limits=LIMITS,
        )

    async def put(self, side: str, key: str, size_bytes: int) -> None:
        user = self.locator.user
        url = f"http://127.0.0.1:{self.gateways[side].port}"
        async with ObjectClient(url, user.access_key, user.secret_key, patience_s=30) as client:
            await client.ensure_bucket(BUCKET)
            await client.put(BUCKET, key, secrets.token_bytes(size_bytes))

    def count_link_bytes(self, side: str) -> int:
        """Return what a gateway has read from beyond the link."""
        page = httpx.get(f"http://127.0.0.1:{self.gateways[side].port}/-/metrics").text
        found = re.search(r'read_bytes_total\{[^}]*source_site="far"\} (\d+)', page)
        return int(found[1]) if found else 0


class Taking:
    """A sink that counts."""

    def __init__(self) -> None:
        self.size_bytes = 0
        self.done: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def feed(self, data: bytes) -> None:
        self.size_bytes += len(data)

    def end(self) -> None:
        self.done.set_result(self.size_bytes)

    def fail(self, problem: Exception) -> None:
        self.done.set_exception(problem)


async def read(client: StoreClient, key: str, byte_range: str = "", bucket: str = BUCKET) -> float:
    """Read all and return how long it took."""
    began = time.monotonic()
    exchange = await client.get(key, bucket=bucket, byte_range=byte_range)
    taking = Taking()
    exchange.start(taking)
    if await taking.done != exchange.length:
        raise SystemExit("a short body")
    return time.monotonic() - began


async def measure_herd(site: Site, side: str, number: int) -> dict[str, Any]:
    key = f"cold-{side.partition(' ')[0]}-{number}"
    await site.put("far", key, site.task.object_bytes)
    client = site.client(side)
    await client.head(key, bucket=BUCKET)  # the gateway knows the user and the object
    before = site.count_link_bytes(side)
    seconds = await asyncio.gather(*(read(client, key) for _ in range(READERS)))
    crossed = site.count_link_bytes(side) - before
    await client.close()
    return {
        "side": side,
        "p50_s": round(statistics.median(seconds), 3),
        "last_s": round(max(seconds), 3),
        "remote_reads": round(crossed / site.task.object_bytes, 2),
    }


async def measure_ranges(site: Site) -> list[dict[str, Any]]:
    size = 32 * MIB
    await site.put("far", "ranged", size)
    await site.put(SIDES[0], "near", size)
    task = site.task
    far = StoreClient(
        Store(
            name="far",
            site="",
            endpoint=task.endpoint,
            region="us-east-1",
            bucket="plain",
            access_key=task.access_key,
            secret_key=task.secret_key,
        ),
        limits=LIMITS,
    )
    await far.ensure_bucket()
    await far.put("ranged", secrets.token_bytes(size))
    gateway = site.client(SIDES[1])
    await read(gateway, "ranged")
    ways: dict[str, Callable[[str], Awaitable[float]]] = {
        "directly from the far store": lambda wanted: read(far, "ranged", wanted, "plain"),
        "gateway, from blocks": lambda wanted: read(gateway, "ranged", wanted),
        "gateway, from the own store": lambda wanted: read(gateway, "near", wanted),
    }
    rows = []
    for name, way in ways.items():
        seconds = []
        for _ in range(task.ranges):
            first = random.randrange(size - RANGE_BYTES)
            seconds.append(await way(f"bytes={first}-{first + RANGE_BYTES - 1}"))
        rows.append({"way": name, "p50_ms": round(statistics.median(seconds) * 1000, 2)})
    await far.close()
    await gateway.close()
    return rows


async def work(task: Task) -> dict[str, Any]:
    """Everything that is done at the near site."""
    site = Site(task)
    async with site.stack:
        await site.start()
        herds = [await measure_herd(site, side, number) for number in range(task.rounds) for side in SIDES]
        return {"herds": herds, "ranges": await measure_ranges(site)}


async def measure(folder: Path, *, quick: bool) -> dict[str, Any]:
    names = [f"herd{os.getpid()}{side}" for side in "ab"]
    async with contextlib.AsyncExitStack() as stack:
        places = dict(zip(names, ADDRESSES, strict=True))
        await stack.enter_async_context(open_link(places, RATE_BIT_PER_S, DELAY_S))
        store = StoreServer(folder / "far", host=ADDRESSES[0], inside=names[0])
        stack.callback(store.stop)
        await store.start()
        task = Task(
            folder=str(folder),
            endpoint=store.url,
            access_key=store.access_key,
            secret_key=store.secret_key,
            object_bytes=(2 if quick else 8) * MIB,
            rounds=1 if quick else 3,
            ranges=30 if quick else 200,
        )
        process = await asyncio.create_subprocess_exec(
            *("ip", "netns", "exec", names[1], sys.executable, __file__, "--inside"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        printed, _ = await process.communicate(msgspec.json.encode(task))
        if process.returncode:
            raise SystemExit("the near site failed")
        found: dict[str, Any] = json.loads(printed.splitlines()[-1])
        return found | {"object_bytes": task.object_bytes, "readers": READERS}


def show(found: dict[str, Any]) -> None:
    size = found["object_bytes"] / MIB
    print(f"{READERS} readers of one cold object of {size:.0f} MiB, 100 Mbit/s and 20 ms each way")
    for side in SIDES:
        rows = [row for row in found["herds"] if row["side"] == side]
        p50 = statistics.median(row["p50_s"] for row in rows)
        last = statistics.median(row["last_s"] for row in rows)
        reads = max(row["remote_reads"] for row in rows)
        print(f"  {side:<28} p50 {p50:>8.2f} s   last {last:>8.2f} s   remote reads {reads:>6.2f}")
    print("ranges of 64 KiB of a remote object that was read before")
    for row in found["ranges"]:
        print(f"  {row['way']:<28} p50 {row['p50_ms']:>8.2f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description="A herd on a cold remote object over a wide area link.")
    parser.add_argument("--quick", action="store_true", help="one round, a smaller object")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        print(json.dumps(uvloop.run(work(msgspec.json.decode(sys.stdin.buffer.read(), type=Task)))))
        return
    if os.geteuid() != 0 or shutil.which("ip") is None or not Path("/dev/net/tun").exists():
        print("not measured: a link between network namespaces needs root, `ip` and /dev/net/tun")
        return
    with tempfile.TemporaryDirectory(prefix="herd") as folder:
        found = asyncio.run(measure(Path(folder), quick=options.quick))
    show(found)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "herd.json").write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
