"""What storage and transfer cost, and what sites are, as far as policies ask.

A price list is a few defaults and exceptions: storage per site, transfer per link. From both follows the
time after which keeping a copy has cost as much as fetching it again (`even_s`, T_even in the literature).
"""

from collections.abc import Iterable, Mapping

import msgspec

from continuum.model.errors import InvalidInputError
from continuum.model.policies.amounts import GB, MONTH_S, parse_size
from continuum.model.sites import parse_site_name

FOR_EVER = float("inf")


class SiteFacts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is known of a site and its stores.

    `attributes` are what rules select by, such as `region = "EU"`; `site` is always its name. `capacity` is
    how much its store may hold (`100GB`; empty: no bound). Above `high_water` of it cached copies go until it
    is below `low_water`.
    """

    attributes: dict[str, str] = {}
    storage_eur_per_gb_month: float | None = None
    capacity: str = ""
    high_water: float = 0.9
    low_water: float = 0.8

    @property
    def capacity_bytes(self) -> int:
        """The capacity; 0 for no bound."""
        return parse_size(self.capacity) if self.capacity else 0


class LinkPrice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a gigabyte costs from one site to another."""

    source: str
    target: str
    eur_per_gb: float


class Prices(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A price list. The defaults are of the order of what large clouds ask between regions of theirs."""

    storage_eur_per_gb_month: float = 0.021
    transfer_eur_per_gb: float = 0.019
    sites: dict[str, SiteFacts] = {}
    links: tuple[LinkPrice, ...] = ()

    def storage_eur_per_gb_s(self, site: str) -> float:
        """What a gigabyte costs a second at a site."""
        facts = self.sites.get(site)
        monthly = facts.storage_eur_per_gb_month if facts else None
        return (self.storage_eur_per_gb_month if monthly is None else monthly) / MONTH_S

    def transfer_from(self, source: str, target: str) -> float:
        """What a gigabyte costs from one site to another."""
        if source == target:
            return 0.0
        for link in self.links:
            if (link.source, link.target) == (source, target):
                return link.eur_per_gb
        return self.transfer_eur_per_gb

    def fetch_from(self, sources: Iterable[str], target: str) -> float:
        """What a gigabyte costs from the cheapest of `sources`; for ever unattainable if there is none."""
        return min((self.transfer_from(source, target) for source in sources), default=FOR_EVER)

    def even_s(self, sources: Iterable[str], target: str) -> float:
        """After how long keeping a copy at `target` has cost as much as fetching it again."""
        return divide(self.fetch_from(sources, target), self.storage_eur_per_gb_s(target))

    def monthly_eur(self, site: str, size_bytes: int) -> float:
        """What keeping so many bytes at a site costs a month."""
        return self.storage_eur_per_gb_s(site) * MONTH_S * size_bytes / GB


def divide(fetch_eur: float, storage_eur_per_s: float) -> float:
    """Return the seconds after which storage has cost `fetch_eur`; free storage lasts for ever, unless
    fetching is free as well."""
    if storage_eur_per_s > 0:
        return fetch_eur / storage_eur_per_s
    return FOR_EVER if fetch_eur > 0 else 0.0


def select_attributes(name: str, facts: Mapping[str, SiteFacts], region: str = "") -> dict[str, str]:
    """Return the attributes of a site: its name, its store's region, and what was declared."""
    declared = facts[name].attributes if name in facts else {}
    return {"region": region, **declared, "site": name}


def check_prices(prices: Prices) -> None:
    """Raise `InvalidInputError` for what cannot be a price, a link or a site."""
    amounts = [prices.storage_eur_per_gb_month, prices.transfer_eur_per_gb]
    amounts += [link.eur_per_gb for link in prices.links]
    amounts += [each.storage_eur_per_gb_month or 0.0 for each in prices.sites.values()]
    if any(not 0 <= amount < FOR_EVER for amount in amounts):
        raise InvalidInputError("a price is a number that is not negative")
    for link in prices.links:
        parse_site_name(link.source)
        parse_site_name(link.target)
    for name, facts in prices.sites.items():
        parse_site_name(name)
        _check_site(name, facts)


def _check_site(name: str, facts: SiteFacts) -> None:
    if "site" in facts.attributes:
        raise InvalidInputError(f"the site {name}: `site` is its name and cannot be declared")
    if not 0 < facts.low_water <= facts.high_water <= 1:
        raise InvalidInputError(f"the site {name}: 0 < low_water <= high_water <= 1 must hold")
    if facts.capacity and not facts.capacity_bytes:
        raise InvalidInputError(f"the site {name}: a capacity of nothing", hint="leave it out for no bound")
