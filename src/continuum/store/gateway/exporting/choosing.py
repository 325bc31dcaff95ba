"""Which way the bytes of a version can come that lies only in stores out of reach. Pure."""

from collections.abc import Collection, Iterable, Mapping

import msgspec

from continuum.model.objects import Store
from continuum.model.sites import Reach


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """`sources`: sites whose gateways have the bytes and bring them out. `is_direct`: they can put them into
    the own store. `relays`: sites to whose stores both sides can connect, the best first."""

    sources: tuple[str, ...]
    is_direct: bool
    relays: tuple[str, ...]


def plan_route(
    holding: Iterable[str], stores: Mapping[str, Store], own: Store, *, unavailable: Collection[str] = ()
) -> Route | None:
    """Return how the bytes of a version can come that lies in the stores `holding`; None if no site has to
    bring them out. `own` is described as other sites see it, `unavailable` are stores that do not answer."""
    held = tuple(holding)
    sources = tuple(
        dict.fromkeys(
            stores[name].site for name in held if name in stores and not stores[name].is_open_to(own.site)
        )
    )
    if not sources:
        return None
    relays = (
        store.site
        for name, store in sorted(stores.items())
        if _takes_copies(store) and store.site not in {own.site, *sources} and name not in unavailable
    )
    is_direct = _takes_copies(own) and own.name not in held
    return Route(sources=sources, is_direct=is_direct, relays=tuple(dict.fromkeys(relays)))


def _takes_copies(store: Store) -> bool:
    """Whether other sites can write there, and a gateway speaks for it."""
    return store.reach is Reach.ANY and not store.is_added and bool(store.bucket)
