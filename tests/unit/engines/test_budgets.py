"""A site's units and memory, shared by its runs."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from continuum.workflow.engines.budgets import Budget


def share_of(budget):
    woken = []
    share = budget.join(lambda: woken.append(1))
    return share, woken


def test_units_are_given_until_none_are_left():
    budget = Budget(2)
    share, _ = share_of(budget)
    assert share.try_take(1, 0)
    assert share.try_take(1, 0)
    assert not share.try_take(1, 0)
    share.give_back(1, 0)
    assert share.try_take(1, 0)


def test_memory_counts_only_where_it_is_limited():
    assert Budget(2).offers(1, 10**15)
    budget = Budget(2, 100)
    assert not budget.offers(1, 101)
    share, _ = share_of(budget)
    assert share.try_take(1, 60)
    assert not share.try_take(1, 60)
    assert share.try_take(1, 40)


def test_who_waits_is_told_when_something_is_given_back():
    budget = Budget(1)
    rich, _ = share_of(budget)
    poor, woken = share_of(budget)
    assert rich.try_take(1, 0)
    assert not poor.try_take(1, 0)
    assert rich.should_yield()
    rich.give_back(1, 0)
    assert woken
    assert not rich.try_take(1, 0)  # the other came first
    assert poor.try_take(1, 0)
    assert poor.should_yield()


def test_who_waits_for_much_is_not_overtaken_for_ever():
    budget = Budget(2)
    small, _ = share_of(budget)
    large, _ = share_of(budget)
    assert small.try_take(1, 0)
    assert small.try_take(1, 0)
    assert not large.try_take(2, 0)
    small.give_back(1, 0)
    assert not small.try_take(1, 0)
    small.give_back(1, 0)
    assert large.try_take(2, 0)


def test_who_wants_nothing_more_lets_the_others_pass():
    budget = Budget(2)
    small, woken = share_of(budget)
    large, _ = share_of(budget)
    assert small.try_take(1, 0)
    assert small.try_take(1, 0)
    assert not large.try_take(2, 0)
    small.give_back(1, 0)
    assert not small.try_take(1, 0)
    woken.clear()
    large.stop_waiting()
    assert woken
    assert small.try_take(1, 0)


def test_a_run_that_leaves_is_forgotten():
    budget = Budget(1)
    one, _ = share_of(budget)
    other, _ = share_of(budget)
    assert one.try_take(1, 0)
    assert not other.try_take(1, 0)
    other.leave()
    assert not one.should_yield()
    one.give_back(1, 0)
    assert one.try_take(1, 0)


class Sharing(RuleBasedStateMachine):
    """Random runs: never more is given than there is, and whoever waits gets it once the others are done."""

    def __init__(self):
        super().__init__()
        self.budget = Budget(4)
        self.shares = [self.budget.join(lambda: None) for _ in range(3)]
        self.held = [[] for _ in self.shares]

    @rule(who=st.integers(0, 2), units=st.integers(1, 4))
    def take(self, who, units):
        if self.shares[who].try_take(units, 0):
            self.held[who].append(units)

    @precondition(lambda self: any(self.held))
    @rule(data=st.data())
    def give_back(self, data):
        who = data.draw(st.sampled_from([i for i, held in enumerate(self.held) if held]))
        self.shares[who].give_back(self.held[who].pop(), 0)

    @rule(who=st.integers(0, 2))
    def stop_waiting(self, who):
        self.shares[who].stop_waiting()

    @invariant()
    def nothing_is_given_twice(self):
        held = [sum(held) for held in self.held]
        assert [share.held_units for share in self.shares] == held
        assert self.budget.free_units == 4 - sum(held) >= 0

    def teardown(self):
        for who, held in enumerate(self.held):
            while held:
                self.shares[who].give_back(held.pop(), 0)
        waiting = [share for share in self.shares if share.waits_since]
        for share in sorted(waiting, key=lambda each: each.place):
            assert share.try_take(1, 0)
            share.give_back(1, 0)


Sharing.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestSharing = Sharing.TestCase


def test_what_a_run_holds_when_it_leaves_is_free_again_and_once():
    budget = Budget(4, 1000)
    asked = []
    one, other = budget.join(lambda: None), budget.join(lambda: asked.append(1))
    assert one.try_take(3, 800)
    assert not other.try_take(2, 500)
    one.leave()
    assert asked
    assert budget.free_units == 4
    one.give_back(3, 800)  # too late
    assert budget.free_units == 4
    assert other.try_take(4, 1000)
