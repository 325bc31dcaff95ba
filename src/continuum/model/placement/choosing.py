"""Choosing the site of a task, with the table of reasons.

Hard constraints come first. For each site that is left three things are estimated: when the task would be
done there (its inputs move, over the best links and behind what is on its way already, while it waits for a
computing unit; then it runs as long as its function did there), what that costs, and what energy it takes.
The objective says which of them counts; with weights, each is taken relative to the worst candidate. Equal
within a millisecond (or a hundredth of a price): the earlier end, then the site that holds more of the
inputs, then the home site of the run, then the order of the names. Pure and deterministic, so every decision
can be shown and tested.
"""

from collections.abc import Mapping, Sequence

import msgspec

from continuum.model.offers import why_not_offered
from continuum.model.placement.histories import History
from continuum.model.placement.links import OBJECT_S, Links, Move
from continuum.model.placement.strategies import DATA, GRAVITY, GREEDY, LOAD, Objective, Strategy
from continuum.model.sites import J_PER_KWH, NO_COSTS, SiteCosts
from continuum.model.stories import (
    Row,
    format_bytes,
    format_carbon,
    format_eur,
    format_seconds,
)
from continuum.model.tasks import NO_NEEDS, Datum, Needs, Task

_TRIED = "failed here before"
EQUAL_WITHIN_S = 0.001
EQUAL_WITHIN = 0.01
MOST_ROWS = 12
LINK_SHARE = 0.5  # a link that is busy for a second counts as so many seconds later: others want it too
GB = 1e9
S_PER_H = 3600.0
# What the network between sites takes: of the order of 0.01 kWh per GB, falling by half every two years
# (Aslan and others 2018, doi:10.1111/jiec.12630, give 0.06 for 2015).
NETWORK_J_PER_BYTE = 0.006 * 3.6e6 / GB


class SiteLoad(msgspec.Struct, kw_only=True):
    """A site as placement sees it now. `backlog` counts the computing units that tasks placed there need,
    by function: what they take is looked up when it is needed, as it becomes known while they wait.
    """

    name: str
    computing_units: int
    memory_bytes: int = 0
    architecture: str = ""
    software: frozenset[str] = frozenset()
    costs: SiteCosts = NO_COSTS
    gpus: int = 0
    storage_bytes: int = 0
    nodes: int = 1
    labels: Mapping[str, str] = {}
    largest_units: int = 0  # of one worker, which one task can have; 0: all
    is_home: bool = False
    is_lost: bool = False
    is_away: bool = False  # silent for now, or about to leave: it keeps what it has and gets nothing new
    backlog: dict[str, int] = msgspec.field(default_factory=dict)


class Decision(msgspec.Struct, frozen=True):
    """`site` empty: no site will do, and `reason` says why. `moves`: what has to come there first."""

    site: str
    reason: str
    table: tuple[Row, ...]
    run_s: float
    moves: Sequence[Move] = ()


class Estimate:
    """What a task would take at one site. `link_s`: for how long it keeps links busy; `late_s`: how much
    later than its end it counts for what it moves.
    """

    __slots__ = (
        "carbon_g",
        "energy_j",
        "late_s",
        "link_s",
        "load",
        "move_bytes",
        "move_s",
        "price_eur",
        "queue_s",
        "run_s",
        "total_s",
    )

    def __init__(self, load: SiteLoad, queue_s: float, run_s: float) -> None:
        self.load = load
        self.move_bytes = 0
        self.move_s = 0.0
        self.link_s = 0.0
        self.late_s = 0.0
        self.queue_s = queue_s
        self.run_s = run_s
        self.total_s = queue_s + run_s
        self.price_eur = 0.0
        self.energy_j = 0.0
        self.carbon_g = 0.0


