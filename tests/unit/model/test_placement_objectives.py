"""Objectives: what is cheap, green, or a bit of each is chosen, and the table says why."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from continuum.model.errors import InvalidInputError
from continuum.model.placement import (
    History,
    Links,
    Objective,
    SiteLoad,
    Strategy,
    choose_site,
    parse_objective,
    parse_strategy,
)
from continuum.model.sites import Link, SiteCosts
from continuum.model.tasks import Datum, DatumState, Task

FAST_AND_DEAR = SiteLoad(
    name="cloud", computing_units=4, costs=SiteCosts(price_eur_per_unit_h=3.6, carbon_g_per_kwh=400.0)
)
SLOW_AND_GREEN = SiteLoad(name="hydro", computing_units=4, costs=SiteCosts(carbon_g_per_kwh=20.0))


def known(**times_s: float) -> History:
    history = History()
    for site, run_s in times_s.items():
        history.add("f", site, run_s)
    return history


def choose(objective: str, *reads: Datum, links: Links | None = None, sites=(FAST_AND_DEAR, SLOW_AND_GREEN)):
    return choose_site(
        Task(1, "f", reads),
        {site.name: site for site in sites},
        known(cloud=1.0, hydro=4.0),
        links=links or Links(),
        strategy=Strategy("data", parse_objective(objective)),
    )


@pytest.mark.parametrize(
    ("objective", "chosen"),
    [
        ("fastest", "cloud"),
        ("cheapest", "hydro"),
        ("greenest", "hydro"),
        ("time=1", "cloud"),
        ("time=0.9,cost=0.1", "cloud"),
        ("time=0.1,cost=0.6,energy=0.3", "hydro"),
    ],
)
def test_the_objective_decides(objective, chosen):
    assert choose(objective).site == chosen


def test_the_table_has_what_each_site_would_cost_and_its_place():
    rows = {row.site: row for row in choose("cheapest").table}
    assert rows["cloud"].price_eur == pytest.approx(0.001)
    assert rows["hydro"].price_eur == 0
    assert rows["hydro"].energy_j == pytest.approx(24.0)
    assert rows["cloud"].carbon_g == pytest.approx(6.0 / 3.6e6 * 400)
    assert (rows["hydro"].rank, rows["cloud"].rank) == (1, 2)


def test_the_reason_says_what_was_gained():
    assert choose("cheapest").reason == "the best for cheapest, 0, not 1 m€ as at cloud"
    assert "of CO2e, not" in choose("greenest").reason


def test_moving_costs_what_the_link_costs():
    datum = Datum("d1v1")
    datum.state, datum.size_bytes, datum.sites = DatumState.READY, 10**9, ("cloud",)
    link = Link(
        source="cloud", target="hydro", bandwidth_bytes_per_s=1e9, latency_s=0.0, price_eur_per_gb=0.02
    )
    decision = choose("cheapest", datum, links=Links([link]))
    assert decision.site == "cloud"
    assert {row.site: round(row.price_eur, 4) for row in decision.table} == {"cloud": 0.001, "hydro": 0.02}


def test_among_equally_cheap_sites_the_earlier_end_decides():
    free = [SiteLoad(name=name, computing_units=4) for name in ("hydro", "cloud")]
    assert choose("cheapest", sites=free).site == "cloud"


@pytest.mark.parametrize(
    "text", ["quickest", "", "time", "time=-1", "time=x", "time=0", "speed=1", "time=1,time=2", "cost=inf"]
)
def test_what_is_no_objective_is_refused(text):
    with pytest.raises(InvalidInputError) as error:
        parse_objective(text)
    assert "time=0.6,cost=0.3,energy=0.1" in str(error.value.hint) or "not negative" in str(error.value.hint)


def test_an_objective_goes_with_every_placement():
    assert parse_strategy("edge", ["edge"], "greenest") == Strategy("edge", Objective(0.0, 0.0, 1.0))
    assert parse_objective("cost=3").name == "cost=3"
    assert parse_objective("cheapest").name == "cheapest"


weights = st.floats(0, 10, allow_subnormal=False)


@given(time=weights, cost=weights, energy=weights, prices=st.lists(st.floats(0, 5), min_size=2, max_size=5))
def test_no_other_site_is_better_in_everything(time, cost, energy, prices):
    sites = [
        SiteLoad(name=f"s{number}", computing_units=2, costs=SiteCosts(price_eur_per_unit_h=price))
        for number, price in enumerate(prices)
    ]
    decision = choose_site(
        Task(1, "f"),
        {site.name: site for site in sites},
        known(**{site.name: 1.0 + number for number, site in enumerate(sites)}),
        links=Links(),
        strategy=Strategy("data", Objective(time, cost, energy)),
    )
    rows = {row.site: row for row in decision.table}
    best = rows[decision.site]
    worse = (best.total_s - 0.001, best.price_eur * 0.98, best.carbon_g * 0.98)
    for row in rows.values():
        assert not all(
            mine > other
            for mine, other in zip(worse, (row.total_s, row.price_eur, row.carbon_g), strict=True)
        )
