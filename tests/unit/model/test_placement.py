"""Placement: hard constraints first, then the earliest end, with reasons."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from continuum.model.errors import InvalidInputError
from continuum.model.placement import (
    GUESSED_RUN_S,
    LINK_SHARE,
    History,
    Links,
    SiteLoad,
    Strategy,
    choose_site,
    parse_strategy,
)
from continuum.model.sites import Link
from continuum.model.tasks import Datum, DatumState, Needs, Task

SLOW = Links(
    [
        Link(source=source, target=target, bandwidth_bytes_per_s=1e8, latency_s=0.01)
        for source in ("edge", "cloud", "hpc")
        for target in ("edge", "cloud", "hpc")
        if source != target
    ]
)


def site(name: str, **options) -> SiteLoad:
    return SiteLoad(name=name, **{"computing_units": 4, **options})


def sites(*given: SiteLoad) -> dict[str, SiteLoad]:
    return {each.name: each for each in given}


def datum(size_bytes: int, *where: str, replicas: tuple[str, ...] = (), inline: bool = False) -> Datum:
    made = Datum("d1v1")
    made.state, made.size_bytes, made.sites, made.replicas = DatumState.READY, size_bytes, where, replicas
    made.inline = b"" if inline else None
    return made


def choose(given: dict[str, SiteLoad], *reads: Datum, strategy: str = "data", history=None, **options):
    task = Task(1, "f", reads, **options)
    return choose_site(task, given, history or History(), links=SLOW, strategy=Strategy(strategy))


@pytest.mark.parametrize(
    ("needs", "loads", "chosen"),
    [
        (Needs(computing_units=8), (site("edge"), site("cloud", computing_units=8)), "cloud"),
        (
            Needs(memory_bytes=10),
            (site("edge", memory_bytes=5, is_home=True), site("cloud", memory_bytes=20)),
            "cloud",
        ),
        (Needs(architecture="arm"), (site("a", architecture="x86_64"), site("b", architecture="arm")), "b"),
        (Needs(software=("casa",)), (site("a"), site("b", software=frozenset({"casa", "x"}))), "b"),
        (Needs(site="edge"), (site("cloud", is_home=True), site("edge")), "edge"),
        (Needs(), (site("edge", is_lost=True, is_home=True), site("cloud")), "cloud"),
    ],
)
def test_hard_constraints_come_first(needs, loads, chosen):
    assert choose(sites(*loads), needs=needs).site == chosen


def test_a_task_that_no_site_can_run_is_told_why_of_each():
    decision = choose(sites(site("edge"), site("cloud")), needs=Needs(computing_units=64))
    assert decision.site == ""
    assert "edge: needs 64 computing units, has 4" in decision.reason
    assert {row.site for row in decision.table if row.excluded} == {"edge", "cloud"}


def test_a_site_that_takes_no_part_is_named():
    decision = choose(sites(site("edge")), needs=Needs(site="moon"))
    assert decision.reason == "it must run at moon, which does not take part in this run"


def test_a_task_goes_where_its_data_are():
    decision = choose(sites(site("edge", is_home=True), site("cloud")), datum(10**9, "cloud"))
    assert decision.site == "cloud"
    assert "1 GB less to move" in decision.reason
    assert [row.site for row in decision.table] == ["edge", "cloud"]


def test_a_replica_in_a_sites_store_counts_as_there():
    assert choose(sites(site("a"), site("b")), datum(10**9, "a", replicas=("b",))).table[1].move_bytes == 0


def test_inline_data_weigh_nothing():
    assert choose(sites(site("a"), site("b")), datum(4000, "a", inline=True)).table[1].move_bytes == 0


def test_data_come_over_the_fastest_link():
    links = Links(
        [
            Link(source="near", target="here", bandwidth_bytes_per_s=1e9, latency_s=0.0),
            Link(source="far", target="here", bandwidth_bytes_per_s=1e6, latency_s=0.0),
        ]
    )
    task = Task(1, "f", (datum(10**9, "far", "near"),))
    decision = choose_site(task, sites(site("here"), site("x")), History(), links=links, strategy=Strategy())
    assert decision.table[0].move_s == pytest.approx(1.0, abs=0.02)


def test_a_long_queue_outweighs_near_data():
    history = History()
    history.add("slow", "cloud", 20.0)
    given = sites(site("edge"), site("cloud", backlog={"slow": 4}))
    decision = choose(given, datum(10**9, "cloud"), history=history)
    assert decision.site == "edge"
    assert "although 1 GB more to move" in decision.reason


def test_the_work_that_waits_is_judged_by_what_is_known_of_it_now():
    history = History()
    load = site("edge", backlog={"g": 8})
    assert history.backlog_s(load) == 8 * GUESSED_RUN_S
    history.add("g", "cloud", 0.001)
    assert history.backlog_s(load) == pytest.approx(0.008)


def test_data_that_must_be_published_first_take_longer():
    published, not_yet = datum(1000, "a"), datum(1000, "a")
    published.published = "name"
    times = [choose(sites(site("a"), site("b")), each).table[1].move_s for each in (published, not_yet)]
    assert times[0] < times[1]


def test_what_the_function_took_there_before_counts():
    history = History()
    history.add("f", "edge", 5.0)
    history.add("f", "cloud", 1.0)
    assert choose(sites(site("edge", is_home=True), site("cloud")), history=history).site == "cloud"


def test_a_function_that_is_unknown_at_a_site_is_judged_by_what_it_took_elsewhere():
    history = History()
    assert history.expected_s("f", "edge") == GUESSED_RUN_S
    history.add("f", "cloud", 2.0)
    assert history.expected_s("f", "edge") == 2.0


def test_the_history_follows_a_change():
    history = History()
    for _ in range(100):
        history.add("f", "edge", 1.0)
    for _ in range(100):
        history.add("f", "edge", 3.0)
    assert history.expected_s("f", "edge") == pytest.approx(3.0, abs=0.05)


def test_between_equals_the_home_site_is_chosen_then_the_first_name():
    assert choose(sites(site("a"), site("b", is_home=True))).site == "b"
    assert choose(sites(site("b"), site("a"))).site == "a"


def test_a_site_where_the_task_failed_is_avoided_as_long_as_there_is_another():
    task = Task(1, "f")
    task.tried = ("edge",)
    both, one = sites(site("edge", is_home=True), site("cloud")), sites(site("edge"))
    assert choose_site(task, both, History(), links=SLOW, strategy=Strategy()).site == "cloud"
    assert choose_site(task, one, History(), links=SLOW, strategy=Strategy()).site == "edge"


def test_load_alone_ignores_where_data_are():
    given = sites(site("edge", is_home=True), site("cloud"))
    assert choose(given, datum(10**12, "cloud"), strategy="load").site == "edge"


def test_a_name_pins_every_task_and_contradictions_are_told():
    given = sites(site("edge", is_home=True), site("cloud"))
    assert choose(given, datum(10**12, "edge"), strategy="cloud").site == "cloud"
    contradiction = choose(given, needs=Needs(site="edge"), strategy="cloud")
    assert contradiction.site == ""
    assert "the run is pinned to cloud" in contradiction.reason


def test_a_placement_that_is_neither_a_strategy_nor_a_site_is_refused():
    assert parse_strategy("edge", ["edge"]).pinned == "edge"
    with pytest.raises(InvalidInputError, match="no site is called 'moon'"):
        parse_strategy("moon", ["edge"])


loads = st.lists(
    st.builds(
        SiteLoad,
        name=st.sampled_from(["a", "b", "c", "d"]),
        computing_units=st.integers(1, 8),
        is_lost=st.booleans(),
        is_home=st.booleans(),
        backlog=st.dictionaries(st.sampled_from("fgh"), st.integers(0, 500)),
    ),
    min_size=1,
    unique_by=lambda load: load.name,
)


@given(
    given_sites=loads,
    size=st.integers(0, 10**10),
    where=st.sampled_from(["a", "b", "c", "d"]),
    units=st.integers(1, 8),
)
def test_the_choice_is_allowed_deterministic_and_never_later_but_for_a_busy_link(
    given_sites, size, where, units
):
    given_loads = sites(*given_sites)
    decision = choose(given_loads, datum(size, where), needs=Needs(computing_units=units))
    backwards = dict(reversed(given_loads.items()))
    assert choose(backwards, datum(size, where), needs=Needs(computing_units=units)).site == decision.site
    allowed = [load for load in given_sites if not load.is_lost and load.computing_units >= units]
    assert bool(decision.site) == bool(allowed)
    if decision.site:
        assert decision.site in {load.name for load in allowed}
        rows = {row.site: row for row in decision.table if not row.excluded}
        if rows:
            ends = [row.total_s + LINK_SHARE * row.move_bytes / 1e8 for row in rows.values()]
            assert rows[decision.site].total_s <= min(ends) + 0.001


def test_a_task_leaves_its_data_only_for_a_good_part_of_its_time():
    history = History()
    for where in ("edge", "cloud"):
        history.add("f", where, 1.0)
    task = Task(9, "f", [datum(1_000_000, "edge")])
    for waiting, attachment, chosen in ((4, 0.0, "cloud"), (4, 0.75, "edge"), (36, 0.75, "cloud")):
        both = sites(site("edge", backlog={"f": waiting}), site("cloud"))
        decision = choose_site(task, both, history, links=Links(), strategy=Strategy(), attachment=attachment)
        assert decision.site == chosen, (waiting, attachment)


def test_without_data_gravity_the_shortest_queue_decides_whatever_lies_where():
    for waiting in range(1, 9):
        busy = sites(site("edge", backlog={"f": waiting}, is_home=True), site("cloud"))
        decision = choose_site(
            Task(9, "f", [datum(10_000_000, "edge")]),
            busy,
            History(),
            links=SLOW,
            strategy=Strategy("load"),
            attachment=0.25,
        )
        assert decision.site == "cloud"


def test_a_task_that_no_worker_of_a_site_can_hold_goes_elsewhere_unless_it_has_processes_of_its_own():
    shared = sites(site("cloud", computing_units=8, largest_units=2), site("edge", computing_units=4))
    history = History()
    history.add("f", "cloud", 0.1)
    history.add("f", "edge", 100.0)

    def chosen(needs: Needs) -> str:
        return choose_site(
            Task(1, "f", needs=needs), shared, history, links=Links(), strategy=Strategy()
        ).site

    assert chosen(Needs(computing_units=2)) == "cloud"
    assert chosen(Needs(computing_units=3)) == "edge"
    assert chosen(Needs(computing_units=3, is_apart=True)) == "cloud"
    assert not chosen(Needs(computing_units=5))
