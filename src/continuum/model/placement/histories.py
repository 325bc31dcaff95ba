"""What functions took and made, per site: what placement expects of the next call.

Running means that follow changes (the newest weighs at least 1/20). A function that never ran at a site is
expected to take what it took elsewhere, times how that site compares with the others in what both ran. A
history can be taken apart into `FunctionFacts` and be put together again, for whoever keeps it between runs.
"""

from collections.abc import Iterable
from typing import Protocol

import msgspec

GUESSED_RUN_S = 0.1
_NEWEST_COUNTS = 20
_SPEED_COUNTS = 50
_ANYWHERE = ""


class Burdened(Protocol):
    """A site with what waits there, in computing units by function."""

    @property
    def name(self) -> str:
        """The site's name."""

    @property
    def backlog(self) -> dict[str, int]:
        """Computing units by function."""


class FunctionFacts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one function took at one site (empty: anywhere). `output_bytes`: of one large result of it."""

    function: str
    site: str
    count: int
    mean_s: float
    output_bytes: float = 0.0


class History:
    """What functions took."""

    def __init__(self, facts: Iterable[FunctionFacts] = ()) -> None:
        self._means: dict[tuple[str, str], tuple[int, float]] = {}
        self._outputs: dict[str, float] = {}
        self._speeds: dict[str, tuple[int, float]] = {}
        self._touched: set[tuple[str, str]] = set()
        for fact in facts:
            self._means[fact.function, fact.site] = (fact.count, fact.mean_s)
            if fact.output_bytes:
                self._outputs[fact.function] = fact.output_bytes

    def add(self, function: str, site: str, run_s: float) -> None:
        """Note one execution."""
        means = self._means
        key, anywhere = (function, site), (function, _ANYWHERE)
        for each in (key, anywhere):
            count, mean = means.get(each, (0, 0.0))
            count += 1
            means[each] = (count, mean + (run_s - mean) / min(count, _NEWEST_COUNTS))
        if means[key][0] != means[anywhere][0]:
            self._compare(site, run_s, means[anywhere][1])
        self._touched.add(key)

    def add_output(self, function: str, size_bytes: int) -> None:
        """Note the size of one result that was too large for a message."""
        mean = self._outputs.get(function)
        self._outputs[function] = size_bytes if mean is None else mean + (size_bytes - mean) / 8

    def _compare(self, site: str, run_s: float, usual_s: float) -> None:
        if usual_s > 0:
            count, ratio = self._speeds.get(site, (0, 1.0))
            count += 1
            weight = min(count, _SPEED_COUNTS)
            self._speeds[site] = (count, ratio + (run_s / usual_s - ratio) / weight)

    def expected_s(self, function: str, site: str) -> float:
        """Return what one execution there is expected to take."""
        known = self._means.get((function, site))
        if known is not None:
            return known[1]
        known = self._means.get((function, _ANYWHERE))
        if known is None:
            return GUESSED_RUN_S
        speed = self._speeds.get(site)
        return known[1] * speed[1] if speed is not None else known[1]

    def usual_s(self, function: str) -> float:
        """Return what one execution is expected to take, wherever."""
        known = self._means.get((function, _ANYWHERE))
        return known[1] if known else GUESSED_RUN_S

    def output_bytes(self, function: str) -> float:
        """Return how large one of its results is expected to be; 0: small enough for a message."""
        return self._outputs.get(function, 0.0)

    def knows(self, function: str) -> bool:
        """Whether the function has ever finished anywhere."""
        return (function, _ANYWHERE) in self._means

    def backlog_s(self, site: Burdened) -> float:
        """Return the work that is placed at a site, in unit-seconds."""
        work = 0.0
        name = site.name
        for function, units in site.backlog.items():
            if units:
                work += units * self.expected_s(function, name)
        return work

    def facts(self) -> list[FunctionFacts]:
        """Return what was learnt since it was made, for keeping."""
        keys = self._touched | {(function, _ANYWHERE) for function, _ in self._touched}
        return [
            FunctionFacts(
                function=function,
                site=site,
                count=self._means[function, site][0],
                mean_s=self._means[function, site][1],
                output_bytes=self._outputs.get(function, 0.0),
            )
            for function, site in sorted(keys)
        ]
