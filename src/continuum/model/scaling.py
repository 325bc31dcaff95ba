"""How many workers a site should have: they follow the queue up and down between limits.

Pure arithmetic over what is known now; whoever asks does it again and again. A worker that takes
`creation_s` to appear is worth it when what waits would keep those that there are busy for longer than that,
by what tasks took so far; what nobody has seen finish is expected to take as long again as something has
been waiting already. More than the tasks that are ready can use are never made, and those on their way
count.

A worker goes when it was idle for `idle_s`, not at once: the next burst often comes soon, and what flutters
pays for starting again and again. Workers that cost money go as soon as keeping one was as dear as making it
anew (ski rental: at most twice what somebody would pay who knows the future).
"""

import math
import re
from collections.abc import Sequence

import msgspec

from continuum.model.errors import InvalidInputError
from continuum.model.stories import format_seconds

FIRST_RETRY_S = 5.0
LAST_RETRY_S = 300.0
MOST_WORKERS = 1024
IDLE_S = 30.0

_LIMITS = re.compile(r"([0-9]{1,4})(?:-([0-9]{1,4}))?(?::([0-9]{1,5}))?")


class ScalingLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Between what workers may follow the queue; `least` 0: none at all while nothing is to be done.

    `price_eur_per_h` is what one costs while it is there; with `most_eur_per_h` (0: not limited) all together
    cost no more than that.
    """

    least: int = 1
    most: int = 1
    idle_s: float = IDLE_S
    price_eur_per_h: float = 0.0
    most_eur_per_h: float = 0.0

    @property
    def ceiling(self) -> int:
        """How many there may be, money included."""
        if self.price_eur_per_h <= 0 or self.most_eur_per_h <= 0:
            return self.most
        return max(self.least, min(self.most, int(self.most_eur_per_h / self.price_eur_per_h + 1e-9)))

    def within(self, most: int) -> "ScalingLimits":
        """Return the limits with at most so many."""
        return msgspec.structs.replace(self, least=min(self.least, most), most=min(self.most, most))

    @property
    def is_elastic(self) -> bool:
        """Whether there is anything to decide."""
        return self.least < self.most


FIXED = ScalingLimits()


class Demand(msgspec.Struct, frozen=True, kw_only=True):
    """Tasks of one kind that wait or run: each needs `units` (and memory, and GPUs), and takes `run_s` (0:
    nobody knows yet).
    """

    units: int
    tasks: int
    run_s: float = 0.0
    memory_bytes: int = 0
    gpus: int = 0


class Workforce(msgspec.Struct, frozen=True, kw_only=True):
    """What there is now. `ready` are all tasks that could be running, those that do included.

    `idle_for_s` has one number for each idle worker. `waited_s` is for how long now something has been
    waiting without a free worker. `failed_starts` workers in a row did not appear, the last one
    `failed_ago_s` ago.
    """

    workers: int
    starting: int
    units_per_worker: int
    creation_s: float
    ready: Sequence[Demand] = ()
    idle_for_s: Sequence[float] = ()
    waited_s: float = 0.0
    failed_starts: int = 0
    failed_ago_s: float = 0.0


class ScalingDecision(msgspec.Struct, frozen=True, kw_only=True):
    """So many workers more (below 0: fewer, idle ones), and why."""

    change: int
    reason: str


def decide_scaling(limits: ScalingLimits, now: Workforce) -> ScalingDecision:
    """Return what to do now."""
    coming = now.workers + now.starting
    if coming < limits.least:
        return _unless_starts_fail(now, limits.least - coming, f"at least {limits.least} are wanted")
    wanted = _count_useful(limits, now)
    if wanted > coming and _is_worth_it(now):
        return _unless_starts_fail(now, _choose_growth(limits, now, wanted) - coming, _tell_backlog(now))
    return _let_go(limits, now, wanted)


def parse_limits(text: str) -> ScalingLimits:
    """Return the limits that `3`, `1-4` or `0-4:60` mean: how many, and for how many seconds one may idle.

    Raises `InvalidInputError`.
    """
    found = _LIMITS.fullmatch(text)
    if found is None:
        raise InvalidInputError(
            f"{text!r} is no number of workers", hint="as in 2, 1-4, or 0-4:60 to let idle ones go after 60 s"
        )
    least, most, idle_s = found.groups()
    limits = ScalingLimits(least=int(least), most=int(most or least), idle_s=float(idle_s or IDLE_S))
    if not 1 <= limits.most <= MOST_WORKERS or limits.least > limits.most:
        raise InvalidInputError(
            f"{text!r} are no limits",
            hint=f"MIN-MAX as in 0-4:60; MAX is 1 to {MOST_WORKERS}, and MIN not above it",
        )
    return limits


def parse_workers(text: str, engine: str, computing_units: int = 0) -> ScalingLimits:
    """Return between what the workers of a site with this engine follow the queue; empty: one, always.

    `computing_units` (0: not known) are shared evenly by them. Raises `InvalidInputError`.
    """
    if not text:
        return FIXED
    limits = parse_limits(text)
    if engine not in {"", "pool", "dask", "kubernetes"}:
        raise InvalidInputError(
            "a scheduler that is there already has the workers that it has",
            hint="limits are for engine pool, and for engine dask, whose workers the site itself starts",
        )
    if computing_units and limits.most > computing_units:
        raise InvalidInputError(
            f"{limits.most} workers cannot share {computing_units} computing units",
            hint="at most one worker for each unit",
        )
    return limits


def backlog_unit_s(ready: Sequence[Demand], guess_s: float) -> float:
    """Return how much work that is, in seconds of one computing unit; `guess_s` for what nobody knows."""
    return sum(each.units * each.tasks * (each.run_s or guess_s) for each in ready)


def _count_useful(limits: ScalingLimits, now: Workforce) -> int:
    """How many workers the ready tasks could fill; what no worker can hold does not count."""
    fit = [each for each in now.ready if each.units <= now.units_per_worker]
    workers = sum(each.tasks / (now.units_per_worker // each.units) for each in fit)
    return max(limits.least, min(limits.ceiling, math.ceil(workers - 1e-9)))


def _lasts_s(now: Workforce) -> float:
    """For how long what is ready keeps the workers busy that there are and will be in a moment."""
    units = (now.workers + now.starting) * now.units_per_worker
    return backlog_unit_s(now.ready, now.waited_s) / units if units else math.inf


def _is_worth_it(now: Workforce) -> bool:
    has_waited = now.waited_s > now.creation_s and not now.starting
    return _lasts_s(now) > now.creation_s or has_waited


def _choose_growth(limits: ScalingLimits, now: Workforce, wanted: int) -> int:
    """As many as finish the backlog in about the time that making them takes, and at least one more."""
    per_worker = max(now.creation_s, 1e-3) * now.units_per_worker
    quick_enough = math.ceil(min(backlog_unit_s(now.ready, now.waited_s) / per_worker, limits.most))
    return min(wanted, max(quick_enough, now.workers + now.starting + 1))


def _let_go(limits: ScalingLimits, now: Workforce, wanted: int) -> ScalingDecision:
    patience_s = min(limits.idle_s, now.creation_s) if limits.price_eur_per_h > 0 else limits.idle_s
    spare = now.workers + now.starting - max(limits.least, wanted)
    above = now.workers + now.starting - limits.ceiling
    long_idle = [each for each in now.idle_for_s if each >= patience_s]
    if above > 0 and now.idle_for_s:
        going = min(above, len(now.idle_for_s))
        return ScalingDecision(change=-going, reason=f"at most {limits.ceiling} are allowed")
    if (going := min(spare, len(long_idle))) > 0:
        return ScalingDecision(change=-going, reason=f"idle for {max(long_idle):.1f} s")
    return ScalingDecision(change=0, reason="as many as there is work for" if now.ready else "nothing to do")


def _unless_starts_fail(now: Workforce, change: int, reason: str) -> ScalingDecision:
    pause_s = min(LAST_RETRY_S, FIRST_RETRY_S * 2.0 ** min(now.failed_starts - 1, 10))
    if now.failed_starts and now.failed_ago_s < pause_s:
        left_s = pause_s - now.failed_ago_s
        return ScalingDecision(change=0, reason=f"the last worker did not start; next try in {left_s:.0f} s")
    return ScalingDecision(change=change, reason=reason)


def _tell_backlog(now: Workforce) -> str:
    tasks = sum(each.tasks for each in now.ready)
    if not now.workers + now.starting:
        return f"{tasks} tasks and no worker"
    if (lasts_s := _lasts_s(now)) > now.creation_s:
        work = format_seconds(lasts_s)
        return f"{tasks} tasks, work for {work}; a worker takes {format_seconds(now.creation_s)} to appear"
    waited, takes = format_seconds(now.waited_s), format_seconds(now.creation_s)
    return f"tasks wait for {waited}; a worker takes {takes} to appear"
