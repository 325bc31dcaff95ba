"""Runs in virtual time: the driver's own placement, against what no placement can beat."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from continuum.model.errors import InvalidInputError
from continuum.model.placement import Strategy, parse_objective
from continuum.model.sites import SiteCosts
from continuum.model.stories import Finished, SiteJoined, Submitted
from continuum.workflow.simulating.continua import make_continuum, two_sites
from continuum.workflow.simulating.families import FAMILIES, make_workload
from continuum.workflow.simulating.replaying import replay
from continuum.workflow.simulating.running import simulate
from continuum.workflow.simulating.workloads import Given, Loom


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_ends_and_nothing_beats_its_bound(family):
    for strategy in ("data", "gravity", "load"):
        outcome = simulate(make_workload(family, 150, 2), two_sites(), Strategy(strategy))
        assert outcome.ratio >= 1.0
        assert outcome.tasks > 0


def test_data_heavy_work_takes_hardly_longer_than_it_must():
    outcome = simulate(make_workload("survey", 400, 2), two_sites(), Strategy())
    assert outcome.ratio < 1.2


def test_moving_all_data_to_one_site_takes_many_times_as_long():
    workload, sites = make_workload("survey", 200, 2), two_sites()
    here = simulate(workload, sites, Strategy())
    there = simulate(workload, sites, Strategy("site-0"))
    assert there.makespan_s > 3 * here.makespan_s
    assert there.moved_bytes > here.moved_bytes


def test_a_simulation_is_the_same_each_time():
    outcomes = [simulate(make_workload("montage", 200, 10), make_continuum(10), Strategy()) for _ in range(2)]
    assert outcomes[0].makespan_s == outcomes[1].makespan_s
    assert outcomes[0].moved_bytes == outcomes[1].moved_bytes


def test_what_one_strives_for_is_what_one_gets():
    workload, sites = make_workload("independent", 200, 10), make_continuum(10)
    found = {
        aim: simulate(workload, sites, Strategy("data", parse_objective(aim)))
        for aim in ("fastest", "cheapest", "greenest")
    }
    assert found["fastest"].makespan_s == min(each.makespan_s for each in found.values())
    assert found["cheapest"].cost_eur == min(each.cost_eur for each in found.values())
    assert found["greenest"].carbon_g == min(each.carbon_g for each in found.values())


def test_data_are_pushed_while_the_task_waits_for_its_turn():
    loom = Loom("queue", [Given(125_000_000, 1)])
    for _ in range(8):
        loom.add("busy", [], 10.0, 10)
    loom.add("late", [0], 10.0, 10)
    outcome = simulate(loom.workload(), two_sites((4, 1)), Strategy("site-0"))
    assert outcome.makespan_s == pytest.approx(30.0, abs=1.0)  # not 40: ten seconds of moving are hidden


def test_a_first_run_that_knows_nothing_ends_too():
    assert simulate(make_workload("survey", 100, 2), two_sites(), Strategy(), is_cold=True).ratio >= 1.0


def test_there_is_no_other_family():
    with pytest.raises(InvalidInputError, match="no family is called 'none'"):
        make_workload("none", 10, 2)


@settings(max_examples=20, deadline=None)
@given(
    wanted=st.lists(
        st.tuples(st.lists(st.integers(0, 40), max_size=3), st.floats(0.0, 5.0), st.integers(0, 10**8)),
        min_size=1,
        max_size=25,
    ),
    strategy=st.sampled_from(["data", "greedy", "gravity", "load", "site-1"]),
)
def test_any_graph_ends_and_does_not_beat_its_bound(wanted, strategy):
    loom = Loom("any", [Given(10**7, 0), Given(10**6, 1)])
    for number, (reads, run_s, size) in enumerate(wanted):
        loom.add(f"f{number % 3}", sorted({each % (2 + number) for each in reads}), run_s, size)
    outcome = simulate(loom.workload(), two_sites((1, 2)), Strategy(strategy))
    assert outcome.makespan_s >= outcome.bound_s - 1e-6


def test_a_run_that_was_can_be_placed_otherwise():
    records = [
        SiteJoined(at=0.0, site="edge", computing_units=2),
        SiteJoined(at=0.0, site="cloud", computing_units=2),
        Submitted(at=0.0, task=1, function="make", writes=("d1v1",)),
        Submitted(at=0.0, task=2, function="use", reads=("d1v1", "d9v1"), writes=("d2v1",)),
        Submitted(at=0.0, task=3, function="lost", reads=("d2v1",), writes=("d3v1",)),
        Finished(at=1.0, task=1, attempt=1, site="edge", run_s=1.0, output_bytes=10**6),
        Finished(at=3.0, task=2, attempt=1, site="cloud", run_s=2.0, moved_bytes=5000, output_bytes=10),
    ]
    workload, continuum = replay("old", records, [])
    assert [shape.function for shape in workload.tasks] == ["make", "use"]
    assert workload.inputs == (Given(5000, 1),)
    outcome = simulate(workload, continuum, Strategy("edge"))
    assert outcome.makespan_s == pytest.approx(3.0, abs=0.2)
    assert outcome.used_sites == 1
    _, priced = replay("old", records, [], {"edge": SiteCosts(price_eur_per_unit_h=1.0)})
    assert simulate(workload, priced, Strategy("edge")).cost_eur == pytest.approx(3.0 / 3600, rel=0.1)
    assert outcome.cost_eur == 0.0


def test_a_run_in_which_nothing_finished_cannot_be_replayed():
    with pytest.raises(InvalidInputError, match="no task of the run old has finished"):
        replay("old", [SiteJoined(at=0.0, site="edge", computing_units=1)], [])
