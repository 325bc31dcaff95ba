"""One gateway process, put together: backbone, session, stores, collector, server. `start`, then `stop`."""

import asyncio
import logging
import math
import os
from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec

from continuum.backbone import Backbone
from continuum.model.errors import ContinuumError, UnavailableError
from continuum.model.objects import Setting
from continuum.model.policies import Policy
from continuum.model.policies.documents import BucketPolicy, format_policy
from continuum.security import server_context
from continuum.store.gateway.attending import Attendant
from continuum.store.gateway.blocks import BlockCache, choose_blocks, open_block_cache
from continuum.store.gateway.calls import Context
from continuum.store.gateway.collecting import Collector
from continuum.store.gateway.copying import Copier
from continuum.store.gateway.discarding import Discarding
from continuum.store.gateway.disconnected import Standin
from continuum.store.gateway.exporting import Bringer, DistantStore, Exporter, Joiner
from continuum.store.gateway.handling import Handler
from continuum.store.gateway.keeping import Keeper
from continuum.store.gateway.locations import Locations
from continuum.store.gateway.metrics import Counts
from continuum.store.gateway.peers import Peers
from continuum.store.gateway.reading import StreamOpener
from continuum.store.gateway.replicating import Replicator
from continuum.store.gateway.serving import GatewayServer
from continuum.store.gateway.settings import GatewaySettings, check
from continuum.store.gateway.shortening import ShortWay
from continuum.store.gateway.vaults import Vault, open_vault

log = logging.getLogger(__name__)

ALONE_WAIT_S = 2.0  # how long a gateway that can serve without the hub waits for it when it starts
START_WAIT_S = 20.0  # less than a supervisor waits, so that the reason is told
_RETRY_S = 0.1


class _Closable(Protocol):
    async def close(self) -> None: ...


