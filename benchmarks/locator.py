"""What the locator costs: look-ups, commits and lists, per second and in CPU, and lists of growing buckets.

    python benchmarks/locator.py [--quick] [--postgresql] [--hubs 2]

A real nats-server with mutual TLS, a hub process with nothing but the locator, and askers in this process.
Beside each request stands an empty one (renewing a session: no database, no thread), so that what the
locator itself adds can be told from what the backbone costs. CPU is what the kernel counted (/proc) for the
hub, the asker and the backbone's server. Lists are of 1,000 keys at random places of a bucket, and of ten
common prefixes with everything under them; the buckets are filled by the database's own means beforehand.
With `--postgresql` the index is in a PostgreSQL of its own, which flushes as it should (its CPU is not told);
`--hubs 2` shares it between two hubs, and the askers between those.
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import random
import secrets
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec
import uvloop
from rich.console import Console
from rich.table import Table

from continuum.backbone import Backbone, BackboneSettings
from continuum.model.objects import Replica, Store, Version
from continuum.security import create_identity
from continuum.store import Locator, LocatorClient, LocatorSettings, back_up_index, restore_index
from continuum.store.locator.messages import (
    CloseSession,
    Commit,
    CountObjects,
    CreateBucket,
    Empty,
    Invalidate,
    ListObjects,
    LookUp,
    OpenSession,
    RenewSession,
    Session,
)

RESULTS = Path(__file__).parent / "results"
MAX_PAYLOAD_BYTES = 8 * 1024 * 1024
PREFIXES = 10
START_S = 20.0


class HubSettings(msgspec.Struct, frozen=True, kw_only=True):
    backbone: BackboneSettings
    locator: LocatorSettings


@dataclass(frozen=True)
class Rate:
    """One request, asked by so many at once. CPU is per request."""

    request: str
    askers: int
    per_s: float
    p50_ms: float
    p99_ms: float
    hub_cpu_us: float
    asker_cpu_us: float
    backbone_cpu_us: float


@dataclass(frozen=True)
class Page:
    """Lists from a bucket of so many keys: a page of 1,000, and the common prefixes of all."""

    keys: int
    p50_ms: float
    p99_ms: float
    prefixes_p50_ms: float
    count_p99_ms: float


Ask = Callable[[], Awaitable[Any]]


def main() -> None:
    """Measure, print the tables, write locator.json."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer requests; up to 100,000 keys")
    parser.add_argument("--postgresql", action="store_true", help="the index in PostgreSQL")
    parser.add_argument("--hubs", type=int, default=1, help="so many share it")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        settings = msgspec.json.decode(
            options.serve.read_bytes(), type=HubSettings, dec_hook=lambda kind, value: kind(value)
        )
        uvloop.run(serve(settings))
        return
    rates, pages = uvloop.run(
        measure(quick=options.quick, is_postgresql=options.postgresql, hubs=options.hubs)
    )
    database = "postgresql" if options.postgresql else "sqlite"
    report(rates, pages, f"{database}, {options.hubs} hubs" if options.hubs > 1 else database)


async def measure(*, quick: bool, is_postgresql: bool, hubs: int) -> tuple[list[Rate], list[Page]]:
    """Start everything, measure everything, end everything."""
    sizes = (1_000, 10_000, 100_000) if quick else (1_000, 10_000, 100_000, 1_000_000)
    with contextlib.ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="continuum-locator-")))
        nats = stack.enter_context(_backbone(home))
        url = f"sqlite:///{home}/continuum.sqlite"
        with _hub(home, nats.port, url):  # once, so that there are tables, and the stores that sessions bring
            async with _session(home, nats.port, "edge"):
                pass
        for size in sizes:
            fill(home / "continuum.sqlite", f"bucket-{size}", size)
        if is_postgresql:
            back_up_index(url, home / "filled", lambda *_: None)
            url = stack.enter_context(_postgresql())
            restore_index(home / "filled", url, lambda *_: None)
        pids = [stack.enter_context(_hub(home, nats.port, url)) for _ in range(hubs)]
        processes = Processes(pids, nats.pid)
        return await measure_all(home, nats.port, processes, sizes, hubs=hubs, quick=quick)


async def measure_all(
    home: Path, port: int, processes: "Processes", sizes: tuple[int, ...], *, hubs: int, quick: bool
) -> tuple[list[Rate], list[Page]]:
    """Measure with one session for each hub, and one that holds what others change."""
    async with contextlib.AsyncExitStack() as stack:
        askers: dict[str, Asker] = {}
        async with asyncio.timeout(START_S):
            while len(askers) < hubs:  # whom a session opens with is chance
                asker = await stack.enter_async_context(_session(home, port, "edge"))
                askers.setdefault(asker.session.hub, asker)
        holder = await stack.enter_async_context(_session(home, port, "cloud"))
        everybody = Askers(tuple(askers.values()))
        rates = await measure_rates(everybody, holder, processes, count=2_000 if quick else 10_000)
        first = next(iter(askers.values()))
        pages = [
            await measure_pages(first, f"bucket-{size}", size, count=50 if quick else 300) for size in sizes
        ]
    return rates, pages