def choose_site(
    task: Task,
    sites: Mapping[str, SiteLoad],
    history: History,
    *,
    links: Links,
    strategy: Strategy,
    attachment: float = 0.0,
) -> Decision:
    """Decide where `task` runs. Sites where it failed before are avoided as long as there is another one.

    `attachment`: by how large a part of the time that it takes where its data are it must be done earlier
    elsewhere to leave them.
    """
    excluded = _excluded(task, sites, strategy)
    candidates = (
        [site for site in sites.values() if site.name not in excluded] if excluded else [*sites.values()]
    )
    if not candidates:
        return Decision("", _nowhere(task.needs, excluded), _excluded_rows(excluded), 0.0)
    if task.tried:
        untried = [site for site in candidates if site.name not in task.tried]
        if untried:
            excluded |= {site.name: _TRIED for site in candidates if site.name in task.tried}
            candidates = untried
    data = [source for read in task.reads if (source := read.same_as or read).inline is None]
    if len(candidates) == 1 and not excluded:
        reason = _pinned(task, strategy) or "the only site that can run it"
        site = candidates[0].name
        moves = _moves(data, site, links) if data else ()
        return Decision(site, reason, (), history.expected_s(task.function, site), moves)
    is_fastest = strategy.objective.is_fastest and strategy.name in {DATA, GREEDY}
    estimates = _estimate_all(task, candidates, history, links, data, is_fastest=is_fastest)
    if data and attachment and strategy.name in {DATA, GREEDY}:
        _attach(estimates, attachment)
    ordered = _order(estimates, strategy)
    best = ordered[0]
    known = history.knows(task.function)
    rows = {
        each.load.name: _row(each, number + 1, is_assumed=not known)
        for number, each in enumerate(ordered[:MOST_ROWS])
    }
    table = (*(rows[name] for name in sites if name in rows), *_excluded_rows(excluded))
    moves = _moves(data, best.load.name, links) if best.move_s else ()
    reason = _reason(ordered, task, strategy)
    return Decision(best.load.name, reason, table if len(table) > 1 else (), best.run_s, moves)


# ---- hard constraints ----

_OFFER = (
    "sites offer more after `continuum up --offer SITE:units=N,gpus=N`, this machine with `--local --units N`"
)


def _excluded(task: Task, sites: Mapping[str, SiteLoad], strategy: Strategy) -> dict[str, str]:
    needs, pinned = task.needs, strategy.pinned
    if needs is NO_NEEDS and not pinned:
        return {site.name: why for site in sites.values() if (why := _why_absent(site))}
    return {site.name: why for site in sites.values() if (why := _why_not(needs, site, pinned))}


def fits(needs: Needs, site: SiteLoad) -> bool:
    """Tell whether a site fulfils the hard constraints of a task."""
    return not _why_absent(site) if needs is NO_NEEDS else not _why_not(needs, site, "")


def _why_absent(site: SiteLoad) -> str:
    return "lost" if site.is_lost else "away" if site.is_away else ""


def _why_not(needs: Needs, site: SiteLoad, wanted: str) -> str:
    problem = ""
    if site.is_lost or site.is_away:
        problem = _why_absent(site)
    elif needs.site and needs.site != site.name:
        problem = f"must run at {needs.site}"
    elif wanted and wanted != site.name:
        problem = f"the run is pinned to {wanted}"
    elif needs.computing_units > site.computing_units:
        problem = f"needs {needs.computing_units} computing units, has {site.computing_units}"
    elif 0 < site.largest_units < needs.computing_units and not (needs.is_apart or needs.gpus):
        problem = (
            f"needs {needs.computing_units} computing units, its largest worker has {site.largest_units}"
        )
    elif site.memory_bytes and needs.memory_bytes > site.memory_bytes:
        problem = f"needs {format_bytes(needs.memory_bytes)} of memory, has {format_bytes(site.memory_bytes)}"
    elif needs.architecture and site.architecture and needs.architecture != site.architecture:
        problem = f"needs architecture {needs.architecture}, has {site.architecture}"
    elif not set(needs.software) <= site.software:
        lacking = ", ".join(sorted(set(needs.software) - site.software))
        problem = f"does not have the software {lacking}"
    else:
        problem = why_not_offered(needs, site)
    return problem


def _nowhere(needs: Needs, excluded: Mapping[str, str]) -> str:
    if needs.site and needs.site not in excluded:
        return f"it must run at {needs.site}, which does not take part in this run"
    nowhere = "no site can run it: " + "; ".join(f"{site}: {why}" for site, why in sorted(excluded.items()))
    asks = any(why.startswith(("needs", "does not have")) for why in excluded.values())
    return nowhere + (f" ({_OFFER})" if asks else "")


def _excluded_rows(excluded: Mapping[str, str]) -> tuple[Row, ...]:
    return tuple(Row(site=name, excluded=why) for name, why in [*excluded.items()][:MOST_ROWS])


# ---- estimates ----


