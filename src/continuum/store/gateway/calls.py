"""What an operation is given: the request as it was understood, who sent it, and what the gateway has to
work with."""

import msgspec

from continuum.model.objects import Bucket, User
from continuum.model.policies import Policy
from continuum.store.gateway.blocks import BlockCache
from continuum.store.gateway.connections import Request
from continuum.store.gateway.copying import Copier
from continuum.store.gateway.discarding import Discarding
from continuum.store.gateway.keeping import Keeper
from continuum.store.gateway.locations import Locations
from continuum.store.gateway.metrics import Counts
from continuum.store.gateway.peers import Peers
from continuum.store.gateway.routes import Routed
from continuum.store.gateway.settings import Limits
from continuum.store.gateway.vaults import Vault
from continuum.store.signing import VerifiedRequest
from continuum.store.stores.s3 import StoreClient


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """What all operations of a gateway share. `new_buckets` are the settings with which buckets begin."""

    site: str
    region: str
    policy: Policy
    new_buckets: dict[str, bytes]
    limits: Limits
    locations: Locations
    peers: Peers
    counts: Counts
    copier: Copier
    keeper: Keeper
    discarding: Discarding
    vault: Vault
    blocks: BlockCache | None = None

    @property
    def own(self) -> StoreClient:
        """The own site's store."""
        return self.peers.own


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One request, authenticated: `user` sent it, maybe `ANONYMOUS`. `auth_type` is S3's name for how it was
    signed, if method and query do not tell (`POST`)."""

    context: Context
    request: Request
    routed: Routed
    user: User
    verified: VerifiedRequest
    auth_type: str = ""

    @property
    def bucket(self) -> str:
        """The bucket that the request names."""
        return self.routed.bucket

    @property
    def key(self) -> str:
        """The key that the request names."""
        return self.routed.key

    @property
    def headers(self) -> dict[str, str]:
        """The request's headers, lower-case names."""
        return self.request.headers

    async def require_bucket(self, name: str = "") -> Bucket:
        """Return a bucket, the request's own by default. Raises `NoSuchBucketError`.

        Whether the user may do what they ask was decided before (`authorizing`).
        """
        return await self.context.locations.get_bucket(name or self.routed.bucket)

    async def require_access(self, name: str = "") -> None:
        """Raise `NoSuchBucketError` unless the bucket exists."""
        await self.require_bucket(name)
