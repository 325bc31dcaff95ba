"""Which sites need a copy, and which copy may go: never the last one, never one that is needed."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from continuum.model.policies.documents import CacheRule, Effective, Placing, Requirement
from continuum.model.policies.placing import find_reason_to_keep, plan_placement
from continuum.model.policies.prices import Prices, SiteFacts

SITES = {
    name: {"site": name, "region": region}
    for name, region in (("edge", "EU"), ("cloud", "EU"), ("far", "US"), ("lab", "EU"))
}
PRICES = Prices(sites={"cloud": SiteFacts(storage_eur_per_gb_month=0.01)})


def plan(policy: Effective, **given: object) -> tuple[str, ...]:
    settings = {"written_at": "edge", "home": "lab", "sites": SITES, "prices": PRICES, **given}
    return plan_placement(policy, **settings).sites  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("policy", "sites"),
    [
        (Effective(), ("edge",)),
        (Effective(placement=Placing.HOME), ("lab",)),
        (Effective(placement=Placing.PUSH, sites=("far", "edge")), ("edge", "far")),
        (Effective(placement=Placing.REPLICATE_ALL), ("edge", "cloud", "far", "lab")),
        (Effective(placement=Placing.SINGLE_REGION, sites=("far",)), ("far",)),
        (Effective(copies=2), ("edge", "cloud")),  # the cheapest
        (Effective(at_least=(Requirement(where={"region": "us"}),)), ("edge", "far")),
        (Effective(copies=2, at_least=(Requirement(where={"region": "EU"}),)), ("edge", "cloud")),
        (Effective(copies=2, cache=(CacheRule(where={"site": "cloud"}, ttl="7d"),)), ("edge", "far")),
    ],
)
def test_a_policy_names_the_sites_that_need_a_copy(policy: Effective, sites: tuple[str, ...]) -> None:
    assert plan(policy) == sites


def test_a_site_that_has_a_copy_is_preferred_so_that_asking_again_changes_nothing() -> None:
    assert plan(Effective(copies=2), holding={"edge", "far"}) == ("edge", "far")


def test_what_no_site_can_fulfil_is_said() -> None:
    policy = Effective(at_least=(Requirement(where={"region": "EU"}, copies=5),))
    found = plan_placement(policy, written_at="edge", home="lab", sites=SITES, prices=PRICES)
    assert (found.sites, found.unmet) == (
        ("edge", "cloud", "lab"),
        ("at least 5 at region EU: only 3 sites match",),
    )


POLICIES = st.builds(
    Effective,
    placement=st.sampled_from(sorted(Placing)),
    sites=st.lists(st.sampled_from([*SITES, "gone"]), min_size=1, max_size=3, unique=True).map(tuple),
    copies=st.integers(1, 6),
    at_least=st.lists(
        st.builds(
            Requirement,
            where=st.dictionaries(st.just("region"), st.sampled_from(["EU", "US", "XX"]), min_size=1),
            copies=st.integers(1, 3),
        ),
        max_size=2,
    ).map(tuple),
)


@given(
    policy=POLICIES,
    holding=st.lists(st.sampled_from(sorted(SITES)), min_size=1, max_size=5),
    seed=st.integers(0, 1000),
)
def test_whatever_goes_a_copy_is_left_and_all_that_was_needed_and_there(
    policy: Effective, holding: list[str], seed: int
) -> None:
    written_at, left = holding[0], list(holding)
    placement = plan_placement(
        policy, written_at=written_at, home="lab", sites=SITES, prices=PRICES, holding=holding
    )
    needed = set(placement.sites) & set(holding)
    for site in random.Random(seed).sample(holding, len(holding)):
        now = plan_placement(
            policy, written_at=written_at, home="lab", sites=SITES, prices=PRICES, holding=left
        )
        if not find_reason_to_keep(site, left, now):
            left.remove(site)
    assert left
    assert needed <= set(left)