# ---- requests ----


class Asker:
    """A session with the locator, that makes requests."""

    def __init__(self, locator: LocatorClient, session: Session) -> None:
        self.locator = locator
        self.session = session
        self._numbers = itertools.count()

    def renew(self) -> Awaitable[Any]:
        return self.locator.ask(RenewSession(session_id=self.session.session_id))

    def look_up(self, key: str) -> Awaitable[Any]:
        return self.locator.ask(
            LookUp(session_id=self.session.session_id, bucket="bucket", key=key), timeout_s=60
        )

    def commit(self, key: str) -> Awaitable[Any]:
        place = f"{self.session.session_id}/{next(self._numbers)}"
        version = Version(
            bucket="bucket",
            key=key,
            version_id=secrets.token_hex(16),
            etag="9a0364b9e99bb480dd25e1f0284c8555",
            size_bytes=4096,
            modified_at=time.time(),
            headers={"content-type": "application/octet-stream"},
            checksums={"crc32": "AAAAAA=="},
            checksum_type="FULL_OBJECT",
            replicas=(Replica(store="edge", bucket="physical", key=place, created_at=time.time()),),
        )
        return self.locator.ask(Commit(session_id=self.session.session_id, version=version), timeout_s=60)


class Askers:
    """Sessions with several hubs that take turns."""

    def __init__(self, askers: tuple[Asker, ...]) -> None:
        self.locator = askers[0].locator
        self._turns = itertools.cycle(askers)

    def renew(self) -> Awaitable[Any]:
        return next(self._turns).renew()

    def look_up(self, key: str) -> Awaitable[Any]:
        return next(self._turns).look_up(key)

    def commit(self, key: str) -> Awaitable[Any]:
        return next(self._turns).commit(key)


