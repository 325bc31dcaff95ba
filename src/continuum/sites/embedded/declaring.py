"""What a person declares of sites and links when a continuum is brought up: prices, power, speeds.

`edge:price=0.04,busy=12,idle=3,carbon=60` is a site; `edge:cloud:bandwidth=125MB,latency=0.02,price=0.02` is
the link from one site to another. What is not named stays as it was.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from continuum.model.errors import InvalidInputError
from continuum.model.policies.amounts import parse_size
from continuum.model.sites import NO_COSTS, Link, SiteCosts

_COSTS = {
    "price": "price_eur_per_unit_h",
    "idle": "idle_w_per_unit",
    "busy": "busy_w_per_unit",
    "carbon": "carbon_g_per_kwh",
}
_LINK = {"bandwidth": "bandwidth_bytes_per_s", "latency": "latency_s", "price": "price_eur_per_gb"}
_COSTS_HINT = (
    "SITE:price=EUR per unit-hour,idle=W,busy=W per unit,carbon=g CO2e per kWh; what is left out stays"
)
_LINK_HINT = "FROM:TO:bandwidth=125MB,latency=0.02,price=EUR per GB; what is left out stays"


def choose_costs(
    words: Iterable[str], before: Mapping[str, SiteCosts], sites: Sequence[str]
) -> dict[str, SiteCosts]:
    """Return what computing costs at sites. Raises `InvalidInputError`."""
    costs = {name: each for name, each in before.items() if name in sites}
    for word in words:
        site, _, text = word.partition(":")
        _check_sites((site,), sites, _COSTS_HINT)
        changed = msgspec.structs.replace(costs.get(site, NO_COSTS), **_amounts(text, _COSTS, _COSTS_HINT))
        if changed.busy_w_per_unit < changed.idle_w_per_unit:
            raise InvalidInputError(f"the site {site} takes less power when it is busy", hint=_COSTS_HINT)
        costs[site] = changed
    return costs


def choose_links(words: Iterable[str], before: Iterable[Link], defaults: Iterable[Link]) -> tuple[Link, ...]:
    """Return the links between all sites. `defaults` has one for each pair. Raises `InvalidInputError`."""
    links = {(link.source, link.target): link for link in defaults}
    links |= {key: link for link in before if (key := (link.source, link.target)) in links}
    sites = sorted({source for source, _ in links})
    for word in words:
        ends, _, text = word.rpartition(":")
        source, _, target = ends.partition(":")
        _check_sites((source, target), sites, _LINK_HINT)
        if source == target:
            raise InvalidInputError(f"{word!r} is no link between two sites", hint=_LINK_HINT)
        changed = msgspec.structs.replace(links[source, target], **_amounts(text, _LINK, _LINK_HINT))
        if not changed.bandwidth_bytes_per_s:
            raise InvalidInputError(f"nothing ever comes over the link {ends}", hint=_LINK_HINT)
        links[source, target] = changed
    return tuple(links.values())


def _check_sites(named: Iterable[str], sites: Sequence[str], hint: str) -> None:
    for name in named:
        if name not in sites:
            raise InvalidInputError(f"there is no site {name!r}", hint=f"{hint}; sites: {', '.join(sites)}")


def _amounts(text: str, known: Mapping[str, str], hint: str) -> dict[str, float]:
    amounts: dict[str, float] = {}
    for word in text.split(","):
        name, equals, value = word.strip().partition("=")
        if not equals or name not in known or known[name] in amounts:
            raise InvalidInputError(f"{word!r} says nothing of it", hint=hint)
        amounts[known[name]] = _amount(name, value, hint)
    return amounts


def _amount(name: str, value: str, hint: str) -> float:
    try:
        amount = float(parse_size(value)) if name == "bandwidth" else float(value)
    except ValueError:
        amount = -1.0
    if not 0 <= amount < float("inf"):
        raise InvalidInputError(f"{name}={value} is no amount", hint=hint)
    return amount
