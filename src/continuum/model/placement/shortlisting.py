"""Among which of many sites a task is placed: a decision must not cost more because there are more sites.

Of more than `MOST_SITES` sites only these are compared: where most of the task's inputs lie, those that were
the best without regard to data when all were looked at last for tasks of this kind, and who has nothing to
do now. All are looked at again after `USES` decisions, so a decision costs a small part of that, and a site
that became better meanwhile waits that long for its chance. Weighted objectives compare all sites, because
they take each figure relative to the worst.
"""

import heapq
from collections.abc import Callable, Iterable, Mapping

from continuum.model.placement.choosing import SiteLoad, fits
from continuum.model.placement.histories import History
from continuum.model.placement.strategies import Strategy
from continuum.model.tasks import Needs, Task

MOST_SITES = 32  # up to so many, all are compared each time
KEPT = 12
USES = 32

_Kind = tuple[str, Needs]


class Shortlist:
    """What was found to be good for each kind of task, for a while."""

    def __init__(self, strategy: Strategy) -> None:
        self._strategy = strategy
        aim = strategy.objective
        self._aims = sum(map(bool, (aim.time, aim.cost, aim.energy)))
        self._kept: dict[_Kind, list[str]] = {}
        self._uses: dict[_Kind, int] = {}

    def narrow(
        self,
        task: Task,
        sites: Mapping[str, SiteLoad],
        history: History,
        *,
        also: Iterable[str] = (),
    ) -> Mapping[str, SiteLoad]:
        """Return the sites to compare; `also` are to be among them."""
        if len(sites) <= MOST_SITES or self._aims > 1 or self._strategy.pinned:
            return sites
        if task.tried or task.needs.site:
            return sites
        kept = self._names(task, sites, history)
        if not kept:
            return sites
        names = dict.fromkeys((*_holders(task), *kept, *also))
        return {name: sites[name] for name in names if name in sites}

    def _names(self, task: Task, sites: Mapping[str, SiteLoad], history: History) -> list[str]:
        kind = (task.function, task.needs)
        kept = self._kept.get(kind)
        left = self._uses.get(kind, 0)
        if kept is None or not left or any(sites[name].is_lost or sites[name].is_away for name in kept):
            kept = self._kept[kind] = self._find(task, sites, history)
            left = USES
        self._uses[kind] = left - 1
        return kept

    def _find(self, task: Task, sites: Mapping[str, SiteLoad], history: History) -> list[str]:
        """Return the best sites without regard to data; empty: there are too few to choose among."""
        fit = [site for site in sites.values() if fits(task.needs, site)]
        if len(fit) <= KEPT:
            return []
        return [site.name for site in heapq.nsmallest(KEPT, fit, key=self._rating(task, history))]

    def _rating(self, task: Task, history: History) -> Callable[[SiteLoad], tuple[float, float]]:
        aim, function = self._strategy.objective, task.function

        def rate(site: SiteLoad) -> tuple[float, float]:
            run_s = history.expected_s(function, site.name)
            queue_s = history.backlog_s(site) / site.computing_units if site.backlog else 0.0
            costs = site.costs
            if aim.cost:
                return costs.price_eur_per_unit_h * run_s, queue_s + run_s
            if aim.energy:
                watts = costs.busy_w_per_unit - costs.idle_w_per_unit
                return watts * run_s * costs.carbon_g_per_kwh, queue_s + run_s
            return queue_s + run_s, 0.0

        return rate


def _holders(task: Task) -> list[str]:
    """Return the sites that hold most of the inputs."""
    held: dict[str, int] = {}
    for read in task.reads:
        source = read.same_as or read
        if source.inline is None:
            for site in source.sites + source.replicas:
                held[site] = held.get(site, 0) + source.size_bytes
    return heapq.nlargest(KEPT, held, key=held.__getitem__) if len(held) > KEPT else [*held]
