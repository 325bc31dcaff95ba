"""Which way bytes come that lie where nobody can connect to."""

import pytest

from continuum.model.objects import Store
from continuum.model.sites import Reach
from continuum.store.gateway.exporting import Route, plan_route


def store(site: str, reach: Reach = Reach.ANY, *, is_added: bool = False, bucket: str = "b") -> Store:
    return Store(
        name=f"store.{site}",
        site=site,
        endpoint="https://there",
        region="r",
        bucket=bucket,
        access_key="a",
        secret_key="s",
        reach=reach,
        is_added=is_added,
    )


EDGE, LAB, CLOUD, HUB = store("edge", Reach.SITE), store("lab", Reach.SITE), store("cloud"), store("hub")
STORES = {each.name: each for each in (EDGE, LAB, CLOUD, HUB)}


@pytest.mark.parametrize(
    ("holding", "own", "expected"),
    [
        (["edge"], CLOUD, Route(sources=("edge",), is_direct=True, relays=("hub",))),
        (["edge", "lab"], CLOUD, Route(sources=("edge", "lab"), is_direct=True, relays=("hub",))),
        (["edge"], LAB, Route(sources=("edge",), is_direct=False, relays=("cloud", "hub"))),
        (["edge", "cloud"], CLOUD, Route(sources=("edge",), is_direct=False, relays=("hub",))),
        (["edge"], EDGE, None),
        (["hub"], CLOUD, None),
        (["nowhere"], CLOUD, None),
    ],
)
def test_bytes_come_straight_into_the_own_store_or_by_a_third_site(holding, own, expected):
    assert plan_route([f"store.{site}" for site in holding], STORES, own) == expected


def test_stores_that_do_not_answer_or_for_which_nobody_speaks_pass_nothing_on():
    stores = STORES | {"added": store("s3", is_added=True), "bare": store("bare", bucket="")}
    route = plan_route(["store.edge"], stores, LAB, unavailable={"store.cloud"})
    assert route == Route(sources=("edge",), is_direct=False, relays=("hub",))


def test_two_sites_out_of_reach_have_no_way_without_a_third():
    assert plan_route(["store.edge"], {EDGE.name: EDGE, LAB.name: LAB}, LAB) == Route(
        sources=("edge",), is_direct=False, relays=()
    )
