"""Paths between sites: the direct link or one over a third site, what each takes and costs.

A relay passes bytes on as they come, so a path is as fast as its slowest link; each link's egress is paid.
Only links that are known make a path: of a link that nobody described nothing is promised.
"""

from collections.abc import Iterable
from enum import StrEnum
from itertools import pairwise

import msgspec

from continuum.model.sites import Link

GB = 1e9


class Preference(StrEnum):
    """What makes one path better than another."""

    FASTEST = "fastest"
    CHEAPEST = "cheapest"


class Path(msgspec.Struct, frozen=True, kw_only=True):
    """A way for bytes over `sites`, the first and last included."""

    sites: tuple[str, ...]
    bandwidth_bytes_per_s: float
    latency_s: float
    price_eur_per_gb: float

    @property
    def relay(self) -> str:
        """The third site; empty for the direct way."""
        return self.sites[1] if len(self.sites) > 2 else ""  # noqa: PLR2004 - source, relay, target

    def estimate_s(self, size_bytes: float) -> float:
        """Return how long so many bytes take at least."""
        return self.latency_s + size_bytes / self.bandwidth_bytes_per_s

    def cost_eur(self, size_bytes: float) -> float:
        """Return what so many bytes cost."""
        return size_bytes / GB * self.price_eur_per_gb


def find_paths(links: Iterable[Link], source: str, target: str) -> tuple[Path, ...]:
    """Return the direct path, if there is a link, and those over one third site."""
    known = {(link.source, link.target): link for link in links if link.bandwidth_bytes_per_s > 0}
    ways: list[tuple[str, ...]] = [(source, target)]
    ways += [(source, near, target) for near, far in known if far == target and near not in {source, target}]
    paths = []
    for sites in ways:
        hops = [known.get(hop) for hop in pairwise(sites)]
        if all(hops):
            paths.append(_path(sites, [hop for hop in hops if hop is not None]))
    return tuple(paths)


def _path(sites: tuple[str, ...], hops: list[Link]) -> Path:
    return Path(
        sites=sites,
        bandwidth_bytes_per_s=min(hop.bandwidth_bytes_per_s for hop in hops),
        latency_s=sum(hop.latency_s for hop in hops),
        price_eur_per_gb=sum(hop.price_eur_per_gb for hop in hops),
    )


def choose_path(paths: Iterable[Path], size_bytes: float, preference: Preference) -> Path | None:
    """Return the best path for so many bytes; of equals the one with fewer sites, then by name."""

    def rank(path: Path) -> tuple[float, float, int, tuple[str, ...]]:
        time_s, cost = path.estimate_s(size_bytes), path.cost_eur(size_bytes)
        first, second = (time_s, cost) if preference is Preference.FASTEST else (cost, time_s)
        return first, second, len(path.sites), path.sites

    return min(paths, key=rank, default=None)
