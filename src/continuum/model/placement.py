"""Choosing the site of a task, with the table of reasons.

Hard constraints come first; among the sites that are left the estimated end decides: moving the inputs there
(sizes, replicas, links), waiting for a computing unit, executing (what this function took there before, else
what it took elsewhere, else a guess). Equal within a millisecond: the site that holds more of the inputs,
then the home site of the run, then the order of the names. Pure and deterministic, so every decision can be
shown and tested.

Not looked at: price and energy; transfers that compete for one link.
"""

from collections.abc import Mapping, Sequence

import msgspec

from continuum.model.errors import InvalidInputError
from continuum.model.sites import Link, parse_site_name
from continuum.model.stories import Row, format_bytes, format_seconds
from continuum.model.tasks import Datum, Needs, Task

DATA, LOAD = "data", "load"
_TRIED = "failed here before"
GUESSED_RUN_S = 0.1
EQUAL_WITHIN_S = 0.001
# Beyond latency and bandwidth: one object through gateway and store and back takes this long where a site and
# its store share a machine (measured on an embedded continuum); twice that if it must first be put there.
OBJECT_S = 0.008
DEFAULT_LINK = Link(source="", target="", bandwidth_bytes_per_s=1e9, latency_s=0.0002)


class Strategy(msgspec.Struct, frozen=True):
    """What placement looks at: `data` (inputs and load), `load` (load alone), or one pinned site."""

    name: str = DATA

    @property
    def pinned(self) -> str:
        """The site that all tasks go to, or nothing."""
        return "" if self.name in {DATA, LOAD} else self.name


class SiteLoad(msgspec.Struct, kw_only=True):
    """A site as placement sees it now. `backlog` counts the computing units that tasks placed there need,
    by function: what they take is looked up when it is needed, as it becomes known while they wait.
    """

    name: str
    computing_units: int
    memory_bytes: int = 0
    architecture: str = ""
    software: frozenset[str] = frozenset()
    is_home: bool = False
    is_lost: bool = False
    backlog: dict[str, int] = msgspec.field(default_factory=dict)


class Decision(msgspec.Struct, frozen=True):
    """`site` empty: no site will do, and `reason` says why."""

    site: str
    reason: str
    table: tuple[Row, ...]
    run_s: float


class History:
    """What functions took, per site: running means that follow changes (the newest weighs at least 1/20)."""

    def __init__(self) -> None:
        self._means: dict[tuple[str, str], tuple[int, float]] = {}

    def add(self, function: str, site: str, run_s: float) -> None:
        """Note one execution."""
        for key in ((function, site), (function, "")):
            count, mean = self._means.get(key, (0, 0.0))
            count += 1
            self._means[key] = (count, mean + (run_s - mean) / min(count, 20))

    def expected_s(self, function: str, site: str) -> float:
        """Return what one execution there is expected to take."""
        known = self._means.get((function, site)) or self._means.get((function, ""))
        return known[1] if known else GUESSED_RUN_S

    def knows(self, function: str) -> bool:
        """Whether the function has ever finished anywhere."""
        return (function, "") in self._means

    def backlog_s(self, site: SiteLoad) -> float:
        """Return the work that is placed at a site, in unit-seconds."""
        work = 0.0
        for function, units in site.backlog.items():
            if units:
                work += units * self.expected_s(function, site.name)
        return work


class Links:
    """The network between sites; what is not described is taken to be like an embedded continuum's."""

    def __init__(self, links: Sequence[Link] = ()) -> None:
        self._links = {(link.source, link.target): link for link in links}

    def between(self, source: str, target: str) -> Link:
        """Return the link from one site to another."""
        return self._links.get((source, target), DEFAULT_LINK)


def parse_strategy(text: str, sites: Sequence[str]) -> Strategy:
    """Return the strategy that `--placement` names; raise `InvalidInputError` if there is no such site."""
    if text in {DATA, LOAD}:
        return Strategy(text)
    if parse_site_name(text) in sites:
        return Strategy(text)
    known = ", ".join((DATA, LOAD, *sites))
    raise InvalidInputError(f"no placement and no site is called {text!r}", hint=f"there are: {known}")


def choose_site(
    task: Task,
    sites: Mapping[str, SiteLoad],
    history: History,
    *,
    links: Links,
    strategy: Strategy,
) -> Decision:
    """Decide where `task` runs. Sites where it failed before are avoided as long as there is another one."""
    excluded = {site.name: _why_not(task.needs, site, strategy) for site in sites.values()}
    open_sites = [site for site in sites.values() if not excluded[site.name]]
    if not open_sites:
        return Decision("", _nowhere(task.needs, excluded), _excluded_rows(excluded), 0.0)
    untried = [site for site in open_sites if site.name not in task.tried]
    for site in open_sites:
        if untried and site.name in task.tried:
            excluded[site.name] = _TRIED
    candidates = untried or open_sites
    rows = {site.name: _estimate(task, site, history, links) for site in candidates}
    chosen = min(candidates, key=lambda site: _rank(rows[site.name], site, strategy, rows))
    best = rows[chosen.name]
    table = (*(rows[site.name] for site in candidates), *_excluded_rows(excluded))
    reason = _reason(best, candidates, rows, task, strategy)
    return Decision(chosen.name, reason, table if len(table) > 1 else (), best.run_s)


