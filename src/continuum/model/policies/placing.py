"""Which sites need a copy of an object, and which copies may go.

A plan is a function of the policy, where the object was written and what there is; it prefers sites that
hold a copy already, so that asking again changes nothing. A copy may go only if the object keeps another
one, the plan does not need it, and everything that the plan needs is there.
"""

from collections.abc import Collection, Mapping

import msgspec

from continuum.model.policies.documents import Effective, Placing
from continuum.model.policies.prices import Prices

NEVER = 0.0


class NeededCopy(msgspec.Struct, frozen=True):
    """A site that needs a copy, and why."""

    site: str
    reason: str


class Placement(msgspec.Struct, frozen=True):
    """The copies that are needed, the writer's first if it is; `unmet` says what no site can fulfil."""

    needed: tuple[NeededCopy, ...]
    unmet: tuple[str, ...] = ()

    @property
    def sites(self) -> tuple[str, ...]:
        """The names of the sites."""
        return tuple(copy.site for copy in self.needed)


def plan_placement(
    policy: Effective,
    *,
    written_at: str,
    home: str,
    sites: Mapping[str, Mapping[str, str]],
    prices: Prices,
    holding: Collection[str] = (),
) -> Placement:
    """Return which sites need a copy. `sites` maps the sites that have a store to their attributes.

    `written_at` is the site of the first copy, `holding` are those that have one now.
    """
    plan = _Plan(policy, written_at, sites, prices, holding)
    for site, reason in _choose_named(policy, written_at, home, sites):
        plan.add(site, reason)
    for requirement in policy.at_least:
        words = ", ".join(f"{name} {value}" for name, value in sorted(requirement.where.items()))
        plan.fill(requirement.copies, requirement.where, f"at least {requirement.copies} at {words}")
    if policy.copies > 1:
        plan.fill(policy.copies, {}, f"{policy.copies} copies")
    return Placement(tuple(plan.needed), tuple(plan.unmet))


def _choose_named(
    policy: Effective, written_at: str, home: str, sites: Mapping[str, Mapping[str, str]]
) -> list[tuple[str, str]]:
    """The sites that the placement itself names, with the reason."""
    if policy.placement is Placing.HOME:
        return [(home, "the bucket's home")]
    if policy.placement is Placing.SINGLE_REGION:
        return [(policy.sites[0], "the single region")]
    named = [(written_at, "written here")]
    if policy.placement is Placing.PUSH:
        named += [(site, "pushed here") for site in policy.sites]
    if policy.placement is Placing.REPLICATE_ALL:
        named += [(site, "a copy at every site") for site in sorted(sites)]
    return named


class _Plan:
    """The copies chosen so far."""

    def __init__(
        self,
        policy: Effective,
        written_at: str,
        sites: Mapping[str, Mapping[str, str]],
        prices: Prices,
        holding: Collection[str],
    ) -> None:
        self._written_at = written_at
        self._sites = sites
        self._prices = prices
        self._holding = holding
        self._cached = [rule.where for rule in policy.cache]
        self.needed: list[NeededCopy] = []
        self.unmet: list[str] = []

    def add(self, site: str, reason: str) -> None:
        """Choose a site, unless it is chosen already."""
        if site in {copy.site for copy in self.needed}:
            return
        if site in self._sites:
            self.needed.append(NeededCopy(site, reason))
        else:
            self.unmet.append(f"{reason}: the site {site} has no store")

    def fill(self, copies: int, where: Mapping[str, str], reason: str) -> None:
        """Choose the cheapest further sites until so many that match are chosen."""
        matching = [name for name, attributes in self._sites.items() if matches(where, attributes)]
        chosen = {copy.site for copy in self.needed}
        missing = copies - len(chosen.intersection(matching))
        candidates = sorted(set(matching) - chosen, key=self._rank)
        for site in candidates[: max(missing, 0)]:
            self.add(site, reason)
        if missing > len(candidates):
            self.unmet.append(f"{reason}: only {len(matching)} sites match")

    def _rank(self, site: str) -> tuple[bool, bool, float, float, str]:
        """Sites that have a copy first, those meant for caches last; then the cheapest, then by name."""
        is_cache = any(matches(where, self._sites[site]) for where in self._cached)
        transfer = self._prices.transfer_from(self._written_at, site)
        return (
            site not in self._holding,
            is_cache,
            self._prices.storage_eur_per_gb_s(site),
            transfer,
            site,
        )


def matches(where: Mapping[str, str], attributes: Mapping[str, str]) -> bool:
    """Whether a site with these attributes is meant. Case does not count."""
    return all(attributes.get(name, "").lower() == value.lower() for name, value in where.items())


def find_reason_to_keep(site: str, holding: Collection[str], placement: Placement) -> str:
    """Return why the copy at `site` must stay; empty if it may go.

    `holding` are the sites of all copies of the object, one entry per copy.
    """
    others = list(holding)
    others.remove(site)
    if not others:
        return "the last copy"
    for copy in placement.needed:
        if copy.site == site and site not in others:
            return f"the placement needs it: {copy.reason}"
    missing = [copy.site for copy in placement.needed if copy.site not in others]
    if missing:
        return f"the copy that the placement needs at {missing[0]} is not there yet"
    if placement.unmet and not placement.needed:
        return f"the placement cannot be fulfilled: {placement.unmet[0]}"
    return ""