def _estimate_all(
    task: Task,
    candidates: Sequence[SiteLoad],
    history: History,
    links: Links,
    data: Sequence[Datum],
    *,
    is_fastest: bool,
) -> list[Estimate]:
    units = task.needs.computing_units
    function = task.function
    estimates = []
    for site in candidates:
        run_s = history.expected_s(function, site.name)
        queue_s = history.backlog_s(site) / site.computing_units if site.backlog else 0.0
        estimates.append(Estimate(site, queue_s, run_s))
    if data and len(estimates) > MOST_ROWS and is_fastest:
        estimates = _promising(estimates, data, links)
        data = ()
    for estimate in estimates:
        costs = estimate.load.costs
        unit_s = units * estimate.run_s
        estimate.price_eur += costs.price_eur_per_unit_h * unit_s / S_PER_H
        estimate.energy_j += (costs.busy_w_per_unit - costs.idle_w_per_unit) * unit_s
        if data:
            _add_moves(estimate, data, links)
        estimate.carbon_g = estimate.energy_j * costs.carbon_g_per_kwh / J_PER_KWH
    return estimates


def _promising(estimates: list[Estimate], data: Sequence[Datum], links: Links) -> list[Estimate]:
    """Leave out sites where the task would wait and run longer than it takes elsewhere with all moves."""
    estimates.sort(key=_without_moves)
    kept: list[Estimate] = []
    best_s = float("inf")
    for estimate in estimates:
        if len(kept) >= MOST_ROWS and estimate.total_s > best_s + EQUAL_WITHIN_S:
            break
        _add_moves(estimate, data, links)
        best_s = min(best_s, estimate.total_s)
        kept.append(estimate)
    return kept


def _without_moves(estimate: Estimate) -> float:
    return estimate.total_s


def _add_moves(estimate: Estimate, data: Sequence[Datum], links: Links) -> None:
    site = estimate.load.name
    over: dict[str, float] = {}
    for datum in data:
        if site in datum.sites or site in datum.replicas:
            continue
        source, arrival_s = _best_source(datum, site, links)
        if not source:
            continue
        size_bytes = datum.size_bytes
        estimate.move_bytes += size_bytes
        size_s = 0.0
        if not links.is_coming(datum.id, site):
            link = links.between(source, site)
            size_s = size_bytes / link.bandwidth_bytes_per_s
            estimate.link_s += size_s
            estimate.price_eur += link.price_eur_per_gb * size_bytes / GB
            estimate.energy_j += NETWORK_J_PER_BYTE * size_bytes
        object_s = OBJECT_S if datum.published is not None else 2 * OBJECT_S
        over[source] = (over[source] + size_s if source in over else arrival_s) + object_s
    if over:
        estimate.move_s = max(over.values())
        estimate.total_s = max(estimate.move_s, estimate.queue_s) + estimate.run_s


def _best_source(datum: Datum, site: str, links: Links) -> tuple[str, float]:
    """Return from where a datum is there first, and when; nothing if nobody has it."""
    size_bytes = 0 if links.is_coming(datum.id, site) else datum.size_bytes
    best, soonest_s = "", 0.0
    for source in datum.sites + datum.replicas:
        arrival_s = links.arrival_s(source, site, size_bytes)
        if not best or arrival_s < soonest_s:
            best, soonest_s = source, arrival_s
    return best, soonest_s


def moves_to(datum: Datum, site: str, links: Links) -> tuple[Move, ...]:
    """Return what moves if this datum is to be at a site."""
    return _moves((datum,), site, links)


def _moves(data: Sequence[Datum], site: str, links: Links) -> tuple[Move, ...]:
    moves = []
    for datum in data:
        if site not in datum.sites and site not in datum.replicas:
            source, _ = _best_source(datum, site, links)
            if source:
                moves.append(Move(datum.id, source, datum.size_bytes))
    return tuple(moves)


def _row(estimate: Estimate, rank: int, *, is_assumed: bool) -> Row:
    return Row(
        site=estimate.load.name,
        move_bytes=estimate.move_bytes,
        move_s=estimate.move_s,
        queue_s=estimate.queue_s,
        run_s=estimate.run_s,
        is_assumed=is_assumed,
        price_eur=estimate.price_eur,
        energy_j=estimate.energy_j,
        carbon_g=estimate.carbon_g,
        rank=rank,
    )


# ---- the order of the objective ----


def _attach(estimates: Sequence[Estimate], attachment: float) -> None:
    at_data_s = min((each.total_s for each in estimates if not each.move_bytes), default=0.0)
    for each in estimates:
        if each.move_bytes:
            each.late_s = attachment * at_data_s


