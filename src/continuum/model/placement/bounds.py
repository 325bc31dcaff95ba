"""What no placement can beat: lower bounds of the time that a graph of tasks takes over sites and links.

Four, of which the largest counts. `path_s`: the longest chain, every task at the site that is best for it
alone, with the moves of inputs that lie elsewhere from the beginning. `work_s`: all work over all units.
`data_s`: what lies at one site is worked on there or leaves it over its links; even the best mixture takes
this long (tasks that compute most per byte leave first). `waist_s`: before a task that many others lead to
can begin, the work of all of these is done, and after its end that of all that follow from it. Results are
taken to move for nothing, so the bound may be lower than what is possible, never higher.
"""

import heapq
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import accumulate

import msgspec

from continuum.model.sites import Link

_HALVINGS = 50
_WAISTS = 8  # tasks that are looked at for the fourth bound, of each kind


class Bounded(msgspec.Struct, frozen=True, array_like=True):
    """A task: results it reads, inputs as (site, bytes), seconds on a unit of speed 1, units, results."""

    reads: list[int]
    inputs: list[tuple[int, int]]
    run_s: float
    units: int
    results: int


class Capacity(msgspec.Struct, frozen=True, array_like=True):
    """A site: units and their speed."""

    units: int
    speed: float


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """The bounds in seconds."""

    path_s: float
    work_s: float
    data_s: float
    waist_s: float = 0.0

    @property
    def makespan_s(self) -> float:
        """What a run takes at least."""
        return max(self.path_s, self.work_s, self.data_s, self.waist_s)


def bound_makespan(
    tasks: Sequence[Bounded], sites: Sequence[Capacity], links: Mapping[tuple[int, int], Link]
) -> Bounds:
    """Return the bounds. Tasks stand in an order in which whoever reads a result comes after its task."""
    speed = sum(site.units * site.speed for site in sites)
    ends = _ends_s(tasks, sites, links)
    return Bounds(
        path_s=max(ends, default=0.0),
        waist_s=_waist_s(tasks, ends, max(site.speed for site in sites), speed),
        work_s=sum(task.run_s * task.units for task in tasks) / speed,
        data_s=max((_data_s(site, tasks, sites, links) for site in range(len(sites))), default=0.0),
    )


def _ends_s(
    tasks: Sequence[Bounded], sites: Sequence[Capacity], links: Mapping[tuple[int, int], Link]
) -> list[float]:
    """Return before when no task can have ended."""
    fastest = max(site.speed for site in sites)
    ends: list[float] = []  # of results
    found: list[float] = []  # of tasks
    for task in tasks:
        ready_s = max((ends[read] for read in task.reads), default=0.0)
        if task.inputs:
            run_s = min(
                max(ready_s, _arrival_s(task.inputs, site, links)) + task.run_s / each.speed
                for site, each in enumerate(sites)
            )
        else:
            run_s = ready_s + task.run_s / fastest
        found.append(run_s)
        ends.extend([run_s] * task.results)
    return found


def _waist_s(tasks: Sequence[Bounded], ends: Sequence[float], fastest: float, speed: float) -> float:
    """Return the bound by tasks between much that comes before and much that comes after."""
    makers = [number for number, task in enumerate(tasks) for _ in range(task.results)]
    before = [sorted({makers[read] for read in task.reads}) for task in tasks]
    after: list[list[int]] = [[] for _ in tasks]
    for number, ones in enumerate(before):
        for one in ones:
            after[one].append(number)
    tails = [0.0] * len(tasks)  # the longest chain of what follows
    for number in reversed(range(len(tasks))):
        for one in before[number]:
            tails[one] = max(tails[one], tails[number] + tasks[number].run_s / fastest)
    numbers = range(len(tasks))
    waists = {
        *heapq.nlargest(_WAISTS, numbers, key=lambda number: len(before[number])),
        *heapq.nlargest(_WAISTS, numbers, key=lambda number: len(after[number])),
    }
    longest = 0.0
    for number in waists:
        begun_s = max([_work(tasks, before, number) / speed, *(ends[one] for one in before[number])])
        left_s = max(_work(tasks, after, number) / speed, tails[number])
        longest = max(longest, begun_s + tasks[number].run_s / fastest + left_s)
    return longest


def _work(tasks: Sequence[Bounded], neighbours: Sequence[Sequence[int]], start: int) -> float:
    """Return all work that lies on one side of a task."""
    seen, todo = {start}, [start]
    while todo:
        for other in neighbours[todo.pop()]:
            if other not in seen:
                seen.add(other)
                todo.append(other)
    return sum(tasks[number].run_s * tasks[number].units for number in seen if number != start)


def _arrival_s(inputs: Sequence[tuple[int, int]], site: int, links: Mapping[tuple[int, int], Link]) -> float:
    times = [
        links[source, site].latency_s + size / links[source, site].bandwidth_bytes_per_s
        for source, size in inputs
        if source != site
    ]
    return max(times, default=0.0)


def _data_s(
    site: int,
    tasks: Sequence[Bounded],
    sites: Sequence[Capacity],
    links: Mapping[tuple[int, int], Link],
) -> float:
    bound = [
        (task.run_s * task.units, sum(size for _, size in task.inputs))
        for task in tasks
        if task.inputs and all(source == site for source, _ in task.inputs)
    ]
    if not bound:
        return 0.0
    bound.sort(key=lambda each: each[1] / each[0] if each[0] else float("inf"))
    work = list(accumulate(each[0] for each in bound))
    size = list(accumulate(each[1] for each in bound))
    rate = sum(link.bandwidth_bytes_per_s for (source, _), link in links.items() if source == site)
    speed = sites[site].units * sites[site].speed
    low, high = 0.0, work[-1] / speed
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        left = bisect_right(size, middle * rate)
        gone = work[min(left, len(work) - 1)] if left < len(work) else work[-1]
        if work[-1] - gone <= middle * speed:
            high = middle
        else:
            low = middle
    return low
