"""What the nemesis does is determined by its seed, begins with every kind once, and heals before the end."""

from hypothesis import given
from hypothesis import strategies as st

from benchmarks.chaos.schedules import KILL, Choices, list_kinds, make_schedule

CHOICES = Choices(
    processes=("hub", "nats", "store.edge", "gateway.edge"),
    links=("edge-cloud", "edge-centre", "cloud-centre"),
)


def test_the_same_seed_gives_the_same_schedule():
    assert make_schedule(CHOICES, seconds=300, seed=5) == make_schedule(CHOICES, seconds=300, seed=5)
    assert make_schedule(CHOICES, seconds=300, seed=5) != make_schedule(CHOICES, seconds=300, seed=6)


@given(st.integers(0, 1000), st.floats(30, 900))
def test_every_fault_is_healed_before_the_end_and_rounds_do_not_overlap(seed, seconds):
    rounds = make_schedule(CHOICES, seconds=seconds, seed=seed)
    over_at = 0.0
    for each in rounds:
        assert each.at_s >= over_at
        over_at = each.at_s + max(harm.lasts_s for harm in each.harms)
    assert over_at <= seconds


def test_a_long_run_has_every_kind_of_fault_and_two_at_once():
    rounds = make_schedule(CHOICES, seconds=600, seed=1)
    seen = {(harm.kind, harm.victims) for each in rounds for harm in each.harms}
    assert seen == set(list_kinds(CHOICES))
    assert any(len(each.harms) == 2 for each in rounds)
    assert all(harm.lasts_s == 0 for each in rounds for harm in each.harms if harm.kind == KILL)


def test_what_two_faults_at_once_harm_is_not_the_same():
    for seed in range(30):
        for each in make_schedule(CHOICES, seconds=600, seed=seed):
            victims = [name for harm in each.harms for name in harm.victims]
            assert len(victims) == len(set(victims))
