"""What the gateway costs: the same requests to the same store, directly and through a gateway, side by side.

    python benchmarks/gateway.py [--quick]

Starts its own SeaweedFS (plain HTTP for the direct side, a unix socket for the gateway, as in an embedded
continuum), NATS, locator and gateway; load comes from one further process, so that all share the machine's
cores. Direct and through the gateway take turns, several rounds; medians are shown. The gateway's CPU is the
kernel's count (user and system, /proc/PID/stat), which holds on a noisy machine; requests per second depend
on what else the cores do. Requests are signed with UNSIGNED-PAYLOAD, so neither side hashes bodies for the
signature (the gateway does compute a CRC-64 of what is written).

LIST: the store gets 100,000 empty objects; the locator gets as many versions by commits, without bytes,
because only its index is asked.
"""

import argparse
import asyncio
import contextlib
import json
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvloop

from continuum.backbone import Backbone
from continuum.model.objects import Replica, Store, User, Version
from continuum.store import LocatorClient, ObjectClient
from continuum.store.locator.messages import CloseSession, Commit, OpenSession, Session
from s3_load import Load, Result, run_load
from s3_servers import LocatorServer, NatsServer, StoreServer, cpu_s, start_gateway

RESULTS = Path(__file__).parent / "results"
MIB = 1024 * 1024
GB = 1e9
BUCKET = "bench"
SMALL_BYTES = 4096
LARGE_BYTES = 64 * MIB
PARALLEL = 64


@dataclass(frozen=True)
class Scale:
    """How much is done."""

    rounds: int
    seconds: float
    large_count: int
    listed_keys: int
    parallel_bytes: int


FULL = Scale(rounds=3, seconds=4.0, large_count=16, listed_keys=100_000, parallel_bytes=LARGE_BYTES)
QUICK = Scale(rounds=2, seconds=1.5, large_count=6, listed_keys=10_000, parallel_bytes=16 * MIB)


@dataclass
class Side:
    """Where a load goes."""

    name: str
    host: str
    port: int
    access_key: str
    secret_key: str

    def load(self, **changes: Any) -> Load:
        return Load(
            host=self.host,
            port=self.port,
            access_key=self.access_key,
            secret_key=self.secret_key,
            **changes,
        )


@dataclass
class Row:
    """One kind of request, measured in several rounds on both sides."""

    name: str
    direct: list[Result] = field(default_factory=list)
    through: list[Result] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)
    bytes_each: int = 0

    def summary(self) -> dict[str, Any]:
        direct = statistics.median(r.requests / r.seconds for r in self.direct)
        through = statistics.median(r.requests / r.seconds for r in self.through)
        cpu_s = [cpu_s / max(r.requests, 1) for cpu_s, r in zip(self.cpu_s, self.through, strict=True)]
        each_s = statistics.median(cpu_s)
        summary = {
            "direct_per_s": direct,
            "gateway_per_s": through,
            "ratio": through / direct,
            "direct_p50_ms": statistics.median(r.p50_ms for r in self.direct),
            "direct_p99_ms": statistics.median(r.p99_ms for r in self.direct),
            "gateway_p50_ms": statistics.median(r.p50_ms for r in self.through),
            "gateway_p99_ms": statistics.median(r.p99_ms for r in self.through),
            "gateway_cpu_us_per_request": each_s * 1e6,
            "failures": sum(r.failures for r in (*self.direct, *self.through)),
        }
        if self.bytes_each >= MIB:
            summary["gateway_cpu_s_per_gb"] = each_s / (self.bytes_each / GB)
        return summary


