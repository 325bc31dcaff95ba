"""A world for the locator: a backbone, hubs in this process or in processes of their own, gateways."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec
from backbone_server import BackboneServer
from locator_gateway import BUCKET, SmallGateway
from postgresql_server import PostgresServer

from continuum.backbone import Backbone
from continuum.store import Locator, LocatorSettings
from continuum.store.locator import messages as m

LEASE_S = 1.0
DEADLINE_S = 60.0


class World:
    """`database_url` empty: SQLite. Hubs over PostgreSQL are as many as are started."""

    def __init__(self, home: Path, stack: AsyncExitStack, database_url: str = "") -> None:
        self.home = home
        self.database_url = database_url or f"sqlite:///{home}/hub/continuum.sqlite"
        self.server = BackboneServer(home)
        self._stack = stack
        self.processes: list[asyncio.subprocess.Process] = []

    def settings(self) -> LocatorSettings:
        return LocatorSettings(
            database_url=self.database_url,
            key_file=self.home / "hub" / "key",
            lease_s=LEASE_S,
            hub_lease_s=3 * LEASE_S,
            session_margin_s=LEASE_S,
            reconcile_every_s=0.1,
            grace_s=0.0,
        )

    async def start_here(self) -> Locator:
        (self.home / "hub").mkdir(exist_ok=True)
        locator = Locator(self.settings())
        await locator.start(await self.connect("hub"))
        self._stack.push_async_callback(locator.stop)
        return locator

    async def start_process(self) -> None:
        (self.home / "hub").mkdir(exist_ok=True)
        path = self.home / "hub.json"
        path.write_bytes(
            msgspec.json.encode(
                {"backbone": self.server.settings("hub"), "locator": self.settings()}, enc_hook=str
            )
        )
        program = Path(__file__).with_name("locator_process.py")
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(program), str(path), stdout=asyncio.subprocess.PIPE
        )
        self.processes.append(process)
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), DEADLINE_S)
        assert line == b"ready\n"

    @property
    def pid(self) -> int:
        return self.processes[0].pid

    async def end_process(self, number: signal.Signals = signal.SIGKILL, *, which: int = 0) -> int:
        process = self.processes.pop(which)
        if process.returncode is None:
            process.send_signal(number)
            os.kill(process.pid, signal.SIGCONT)
        code = await asyncio.wait_for(process.wait(), DEADLINE_S)
        process._transport.close()
        return code

    async def connect(self, name: str) -> Backbone:
        return await self._stack.enter_async_context(self.server.connected(name))

    async def gateway(self, site: str = "edge", *, renews: bool = True) -> SmallGateway:
        gateway = SmallGateway(await self.connect(f"gateway.{site}"), site)
        await gateway.open(renews=renews)
        self._stack.push_async_callback(gateway.close)
        return gateway

    async def make_bucket(self, gateway: SmallGateway) -> None:
        await gateway.locator.ask(m.CreateBucket(name=BUCKET, owner="admin", home="edge"))


@contextlib.asynccontextmanager
async def make_world(home: Path, server: PostgresServer | None = None) -> AsyncIterator[World]:
    """A world without hubs and gateways, over a new database of `server` or over SQLite."""
    url = server.make_database() if server else ""
    try:
        async with AsyncExitStack() as stack:
            world = World(home, stack, url)
            world.server.start()
            stack.callback(world.server.kill)
            try:
                yield world
            finally:
                while world.processes:
                    await world.end_process()
    finally:
        if server:
            server.drop_database(url)


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while True:
            if await condition():
                return
            await asyncio.sleep(0.02)
