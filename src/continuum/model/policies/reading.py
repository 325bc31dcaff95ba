"""Policies of the store: where a new version is written, which replica a read takes, what is kept of it.

Pure functions over names and replicas; the gateway asks them and acts. `write_local` writes to the own
site's store and leaves copies where they are. `copy_on_read` writes the same way and keeps a copy in the
own store when a whole object was read from elsewhere.
"""

from collections.abc import Collection, Mapping
from enum import StrEnum

from continuum.model.errors import UnavailableError
from continuum.model.objects import Replica, Version


class Policy(StrEnum):
    """How a gateway places and keeps copies."""

    WRITE_LOCAL = "write_local"
    COPY_ON_READ = "copy_on_read"


def choose_store_to_write(policy: Policy, own_store: str) -> str:
    """Return the store that gets the first replica of a new version."""
    if policy in {Policy.WRITE_LOCAL, Policy.COPY_ON_READ}:
        return own_store
    raise AssertionError(policy)


def order_replicas(
    version: Version,
    own_store: str,
    unavailable: Collection[str] = (),
    known: Mapping[str, object] | None = None,
    ranks: Mapping[str, float] | None = None,
) -> tuple[Replica, ...]:
    """Return the replicas in the order in which a read should try them.

    The own site's first, then the others, oldest first; those whose store is `unavailable` (its breaker is
    open) last, because trying them is still better than giving up. Replicas in stores that are not `known`
    cannot be reached and are left out. `ranks` says how good stores are, the least the best: measured or
    priced, as the policy asks.
    """
    ranked = ranks or {}
    reachable = [replica for replica in version.replicas if known is None or replica.store in known]
    return tuple(
        sorted(
            reachable,
            key=lambda replica: (
                replica.store in unavailable,
                replica.store != own_store,
                ranked.get(replica.store, 0.0),
                replica.created_at,
                replica.store,
            ),
        )
    )


def decide_to_keep_copy(
    policy: Policy, version: Version, own_store: str, *, read_from: str, whole_object: bool
) -> bool:
    """Decide whether a read should leave a copy in the own store.

    Only with `copy_on_read`, only of a whole object (a range never makes a copy, so a part can never pass
    for the whole), only when the bytes came from elsewhere and the own store has no replica yet, and not of
    empty objects.
    """
    return (
        policy is Policy.COPY_ON_READ
        and whole_object
        and read_from != own_store
        and version.size_bytes > 0
        and all(replica.store != own_store for replica in version.replicas)
    )


def require_replicas(replicas: tuple[Replica, ...], version: Version) -> tuple[Replica, ...]:
    """Return `replicas`, or raise `UnavailableError` if a read has nowhere to go."""
    if not replicas:
        raise UnavailableError(f"no store that holds {version.bucket}/{version.key} can be reached")
    return replicas
