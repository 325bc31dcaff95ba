"""What the names of Sky Store's policies mean here. Pure.

There, a policy belongs to a client and holds for what it writes or reads. `write_local` and `copy_on_read`
are that: how this region's gateway reads and writes. The others say where copies of objects are to be; they
become the policy of each bucket that is created through this region's gateway, are seen and changed with
`continuum bucket policy`, and hold whoever writes.
"""

import msgspec

from continuum.model.errors import InvalidInputError
from continuum.model.policies import Policy
from continuum.model.policies.documents import DEFAULT_TTL, BucketPolicy, Keeping, Placing
from continuum.store.skystore.regions import Region

_PLACING = {
    "push": Placing.PUSH,
    "replicate_all": Placing.REPLICATE_ALL,
    "single_region": Placing.SINGLE_REGION,
}
_KEEPING = {
    "fixed_ttl": Keeping.FIXED_TTL,
    "t_even": Keeping.T_EVEN,
    "always_store": Keeping.ALWAYS,
    "always_evict": Keeping.NONE,
}
NAMES = (*Policy, "read", *_PLACING, *_KEEPING)


class RegionPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How a region's gateway reads and writes, and the policy of buckets that are created through it."""

    policy: Policy = Policy.WRITE_LOCAL
    new_buckets: BucketPolicy | None = None


def choose_policy(name: str, regions: tuple[Region, ...]) -> RegionPolicy:
    """Return what `name` means; empty: write_local. `push` copies to all of `regions`, `single_region` keeps
    objects in the first, `fixed_ttl` keeps copies for a day. Raises `InvalidInputError`."""
    sites = tuple(region.site for region in regions)
    if not name or name == "read":
        return RegionPolicy()
    if name in _PLACING:
        named = {"push": sites, "single_region": sites[:1]}.get(name)
        return RegionPolicy(new_buckets=BucketPolicy(placement=_PLACING[name], sites=named))
    if name in _KEEPING:
        ttl = DEFAULT_TTL if name == "fixed_ttl" else None
        return RegionPolicy(new_buckets=BucketPolicy(keeping=_KEEPING[name], ttl=ttl))
    if name in set(Policy):
        return RegionPolicy(policy=Policy(name))
    raise InvalidInputError(
        f"there is no policy {name!r}",
        hint=f"one of {', '.join(NAMES)}; rules for buckets, prefixes and tags: continuum bucket policy",
    )