async def measure_rates(asker: Askers, holder: Asker, processes: "Processes", *, count: int) -> list[Rate]:
    """Return the rates of all requests, by one asker and by many."""
    await asker.locator.ask(CreateBucket(name="bucket", owner="admin", home="edge"))
    new = (f"new/{number:08}" for number in itertools.count())
    keys = [f"key/{number:08}" for number in range(1000)]
    await asyncio.gather(*map(asker.commit, keys))
    known = itertools.cycle(keys)
    held = itertools.cycle(keys)

    async def commit_held() -> None:
        key = next(held)
        await holder.look_up(key)
        await asker.commit(key)

    requests: list[tuple[str, Ask, int]] = [
        ("empty request", asker.renew, count),
        ("look-up", lambda: asker.look_up(next(known)), count),
        ("commit of a new key", lambda: asker.commit(next(new)), count // 2),
        ("commit over an old version", lambda: asker.commit(next(known)), count // 2),
        ("look-up there, commit here", commit_held, count // 4),
    ]
    return [
        await measure_rate(name, ask, askers, times if askers > 1 else times // 4, processes)
        for name, ask, times in requests
        for askers in (1, 64)
    ]


async def measure_rate(name: str, ask: Ask, askers: int, count: int, processes: "Processes") -> Rate:
    """Ask `count` times, `askers` at once."""
    left = iter(range(count))
    took_s: list[float] = []

    async def work() -> None:
        for _ in left:
            began = time.perf_counter()
            await ask()
            took_s.append(time.perf_counter() - began)

    before = processes.cpu_s()
    began = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(askers)))
    wall_s = time.perf_counter() - began
    hub, own, backbone = (
        (after - start) / count * 1e6 for after, start in zip(processes.cpu_s(), before, strict=True)
    )
    p50_ms, p99_ms = percentiles_ms(took_s)
    return Rate(name, askers, count / wall_s, p50_ms, p99_ms, hub, own, backbone)


async def measure_pages(asker: Asker, bucket: str, size: int, *, count: int) -> Page:
    """List at random places of a bucket, and its common prefixes; ask how much is in it."""
    chance = random.Random(size)
    counts: list[float] = []
    pages: list[float] = []
    prefixes: list[float] = []
    for _ in range(5):  # the first lists open connections and read the bucket's upper pages
        await asker.locator.ask(ListObjects(bucket=bucket))
    for _ in range(count):
        after = key_of(chance.randrange(max(1, size - 1000)), size)
        began = time.perf_counter()
        page = await asker.locator.ask(ListObjects(bucket=bucket, after=after))
        pages.append(time.perf_counter() - began)
        assert len(page.entries) >= min(999, size - 1)
        began = time.perf_counter()
        page = await asker.locator.ask(ListObjects(bucket=bucket, delimiter="/"))
        prefixes.append(time.perf_counter() - began)
        assert len(page.common_prefixes) == PREFIXES
        began = time.perf_counter()
        counted = await asker.locator.ask(CountObjects(bucket=bucket))
        counts.append(time.perf_counter() - began)
        assert counted.counts[0].objects == size
    return Page(size, *percentiles_ms(pages), percentiles_ms(prefixes)[0], percentiles_ms(counts)[1])


def percentiles_ms(seconds: list[float]) -> tuple[float, float]:
    """Return the median and the 99th percentile."""
    cuts = statistics.quantiles(seconds, n=100)
    return cuts[49] * 1e3, cuts[98] * 1e3


# ---- filling ----


def key_of(number: int, size: int) -> str:
    """Return the `number`-th key of a bucket of `size` keys under ten prefixes, in order."""
    return f"prefix-{number * PREFIXES // size}/{number:08}"


def fill(database: Path, bucket: str, size: int) -> None:
    """Make a bucket with `size` objects, as commits would have left it."""
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("PRAGMA synchronous = OFF")
        (first,) = connection.execute("SELECT coalesce(max(number), 0) + 1 FROM versions").fetchone()
        connection.execute(
            "INSERT INTO buckets (name, owner, home, created_at) VALUES (?, 'admin', 'edge', 0)", (bucket,)
        )
        details = msgspec.msgpack.encode(({"content-type": "text/plain"}, {}, {"crc32": "AAAAAA=="}, ()))
        etag = secrets.token_hex(16)
        connection.executemany(
            "INSERT INTO versions (number, version_id, bucket, key, etag, size_bytes, modified_at, "
            "checksum_algorithm, checksum_type, details) "
            "VALUES (?, ?, ?, ?, ?, 4096, 1.0, 'CRC32', 'FULL_OBJECT', ?)",
            ((first + n, f"{bucket}-{n:027}", bucket, key_of(n, size), etag, details) for n in range(size)),
        )
        connection.executemany(
            "INSERT INTO objects VALUES (?, ?, ?)",
            ((bucket, key_of(n, size), first + n) for n in range(size)),
        )
        connection.executemany(
            "INSERT INTO replicas (version, store, physical_bucket, physical_key, created_at) "
            "VALUES (?, 'edge', 'physical', ?, 1.0)",
            ((first + n, f"{secrets.token_hex(16)}/{n}") for n in range(size)),
        )


# ---- processes ----


class Processes:
    """The processes whose CPU counts: hub, this one, the backbone's server."""

    def __init__(self, hubs: list[int], backbone: int) -> None:
        self._pids = (hubs, [os.getpid()], [backbone])

    def cpu_s(self) -> list[float]:
        """Return what each has used, in nanoseconds' precision: ticks of 10 ms are too coarse here."""
        return [sum(map(_cpu_s, pids)) for pids in self._pids]


def _cpu_s(pid: int) -> float:
    return sum(map(_thread_cpu_s, Path(f"/proc/{pid}/task").iterdir()))


def _thread_cpu_s(thread: Path) -> float:
    return int((thread / "schedstat").read_text().split()[0]) / 1e9


@dataclass(frozen=True)
class Server:
    """The backbone's server."""

    pid: int
    port: int


@contextlib.contextmanager
def _backbone(home: Path) -> Iterator[Server]:
    files = create_identity(home, "backbone", "backbone")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    configuration = home / "nats.conf"
    configuration.write_text(
        f'listen: "127.0.0.1:{port}"\nmax_payload: {MAX_PAYLOAD_BYTES}\n'
        f'tls {{ cert_file: "{files.certificate_file}", key_file: "{files.key_file}", '
        f'ca_file: "{files.ca_file}", verify: true }}\n'
    )
    binary = Path(sys.executable).with_name("nats-server")
    with (
        (home / "nats.log").open("wb") as log,
        _ended(subprocess.Popen([binary, "-c", configuration], stderr=log)) as process,
    ):
        yield Server(process.pid, port)


@contextlib.contextmanager
def _postgresql() -> Iterator[str]:
    """A PostgreSQL of its own, that flushes its commits to the disk, as one in earnest does."""
    sys.path.append(str(Path(__file__).parents[1] / "tests" / "system"))
    from postgresql_server import PostgresServer, find_programs  # noqa: PLC0415 -- where it is wanted

    programs = find_programs()
    if programs is None:
        sys.exit("PostgreSQL is not installed: apt-get install postgresql")
    server = PostgresServer(programs, settings={"fsync": "on", "full_page_writes": "on"})
    server.start()
    try:
        yield server.make_database()
    finally:
        server.stop()


@contextlib.contextmanager
def _hub(home: Path, port: int, url: str) -> Iterator[int]:
    settings = HubSettings(
        backbone=_connection(home, port, "hub"),
        locator=LocatorSettings(database_url=url, key_file=home / "key"),
    )
    path = home / "hub.json"
    path.write_bytes(msgspec.json.encode(settings, enc_hook=str))
    command = [sys.executable, __file__, "--serve", str(path)]
    with _ended(subprocess.Popen(command, stdout=subprocess.PIPE)) as process:
        assert process.stdout is not None
        if process.stdout.readline() != b"ready\n":
            sys.exit("the hub did not start")
        yield process.pid


@contextlib.contextmanager
def _ended(process: "subprocess.Popen[bytes]") -> Iterator["subprocess.Popen[bytes]"]:
    with process:
        try:
            yield process
        finally:
            process.terminate()


async def serve(settings: HubSettings) -> None:
    """Be the hub."""
    backbone = await Backbone.connect(settings.backbone, wait_s=START_S)
    await Locator(settings.locator).start(backbone)
    print("ready", flush=True)
    await asyncio.Event().wait()


@contextlib.asynccontextmanager
async def _session(home: Path, port: int, site: str) -> AsyncIterator[Asker]:
    backbone = await Backbone.connect(_connection(home, port, f"gateway.{site}"), wait_s=START_S)
    locator = LocatorClient(backbone)
    locator.hub = ""
    store = Store(
        name=site,
        site=site,
        endpoint="https://127.0.0.1:1",
        region="eu",
        bucket="physical",
        access_key="A",
        secret_key="S",
    )
    asker = Asker(locator, await locator.ask(OpenSession(site=site, gateway="g", store=store)))
    locator.hub = asker.session.hub

    async def forget(message: Invalidate) -> Empty:
        del message
        return Empty()

    async def renew() -> None:
        while True:
            await asyncio.sleep(asker.session.lease_s / 3)
            await asker.renew()

    await backbone.serve(f"gateway.{asker.session.session_id}.invalidate", Invalidate, forget)
    renewing = asyncio.ensure_future(renew())
    try:
        yield asker
    finally:
        renewing.cancel()
        await asyncio.gather(renewing, return_exceptions=True)
        await locator.ask(CloseSession(session_id=asker.session.session_id))
        await backbone.close()


def _connection(home: Path, port: int, name: str) -> BackboneSettings:
    files = create_identity(home, name, name.partition(".")[0])
    return BackboneSettings(
        url=f"tls://127.0.0.1:{port}",
        name=name,
        ca_file=files.ca_file,
        certificate_file=files.certificate_file,
        key_file=files.key_file,
    )


# ---- report ----


def report(rates: list[Rate], pages: list[Page], name: str) -> None:
    """Print the tables and write the JSON."""
    table = Table(title=f"requests, {name}", title_justify="left")
    heads = ("request", "at once", "per s", "p50, ms", "p99, ms", "hub CPU, µs", "asker, µs", "backbone, µs")
    for column in heads:
        table.add_column(column, justify="left" if column == "request" else "right")
    for rate in rates:
        table.add_row(
            rate.request,
            str(rate.askers),
            f"{rate.per_s:,.0f}",
            f"{rate.p50_ms:.2f}",
            f"{rate.p99_ms:.2f}",
            *(f"{cpu:.0f}" for cpu in (rate.hub_cpu_us, rate.asker_cpu_us, rate.backbone_cpu_us)),
        )
    lists = Table(title="lists", title_justify="left")
    for column in (
        "keys in the bucket",
        "1,000 keys, p50, ms",
        "p99, ms",
        "10 common prefixes, p50, ms",
        "count, p99, ms",
    ):
        lists.add_column(column, justify="right")
    for page in pages:
        lists.add_row(
            f"{page.keys:,}",
            *(f"{ms:.2f}" for ms in (page.p50_ms, page.p99_ms, page.prefixes_p50_ms, page.count_p99_ms)),
        )
    console = Console(width=110)
    console.print(table, lists)
    RESULTS.mkdir(exist_ok=True)
    result = {
        "load": os.getloadavg()[0],
        "requests": [asdict(rate) for rate in rates],
        "lists": [asdict(page) for page in pages],
    }
    (
        RESULTS / f"locator{'' if name == 'sqlite' else '-' + name.replace(', ', '-').replace(' ', '-')}.json"
    ).write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
