"""Which way a transfer takes over sites."""

from continuum.cli.bucket.places import Named, Surroundings, find_path
from continuum.model.paths import Preference
from continuum.model.sites import Link
from continuum.model.transfers import parse_place
from continuum.store import StoreDescription, StoreDescriptions


def link(source, target, rate, price=0.0):
    return Link(
        source=source, target=target, bandwidth_bytes_per_s=rate, latency_s=0.01, price_eur_per_gb=price
    )


AROUND = Surroundings(
    homes={"b": "edge"},
    stores=StoreDescriptions(
        stores=(
            StoreDescription(
                name="paris",
                site="cloud",
                endpoint="https://s3.example.org",
                region="r",
                addressing="path",
                bucket="",
                access_key="k",
                has_ca=False,
                capacity_bytes=0,
                is_added=True,
            ),
        )
    ),
    links=(
        link("edge", "cloud", 1e6),
        link("edge", "lab", 1e8, 0.1),
        link("lab", "cloud", 1e8),
        link("cloud", "edge", 1e6),
        link("cloud", "lab", 1e8),
        link("lab", "edge", 1e8),
    ),
)
HERE, PARIS = parse_place("s3://b"), parse_place("paris:bucket")


def test_the_name_space_is_read_through_a_third_site_when_that_is_faster():
    path = find_path(HERE, "cloud", Named(), AROUND, ["edge", "lab", "cloud"])
    assert (path.sites, path.relay) == (("edge", "lab", "cloud"), "lab")


def test_the_direct_way_is_taken_when_it_is_cheaper_or_the_third_site_has_no_gateway():
    cheapest = Named(preference=Preference.CHEAPEST)
    assert find_path(HERE, "cloud", cheapest, AROUND, ["edge", "lab", "cloud"]).relay == ""
    assert find_path(HERE, "cloud", Named(), AROUND, ["edge", "cloud"]).relay == ""


def test_other_stores_are_read_directly():
    assert find_path(PARIS, "edge", Named(), AROUND, ["edge", "lab", "cloud"]).sites == ("cloud", "edge")


def test_nothing_is_said_of_links_that_are_not_known():
    assert find_path(HERE, "elsewhere", Named(), AROUND, ["edge"]) is None
    assert find_path(HERE, "edge", Named(), AROUND, ["edge"]) is None
