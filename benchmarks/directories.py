"""A directory store beside SeaweedFS: the same requests from the same load, in turns.

    python benchmarks/directories.py [--quick]

Both serve plain HTTP on loopback and keep their files on the same disk. CPU is the kernel's count of the
server's process (user and system). A directory store has every write on disk before it answers, SeaweedFS
leaves that to the kernel; so the writes are also shown without flushing (`unflushed`, a process whose `fsync`
does nothing), which is what both would do alike.
"""

import argparse
import asyncio
import contextlib
import json
import secrets
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvloop

from continuum.store import DirectoryKeys, DirectorySettings, ObjectClient, format_directory_settings
from s3_load import Load, Result, run_load
from s3_servers import StoreServer, cpu_s

RESULTS = Path(__file__).parent / "results"
MIB = 1024 * 1024
GB = 1e9
BUCKET = "bench"
SMALL_BYTES = 4096
LARGE_BYTES = 64 * MIB
UNFLUSHED = (
    "import os, sys; os.fsync = lambda _: None; from continuum.store.directories.__main__ import main; "
)


@dataclass
class Server:
    """A server under measurement."""

    name: str
    port: int
    pid: int
    access_key: str
    secret_key: str


@dataclass
class Row:
    """One kind of request at all servers, in rounds."""

    name: str
    bytes_each: int
    results: dict[str, list[Result]] = field(default_factory=dict)
    cpu_s: dict[str, list[float]] = field(default_factory=dict)

    def summary(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, results in self.results.items():
            each = [cpu / max(r.requests, 1) for cpu, r in zip(self.cpu_s[name], results, strict=True)]
            found[name] = {
                "per_s": round(statistics.median(r.requests / r.seconds for r in results), 1),
                "p50_ms": round(statistics.median(r.p50_ms for r in results), 2),
                "cpu_us": round(statistics.median(each) * 1e6, 1),
                "failures": sum(r.failures for r in results),
            }
            if self.bytes_each >= MIB:
                found[name]["cpu_s_per_gb"] = round(statistics.median(each) / (self.bytes_each / GB), 2)
        return found


async def start_directory(folder: Path, stack: contextlib.AsyncExitStack, name: str) -> Server:
    """Start a directory store in a process of its own."""
    (folder / name).mkdir()
    file = folder / f"{name}.json"
    settings = DirectorySettings(
        name=name,
        folder=folder / name,
        keys=(DirectoryKeys(access_key="BENCHKEY", secret_key="benchsecret"),),
        listen_port=0,
    )
    file.write_bytes(format_directory_settings(settings))
    program = ["-m", "continuum.store.directories"]
    if name == "unflushed":
        program = ["-c", f"{UNFLUSHED}sys.exit(main())"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *program, "--settings", str(file), stdout=subprocess.PIPE
    )
    stack.callback(process.kill)
    assert process.stdout is not None
    line = (await asyncio.wait_for(process.stdout.readline(), 60)).decode()
    return Server(name, int(line.rpartition(":")[2]), process.pid, "BENCHKEY", "benchsecret")


async def start(folder: Path, stack: contextlib.AsyncExitStack) -> list[Server]:
    """Start and fill all servers."""
    weed = StoreServer(folder / "seaweedfs")
    stack.callback(weed.stop)
    await weed.start()
    assert weed.process is not None
    servers = [
        Server("seaweedfs", weed.port, weed.process.pid, weed.access_key, weed.secret_key),
        await start_directory(folder, stack, "directory"),
        await start_directory(folder, stack, "unflushed"),
    ]
    for server in servers:
        url = f"http://127.0.0.1:{server.port}"
        async with ObjectClient(url, server.access_key, server.secret_key) as client:
            await client.ensure_bucket(BUCKET)
            for number in range(64):
                await client.put(BUCKET, f"small-{number}", secrets.token_bytes(SMALL_BYTES))
            await client.put(BUCKET, "large", secrets.token_bytes(LARGE_BYTES))
    return servers


async def compare(servers: list[Server], rounds: int, name: str, *, bytes_each: int, **load: Any) -> Row:
    """Measure one kind of request at all servers in turns."""
    row = Row(name, bytes_each)
    for _ in range(rounds):
        for server in servers:
            before_s = cpu_s(server.pid)
            given = Load(
                host="127.0.0.1",
                port=server.port,
                access_key=server.access_key,
                secret_key=server.secret_key,
                **load,
            )
            row.results.setdefault(server.name, []).append(await run_load(given))
            row.cpu_s.setdefault(server.name, []).append(cpu_s(server.pid) - before_s)
    for server_name, found in row.summary().items():
        print(f"{name:<12} {server_name:<10} " + "  ".join(f"{k} {v}" for k, v in found.items()), flush=True)
    return row


async def measure(folder: Path, *, quick: bool) -> list[Row]:
    rounds, seconds, count = (2, 1.5, 6) if quick else (3, 4.0, 16)
    small = tuple(f"/{BUCKET}/small-{number}" for number in range(64))
    large: dict[str, Any] = {"bytes_each": LARGE_BYTES, "connections": 4, "count": count}
    written = tuple(f"/{BUCKET}/written-{number}" for number in range(4))
    async with contextlib.AsyncExitStack() as stack:
        servers = await start(folder, stack)
        little: dict[str, Any] = {"bytes_each": SMALL_BYTES, "seconds": seconds}
        return [
            await compare(servers, rounds, "GET 4 KiB", method="GET", paths=small, **little),
            await compare(servers, rounds, "HEAD", method="HEAD", paths=small, **little),
            await compare(
                servers, rounds, "PUT 4 KiB", method="PUT", paths=small, body_bytes=SMALL_BYTES, **little
            ),
            await compare(servers, rounds, "GET 64 MiB", method="GET", paths=(f"/{BUCKET}/large",), **large),
            await compare(
                servers, rounds, "PUT 64 MiB", method="PUT", paths=written, body_bytes=LARGE_BYTES, **large
            ),
        ]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    with tempfile.TemporaryDirectory() as folder:
        rows = uvloop.run(measure(Path(folder), quick=quick))
    RESULTS.mkdir(exist_ok=True)
    found = {row.name: row.summary() for row in rows}
    (RESULTS / "directories.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
