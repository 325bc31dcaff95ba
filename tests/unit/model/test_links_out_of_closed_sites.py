"""What placement takes a link for that leads out of a site which nobody can connect to."""

from itertools import permutations

import pytest

from continuum.model.placement import DEFAULT_LINK, OBJECT_S, pass_relays
from continuum.model.sites import Link, Reach

SITES = ("cloud", "edge", "hub", "lab")
SLOW = {"hub": 1e6}
LINKS = tuple(
    Link(
        source=source,
        target=target,
        bandwidth_bytes_per_s=SLOW.get(source, SLOW.get(target, 1e8)),
        latency_s=0.01,
        price_eur_per_gb=0.02,
    )
    for source, target in permutations(SITES, 2)
)
CLOSED = {"edge": Reach.SITE, "lab": Reach.SITE, "cloud": Reach.ANY}


def between(source: str, target: str, reach: dict[str, Reach]) -> Link:
    return next(link for link in pass_relays(LINKS, reach) if (link.source, link.target) == (source, target))


def test_links_stay_as_they_are_where_all_stores_can_be_reached():
    assert pass_relays(LINKS, {"edge": Reach.ANY}) == LINKS


@pytest.mark.parametrize(("source", "target"), [("cloud", "edge"), ("hub", "lab"), ("cloud", "hub")])
def test_a_closed_site_reads_from_an_open_one_as_ever(source, target):
    assert between(source, target, CLOSED) in LINKS


def test_bytes_out_of_a_closed_site_into_an_open_one_are_written_and_read_once_more():
    assert between("edge", "cloud", CLOSED).latency_s == pytest.approx(0.01 + OBJECT_S)
    assert between("edge", "cloud", CLOSED).bandwidth_bytes_per_s == 1e8


def test_between_closed_sites_bytes_pass_the_better_of_the_open_ones():
    link = between("edge", "lab", CLOSED)
    assert link.bandwidth_bytes_per_s == pytest.approx(5e7)
    assert link.latency_s == pytest.approx(0.02 + OBJECT_S)
    assert link.price_eur_per_gb == pytest.approx(0.04)


def test_sites_whose_links_nobody_declared_are_taken_to_be_near():
    (there, back) = pass_relays((), {"cloud": Reach.ANY, "edge": Reach.SITE})
    assert (there.source, there.latency_s) == ("cloud", DEFAULT_LINK.latency_s)
    assert (back.source, back.latency_s) == ("edge", DEFAULT_LINK.latency_s + OBJECT_S)


def test_without_an_open_site_a_link_stays_as_declared():
    assert between("edge", "lab", dict.fromkeys(SITES, Reach.SITE)) in LINKS
