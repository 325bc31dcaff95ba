"""Probing whether a process serves: asked of itself, never guessed from time."""

import asyncio
from pathlib import Path

from continuum.sites.supervision.plans import Probe, ReadyPort, ReadySocket

PROBE_EVERY_S = 0.05
_ATTEMPT_S = 2.0


async def wait_until_serving(probe: Probe) -> None:
    """Return when `probe` says that the process serves; the caller bounds the wait.

    `ReadyLine` is not probed here: who reads the process's output sees it.
    """
    while not await _serves(probe):  # noqa: ASYNC110 -- another process cannot set an event of ours
        await asyncio.sleep(PROBE_EVERY_S)


async def _serves(probe: Probe) -> bool:
    try:
        async with asyncio.timeout(_ATTEMPT_S):
            if isinstance(probe, ReadySocket):
                return await _answers_http(probe.path)
            if isinstance(probe, ReadyPort):
                return await _greets(probe.port)
    except (OSError, TimeoutError):
        return False
    raise AssertionError(probe)


async def _answers_http(path: Path) -> bool:
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        status = await reader.readline()
        return status.startswith(b"HTTP/1.1 ") and not status.startswith(b"HTTP/1.1 5")
    finally:
        writer.close()


async def _greets(port: int) -> bool:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        return bool(await reader.read(1))
    finally:
        writer.close()
