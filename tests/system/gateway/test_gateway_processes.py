"""The gateway as a process of its own: how it starts, shares a port, uses memory, ends and dies."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rigs import Rig, eventually, make_bytes

from continuum.model.errors import ContinuumError
from continuum.sites import choose_free_ports
from continuum.store import BlockSettings, ObjectClient
from continuum.store.gateway import format_settings
from continuum.store.gateway.probing import Health

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="session")]

MIB = 1024 * 1024
RESIDENT_LIMIT_BYTES = 200 * MIB  # the aim is 150; other pythons and allocators get a margin
PARALLEL = 64


class GatewayProcess:
    """A gateway started by its command."""

    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        self.process = process
        self.url = url

    def resident_peak_bytes(self) -> int:
        """Return the most memory that it had at any time."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("no VmHWM")

    def children(self) -> list[int]:
        """Return the processes that it started."""
        pid = self.process.pid
        return [int(text) for text in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def write(path: Path, data: bytes) -> None:
    path.write_bytes(data)


@contextlib.asynccontextmanager
async def gateway_process(rig: Rig, folder: Path, **changes: Any) -> AsyncIterator[GatewayProcess]:
    path = folder / "settings.json"
    if "listen_port" not in changes:
        server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
        changes["listen_port"] = server.sockets[0].getsockname()[1]
        server.close()
        await server.wait_closed()
    write(path, format_settings(rig.settings("edge", **changes)))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "continuum.store.gateway", "--settings", str(path)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    async with asyncio.timeout(20):
        line = (await process.stdout.readline()).decode()
    try:
        yield GatewayProcess(process, line.removeprefix("ready ").strip())
    finally:
        if process.returncode is None:
            process.terminate()
        async with asyncio.timeout(20):
            await process.communicate()


async def ask(port: int, page: str) -> bytes:
    """Return the status with which a port answers."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {page} HTTP/1.1\r\nHost: gateway\r\n\r\n".encode())
    async with asyncio.timeout(10):
        reply = await reader.read()
    writer.close()
    return reply.split(b" ")[1]


def client_of(rig: Rig, gateway: GatewayProcess) -> ObjectClient:
    return ObjectClient(gateway.url, rig.admin.access_key, rig.admin.secret_key, patience_s=0)


async def test_it_says_that_it_is_ready_and_ends_cleanly_when_told(rig: Rig, tmp_path: Path) -> None:
    bucket = await rig.make_bucket()
    async with gateway_process(rig, tmp_path) as gateway:
        assert gateway.url.startswith("http://127.0.0.1:")
        async with client_of(rig, gateway) as client:
            await client.put(bucket, "key", b"data")
            assert await client.get(bucket, "key") == b"data"
        gateway.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(10):
            assert await gateway.process.wait() == 0


async def test_several_processes_share_a_port_and_see_the_same(rig: Rig, tmp_path: Path) -> None:
    bucket = await rig.make_bucket()
    async with gateway_process(rig, tmp_path, processes=2) as gateway:
        for number in range(30):
            async with client_of(rig, gateway) as writer, client_of(rig, gateway) as reader:
                await writer.put(bucket, "key", str(number).encode())
                assert await reader.get(bucket, "key") == str(number).encode()


@pytest.mark.parametrize("processes", [1, 2])
async def test_probes_find_it_live_and_ready_at_a_port_of_its_own(
    rig: Rig, tmp_path: Path, processes: int
) -> None:
    (port,) = choose_free_ports(1)
    async with gateway_process(rig, tmp_path, processes=processes, health_port=port) as gateway:
        assert gateway.url  # it serves
        for page in ("live", "ready"):
            assert await ask(port, f"/{page}") == b"200"


async def test_until_it_serves_it_is_live_and_not_ready(rig: Rig) -> None:
    (port,) = choose_free_ports(1)
    async with Health(rig.settings("edge", health_port=port)) as health:
        assert await ask(port, "/live") == b"200"
        assert await ask(port, "/ready") == b"503"
        health.is_serving = True
        assert await ask(port, "/ready") == b"200"


async def test_if_one_of_several_processes_dies_all_end(rig: Rig, tmp_path: Path) -> None:
    async with gateway_process(rig, tmp_path, processes=2) as gateway:
        children = gateway.children()
        assert len(children) == 2
        os.kill(children[0], signal.SIGKILL)
        async with asyncio.timeout(15):
            assert await gateway.process.wait() != 0


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"listen_host": "0.0.0.0"}, "plain HTTP on 0.0.0.0 would show objects to the network"),
        ({"profile": "release"}, "the release profile has no plain HTTP"),
        ({"profile": "relaese"}, "there is no profile 'relaese'"),
        ({"processes": 0}, "processes must be 1 or more"),
    ],
)
async def test_settings_that_must_not_be_are_refused(
    rig: Rig, tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    async with gateway_process(rig, tmp_path, listen_port=1, **changes) as gateway:
        _, errors = await gateway.process.communicate()
        assert gateway.process.returncode == 1
        assert reason in errors.decode()


async def test_a_port_in_use_is_named(rig: Rig, tmp_path: Path) -> None:
    port = rig.gateways["edge"].port
    async with gateway_process(rig, tmp_path, listen_port=port) as gateway:
        _, errors = await gateway.process.communicate()
        assert gateway.process.returncode == 1
        assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in errors.decode()


async def test_what_a_killed_gateway_wrote_and_did_not_commit_is_removed(rig: Rig, tmp_path: Path) -> None:
    bucket = await rig.make_bucket()
    async with gateway_process(rig, tmp_path) as gateway, client_of(rig, gateway) as client:
        await client.put(bucket, "known", b"so that user and bucket are known")
        before = set(await rig.sites["edge"].stored_keys())
        await rig.locator.stop()
        try:
            writing = asyncio.create_task(client.put(bucket, "orphan", b"orphan"))

            async def is_written() -> bool:
                return len(set(await rig.sites["edge"].stored_keys()) - before) == 1

            await eventually(is_written, "the bytes are not in the store")
            gateway.process.kill()
            with pytest.raises(ContinuumError):
                await writing
        finally:
            await rig.start_locator()

    async def is_clean() -> bool:
        return set(await rig.sites["edge"].stored_keys()) <= before

    await eventually(is_clean, "the orphan is still in the store", within_s=30)
    async with rig.client("edge", patience_s=10) as client:
        assert not await client.exists(bucket, "orphan")
        assert await client.exists(bucket, "known")


async def test_memory_stays_small_under_many_parallel_transfers(rig: Rig, tmp_path: Path) -> None:
    bucket = await rig.make_bucket()
    data = make_bytes(8 * MIB)
    limits = msgspec.structs.replace(rig.settings("edge").limits, store_wait_s=30.0, store_reply_s=60.0)
    async with gateway_process(rig, tmp_path, limits=limits) as gateway:
        source = tmp_path / "source"
        write(source, data)
        async with client_of(rig, gateway) as client:
            await client.put(bucket, "large", source)

        async def read() -> None:
            async with client_of(rig, gateway) as client:
                exchange = await client._store.get("large", bucket=bucket)
                sink = Counting()
                exchange.start(sink)
                assert await sink.done == len(data)

        async def put(number: int) -> None:
            async with client_of(rig, gateway) as client:
                await client.put(bucket, f"copy-{number}", source)

        async with asyncio.timeout(100):
            await asyncio.gather(*(read() for _ in range(PARALLEL)))
            await asyncio.gather(*(put(number) for number in range(PARALLEL)))
        assert gateway.resident_peak_bytes() < RESIDENT_LIMIT_BYTES


class Counting:
    """A sink that only counts."""

    def __init__(self) -> None:
        self.size_bytes = 0
        self.done: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def feed(self, data: bytes) -> None:
        self.size_bytes += len(data)

    def end(self) -> None:
        self.done.set_result(self.size_bytes)

    def fail(self, problem: Exception) -> None:
        self.done.set_exception(problem)


async def test_processes_of_one_gateway_fetch_a_cold_object_once(rig: Rig, tmp_path: Path) -> None:
    bucket = await rig.make_bucket()
    data = make_bytes(12 * MIB)
    blocks = BlockSettings(folder=tmp_path / "blocks", capacity_bytes=256 * MIB)
    async with rig.client("cloud") as cloud:
        await cloud.put(bucket, "key", data)
    far = rig.sites["cloud"].far
    async with gateway_process(rig, tmp_path, processes=2, blocks=blocks) as gateway:
        before = far.passed_bytes

        async def read() -> bytes:
            async with client_of(rig, gateway) as client:
                return bytes(await client.get(bucket, "key"))

        found = await asyncio.gather(*(read() for _ in range(12)))
        assert all(each == data for each in found)
        assert far.passed_bytes - before < len(data) + MIB