class Bench:
    """The servers, and both sides of the comparison."""

    def __init__(self, folder: Path, scale: Scale) -> None:
        self.folder = folder
        self.scale = scale
        self.stack = contextlib.AsyncExitStack()
        self.direct: Side
        self.through: Side
        self.gateway_pid = 0
        self.user: User
        self.backbone: Backbone

    async def start(self) -> None:
        store = StoreServer(self.folder / "store")
        nats = NatsServer(self.folder)
        locator = LocatorServer(self.folder, nats)
        for server in (store, nats, locator):
            self.stack.callback(server.stop)
            await server.start()
        self.user = locator.user
        self.backbone = await Backbone.connect(nats.settings("driver"), wait_s=10)
        self.stack.push_async_callback(self.backbone.close)
        gateway = await start_gateway(self.folder, store, nats)
        self.stack.push_async_callback(gateway.stop)
        self.gateway_pid = gateway.pid
        self.direct = Side("direct", "127.0.0.1", store.port, store.access_key, store.secret_key)
        self.through = Side("gateway", "127.0.0.1", gateway.port, self.user.access_key, self.user.secret_key)
        for side in (self.direct, self.through):
            await self._fill(side)

    async def _fill(self, side: Side) -> None:
        url = f"http://{side.host}:{side.port}"
        async with ObjectClient(url, side.access_key, side.secret_key) as client:
            await client.ensure_bucket(BUCKET)
            for number in range(64):
                await client.put(BUCKET, f"small-{number}", secrets.token_bytes(SMALL_BYTES))
            await client.put(BUCKET, "large", secrets.token_bytes(LARGE_BYTES))

    # ---- measuring ----

    async def compare(self, name: str, *, bytes_each: int = 0, **load: Any) -> Row:
        """Measure both sides in turns."""
        row = Row(name, bytes_each=bytes_each)
        for _ in range(self.scale.rounds):
            row.direct.append(await run_load(self.direct.load(**load)))
            before_s = cpu_s(self.gateway_pid)
            row.through.append(await run_load(self.through.load(**load)))
            row.cpu_s.append(cpu_s(self.gateway_pid) - before_s)
        show(row)
        return row

    # ---- what is measured ----

    async def rows(self) -> list[Row]:
        """Measure everything that is a comparison."""
        seconds, count = self.scale.seconds, self.scale.large_count
        small = tuple(f"/{BUCKET}/small-{number}" for number in range(64))
        large: dict[str, Any] = {"bytes_each": LARGE_BYTES, "connections": 4, "count": count}
        return [
            await self.compare("GET 4 KiB", method="GET", paths=small, seconds=seconds, connections=16),
            await self.compare(
                "PUT 4 KiB", method="PUT", paths=small, body_bytes=SMALL_BYTES, seconds=seconds
            ),
            await self.compare("HEAD", method="HEAD", paths=small, seconds=seconds / 2),
            await self.compare("GET 64 MiB", method="GET", paths=(f"/{BUCKET}/large",), **large),
            await self.compare(
                "PUT 64 MiB",
                method="PUT",
                paths=tuple(f"/{BUCKET}/written-{number}" for number in range(4)),
                body_bytes=LARGE_BYTES,
                **large,
            ),
        ]

    async def list_row(self) -> Row:
        """LIST of 1,000 keys in the middle of many."""
        keys = self.scale.listed_keys
        begun = time.monotonic()
        await self._fill_store(keys)
        await self._fill_index(keys)
        print(f"  ({keys} keys on both sides, written in {time.monotonic() - begun:.0f} s)", flush=True)
        query = f"list-type=2&max-keys=1000&start-after=k{keys // 2:07d}"
        return await self.compare(
            f"LIST 1,000 of {keys:,}",
            method="GET",
            paths=(f"/{BUCKET}-list",),
            query=query,
            connections=4,
            seconds=self.scale.seconds,
        )

    async def _fill_store(self, keys: int) -> None:
        side = self.direct
        async with ObjectClient(
            f"http://{side.host}:{side.port}", side.access_key, side.secret_key
        ) as client:
            await client.ensure_bucket(f"{BUCKET}-list")
        paths = tuple(f"/{BUCKET}-list/k{number:07d}" for number in range(keys))
        await run_load(side.load(method="PUT", paths=paths, count=keys, connections=32, seconds=60.0))

    async def _fill_index(self, keys: int) -> None:
        side = self.through
        async with ObjectClient(
            f"http://{side.host}:{side.port}", side.access_key, side.secret_key
        ) as client:
            await client.ensure_bucket(f"{BUCKET}-list")
        locator = LocatorClient(self.backbone)
        nowhere = Store(
            name="bench", site="bench", endpoint="http://127.0.0.1:1", region="r", bucket="b",
            access_key="a", secret_key="s",
        )  # fmt: skip
        session: Session = await locator.ask(OpenSession(site="bench", gateway="bench", store=nowhere))

        async def commit(number: int) -> None:
            replica = Replica(store="bench", bucket="b", key=f"{session.session_id}/{number}", created_at=0.0)
            version = Version(
                bucket=f"{BUCKET}-list",
                key=f"k{number:07d}",
                version_id=secrets.token_hex(16),
                etag="d41d8cd98f00b204e9800998ecf8427e",
                size_bytes=0,
                modified_at=0.0,
                replicas=(replica,),
            )
            await locator.ask(Commit(session_id=session.session_id, version=version), timeout_s=30.0)

        await in_turns(commit, keys, at_once=64, keep=lambda: renew(locator, session))
        await locator.ask(CloseSession(session_id=session.session_id))

    async def memory(self) -> dict[str, float]:
        """Return the gateway's resident memory: at rest, and its peak under parallel transfers."""
        size, found = self.scale.parallel_bytes, {"at_rest_mib": resident_bytes(self.gateway_pid) / MIB}
        side = self.through
        async with ObjectClient(
            f"http://{side.host}:{side.port}", side.access_key, side.secret_key
        ) as client:
            await client.put(BUCKET, "parallel", bytes(size))
        for method in ("GET", "PUT"):
            reset_peak(self.gateway_pid)
            done = await run_load(
                side.load(
                    method=method,
                    paths=(f"/{BUCKET}/parallel",),
                    body_bytes=size if method == "PUT" else 0,
                    connections=PARALLEL,
                    count=PARALLEL,
                    seconds=20.0,
                )
            )
            found[f"{method.lower()}_peak_mib"] = peak_bytes(self.gateway_pid) / MIB
            found[f"{method.lower()}_failures"] = done.failures
        print(
            f"resident memory: {found['at_rest_mib']:.0f} MiB at rest; peak under {PARALLEL} parallel "
            f"{size // MIB} MiB GET {found['get_peak_mib']:.0f} MiB, PUT {found['put_peak_mib']:.0f} MiB"
        )
        return found


