"""Paths between sites."""

from continuum.model.paths import Preference, choose_path, find_paths
from continuum.model.sites import Link

SLOW = Link(source="a", target="c", bandwidth_bytes_per_s=1e6, latency_s=0.1, price_eur_per_gb=0.01)
NEAR = Link(source="a", target="b", bandwidth_bytes_per_s=1e8, latency_s=0.01, price_eur_per_gb=0.05)
FAR = Link(source="b", target="c", bandwidth_bytes_per_s=5e7, latency_s=0.02, price_eur_per_gb=0.02)


def test_a_relay_is_taken_when_it_is_faster_and_not_when_it_is_dearer():
    paths = find_paths([SLOW, NEAR, FAR], "a", "c")
    assert {path.sites for path in paths} == {("a", "c"), ("a", "b", "c")}
    fastest = choose_path(paths, 1e9, Preference.FASTEST)
    cheapest = choose_path(paths, 1e9, Preference.CHEAPEST)
    assert (fastest.relay, cheapest.relay) == ("b", "")
    assert fastest.bandwidth_bytes_per_s == 5e7
    assert fastest.estimate_s(1e9) == 0.03 + 20
    assert cheapest.cost_eur(2e9) == 0.02


def test_a_link_that_nobody_described_makes_no_path():
    assert find_paths([NEAR], "a", "c") == ()
    assert choose_path((), 1e9, Preference.FASTEST) is None


def test_of_equal_paths_the_direct_one_is_taken():
    links = [
        Link(source=source, target=target, bandwidth_bytes_per_s=1e8, latency_s=0.0)
        for source, target in (("a", "b"), ("b", "c"), ("a", "c"))
    ]
    assert choose_path(find_paths(links, "a", "c"), 1e9, Preference.FASTEST).sites == ("a", "c")
