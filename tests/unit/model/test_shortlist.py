"""Of many sites only some are compared for a task, and the best are among them."""

import pytest

from continuum.model.placement import History, Links, Objective, Shortlist, SiteLoad, Strategy, choose_site
from continuum.model.placement.shortlisting import KEPT, MOST_SITES, USES
from continuum.model.sites import SiteCosts
from continuum.model.tasks import Datum, DatumState, Needs, Task

MANY = 100


def make_sites(number=MANY, **changes):
    return {f"s{each}": SiteLoad(name=f"s{each}", computing_units=4, **changes) for each in range(number)}


def busy(sites, but=()):
    for name, site in sites.items():
        if name not in but:
            site.backlog["f"] = 400
    return sites


def known(sites, run_s=1.0):
    history = History()
    for name in sites:
        history.add("f", name, run_s)
    return history


def task_reading(*sites, size_bytes=10**9):
    datum = Datum("d1v1")
    datum.state, datum.size_bytes, datum.sites = DatumState.READY, size_bytes, sites
    return Task(1, "f", (datum,))


def test_few_sites_are_all_compared():
    sites = make_sites(MOST_SITES)
    assert Shortlist(Strategy()).narrow(Task(1, "f"), sites, History()) is sites


def test_of_many_sites_those_with_the_shortest_queues_are_compared():
    free = {f"s{each}" for each in range(7, MANY, 9)}
    sites = busy(make_sites(), but=free)
    names = set(Shortlist(Strategy()).narrow(Task(1, "f"), sites, known(sites)))
    assert free <= names
    assert len(names) == KEPT


def test_where_the_data_lie_and_who_is_idle_is_always_compared():
    sites = busy(make_sites(), but=[f"s{each}" for each in range(20)])
    narrowed = Shortlist(Strategy()).narrow(task_reading("s77"), sites, known(sites), also=["s88"])
    assert {"s77", "s88"} <= set(narrowed)
    assert len(narrowed) == KEPT + 2


def test_the_choice_among_some_is_the_choice_among_all():
    links = Links()
    for holder in ("s3", "s60", "s99"):
        sites = make_sites()
        for number, site in enumerate(sites.values()):
            site.backlog["f"] = 40 + 7 * ((number * 37) % MANY)
        history, task = known(sites), task_reading(holder)
        some = Shortlist(Strategy()).narrow(task, sites, history)
        chosen = [
            choose_site(task, each, history, links=links, strategy=Strategy()).site for each in (some, sites)
        ]
        assert chosen[0] == chosen[1]


def test_all_are_looked_at_again_after_a_while():
    sites = busy(make_sites(), but=[f"s{each}" for each in range(20)])
    history, shortlist = known(sites), Shortlist(Strategy())
    before = shortlist.narrow(Task(1, "f"), sites, history)
    sites["s90"].backlog.clear()
    for name in before:
        sites[name].backlog["f"] = 4000
    for _ in range(USES - 1):
        assert set(shortlist.narrow(Task(1, "f"), sites, history)) == set(before)
    assert "s90" in shortlist.narrow(Task(1, "f"), sites, history)


def test_when_one_of_them_is_lost_others_are_found_at_once():
    sites = make_sites()
    history, shortlist = known(sites), Shortlist(Strategy())
    for name in shortlist.narrow(Task(1, "f"), sites, history):
        sites[name].is_lost = True
    again = shortlist.narrow(Task(1, "f"), sites, history)
    assert len(again) == KEPT
    assert not any(site.is_lost for site in again.values())


def test_sites_that_cannot_run_the_task_are_left_out_and_all_are_told_when_few_can():
    sites = make_sites()
    for number in (5, 50):
        sites[f"s{number}"].computing_units = 32
    history, shortlist = known(sites), Shortlist(Strategy())
    wide = Task(1, "f", needs=Needs(computing_units=16))
    assert shortlist.narrow(wide, sites, history) is sites  # its table says why not at the others


@pytest.mark.parametrize("aim", [Objective(0, 1, 0), Objective(0, 0, 1)])
def test_the_cheapest_and_the_greenest_site_are_among_them(aim):
    sites = make_sites(costs=SiteCosts(price_eur_per_unit_h=1.0, carbon_g_per_kwh=300.0))
    sites["s70"].costs = SiteCosts(price_eur_per_unit_h=0.1, carbon_g_per_kwh=10.0)
    busy({"s70": sites["s70"]})
    assert "s70" in Shortlist(Strategy(objective=aim)).narrow(Task(1, "f"), sites, known(sites))


def test_weights_and_tasks_that_failed_somewhere_compare_all():
    sites, history = make_sites(), History()
    mixed = Shortlist(Strategy(objective=Objective(0.5, 0.5, 0.0)))
    assert mixed.narrow(Task(1, "f"), sites, history) is sites
    tried = Task(1, "f")
    tried.tried = ("s1",)
    assert Shortlist(Strategy()).narrow(tried, sites, history) is sites