async def renew(locator: LocatorClient, session: Session) -> None:
    from continuum.store.locator.messages import RenewSession  # noqa: PLC0415

    while True:
        await asyncio.sleep(session.lease_s / 4)
        await locator.ask(RenewSession(session_id=session.session_id))


async def in_turns(
    work: Callable[[int], Awaitable[None]], count: int, *, at_once: int, keep: Callable[[], Any]
) -> None:
    """Do `work` for 0 … count-1, some at once, with `keep` going on beside."""
    numbers = iter(range(count))

    async def worker() -> None:
        for number in numbers:
            await work(number)

    keeping = asyncio.create_task(keep())
    try:
        await asyncio.gather(*(worker() for _ in range(at_once)))
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)


# ---- /proc ----


def _status_bytes(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise SystemExit(f"/proc has no {name}")


def resident_bytes(pid: int) -> int:
    """Return how much memory a process has now."""
    return _status_bytes(pid, "VmRSS")


def peak_bytes(pid: int) -> int:
    """Return how much memory it had at most since `reset_peak`."""
    return _status_bytes(pid, "VmHWM")


def reset_peak(pid: int) -> None:
    """Begin anew to note the peak."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


# ---- output ----

COLUMNS = "{:<22} {:>9} {:>9} {:>6}  {:>15} {:>15}  {:>11} {:>9}"


def show_head() -> None:
    print(
        COLUMNS.format(
            "", "direct/s", "gateway/s", "ratio", "direct p50/p99", "gateway p50/p99", "CPU/request", "CPU/GB"
        )
    )


def show(row: Row) -> None:
    found = row.summary()
    per_gb = found.get("gateway_cpu_s_per_gb")
    print(
        COLUMNS.format(
            row.name,
            f"{found['direct_per_s']:.1f}",
            f"{found['gateway_per_s']:.1f}",
            f"{found['ratio']:.2f}",
            f"{found['direct_p50_ms']:.1f}/{found['direct_p99_ms']:.1f} ms",
            f"{found['gateway_p50_ms']:.1f}/{found['gateway_p99_ms']:.1f} ms",
            f"{found['gateway_cpu_us_per_request']:.0f} us",
            f"{per_gb:.2f} s" if per_gb is not None else "",
        )
        + (f"  {found['failures']} FAILED" if found["failures"] else ""),
        flush=True,
    )


async def main(scale: Scale) -> int:
    with tempfile.TemporaryDirectory(prefix="continuum-bench-") as folder:
        bench = Bench(Path(folder), scale)
        async with bench.stack:
            await bench.start()
            show_head()
            rows = await bench.rows()
            rows.append(await bench.list_row())
            memory = await bench.memory()
    results = {"rows": {row.name: row.summary() for row in rows}, "memory": memory}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "gateway.json").write_text(json.dumps(results, indent=2) + "\n")
    return 1 if any(row["failures"] for row in results["rows"].values()) else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a shorter run, rougher numbers")
    sys.exit(uvloop.run(main(QUICK if parser.parse_args().quick else FULL)))