def _order(estimates: list[Estimate], strategy: Strategy) -> list[Estimate]:
    if strategy.name == LOAD:
        for each in estimates:
            each.total_s, each.link_s = each.queue_s + each.run_s, 0.0
    if strategy.name == GRAVITY:
        return sorted(
            estimates, key=lambda each: (each.move_bytes, each.total_s, not each.load.is_home, each.load.name)
        )
    if strategy.objective.is_fastest:
        least_s = min(_end_s(each) for each in estimates)
        return sorted(estimates, key=lambda each: _by_time(each, least_s + EQUAL_WITHIN_S, strategy))
    scores = _scores(estimates, strategy.objective)
    near = min(scores.values()) * (1 + EQUAL_WITHIN)
    least_s = min(each.total_s for each in estimates if scores[each.load.name] <= near)
    return sorted(
        estimates,
        key=lambda each: (
            max(scores[each.load.name], near),
            *_by_time(each, least_s + EQUAL_WITHIN_S, strategy),
        ),
    )


def _by_time(each: Estimate, equal_s: float, strategy: Strategy) -> tuple[float, float, bool, str]:
    end_s = _end_s(each)
    is_near = end_s < equal_s
    held = 0 if strategy.name == LOAD or not is_near else each.move_bytes
    return (equal_s if is_near else end_s, held, not each.load.is_home, each.load.name)


def _end_s(each: Estimate) -> float:
    return each.total_s + LINK_SHARE * each.link_s + each.late_s


def _scores(estimates: Sequence[Estimate], objective: Objective) -> dict[str, float]:
    """Return how bad each site is. The greenest site emits least; where all emit the same, it takes least."""
    worst_s = max(each.total_s for each in estimates) or 1.0
    worst_eur = max(each.price_eur for each in estimates) or 1.0
    worst_g = max(each.carbon_g for each in estimates) or 1.0
    return {
        each.load.name: objective.time * each.total_s / worst_s
        + objective.cost * each.price_eur / worst_eur
        + objective.energy * each.carbon_g / worst_g
        for each in estimates
    }


# ---- reasons ----


def _reason(ordered: Sequence[Estimate], task: Task, strategy: Strategy) -> str:
    pinned = _pinned(task, strategy)
    if pinned:
        return pinned
    if len(ordered) == 1:
        return f"the only site that can run it{_but_for(task, [ordered[0].load])}"
    best, second = ordered[0], ordered[1]
    compare = _compare_aims if not strategy.objective.is_fastest else _compare_times
    return compare(best, second, strategy)


def _pinned(task: Task, strategy: Strategy) -> str:
    if strategy.pinned:
        return f"the run is pinned to {strategy.pinned}"
    return f"it must run at {task.needs.site}" if task.needs.site else ""


def _compare_times(best: Estimate, second: Estimate, strategy: Strategy) -> str:
    gain = second.total_s - best.total_s
    moved = "" if strategy.name == LOAD else _compare_moves(best, second)
    if strategy.name == GRAVITY and best.move_bytes < second.move_bytes:
        return f"more of its inputs are there than at {second.load.name}{moved}"
    if gain < 0 and second.late_s:
        return (
            f"done {format_seconds(-gain)} later than at {second.load.name}, too little to move its data for"
        )
    if gain < EQUAL_WITHIN_S:
        return f"as good as {second.load.name}{moved}"
    return f"done {format_seconds(gain)} earlier than at {second.load.name}{moved}"


def _compare_aims(best: Estimate, second: Estimate, strategy: Strategy) -> str:
    told = [f"the best for {strategy.objective.name}"]
    aim = strategy.objective
    if aim.time:
        told.append(f"done in {format_seconds(best.total_s)}, not {format_seconds(second.total_s)}")
    if aim.cost:
        told.append(f"{format_eur(best.price_eur)}, not {format_eur(second.price_eur)}")
    if aim.energy:
        told.append(f"{format_carbon(best.carbon_g)} of CO2e, not {format_carbon(second.carbon_g)}")
    return ", ".join(told) + f" as at {second.load.name}"


def _but_for(task: Task, candidates: Sequence[SiteLoad]) -> str:
    tried = sorted(set(task.tried) - {site.name for site in candidates})
    return f" besides {' and '.join(tried)}, where it failed before" if tried else ""


def _compare_moves(best: Estimate, second: Estimate) -> str:
    if best.move_bytes < second.move_bytes:
        return f", and {format_bytes(second.move_bytes - best.move_bytes)} less to move"
    if best.move_bytes > second.move_bytes:
        return f", although {format_bytes(best.move_bytes - second.move_bytes)} more to move"
    return ""


__all__ = ["DATA", "GRAVITY", "GREEDY", "LOAD", "Decision", "SiteLoad", "choose_site"]
