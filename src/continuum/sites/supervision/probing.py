"""Probing whether a process serves: asked of itself, never guessed from time."""

import asyncio
from pathlib import Path

from continuum.sites.supervision.plans import Probe, ReadyPort, ReadyStore

PROBE_EVERY_S = 0.05
_ATTEMPT_S = 2.0
WATCH_EVERY_S = 5.0
WATCH_ATTEMPT_S = 5.0  # a store under heavy load may be slow; one that hangs never answers
SILENT_PROBES = 3
MAX_ANSWER_BYTES = 64 * 1024


async def wait_until_serving(probe: Probe) -> None:
    """Return when `probe` says that the process serves; the caller bounds the wait.

    `ReadyLine` is not probed here: who reads the process's output sees it.
    """
    while not await _serves(probe):  # noqa: ASYNC110 -- another process cannot set an event of ours
        await asyncio.sleep(PROBE_EVERY_S)


async def wait_until_silent(probe: Probe) -> None:
    """Return when a process that served has not answered several probes in a row: it hangs."""
    silent = 0
    while silent < SILENT_PROBES:
        await asyncio.sleep(WATCH_EVERY_S)
        silent = 0 if await _serves(probe, WATCH_ATTEMPT_S) else silent + 1


async def _serves(probe: Probe, attempt_s: float = _ATTEMPT_S) -> bool:
    try:
        async with asyncio.timeout(attempt_s):
            if isinstance(probe, ReadyStore):
                return await _answers_s3(probe.path) and await _has_room(probe.master_port)
            if isinstance(probe, ReadyPort):
                return await _greets(probe.port)
    except (OSError, TimeoutError):
        return False
    raise AssertionError(probe)


async def _answers_s3(path: Path) -> bool:
    status, _ = await _get(*await asyncio.open_unix_connection(path), "/")
    return status.startswith(b"HTTP/1.") and b" 5" not in status[:12]


async def _has_room(master_port: int) -> bool:
    """Whether a volume server has told the master of its room; before, every write would wait for it."""
    status, body = await _get(*await asyncio.open_connection("127.0.0.1", master_port), "/dir/status")
    return b" 200 " in status and b'"Topology"' in body and b'"Topology":{"Max":0,' not in body


async def _get(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str) -> tuple[bytes, bytes]:
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        return await reader.readline(), await reader.read(MAX_ANSWER_BYTES)
    finally:
        writer.close()


async def _greets(port: int) -> bool:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        return bool(await reader.read(1))
    finally:
        writer.close()
