"""The workers of a site's own Dask follow the queue: looks around, asks `model.scaling`, does what it says.

A thread looks every `LOOK_EVERY_S`. Which worker is idle only the scheduler knows, and it alone sends one
away, between two tasks (`clustering`); how long some have been idle is told here from how many units are in
use. Every change is in the site's log and in that of each run, with the reason.
"""

import logging
import threading
import time
from collections.abc import Sequence
from typing import Protocol
from weakref import WeakSet

from continuum.model.scaling import Demand, ScalingDecision, ScalingLimits, Workforce, decide_scaling
from continuum.workflow.engines.hiring import Census, Hiring

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.25
JOIN_TIMEOUT_S = 15.0
MOST_FAILED_STARTS = 3  # in a row, with no worker at all

_clock = time.monotonic


class Demanding(Protocol):
    """What wants workers: the engine of a run."""

    @property
    def held_units(self) -> int:
        """How many units it uses, or has asked Dask for."""

    def demand(self) -> Sequence[Demand]:
        """Return what waits and what is at work."""

    def note_workers(self, before: int, now: int, reason: str) -> None:
        """Say that there are more workers, or fewer."""

    def give_up(self, reason: str) -> None:
        """No worker comes: let what waits fail."""


class ClusterScaler:
    """Lets the workers of a cluster follow what engines want. `start` it, `add` engines, `close` it."""

    def __init__(self, cluster: Hiring, limits: ScalingLimits, units_per_worker: int) -> None:
        self._cluster = cluster
        self._limits = limits
        self._units = units_per_worker
        self._engines: WeakSet[Demanding] = WeakSet()
        self._is_over = threading.Event()
        self._idle_since: list[float] = []  # the one that is idle longest first
        self._waiting_since = 0.0  # 0: nothing waits
        self._failed_starts = 0
        self._failed_at = 0.0
        self._last_trouble = "nobody says why"
        self._thread = threading.Thread(target=self._follow, name="scaling", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def add(self, engine: Demanding) -> None:
        """Follow this one too, as long as it is there."""
        self._engines.add(engine)

    def close(self) -> None:
        """Stop; the workers stay."""
        self._is_over.set()
        self._thread.join(JOIN_TIMEOUT_S)

    def _follow(self) -> None:
        while not self._is_over.wait(LOOK_EVERY_S):
            try:
                self._look()
            except Exception:
                log.exception("the workers of Dask do not follow the queue for now")

    def _look(self) -> None:
        engines = list(self._engines)
        census = self._cluster.count()
        self._remember_failures(census)
        self._tell_troubles(engines, census)
        force = self._workforce(engines, census)
        limits = self._limits if census.ceiling is None else self._limits.within(census.ceiling)
        decision = decide_scaling(limits, force)
        before = census.workers + census.starting
        if decision.change and (changed := self._change(decision)):
            now = before + changed
            log.info("workers: %d -> %d: %s", before, now, decision.reason)
            for engine in engines:
                engine.note_workers(before, now, decision.reason)

    def _workforce(self, engines: Sequence[Demanding], census: Census) -> Workforce:
        now = _clock()
        ready = [each for engine in engines for each in engine.demand()]
        self._watch_idle(sum(engine.held_units for engine in engines), census.workers, now)
        self._watch_waiting(ready, census.workers, now)
        return Workforce(
            workers=census.workers,
            starting=census.starting,
            units_per_worker=self._units,
            creation_s=self._cluster.creation_s,
            ready=ready,
            idle_for_s=self._idle_for_s(census, now),
            waited_s=now - self._waiting_since if self._waiting_since else 0.0,
            failed_starts=self._failed_starts,
            failed_ago_s=now - self._failed_at,
        )

    def _idle_for_s(self, census: Census, now: float) -> Sequence[float]:
        if census.idle_for_s is not None:
            return census.idle_for_s
        return [now - since for since in self._idle_since]

    def _tell_troubles(self, engines: Sequence[Demanding], census: Census) -> None:
        """Say what went wrong; when no worker comes again and again, let go of what waits for one."""
        count = census.workers + census.starting
        for trouble in census.troubles:
            log.warning("%s", trouble)
            for engine in engines:
                engine.note_workers(count, count, trouble)
        if census.troubles:
            self._last_trouble = census.troubles[-1]
        if self._failed_starts >= MOST_FAILED_STARTS and not count:
            self._failed_starts = 0
            for engine in engines:
                engine.give_up(f"no worker comes: {self._last_trouble}")

    def _watch_idle(self, held_units: int, workers: int, now: float) -> None:
        idle = max(0, workers - -(-held_units // self._units))
        while len(self._idle_since) < idle:
            self._idle_since.append(now)
        del self._idle_since[idle:]

    def _watch_waiting(self, ready: Sequence[Demand], workers: int, now: float) -> None:
        wanted = sum(each.units * each.tasks for each in ready)
        if wanted <= workers * self._units:
            self._waiting_since = 0.0
        elif not self._waiting_since:
            self._waiting_since = now

    def _remember_failures(self, census: Census) -> None:
        if census.not_started:
            self._failed_starts += census.not_started
            self._failed_at = _clock()
        elif census.workers and not census.starting:
            self._failed_starts = 0

    def _change(self, decision: ScalingDecision) -> int:
        """Return how many workers more there are now."""
        if decision.change > 0:
            self._cluster.hire(decision.change)
            return decision.change
        gone = self._cluster.retire(-decision.change)
        del self._idle_since[: gone or len(self._idle_since)]  # none was: begin to count anew
        return -gone
