"""`python -m continuum.store.gateway --settings FILE`: one gateway, in as many processes as its settings say.

Prints `ready http://…` on standard output when all processes serve, and `error: …` on standard error with
exit status 1 if they cannot. SIGTERM and SIGINT end it gracefully. The first process starts the others and
ends with them; it has the port for probes.
"""

import argparse
import asyncio
import contextlib
import gc
import logging
import signal
import sys
from pathlib import Path

import uvloop

from continuum.model.errors import ContinuumError
from continuum.store.gateway.gateways import Gateway
from continuum.store.gateway.probing import Health
from continuum.store.gateway.settings import GatewaySettings, read_settings

_OUT = sys.stdout


async def serve(settings: GatewaySettings, health: Health) -> None:
    """Serve until SIGTERM or SIGINT."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    gateway = Gateway(settings, shared_port=settings.processes > 1)
    starting = asyncio.create_task(gateway.start())
    await _either(starting, stopping)
    if not starting.done():
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        return
    await starting
    gc.freeze()  # what there is now stays: no need to look through it again and again
    try:
        health.is_serving = True
        _say(f"ready {gateway.url}")
        await stopping.wait()
    finally:
        await gateway.stop()


async def _either(task: "asyncio.Task[None]", event: asyncio.Event) -> None:
    waiting = asyncio.create_task(event.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await waiting


async def supervise(settings: GatewaySettings, path: Path, health: Health) -> int:
    """Run several processes on one port; if one dies, end all, so that whoever supervises starts them
    anew."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    processes = [await _start_worker(path) for _ in range(settings.processes)]
    ended = [asyncio.create_task(process.wait()) for process in processes]
    readiness = asyncio.create_task(_all_ready(processes))
    waiting = asyncio.create_task(stopping.wait())
    await asyncio.wait({readiness, waiting, *ended}, return_when=asyncio.FIRST_COMPLETED)
    if readiness.done() and readiness.result():
        health.is_serving = True
        _say(f"ready {settings.url}")
        await asyncio.wait({waiting, *ended}, return_when=asyncio.FIRST_COMPLETED)
    for task in (waiting, readiness):
        task.cancel()
    for process in processes:
        if process.returncode is None:
            process.terminate()
    codes = await asyncio.gather(*ended)
    await asyncio.gather(waiting, readiness, return_exceptions=True)
    return 0 if stopping.is_set() else max(codes, default=1) or 1


async def _start_worker(path: Path) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "continuum.store.gateway",
        "--settings",
        str(path),
        "--worker",
        stdout=asyncio.subprocess.PIPE,
    )


async def _all_ready(processes: "list[asyncio.subprocess.Process]") -> bool:
    for process in processes:
        if process.stdout is None or not (await process.stdout.readline()).startswith(b"ready"):
            return False
    return True


async def run(path: Path, *, is_worker: bool) -> int:
    """Run the gateway that a settings file describes; return its exit status."""
    settings = read_settings(path)
    if is_worker:
        await serve(settings, Health(settings))
        return 0
    async with Health(settings) as health:
        if settings.processes > 1:
            return await supervise(settings, path, health)
        await serve(settings, health)
    return 0


def _say(line: str) -> None:
    _OUT.write(f"{line}\n")
    _OUT.flush()


def main() -> int:
    """Run the command; return its exit status."""
    parser = argparse.ArgumentParser(prog="continuum.store.gateway", description="Serve S3 for a site.")
    parser.add_argument("--settings", type=Path, required=True, help="JSON file (GatewaySettings)")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        return uvloop.run(run(arguments.settings, is_worker=arguments.worker))
    except ContinuumError as problem:
        sys.stderr.write(f"error: {problem}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
