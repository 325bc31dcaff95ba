"""A world for the locator: a backbone, hubs in this process or in processes of their own, gateways."""

import asyncio
import contextlib
import os
import random
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
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


async def count_up(
    gateways: Sequence[SmallGateway],
    is_going: Callable[[dict[str, int]], bool],
    *,
    seed: int,
    writers: int,
    readers: int,
) -> dict[str, int]:
    """Let writers count up a few keys and readers see that no value is older than what had been acknowledged
    when they began to read, over gateways taken by chance. Return how many `reads` and `writes` were done.

    Writers take numbers from one counter and commit them under a lock per key, so newer means greater.
    """
    keys = [f"key-{number}" for number in range(4)]
    acknowledged = dict.fromkeys(keys, 0)
    locks = {key: asyncio.Lock() for key in keys}
    chance = random.Random(seed)
    counts = {"reads": 0, "writes": 0}

    async def write() -> None:
        while is_going(counts):
            key, gateway = chance.choice(keys), chance.choice(gateways)
            async with locks[key]:
                number = acknowledged[key] + 1
                await gateway.write(key, str(number))
                acknowledged[key] = number
            counts["writes"] += 1
            await asyncio.sleep(chance.random() * 0.01)

    async def read() -> None:
        while is_going(counts):
            key, gateway = chance.choice(keys), chance.choice(gateways)
            at_least = acknowledged[key]
            value = int(await gateway.read(key) or 0)
            assert value >= at_least, f"{key}: {value} was served after {at_least} had been acknowledged"
            counts["reads"] += 1
            await asyncio.sleep(0)

    await asyncio.gather(*(write() for _ in range(writers)), *(read() for _ in range(readers)))
    return counts


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while True:
            if await condition():
                return
            await asyncio.sleep(0.02)