def _why_not(needs: Needs, site: SiteLoad, strategy: Strategy) -> str:
    wanted = strategy.pinned
    problem = ""
    if site.is_lost:
        problem = "lost"
    elif needs.site and needs.site != site.name:
        problem = f"must run at {needs.site}"
    elif wanted and wanted != site.name:
        problem = f"the run is pinned to {wanted}"
    elif needs.computing_units > site.computing_units:
        problem = f"needs {needs.computing_units} computing units, has {site.computing_units}"
    elif site.memory_bytes and needs.memory_bytes > site.memory_bytes:
        problem = f"needs {format_bytes(needs.memory_bytes)} of memory, has {format_bytes(site.memory_bytes)}"
    elif needs.architecture and site.architecture and needs.architecture != site.architecture:
        problem = f"needs architecture {needs.architecture}, has {site.architecture}"
    elif not set(needs.software) <= site.software:
        lacking = ", ".join(sorted(set(needs.software) - site.software))
        problem = f"does not have the software {lacking}"
    return problem


def _nowhere(needs: Needs, excluded: Mapping[str, str]) -> str:
    if needs.site and needs.site not in excluded:
        return f"it must run at {needs.site}, which does not take part in this run"
    return "no site can run it: " + "; ".join(f"{site}: {why}" for site, why in sorted(excluded.items()))


def _excluded_rows(excluded: Mapping[str, str]) -> tuple[Row, ...]:
    return tuple(Row(site=name, excluded=why) for name, why in excluded.items() if why)


def _estimate(task: Task, site: SiteLoad, history: History, links: Links) -> Row:
    move_bytes, move_s = 0, 0.0
    for read in task.reads:
        datum = read.same_as or read
        if datum.inline is None and site.name not in datum.sites and site.name not in datum.replicas:
            move_bytes += datum.size_bytes
            move_s += _moving_s(datum, site.name, links)
    return Row(
        site=site.name,
        move_bytes=move_bytes,
        move_s=move_s,
        queue_s=history.backlog_s(site) / site.computing_units,
        run_s=history.expected_s(task.function, site.name),
        is_assumed=not history.knows(task.function),
    )


def _moving_s(datum: Datum, site: str, links: Links) -> float:
    sources = datum.sites + datum.replicas
    times = [
        link.latency_s + datum.size_bytes / link.bandwidth_bytes_per_s
        for link in (links.between(source, site) for source in sources)
    ]
    object_s = OBJECT_S if datum.published is not None else 2 * OBJECT_S
    return object_s + min(times) if times else 0.0


def _rank(
    row: Row, site: SiteLoad, strategy: Strategy, rows: Mapping[str, Row]
) -> tuple[bool, float, bool, str]:
    total = _total(row, strategy)
    near = total - min(_total(other, strategy) for other in rows.values()) < EQUAL_WITHIN_S
    held = row.move_bytes if strategy.name == DATA else 0
    return (not near, held if near else total, not site.is_home, site.name)


def _total(row: Row, strategy: Strategy) -> float:
    return row.queue_s + row.run_s if strategy.name == LOAD else row.total_s


def _reason(
    best: Row,
    candidates: Sequence[SiteLoad],
    rows: Mapping[str, Row],
    task: Task,
    strategy: Strategy,
) -> str:
    if strategy.pinned:
        return f"the run is pinned to {strategy.pinned}"
    if task.needs.site:
        return f"it must run at {task.needs.site}"
    if len(candidates) == 1:
        return f"the only site that can run it{_but_for(task, candidates)}"
    others = [row for name, row in rows.items() if name != best.site]
    second = min(others, key=lambda row: _total(row, strategy))
    gain = _total(second, strategy) - _total(best, strategy)
    moved = "" if strategy.name == LOAD else _compare_moves(best, second)
    if gain < EQUAL_WITHIN_S:
        return f"as good as {second.site}{moved}"
    return f"done {format_seconds(gain)} earlier than at {second.site}{moved}"


def _but_for(task: Task, candidates: Sequence[SiteLoad]) -> str:
    tried = sorted(set(task.tried) - {site.name for site in candidates})
    return f" besides {' and '.join(tried)}, where it failed before" if tried else ""


def _compare_moves(best: Row, second: Row) -> str:
    if best.move_bytes < second.move_bytes:
        return f", and {format_bytes(second.move_bytes - best.move_bytes)} less to move"
    if best.move_bytes > second.move_bytes:
        return f", although {format_bytes(best.move_bytes - second.move_bytes)} more to move"
    return ""
