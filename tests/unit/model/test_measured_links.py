"""Links as transfers show them, and what is on its way over them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from continuum.model.placement import OBJECT_S, History, Links, Move, SiteLoad, Strategy, choose_site
from continuum.model.sites import Link, Transfer
from continuum.model.tasks import Datum, DatumState, Task

MB = 10**6


def over(links: Links, *transfers: Transfer) -> Link:
    links.learn("b", transfers)
    return links.between("a", "b")


def test_the_bandwidth_is_what_large_transfers_showed():
    link = over(Links(), Transfer("a", 10 * MB, 0.0, 2.0))
    assert link.bandwidth_bytes_per_s == pytest.approx(5 * MB, rel=0.01)


def test_transfers_that_compete_are_not_taken_for_a_slow_link():
    link = over(Links(), *(Transfer("a", 10 * MB, 0.0, 4.0) for _ in range(4)))
    assert link.bandwidth_bytes_per_s == pytest.approx(10 * MB, rel=0.01)


def test_the_latency_is_what_small_transfers_took():
    link = over(Links(), *(Transfer("a", 100, 1.0, 1.0 + OBJECT_S + 0.02) for _ in range(3)))
    assert link.latency_s == pytest.approx(0.02)
    assert link.bandwidth_bytes_per_s == 1e9  # nothing was learnt of it


def test_a_link_that_becomes_slow_is_noticed_within_a_few_transfers():
    links = Links()
    for number in range(20):
        over(links, Transfer("a", 10 * MB, number, number + 0.1))
    for number in range(12):
        over(links, Transfer("a", 10 * MB, 100 + 10 * number, 110 + 10 * number))
    assert links.between("a", "b").bandwidth_bytes_per_s == pytest.approx(1 * MB, rel=0.01)


def test_a_price_that_was_declared_stays():
    declared = Link(source="a", target="b", bandwidth_bytes_per_s=1.0, latency_s=0.0, price_eur_per_gb=0.5)
    assert over(Links([declared]), Transfer("a", MB, 0.0, 1.0)).price_eur_per_gb == 0.5


def test_what_is_on_its_way_makes_the_next_wait():
    links = Links([Link(source="a", target="b", bandwidth_bytes_per_s=MB, latency_s=0.0)])
    links.begin(1, "b", [Move("d1v1", "a", 5 * MB)])
    links.begin(2, "b", [Move("d1v1", "a", 5 * MB), Move("d2v1", "a", MB)])
    assert links.wait_s("a", "b") == pytest.approx(6.0)  # the first datum is on its way once
    links.end(1)
    assert links.wait_s("a", "b") == pytest.approx(6.0)
    links.end(2)
    assert links.wait_s("a", "b") == 0


def test_a_site_that_is_gone_gets_nothing_any_more():
    links = Links()
    links.begin(1, "b", [Move("d1v1", "a", MB)])
    links.forget("b")
    assert not links.is_coming("d1v1", "b")
    assert links.wait_s("a", "b") == 0


def test_a_site_where_the_data_are_coming_already_is_not_charged_again():
    datum = Datum("d1v1")
    datum.state, datum.size_bytes, datum.sites = DatumState.READY, 100 * MB, ("a",)
    links = Links([Link(source="a", target=to, bandwidth_bytes_per_s=MB, latency_s=0.0) for to in "bc"])
    links.begin(1, "b", [Move("d1v1", "a", 100 * MB)])
    history = History()
    for site, run_s in (("a", 900.0), ("b", 1.0), ("c", 1.0)):
        history.add("f", site, run_s)
    sites = {name: SiteLoad(name=name, computing_units=1) for name in "abc"}
    task = Task(2, "f", (datum,))
    assert choose_site(task, sites, history, links=links, strategy=Strategy()).site == "b"


moves = st.lists(
    st.builds(Move, st.sampled_from(["d1", "d2", "d3"]), st.just("a"), st.integers(0, 10**9)), max_size=4
)


@given(st.lists(st.tuples(st.integers(1, 5), st.sampled_from("bc"), moves), max_size=20))
def test_when_all_tasks_are_done_nothing_is_on_its_way(placed):
    links = Links()
    sizes: dict[str, int] = {}
    for task_id, site, wanted in placed:
        same = [Move(move.datum, "a", sizes.setdefault(move.datum, move.size_bytes)) for move in wanted]
        links.begin(task_id, site, {move.datum: move for move in same}.values())
    for task_id in range(1, 6):
        links.end(task_id)
    assert links.wait_s("a", "b") == links.wait_s("a", "c") == 0
    assert not any(links.is_coming(datum, site) for datum in ("d1", "d2", "d3") for site in "bc")
