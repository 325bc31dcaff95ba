"""Bulk transfer over a wide area link, side by side with rclone.

    python benchmarks/transfer.py [--quick]      (needs root, for network namespaces)

Two SeaweedFS stores in namespaces of their own, between them a link of 100 Mbit/s and 20 ms each way
(chaos/links.py). The copying program runs beside the target store and pulls: the engine of `continuum bucket
copy`, `rclone copy` as it comes, and `rclone copy` with more streams. Time is that of the whole process, from
start to exit. The link's own best is the rate less the headers of IP and TCP. Without root, or without `ip`,
it says so and measures nothing.
"""

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from bulk_worker import Arguments
from chaos.links import MTU, open_link
from s3_servers import StoreServer, program

RESULTS = Path(__file__).parent / "results"
HERE = Path(__file__).parent
MIB = 1024 * 1024
RATE_BIT_PER_S = 100e6
DELAY_S = 0.02
ADDRESSES = ("10.77.0.1", "10.77.0.2")
LINK_BYTES_PER_S = RATE_BIT_PER_S / 8 * (MTU - 52) / MTU
TUNED = ("--transfers=32", "--checkers=32", "--multi-thread-streams=16")
PROGRAMS = ("continuum", "rclone", "rclone, more streams")


@dataclass(frozen=True)
class Work:
    """What is copied."""

    name: str
    bucket: str
    count: int
    size_bytes: int
    rounds: int


FULL = (
    Work("1 object of 1 GiB", "large", 1, 1024 * MIB, 1),
    Work("1,000 objects of 64 KiB", "small", 1000, 64 * 1024, 3),
)
QUICK = (
    Work("1 object of 128 MiB", "large", 1, 128 * MIB, 1),
    Work("300 objects of 64 KiB", "small", 300, 64 * 1024, 1),
)


@dataclass
class Row:
    """How long a program took for a piece of work, in rounds."""

    work: Work
    program: str
    seconds: list[float] = field(default_factory=list)

    def summary(self) -> dict[str, Any]:
        took_s = statistics.median(self.seconds)
        rate = self.work.count * self.work.size_bytes / took_s
        return {
            "work": self.work.name,
            "program": self.program,
            "seconds": round(took_s, 2),
            "megabytes_per_s": round(rate / 1e6, 2),
            "of_the_link": round(rate / LINK_BYTES_PER_S, 3),
        }


class Bench:
    """The link, the two stores, and the programs that copy."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stack = contextlib.AsyncExitStack()
        self.names = [f"bench{os.getpid()}{side}" for side in "ab"]
        self.stores: list[StoreServer] = []

    async def start(self) -> None:
        places = dict(zip(self.names, ADDRESSES, strict=True))
        await self.stack.enter_async_context(open_link(places, RATE_BIT_PER_S, DELAY_S))
        for name, address in places.items():
            store = StoreServer(self.folder / name, host=address, inside=name)
            self.stack.callback(store.stop)
            await store.start()
            self.stores.append(store)

    def arguments(self, work: Work, **changes: Any) -> Arguments:
        given = Arguments(
            source=self.stores[0].url,
            target=self.stores[1].url,
            access_key=self.stores[0].access_key,
            secret_key=self.stores[0].secret_key,
            bucket=work.bucket,
        )
        return msgspec.structs.replace(given, **changes)

    async def fill(self, work: Work) -> None:
        """Fill the source's bucket; make the target's."""
        given = self.arguments(work, count=work.count, size_bytes=work.size_bytes)
        await self._worker(0, "fill", given)
        await self._worker(1, "fill", self.arguments(work, source=self.stores[1].url))

    async def _worker(self, side: int, verb: str, given: Arguments) -> None:
        command = [sys.executable, str(HERE / "bulk_worker.py"), verb]
        await self._run(side, command, msgspec.json.encode(given), {})

    async def _run(self, side: int, command: list[str], given: bytes, variables: dict[str, str]) -> None:
        process = await asyncio.create_subprocess_exec(
            *("ip", "netns", "exec", self.names[side], *command),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=os.environ | variables,
        )
        _, errors = await process.communicate(given)
        if process.returncode:
            raise SystemExit(f"{command[:3]} failed: {errors.decode()[-2000:]}")

    async def empty(self, work: Work) -> None:
        """Empty the target's bucket."""
        await self._run(1, self._rclone("delete", f"b:{work.bucket}"), b"", self._variables())

    async def measure(self, row: Row) -> None:
        """Copy once, with a clock."""
        work = row.work
        begun = time.monotonic()
        if row.program == "continuum":
            await self._worker(1, "copy", self.arguments(work))
        else:
            more = TUNED if row.program != "rclone" else ()
            command = self._rclone("copy", f"a:{work.bucket}", f"b:{work.bucket}", *more)
            await self._run(1, command, b"", self._variables())
        row.seconds.append(time.monotonic() - begun)
        await self.empty(work)

    def _rclone(self, *words: str) -> list[str]:
        return [program("rclone"), *words, f"--config={self.folder / 'rclone.conf'}"]

    def _variables(self) -> dict[str, str]:
        variables = {}
        for name, store in zip("AB", self.stores, strict=True):
            remote = {
                "TYPE": "s3",
                "PROVIDER": "Other",
                "ENDPOINT": store.url,
                "ACCESS_KEY_ID": store.access_key,
                "SECRET_ACCESS_KEY": store.secret_key,
            }
            variables |= {f"RCLONE_CONFIG_{name}_{key}": value for key, value in remote.items()}
        return variables


async def measure(works: tuple[Work, ...], folder: Path) -> list[Row]:
    bench = Bench(folder)
    (folder / "rclone.conf").touch()
    rows = []
    async with bench.stack:
        await bench.start()
        for work in works:
            await bench.fill(work)
            now = [Row(work, name) for name in PROGRAMS]
            for _ in range(work.rounds):
                for row in now:
                    await bench.measure(row)
            for row in now:
                show(row)
            rows += now
    return rows


def show(row: Row) -> None:
    found = row.summary()
    print(
        f"{found['work']:<26} {found['program']:<22} {found['seconds']:>8.2f} s "
        f"{found['megabytes_per_s']:>8.2f} MB/s {found['of_the_link']:>7.3f} of the link",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="less data")
    options = parser.parse_args()
    if os.geteuid() != 0 or shutil.which("ip") is None or not Path("/dev/net/tun").exists():
        print("not measured: a link between network namespaces needs root, `ip` and /dev/net/tun")
        return
    with tempfile.TemporaryDirectory() as folder:
        rows = asyncio.run(measure(QUICK if options.quick else FULL, Path(folder)))
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps([row.summary() for row in rows], indent=2)
    (RESULTS / "transfer.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
