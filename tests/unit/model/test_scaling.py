"""Workers follow the queue between limits: single decisions, and a site on virtual time."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from continuum.model.errors import InvalidInputError
from continuum.model.scaling import Demand, ScalingLimits, Workforce, decide_scaling, parse_limits

LIMITS = ScalingLimits(least=0, most=4, idle_s=30)


def now(**parts):
    return Workforce(**({"workers": 1, "starting": 0, "units_per_worker": 2, "creation_s": 2.0} | parts))


def tasks(count, run_s=0.0, units=1):
    return [Demand(units=units, tasks=count, run_s=run_s)]


@pytest.mark.parametrize(
    ("workforce", "change"),
    [
        (now(ready=tasks(100, 0.01)), 0),  # done before a worker appears
        (now(ready=tasks(100, 1.0)), 3),  # 50 s of work: all that there may be
        (now(ready=tasks(3, 60.0)), 1),  # more workers than tasks can fill are not made
        (now(ready=tasks(10, 1.0)), 2),  # 10 unit-seconds, 2 s, 2 units: three workers
        (now(ready=tasks(10, 1.0), starting=2), 0),  # they are on their way
        (now(workers=0, ready=tasks(1, 0.001)), 1),  # without a worker nothing would ever be done
        (now(workers=0, ready=tasks(5, units=3)), 0),  # no worker could hold them
        (now(workers=0), 0),
        (now(ready=tasks(3), waited_s=1.0), 0),  # nobody knows yet: perhaps 1 s each
        (now(ready=tasks(3), waited_s=2.1), 1),  # it has lasted too long already
        (now(ready=tasks(3, 0.01), waited_s=9.0, starting=1), 0),  # one at a time for what only waits
        (now(workers=3, idle_for_s=[29.0, 29.0, 1.0]), 0),
        (now(workers=3, idle_for_s=[31.0, 30.0, 1.0]), -2),
        (now(workers=3, idle_for_s=[31.0, 31.0], ready=tasks(4, 9.0)), -1),  # two of them have work
        (now(workers=6, idle_for_s=[0.0, 0.0, 0.0]), -2),  # the limit was lowered
    ],
)
def test_workers_are_made_when_the_backlog_lasts_longer_than_they_take_to_appear(workforce, change):
    assert decide_scaling(LIMITS, workforce).change == change


def test_the_least_number_is_kept_and_made_up_for():
    limits = ScalingLimits(least=2, most=4)
    assert decide_scaling(limits, now(workers=0)).change == 2
    assert decide_scaling(limits, now(workers=2, idle_for_s=[999.0, 999.0])).change == 0


def test_workers_that_do_not_start_are_tried_again_later_and_later():
    waiting = now(workers=0, ready=tasks(9), failed_starts=1, failed_ago_s=4.0)
    decision = decide_scaling(LIMITS, waiting)
    assert decision.change == 0
    assert "did not start" in decision.reason
    assert decide_scaling(LIMITS, now(workers=0, ready=tasks(9), failed_starts=1, failed_ago_s=6.0)).change
    assert not decide_scaling(
        LIMITS, now(workers=0, ready=tasks(9), failed_starts=4, failed_ago_s=6.0)
    ).change


def test_money_limits_how_many_there_are_and_how_long_they_linger():
    limits = ScalingLimits(least=0, most=9, price_eur_per_h=0.5, most_eur_per_h=1.6)
    assert decide_scaling(limits, now(ready=tasks(999, 9.0))).change == 2
    assert decide_scaling(limits, now(idle_for_s=[2.0])).change == -1


@pytest.mark.parametrize(("text", "least", "most"), [("3", 3, 3), ("1-4", 1, 4), ("0-2", 0, 2)])
def test_limits_are_a_number_or_two(text, least, most):
    limits = parse_limits(text)
    assert (limits.least, limits.most) == (least, most)
    assert parse_limits(f"{text}:5") == ScalingLimits(least=least, most=most, idle_s=5)


@pytest.mark.parametrize("text", ["", "0", "4-1", "-3", "1-", "a-b", "1-9999", "1-2-3", "1-2:", "1-2:x"])
def test_what_are_no_limits_is_refused(text):
    with pytest.raises(InvalidInputError):
        parse_limits(text)


class Site:
    """A site on virtual time: bursts come, tasks run, workers appear `creation_s` after the order."""

    STEP_S = 0.25

    def __init__(self, limits, units, creation_s):
        self.limits, self.units, self.creation_s = limits, units, creation_s
        self.at = 0.0
        self.workers, self.starting, self.idle_since = limits.least, [], []
        self.left_s, self.run_s, self.changes, self.waited_since = [], 0.0, 0, None

    def step(self):
        self.at += self.STEP_S
        self.workers += sum(each <= self.at for each in self.starting)
        self.starting = [each for each in self.starting if each > self.at]
        slots = self.workers * self.units
        self.left_s = [
            left - self.STEP_S if place < slots else left for place, left in enumerate(self.left_s)
        ]
        self.left_s = [left for left in self.left_s if left > 0]
        busy = -(-min(len(self.left_s), slots) // self.units)
        while len(self.idle_since) < self.workers - busy:
            self.idle_since.append(self.at)
        del self.idle_since[self.workers - busy :]
        if len(self.left_s) <= slots:
            self.waited_since = None
        elif self.waited_since is None:
            self.waited_since = self.at
        self.apply(decide_scaling(self.limits, self.workforce()).change)

    def workforce(self):
        ready = [Demand(units=1, tasks=len(self.left_s), run_s=self.run_s)] if self.left_s else []
        return Workforce(
            workers=self.workers,
            starting=len(self.starting),
            units_per_worker=self.units,
            creation_s=self.creation_s,
            ready=ready,
            idle_for_s=[self.at - since for since in self.idle_since],
            waited_s=self.at - self.waited_since if self.waited_since is not None else 0.0,
        )

    def apply(self, change):
        self.changes += change != 0
        if change > 0:
            self.starting += [self.at + self.creation_s] * change
        elif change < 0:
            assert -change <= len(self.idle_since)  # nobody at work is sent away
            self.workers += change
            del self.idle_since[:-change]
        assert self.limits.least <= self.workers + len(self.starting) <= self.limits.most


@settings(max_examples=60, deadline=None)
@given(
    span=st.tuples(st.integers(0, 2), st.integers(1, 6)),
    units=st.integers(1, 4),
    creation_s=st.sampled_from([0.5, 2.0, 30.0]),
    bursts=st.lists(
        st.tuples(st.integers(1, 40), st.sampled_from([0.1, 1.0, 20.0]), st.floats(0, 60)), max_size=4
    ),
    is_known=st.booleans(),
)
def test_a_site_on_virtual_time_stays_between_its_limits_does_all_and_comes_to_rest(
    span, units, creation_s, bursts, is_known
):
    least, more = span
    limits = ScalingLimits(least=least, most=least + more, idle_s=10.0)
    site = Site(limits, units, creation_s)
    for count, run_s, pause_s in bursts:
        site.left_s += [run_s] * count
        site.run_s = run_s if is_known else 0.0
        end = site.at + pause_s
        while site.at < end:
            site.step()
    deadline = site.at + 40 * 20 * 4 + 100 * creation_s + 100
    while site.left_s:
        site.step()
        assert site.at < deadline
    for _ in range(int((limits.idle_s + creation_s + 5) / site.STEP_S)):
        site.step()
    assert site.workers == limits.least  # all gone, and nothing on its way
    assert not site.starting
    assert site.changes <= 2 * (least + more) * (len(bursts) + 1)  # it does not flutter