class Gateway:
    """The S3 endpoint of a site. `port` is known once it is started."""

    def __init__(self, settings: GatewaySettings, *, shared_port: bool = False) -> None:
        check(settings)
        self.settings = settings
        self.counts = Counts()
        self.port = settings.listen_port
        self._shared_port = shared_port
        self._vault: Vault = open_vault(settings, os.environ)
        self._backbone = Backbone(settings.backbone)
        self._locations: Locations | None = None
        self._standin: Standin | None = None
        self._peers: Peers | None = None
        self._copier: Copier | None = None
        self._blocks: BlockCache | None = None
        self._discarding: Discarding | None = None
        self._exporter: Exporter | None = None
        self._bringer: Bringer | None = None
        self._joiner: Joiner | None = None
        self._server: GatewayServer | None = None
        self._serving: asyncio.Task[None] | None = None
        self._collecting: asyncio.Task[None] | None = None
        self._attending: asyncio.Task[None] | None = None
        self._replicating: asyncio.Task[None] | None = None

    async def start(self, *, wait_s: float = START_WAIT_S) -> None:
        """Connect, open a session, make the physical bucket, listen. Waits up to `wait_s` for what is still
        starting.

        Raises `UnavailableError` and whatever settings forbid.
        """
        try:
            await self._start(asyncio.get_running_loop().time() + wait_s, wait_s)
        except BaseException:
            await self.stop()
            raise

    async def _start(self, deadline: float, wait_s: float) -> None:
        settings = self.settings
        limits = settings.limits
        self._locations = locations = await self._connect(deadline, wait_s)
        self._peers = peers = Peers(settings.own_store, locations, limits)
        await self._patiently(peers.own.ensure_bucket, deadline)
        self._discarding = Discarding(peers, locations)
        self._copier = Copier(peers, locations, self._discarding, self.counts)
        keeper = Keeper(peers, locations, settings.policy)
        peers.rank = keeper.rank
        bringer = await self._serve_others(peers, locations, self._discarding)
        blocks = choose_blocks(settings, os.environ)
        if blocks is not None:
            self._blocks = open_block_cache(
                blocks,
                peers,
                keeper,
                self.counts,
                StreamOpener(peers, locations, self.counts).open,
                processes=settings.processes,
            )
        context = Context(
            site=settings.site,
            region=settings.region,
            policy=settings.policy,
            new_buckets=_begin_buckets(settings.new_buckets),
            limits=limits,
            locations=locations,
            peers=peers,
            counts=self.counts,
            copier=self._copier,
            keeper=keeper,
            discarding=self._discarding,
            vault=self._vault,
            blocks=self._blocks,
        )
        handler = Handler(context, domain=settings.domain, standin=self._standin)
        if self._standin is not None:
            meanwhile = self._make_meanwhile(context, self._standin)
            await self._standin.start(peers, handler.handle, meanwhile.handle)
        await self._listen(handler, ShortWay(context, domain=settings.domain))
        collector = Collector(peers.own, locations, self.counts, every_s=limits.collect_every_s)
        self._collecting = asyncio.create_task(collector.run())
        self._attending = asyncio.create_task(Attendant(context, every_s=limits.attend_every_s).run())
        replicator = Replicator(
            peers, locations, self._discarding, keeper, bringer, self.counts, every_s=limits.collect_every_s
        )
        self._replicating = asyncio.create_task(replicator.run())

    async def _serve_others(self, peers: Peers, locations: Locations, discarding: Discarding) -> Bringer:
        """Bring bytes out for other sites' gateways, and have them bring what this one cannot connect to."""
        settings, backbone = self.settings, self._backbone
        self._exporter = Exporter(peers, locations, backbone, self.counts)
        self._bringer = Bringer(
            peers,
            locations,
            discarding,
            backbone,
            self.counts,
            own=settings.peer_store or settings.own_store,
            keeps=settings.policy is Policy.COPY_ON_READ,
        )
        self._joiner = Joiner(peers, backbone)
        peers.bring = self._bringer.bring
        peers.distant = lambda store: DistantStore(store, backbone)
        self._serving = asyncio.create_task(
            self._serve_when_connected(self._exporter, self._bringer, self._joiner)
        )
        if backbone.is_connected:
            await self._serving
        return self._bringer

    async def _serve_when_connected(self, *parts: Exporter | Bringer | Joiner) -> None:
        for part in parts:
            await self._patiently(part.serve, math.inf)

    async def _connect(self, deadline: float, wait_s: float) -> Locations:
        """Connect to the backbone and open a session; what is kept for a time without the hub is served
        without waiting for it for long."""
        settings, backbone = self.settings, self._backbone
        locations = Locations(
            backbone,
            site=settings.site,
            gateway=settings.gateway,
            store=settings.peer_store or settings.own_store,
            max_versions=settings.limits.versions,
            users=settings.users,
        )
        if settings.state_folder is not None:
            self._standin = Standin(settings, settings.state_folder, locations)
        can_serve = await self._load()
        if not can_serve:
            await backbone.open(wait_s)
            await self._patiently(locations.open, deadline)
            return locations
        try:
            await backbone.open(ALONE_WAIT_S)
            await self._patiently(locations.open, asyncio.get_running_loop().time() + ALONE_WAIT_S)
        except UnavailableError:
            log.warning("the hub does not answer; serving what is known of buckets that allow it")
            backbone.open_later()
            locations.open_later()
        return locations

    async def _load(self) -> bool:
        """Take up what was kept for a time without the hub; whether there is anything to serve of it."""
        if self._standin is None:
            return False
        try:
            return await self._standin.load()
        except ContinuumError:
            log.exception("what is kept for a time without the hub cannot be opened")
            self._standin = None
            return False

    def _make_meanwhile(self, context: Context, standin: Standin) -> Handler:
        """Return what answers over the local index while the hub is away."""
        local = standin.local
        discarding = Discarding(context.peers, local)
        meanwhile = msgspec.structs.replace(context, locations=local, discarding=discarding)
        return Handler(meanwhile, domain=self.settings.domain)

    async def _listen(self, handler: Handler, short_way: ShortWay) -> None:
        settings = self.settings
        tls = None
        if settings.tls_certificate_file is not None and settings.tls_key_file is not None:
            tls = server_context(settings.tls_certificate_file, settings.tls_key_file)
        standin = self._standin
        self._server = GatewayServer(
            handler.handle if standin is None else standin.handle,
            short_way.take if standin is None else standin.unless_needed(short_way.take),
            handler.refuse,
            settings.limits,
            self.counts,
        )
        self.port = await self._server.listen(
            settings.listen_host, settings.listen_port, tls=tls, shared=self._shared_port
        )

    @staticmethod
    async def _patiently(attempt: Callable[[], Awaitable[object]], deadline: float) -> None:
        """Try until it works or the deadline is over: at the start of a continuum everything starts at
        once."""
        told = ""
        while True:
            try:
                await attempt()
            except UnavailableError as problem:
                if str(problem) != told:
                    told = str(problem)
                    log.warning("not ready yet: %s", told)
                if asyncio.get_running_loop().time() > deadline:
                    raise
                await asyncio.sleep(_RETRY_S)
            else:
                return

    @property
    def url(self) -> str:
        """Where clients find the gateway."""
        host = self.settings.listen_host
        host = f"[{host}]" if ":" in host else host
        return f"{'https' if self.settings.is_tls else 'http'}://{host}:{self.port}"

    async def stop(self) -> None:
        """Finish what runs, in bounded time, and say goodbye."""
        if self._server is not None:
            await self._server.stop()
        for task in (self._serving, self._collecting, self._attending, self._replicating):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        parts = (
            *(self._exporter, self._bringer, self._joiner, self._copier, self._blocks, self._discarding),
            *(self._locations, self._peers, self._backbone),
        )
        for part in (self._standin, *parts):
            if part is not None:
                await _close(part)


async def _close(part: _Closable) -> None:
    try:
        await part.close()
    except ContinuumError as problem:
        log.info("while stopping: %s", problem)


def _begin_buckets(policy: BucketPolicy | None) -> dict[str, bytes]:
    return {Setting.PLACEMENT.value: format_policy(policy)} if policy is not None else {}
