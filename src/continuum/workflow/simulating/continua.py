"""Continua that only exist in memory: sites of several kinds, with links as such places have them.

Of ten sites six are at the edge (few slow units, a narrow uplink, little carbon), three in clouds (many units
that cost money), one is a cluster (many fast units). The figures are of the order of public offers and of
academic networks; what counts is that they differ.
"""

import random
from collections.abc import Sequence

import msgspec

from continuum.model.placement import Links
from continuum.model.sites import Link, SiteCosts, SiteKind


class VirtualSite(msgspec.Struct, frozen=True, kw_only=True):
    """A site: a task that takes a second on a unit of speed 1 takes `1 / speed` here."""

    name: str
    kind: str
    computing_units: int
    speed: float = 1.0
    costs: SiteCosts = SiteCosts()
    uplink_bytes_per_s: float = 1.25e8
    delay_s: float = 0.005


class Continuum(msgspec.Struct, frozen=True, kw_only=True):
    """Sites and what joins them: links that are `known`, else what follows from their uplinks."""

    sites: tuple[VirtualSite, ...]
    known: tuple[Link, ...] = ()

    def links(self) -> list[Link]:
        """Return all links."""
        known = {(link.source, link.target): link for link in self.known}
        return [
            known.get((one.name, other.name)) or _link(one, other)
            for one in self.sites
            for other in self.sites
            if one is not other
        ]

    def network(self) -> Links:
        """Return the network as placement knows it."""
        return Links(self.links())


def _link(one: VirtualSite, other: VirtualSite) -> Link:
    return Link(
        source=one.name,
        target=other.name,
        bandwidth_bytes_per_s=min(one.uplink_bytes_per_s, other.uplink_bytes_per_s),
        latency_s=one.delay_s + other.delay_s,
        price_eur_per_gb=0.08 if one.kind == SiteKind.CLOUD else 0.0,
    )


def make_continuum(sites: int, seed: int = 1) -> Continuum:
    """Return a continuum of so many sites."""
    chance = random.Random(seed)  # noqa: S311 - a simulation
    kinds = [_kind(number) for number in range(sites)]
    return Continuum(sites=tuple(_make(kind, number, chance) for number, kind in enumerate(kinds)))


def _kind(number: int) -> SiteKind:
    position = number % 10
    if position in {1, 4, 7}:
        return SiteKind.CLOUD
    return SiteKind.SLURM if position == 9 else SiteKind.EDGE  # noqa: PLR2004 - one in ten


def _make(kind: SiteKind, number: int, chance: random.Random) -> VirtualSite:
    name = f"{kind.value}-{number}"
    carbon = float(chance.choice((20, 60, 250, 400)))
    if kind is SiteKind.CLOUD:
        costs = SiteCosts(price_eur_per_unit_h=0.045, carbon_g_per_kwh=carbon)
        return VirtualSite(
            name=name, kind=kind, computing_units=32, costs=costs, uplink_bytes_per_s=1.25e8, delay_s=0.01
        )
    if kind is SiteKind.SLURM:
        costs = SiteCosts(price_eur_per_unit_h=0.01, carbon_g_per_kwh=carbon, busy_w_per_unit=10.0)
        return VirtualSite(
            name=name,
            kind=kind,
            computing_units=128,
            speed=1.5,
            costs=costs,
            uplink_bytes_per_s=1.25e9,
            delay_s=0.005,
        )
    costs = SiteCosts(carbon_g_per_kwh=carbon, idle_w_per_unit=1.0, busy_w_per_unit=4.0)
    return VirtualSite(
        name=name,
        kind=kind,
        computing_units=chance.choice((4, 8)),
        speed=0.5,
        costs=costs,
        uplink_bytes_per_s=1.25e7,
        delay_s=0.02,
    )


def two_sites(
    units: Sequence[int] = (8, 8), *, bandwidth_bytes_per_s: float = 1.25e7, delay_s: float = 0.01
) -> Continuum:
    """Return equal sites joined by one link."""
    return Continuum(
        sites=tuple(
            VirtualSite(
                name=f"site-{number}",
                kind=SiteKind.EDGE,
                computing_units=each,
                uplink_bytes_per_s=bandwidth_bytes_per_s,
                delay_s=delay_s,
            )
            for number, each in enumerate(units)
        )
    )
