"""Adding a replica in the own store to a version: its bytes go there, then the locator is told.

Until the locator has agreed nobody can see the copy. What was written and could not be added is left to the
caller, who made its physical key, to remove.
"""

import time

from continuum.model.encryption import stored_etag, stored_size
from continuum.model.objects import Replica, Version
from continuum.store.gateway.bodies import ReplyBody
from continuum.store.gateway.discarding import Discarding
from continuum.store.gateway.locations import Locations, PhysicalKey
from continuum.store.gateway.peers import Peers
from continuum.store.gateway.piping import pipe
from continuum.store.locator.messages import AddReplica
from continuum.store.stores.exchanges import StoreProtocolError


class Adder:
    """Adds replicas in the own store."""

    def __init__(self, peers: Peers, locations: Locations, discarding: Discarding) -> None:
        self._peers = peers
        self._locations = locations
        self._discarding = discarding

    async def write(
        self, version: Version, physical: PhysicalKey, body: ReplyBody | None, expires_at: float = 0.0
    ) -> None:
        """Write the stored bytes of a version (None: there are none) and `add` them."""
        try:
            exchange = await self._peers.own.begin("PUT", physical.key, length=stored_size(version))
        except BaseException:
            if body is not None:
                body.abort()
            raise
        headers = await pipe(body, exchange)
        await self.add(version, physical, headers.get("etag", ""), expires_at)

    async def add(self, version: Version, physical: PhysicalKey, etag: str, expires_at: float = 0.0) -> None:
        """Make what was written under a key a replica, if it is what it should be: `etag` is what the store
        said. It may go at `expires_at` (0: it stays)."""
        store, expected = self._peers.own.store, stored_etag(version)
        if "-" not in expected and etag.strip('"') != expected:
            raise StoreProtocolError("the copy's ETag differs from the object's")
        request = AddReplica(
            session_id=physical.session_id,
            bucket=version.bucket,
            key=version.key,
            version_id=version.version_id,
            etag=version.etag,
            replica=Replica(
                store=store.name,
                bucket=store.bucket,
                key=physical.key,
                created_at=time.time(),
                expires_at=expires_at,
            ),
        )
        with self._discarding.doubting(physical.key):
            await self._locations.change(request, (version.bucket, version.key))
