"""The stores of all sites, as this gateway reaches them: the own one directly, the others over TLS.

The list comes from the locator; it is asked again when a replica lies in a store that is not known yet, and
now and then, since a site's store may move.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping

from continuum.model.errors import ContinuumError
from continuum.model.objects import Store, Version
from continuum.store.gateway.locations import Locations
from continuum.store.gateway.settings import Limits
from continuum.store.gateway.speeds import Speeds
from continuum.store.gateway.uploadstores import UploadStore
from continuum.store.locator.messages import ListStores, Stores
from continuum.store.stores.pools import PoolLimits
from continuum.store.stores.s3 import StoreClient

REFRESH_S = 10.0


async def _bring_nothing(_version: Version) -> Version | None:
    return None


class Peers:
    """`find` gives a client of a store by its name; `own` is the own site's. `speeds` is what was measured of
    them, `rank` says which replicas of a version a policy prefers, `bring` gets a version out of stores that
    only their own site can connect to (see `exporting`), `distant` speaks for such a store about uploads."""

    def __init__(self, own: Store, locations: Locations, limits: Limits) -> None:
        self._limits = PoolLimits(
            connections=limits.store_connections,
            wait_s=limits.store_wait_s,
            connect_s=limits.store_connect_s,
            reply_s=limits.store_reply_s,
            buffer_bytes=limits.buffer_bytes,
        )
        self.own = StoreClient(own, limits=self._limits)
        self._locations = locations
        self._clients: dict[str, StoreClient] = {own.name: self.own}
        self._refreshed_at = 0.0
        self._refreshing = asyncio.Lock()
        self.speeds = Speeds()
        self.rank: Callable[[Version], Mapping[str, float]] = lambda _version: {}
        self.bring: Callable[[Version], Awaitable[Version | None]] = _bring_nothing
        self.distant: Callable[[Store], UploadStore] | None = None

    def find(self, name: str) -> StoreClient | None:
        """Return the client of a store; None if the store is not known (yet)."""
        return self._clients.get(name)

    @property
    def known(self) -> dict[str, StoreClient]:
        """The clients by name of store."""
        return self._clients

    def unavailable(self) -> set[str]:
        """Return the stores that do not answer, as far as is known."""
        return {name for name, client in self._clients.items() if not client.is_available()}

    def site_of(self, name: str) -> str:
        """Return the site whose store this is; empty if not known."""
        client = self._clients.get(name)
        return client.store.site if client is not None else ""

    def can_connect(self, name: str) -> bool:
        """Whether a store is known, and one that this site can connect to."""
        client = self._clients.get(name)
        return client is not None and client.store.is_open_to(self.own.store.site)

    async def know(self, version: Version) -> None:
        """Learn of the stores of a version's replicas that are not known."""
        if any(replica.store not in self._clients for replica in version.replicas):
            await self.refresh(at_most_every_s=1.0)

    async def refresh(self, *, at_most_every_s: float = REFRESH_S) -> None:
        """Ask for the list again, unless it is fresh. A locator that does not answer leaves the list as it
        is."""
        async with self._refreshing:
            if time.monotonic() - self._refreshed_at < at_most_every_s:
                return
            with contextlib.suppress(ContinuumError):
                found: Stores = await self._locations.ask(ListStores(session_id=self._locations.session_id))
                await self._take(found)
                self._refreshed_at = time.monotonic()

    async def learn(self, found: Stores) -> None:
        """Take a list that was kept, until there is a newer one."""
        await self._take(found)

    async def _take(self, found: Stores) -> None:
        for store in found.stores:
            client = self._clients.get(store.name)
            if client is self.own or (client is not None and client.store == store):
                continue
            self._clients[store.name] = StoreClient(store, limits=self._limits)
            if client is not None:
                await client.close()

    async def close(self) -> None:
        """Close all connections to stores."""
        for client in self._clients.values():
            await client.close()
