"""Two sites with real stores, a locator and gateways in one event loop, and wires between them that tests
can harm.

Every gateway reaches every store through a `Wire`: a relay that passes bytes on until it is told to refuse,
cut or hold them.
"""

import asyncio
import contextlib
import os
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
from backbone_server import BackboneServer
from directory_store import DirectoryStoreProcess
from plain_store import PlainStore

from continuum.backbone import Backbone
from continuum.model.objects import Store, User
from continuum.sites import choose_free_ports
from continuum.store import (
    CreateUser,
    DeleteUser,
    GatewaySettings,
    GetJob,
    Job,
    Limits,
    Locator,
    LocatorClient,
    LocatorSettings,
    ObjectClient,
    StoreClient,
)
from continuum.store.gateway.gateways import Gateway
from continuum.store.stores.exchanges import Exchange, StoreUnavailableError

PHYSICAL = "physical"
LEASE_S = 1.5
GRACE_S = 0.3
CLAIM_S = 2.0
LIMITS = Limits(collect_every_s=0.1, attend_every_s=0.1, scan_page=7, store_connect_s=1.0, store_wait_s=1.0)


class Wire:
    """A relay to one store. `refuse` it, `cut_after(n)` bytes of replies, `hold` what goes to the store,
    `mend` it."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._server: asyncio.Server | None = None
        self._relays: set[asyncio.Task[None]] = set()
        self._open = asyncio.Event()
        self._open.set()
        self.cut_left: int | None = None
        self._cuts_once = False
        self.passed_bytes = 0  # of replies
        self.port = 0

    async def start(self) -> None:
        self.port = (
            self.port or choose_free_ports(1)[0]
        )  # below those of connections: it is listened on again
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)

    async def refuse(self) -> None:
        """The store is down: connections are refused, open ones are cut."""
        await self.close()

    async def mend(self) -> None:
        """All is well again."""
        self.cut_left = None
        self._open.set()
        if self._server is None:
            await self.start()

    def hold(self) -> None:
        """Take nothing more from gateways, without a word."""
        self._open.clear()

    def cut_after(self, size_bytes: int, *, once: bool = False) -> None:
        """Cut the connection once so many bytes of replies passed; those after it too, unless `once`."""
        self.cut_left, self._cuts_once = size_bytes, once

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        self._server = None  # a connection may have been accepted just before
        self._open.set()
        relays = list(self._relays)
        for relay in relays:
            relay.cancel()
        await asyncio.gather(*relays, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._server is None:
            writer.transport.abort()
            return
        relay = asyncio.ensure_future(self._relay(reader, writer))
        self._relays.add(relay)
        relay.add_done_callback(self._relays.discard)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        requests = asyncio.create_task(self._pass(reader, back, is_reply=False))
        try:
            await self._pass(there, writer, is_reply=True)
        finally:
            requests.cancel()
            await asyncio.gather(requests, return_exceptions=True)
            for side in (writer, back):
                side.transport.abort()

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_reply: bool
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(64 * 1024):
                if not is_reply:
                    await self._open.wait()
                elif self.cut_left is not None:
                    data, self.cut_left = data[: self.cut_left], max(self.cut_left - len(data), 0)
                self.passed_bytes += len(data) if is_reply else 0
                writer.write(data)
                await writer.drain()
                if is_reply and self.cut_left == 0:
                    self.cut_left = None if self._cuts_once else 0
                    return


def make_store(folder: Path, kind: str) -> PlainStore | DirectoryStoreProcess:
    """Return a store to be started: SeaweedFS, or a `directory` store."""
    return DirectoryStoreProcess(folder) if kind == "directory" else PlainStore(folder)


class Site:
    """A store and the two wires to it: `near` for the own gateway, `far` for those of other sites."""

    def __init__(self, name: str, folder: Path, kind: str) -> None:
        folder.mkdir(parents=True)
        self.name = name
        self.plain = make_store(folder, kind)
        self.near: Wire
        self.far: Wire

    @property
    def port(self) -> int:
        """That of the store itself, beside both wires."""
        return int(self.plain.endpoint.rpartition(":")[2])

    async def start(self) -> None:
        await asyncio.to_thread(self.plain.start)
        self.near, self.far = Wire(self.port), Wire(self.port)
        await self.near.start()
        await self.far.start()

    def store(self, port: int) -> Store:
        return Store(
            name=f"store.{self.name}",
            site=self.name,
            endpoint=f"http://127.0.0.1:{port}",
            region="us-east-1",
            bucket=PHYSICAL,
            access_key=self.plain.access_key,
            secret_key=self.plain.secret_key,
        )

    async def stored_keys(self) -> list[str]:
        """Return the physical keys that the store has, asked directly."""
        client = StoreClient(self.store(self.port))
        try:
            return [found.key for found in (await client.list()).objects]
        finally:
            await client.close()

    async def close(self) -> None:
        await self.near.close()
        await self.far.close()
        self.plain.stop()


class Rig:
    """Sites `edge` and `cloud`. `gateway(site)` gives a running gateway, `client(site)` an S3 client for
    it. Their stores are SeaweedFS, or of the `kind` that is given (all tests of gateways can be run with
    another one, which `CONTINUUM_TEST_STORE` names)."""

    def __init__(self, folder: Path, *, kind: str = "") -> None:
        self.folder = folder
        self.nats = BackboneServer(folder)
        kind = kind or os.environ.get("CONTINUUM_TEST_STORE", "")
        self.sites = {name: Site(name, folder / name, kind) for name in ("edge", "cloud")}
        self.gateways: dict[str, Gateway] = {}
        self.admin: User
        self.locator: Locator
        self._backbone: Backbone

    async def start(self) -> None:
        self.nats.start()
        await asyncio.gather(*(site.start() for site in self.sites.values()))
        self._backbone = await Backbone.connect(self.nats.settings("hub"), wait_s=10)
        await self.start_locator()
        self.admin = await self.locator.ensure_user("admin")
        for name in self.sites:
            self.gateways[name] = Gateway(self.settings(name))
            await self.gateways[name].start()

    async def start_locator(self) -> None:
        """Start the locator, anew after it was stopped."""
        self.locator = Locator(
            LocatorSettings(
                database_url=f"sqlite:///{self.folder}/index.sqlite",
                key_file=self.folder / "hub.key",
                lease_s=LEASE_S,
                session_margin_s=LEASE_S,
                grace_s=GRACE_S,
                claim_s=CLAIM_S,
                reconcile_every_s=0.1,
                evict_every_s=0.2,
            )
        )
        await self.locator.start(self._backbone)

    async def add_user(self, name: str) -> User:
        """Return a user who is a member."""
        user: User = await LocatorClient(self._backbone).ask(CreateUser(name=name, role="member"))
        return user

    async def ask(self, request: Any) -> Any:
        """Ask the locator."""
        return await LocatorClient(self._backbone).ask(request)

    async def finish(self, job: Job) -> Job:
        """Return a job once it is over."""

        async def is_over() -> bool:
            nonlocal job
            job = await self.ask(GetJob(job_id=job.job_id))
            return job.state in {"done", "failed"}

        await eventually(is_over, f"{job} is not over")
        return job

    async def delete_user(self, name: str) -> None:
        """Take a user's keys away."""
        await LocatorClient(self._backbone).ask(DeleteUser(name=name))

    def settings(self, name: str, **changes: Any) -> GatewaySettings:
        site = self.sites[name]
        settings = GatewaySettings(
            site=name,
            gateway=f"gateway.{name}",
            listen_port=0,
            backbone=self.nats.settings(f"gateway.{name}"),
            own_store=site.store(site.near.port),
            peer_store=site.store(site.far.port),
            limits=LIMITS,
        )
        return msgspec.structs.replace(settings, **changes)

    @contextlib.asynccontextmanager
    async def another_gateway(self, name: str, **changes: Any) -> AsyncIterator[Gateway]:
        """A further gateway of a site, with other settings."""
        gateway = Gateway(self.settings(name, **changes))
        await gateway.start()
        try:
            yield gateway
        finally:
            await gateway.stop()

    @contextlib.asynccontextmanager
    async def client(self, gateway: Gateway | str, *, patience_s: float = 0.0) -> AsyncIterator[ObjectClient]:
        """An object client of a gateway (or of a site's own), by default without patience."""
        found = self.gateways[gateway] if isinstance(gateway, str) else gateway
        admin = self.admin
        async with ObjectClient(
            found.url, admin.access_key, admin.secret_key, patience_s=patience_s
        ) as client:
            yield client

    @contextlib.asynccontextmanager
    async def wire_client(
        self, gateway: Gateway | str, user: User | None = None
    ) -> AsyncIterator[StoreClient]:
        """A client for requests of any kind to a gateway; `bucket` is to be given."""
        found = self.gateways[gateway] if isinstance(gateway, str) else gateway
        who = user or self.admin
        store = Store(
            name="gateway",
            site="",
            endpoint=found.url,
            region="us-east-1",
            bucket="",
            access_key=who.access_key,
            secret_key=who.secret_key,
        )
        client = StoreClient(store)
        try:
            yield client
        finally:
            await client.close()

    async def make_bucket(self) -> str:
        """Return a new bucket."""
        name = f"b-{secrets.token_hex(6)}"
        async with self.client("edge") as client:
            await client.ensure_bucket(name)
        return name

    async def wake(self) -> None:
        """Wait until the gateways are in session: their loop stands still while tests of others run."""
        for gateway in self.gateways.values():
            await eventually(lambda gateway=gateway: _is_in_session(gateway), "no session", within_s=60.0)

    async def mend(self) -> None:
        """Mend all wires and wait until the gateways know."""
        for site in self.sites.values():
            await site.near.mend()
            await site.far.mend()
        for gateway in self.gateways.values():
            for store in list(gateway._peers.known.values()):
                await eventually(lambda store=store: _answers(store), f"{store} does not answer")

    async def close(self) -> None:
        for gateway in self.gateways.values():
            await gateway.stop()
        await self.locator.stop()
        await self._backbone.close()
        for site in self.sites.values():
            await site.close()
        self.nats.kill()


async def _is_in_session(gateway: Gateway) -> bool:
    locations = gateway._locations
    return locations is not None and time.time() - locations.heard.answered_at < LEASE_S


async def _answers(store: StoreClient) -> bool:
    try:
        await store.list(max_keys=1)
    except StoreUnavailableError:
        return False
    return True


async def status_of(exchange: Awaitable[Exchange]) -> int:
    """Return the status of a reply whose body nobody wants."""
    reply = await exchange
    await reply.read()
    return reply.status


async def eventually(is_so: Callable[[], Awaitable[bool]], otherwise: str, *, within_s: float = 15.0) -> None:
    """Return when `is_so`; fail with `otherwise` if it is not so in time."""
    try:
        async with asyncio.timeout(within_s):
            while not await is_so():  # noqa: ASYNC110 - what is waited for happens in other processes
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"{otherwise} within {within_s} s") from None


def make_bytes(size_bytes: int) -> bytes:
    """Return bytes that no other call returned."""
    return os.urandom(size_bytes)
