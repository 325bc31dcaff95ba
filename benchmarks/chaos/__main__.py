"""Harm a continuum for a while and check what it promised.

    python -m benchmarks.chaos [--minutes 10] [--seed 7] [--json FILE] [--picture FILE] [--keep FOLDER]

With root, `ip` and /dev/net/tun it runs two sites and a hub in network namespaces, joined by links of 100
Mbit/s and 20 ms; else (or with --no-link) all on loopback, and nothing can be cut off. Exit status 1: a
promise was broken, or could not be decided. The history stays in --keep (one JSON line per request).
"""

import argparse
import asyncio
import contextlib
import random
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec

from benchmarks.chaos.checking import check
from benchmarks.chaos.links import find_reason_against
from benchmarks.chaos.reports import format_summary, summarise
from benchmarks.chaos.running import Plan, Run, read_run, run
from benchmarks.chaos.timelines import draw
from benchmarks.chaos.worlds import EmbeddedWorld, World, open_spread
from continuum.sites import Home

COMMAND_S = 90


def main() -> int:
    """Run as the arguments say; return the exit status."""
    options = _read_arguments()
    done = read_run(Path(options.again)) if options.again else _harm(options)
    summary = summarise(done, check(done.records))
    print(format_summary(summary))
    if options.json:
        Path(options.json).write_bytes(msgspec.json.format(msgspec.json.encode(summary)))
    if options.picture:
        Path(options.picture).write_text(draw(done))
    return 0 if summary.is_good else 1


def _harm(options: argparse.Namespace) -> Run:
    reason = "" if options.no_link else find_reason_against()
    if reason:
        print(f"no links between network namespaces ({reason}): all runs on loopback, nothing is cut off")
    plan = Plan(
        seed=options.seed,
        seconds=options.minutes * 60,
        workers=options.workers,
        pause_s=options.pause,
        verifies=not options.no_verify,
    )
    print(f"seed {plan.seed}, {plan.seconds:.0f} s", flush=True)
    with contextlib.ExitStack() as stack:
        folder = (
            Path(options.keep) if options.keep else Path(stack.enter_context(tempfile.TemporaryDirectory()))
        )
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("history-*.jsonl"):
            old.unlink()
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chaos", dir=options.homes)))
        is_spread = not reason and not options.no_link
        return asyncio.run(_run(plan, folder, home / "home", is_spread=is_spread, logs=options.keep))


def _read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.chaos", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--minutes", type=float, default=10.0, help="how long the load runs (10)")
    parser.add_argument("--seed", type=int, default=random.randrange(1, 10_000), help="of schedule and load")
    parser.add_argument("--workers", type=int, default=6, help="clients at each site (6)")
    parser.add_argument("--pause", type=float, default=0.03, help="seconds a client rests, on average (0.03)")
    parser.add_argument(
        "--no-link", action="store_true", help="all on loopback, even if a link could be made"
    )
    parser.add_argument("--no-verify", action="store_true", help="do not verify the stores at the end")
    parser.add_argument("--keep", default="", metavar="FOLDER", help="where history and logs stay")
    parser.add_argument("--again", default="", metavar="FOLDER", help="only check again what was kept there")
    parser.add_argument("--homes", default=None, metavar="FOLDER", help="where the continuum's home is made")
    parser.add_argument("--json", default="", metavar="FILE", help="write the summary as JSON")
    parser.add_argument("--picture", default="", metavar="FILE", help="draw the run (SVG)")
    return parser.parse_args()


async def _run(plan: Plan, folder: Path, home: Path, *, is_spread: bool, logs: str) -> Run:
    async with _open(home, is_spread=is_spread) as world:
        try:
            return await run(world, plan, folder)
        finally:
            if logs:
                _copy_logs(world, folder / "logs")


def _copy_logs(world: World, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for log in world.home.logs().iterdir():
        (folder / log.name).write_bytes(log.read_bytes())


@contextlib.asynccontextmanager
async def _open(home: Path, *, is_spread: bool) -> AsyncIterator[World]:
    if is_spread:
        async with open_spread(home) as world:
            yield world
        return
    await asyncio.to_thread(_continuum, "up", home, "--hub-port", "0", "--gateway-ports", "0,0")
    try:
        yield EmbeddedWorld(Home(home))
    finally:
        await asyncio.to_thread(_continuum, "down", home)


def _continuum(command: str, home: Path, *options: str) -> None:
    program = str(Path(sys.executable).with_name("continuum"))
    arguments = [program, command, "--home", str(home), *options]
    subprocess.run(arguments, check=True, capture_output=True, timeout=COMMAND_S)


if __name__ == "__main__":
    sys.exit(main())
