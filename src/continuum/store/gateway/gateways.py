"""One gateway process, put together: backbone, session, stores, collector, server. `start`, then `stop`."""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable
from typing import Protocol

from continuum.backbone import Backbone
from continuum.model.errors import ContinuumError, UnavailableError
from continuum.model.objects import Setting
from continuum.model.policies.documents import BucketPolicy, format_policy
from continuum.security import server_context
from continuum.store.gateway.attending import Attendant
from continuum.store.gateway.calls import Context
from continuum.store.gateway.collecting import Collector
from continuum.store.gateway.copying import Copier
from continuum.store.gateway.discarding import Discarding
from continuum.store.gateway.handling import Handler
from continuum.store.gateway.keeping import Keeper
from continuum.store.gateway.locations import Locations
from continuum.store.gateway.metrics import Counts
from continuum.store.gateway.peers import Peers
from continuum.store.gateway.replicating import Replicator
from continuum.store.gateway.serving import GatewayServer
from continuum.store.gateway.settings import GatewaySettings, check
from continuum.store.gateway.shortening import ShortWay
from continuum.store.gateway.vaults import Vault, open_vault

log = logging.getLogger(__name__)

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
        self._backbone: Backbone | None = None
        self._locations: Locations | None = None
        self._peers: Peers | None = None
        self._copier: Copier | None = None
        self._discarding: Discarding | None = None
        self._server: GatewayServer | None = None
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
        self._backbone = await Backbone.connect(settings.backbone, wait_s=wait_s)
        self._locations = locations = Locations(
            self._backbone,
            site=settings.site,
            gateway=settings.gateway,
            store=settings.peer_store or settings.own_store,
            max_versions=limits.versions,
            users=settings.users,
        )
        await self._patiently(locations.open, deadline)
        self._peers = peers = Peers(settings.own_store, locations, limits)
        await self._patiently(peers.own.ensure_bucket, deadline)
        self._discarding = Discarding(peers, locations)
        self._copier = Copier(peers, locations, self._discarding, self.counts)
        keeper = Keeper(peers, locations, settings.policy)
        peers.rank = keeper.rank
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
        )
        await self._listen(
            Handler(context, domain=settings.domain), ShortWay(context, domain=settings.domain)
        )
        collector = Collector(peers.own, locations, self.counts, every_s=limits.collect_every_s)
        self._collecting = asyncio.create_task(collector.run())
        self._attending = asyncio.create_task(Attendant(context, every_s=limits.attend_every_s).run())
        replicator = Replicator(
            peers, locations, self._discarding, keeper, self.counts, every_s=limits.collect_every_s
        )
        self._replicating = asyncio.create_task(replicator.run())

    async def _listen(self, handler: Handler, short_way: ShortWay) -> None:
        settings = self.settings
        tls = None
        if settings.tls_certificate_file is not None and settings.tls_key_file is not None:
            tls = server_context(settings.tls_certificate_file, settings.tls_key_file)
        self._server = GatewayServer(
            handler.handle, short_way.take, handler.refuse, settings.limits, self.counts
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
        for task in (self._collecting, self._attending, self._replicating):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        for part in (self._copier, self._discarding, self._locations, self._peers, self._backbone):
            if part is not None:
                await _close(part)


async def _close(part: _Closable) -> None:
    try:
        await part.close()
    except ContinuumError as problem:
        log.info("while stopping: %s", problem)


def _begin_buckets(policy: BucketPolicy | None) -> dict[str, bytes]:
    return {Setting.PLACEMENT.value: format_policy(policy)} if policy is not None else {}
