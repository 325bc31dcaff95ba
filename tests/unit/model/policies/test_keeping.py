"""For how long copies are kept, and what that costs against somebody who knows the future."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from continuum.model.policies.documents import Admission, CacheRule, Effective, Keeping, Placing
from continuum.model.policies.histograms import BIN_COUNT, EDGES_S, Sample, find_best_ttl, find_bin
from continuum.model.policies.keeping import Statistics, choose_lifetime, extend
from continuum.model.policies.prices import FOR_EVER, Prices
from continuum.model.policies.simulating import Request, Simulation, summarise

DAY_S = 86_400.0
EVEN_S = DAY_S
PRICES = Prices(storage_eur_per_gb_month=0.6, transfer_eur_per_gb=0.02)  # T_even is a day
SITES = {name: {"site": name} for name in ("cloud", "edge", "far")}
GAPS_S = st.one_of(
    st.floats(1.0, 3 * DAY_S), st.sampled_from([0.5 * DAY_S, 0.999 * DAY_S, DAY_S, 1.001 * DAY_S])
)


def cost(policy: Effective, requests: list[Request]) -> tuple[float, float]:
    outcome = Simulation(lambda _bucket, _key: policy, PRICES, SITES, home="cloud").run(requests)
    summary = summarise("", outcome)
    return summary.total_eur, summary.optimum_eur


def reads(gaps_s: list[float], *, key: str = "k", size_bytes: int = 10**9, at: float = 0.0) -> list[Request]:
    requests = [Request(at, "PUT", "b", key, size_bytes, 0, "cloud")]
    for gap_s in gaps_s:
        at += gap_s
        requests.append(Request(at, "GET", "b", key, size_bytes, 0, "edge"))
    return requests


@given(gaps_s=st.lists(GAPS_S, min_size=1, max_size=40), tail_s=st.floats(0, 3 * DAY_S))
def test_t_even_never_costs_more_than_twice_the_optimum(gaps_s: list[float], tail_s: float) -> None:
    trace = reads(gaps_s)
    trace.append(Request(trace[-1].at + tail_s, "DELETE", "b", "k", 0, 0, "cloud"))
    paid, optimum = cost(Effective(keeping=Keeping.T_EVEN), trace)
    assert optimum <= paid * (1 + 1e-9)
    assert paid <= 2 * optimum * (1 + 1e-9)


@settings(max_examples=60, deadline=None)
@given(
    objects=st.lists(st.lists(GAPS_S, min_size=1, max_size=12), min_size=1, max_size=12),
    policy=st.sampled_from([Keeping.COMBINED, Keeping.T_EVEN]),
)
def test_combined_never_costs_an_object_more_than_three_times_its_optimum(
    objects: list[list[float]], policy: Keeping
) -> None:
    trace = [request for number, gaps in enumerate(objects) for request in reads(gaps, key=str(number))]
    trace.sort(key=lambda request: request.at)
    chosen = Effective(keeping=policy)
    outcome = Simulation(lambda _bucket, _key: chosen, PRICES, SITES, home="cloud").run(trace)
    assert all(each.total_eur <= 3 * each.optimum_eur * (1 + 1e-9) for each in outcome.objects.values())


@settings(max_examples=25, deadline=None)
@given(
    median_s=st.floats(60.0, 5 * DAY_S),
    spread=st.floats(0.1, 2.5),
    again=st.floats(0.0, 0.95),
    seed=st.integers(0, 10**6),
)
def test_combined_costs_at_most_twice_the_optimum_on_random_traces(
    median_s: float, spread: float, again: float, seed: int
) -> None:
    chance = random.Random(seed)
    trace: list[Request] = []
    for number in range(60):
        gaps_s = [1.0]
        while chance.random() < again and len(gaps_s) < 30:
            gaps_s.append(median_s * chance.lognormvariate(0.0, spread))
        at = chance.uniform(0.0, 20 * DAY_S)
        trace += reads(gaps_s, key=str(number), at=at)
    trace.sort(key=lambda request: request.at)
    paid, optimum = cost(Effective(keeping=Keeping.COMBINED), trace)
    assert optimum * (1 - 1e-9) <= paid <= 2 * optimum


@given(
    requests=st.lists(
        st.tuples(
            st.floats(0, 9 * DAY_S),
            st.sampled_from(["GET", "GET", "PUT", "DELETE", "HEAD"]),
            st.integers(0, 10**9),
            st.sampled_from(["cloud", "edge", "far"]),
        ),
        max_size=30,
    ),
    keeping=st.sampled_from(sorted(Keeping)),
    admission=st.sampled_from(sorted(Admission)),
)
def test_nothing_costs_less_than_the_optimum(
    requests: list[tuple[float, str, int, str]], keeping: Keeping, admission: Admission
) -> None:
    trace = [
        Request(at, operation, "b", "k", 10**9, part, site) for at, operation, part, site in sorted(requests)
    ]
    paid, optimum = cost(Effective(keeping=keeping, admission=admission), trace)
    assert paid >= optimum * (1 - 1e-9)


def test_replicating_everything_is_paid_for() -> None:
    trace = [*reads([1.0]), Request(DAY_S, "DELETE", "b", "k", 0, 0, "cloud")]
    paid, optimum = cost(Effective(placement=Placing.REPLICATE_ALL), trace)
    assert paid == pytest.approx(2 * 0.02 + 2 * 0.02)  # two further sites: transfer, and a day of storage
    assert optimum == pytest.approx(0.02)


# ---- what is learnt ----


def sample(**counts: dict[float, float]) -> Sample:
    made = Sample()
    for name, values in counts.items():
        for gap_s, count in values.items():
            getattr(made, name)[find_bin(gap_s)] += count
    return made


def test_objects_that_are_never_read_again_are_not_kept() -> None:
    assert find_best_ttl(sample(waiting={5 * DAY_S: 100}, reads={40_000: 1}), EVEN_S) == 0.0


def test_objects_that_are_read_again_soon_are_kept_until_then() -> None:
    best_s = find_best_ttl(sample(reads={3000: 50}, waiting={5 * DAY_S: 50}), EVEN_S)
    assert best_s is not None
    assert 3000 <= best_s < 4500


def test_objects_that_are_always_read_again_are_kept_to_the_end() -> None:
    assert find_best_ttl(sample(reads={0.9 * DAY_S: 100}), EVEN_S) == EVEN_S


def test_of_little_nothing_is_concluded() -> None:
    assert find_best_ttl(sample(reads={60: 3}), EVEN_S) is None


def test_young_objects_are_no_evidence_that_they_are_never_read_again() -> None:
    best_s = find_best_ttl(sample(reads={3000: 20}, waiting={10: 500}), EVEN_S)
    assert best_s is not None
    assert best_s >= 3000


def test_bins_hold_what_is_up_to_their_edge() -> None:
    assert (find_bin(0.0), find_bin(1.0), find_bin(1e12)) == (0, 0, BIN_COUNT - 1)
    assert all(find_bin(edge_s * 0.999) == number for number, edge_s in enumerate(EDGES_S))


# ---- decisions ----


def choose(policy: Effective, *, cache: CacheRule | None = None, times: int = 1) -> float:
    statistics = Statistics()
    for number in range(times):
        track = statistics.take_read("v", number * 60.0, 1.0, EVEN_S, size_bytes=1)
    return choose_lifetime(policy, cache, track, statistics, now=times * 60.0, even_s=EVEN_S).ttl_s


def test_each_way_of_keeping_gives_its_lifetime() -> None:
    assert choose(Effective()) == 0
    assert choose(Effective(keeping=Keeping.ALWAYS)) == FOR_EVER
    assert choose(Effective(keeping=Keeping.FIXED_TTL, ttl="2h")) == 7200
    assert choose(Effective(keeping=Keeping.T_EVEN)) == EVEN_S
    assert choose(Effective(keeping=Keeping.COMBINED)) == EVEN_S  # nothing is known yet
    assert choose(Effective(), cache=CacheRule(where={"site": "edge"}, ttl="7d")) == 7 * DAY_S


def test_second_hit_makes_no_copy_at_the_first_read() -> None:
    policy = Effective(keeping=Keeping.ALWAYS, admission=Admission.SECOND_HIT)
    assert (choose(policy), choose(policy, times=2)) == (0, FOR_EVER)


def test_a_range_earns_its_share_of_the_lifetime() -> None:
    assert extend(100.0, 50.0, 40.0, 1.0) == 90.0
    assert extend(60.0, 50.0, 40.0, 0.5) == 80.0
    assert extend(85.0, 50.0, 40.0, 0.5) == 90.0


def test_of_too_many_objects_the_least_recently_read_are_forgotten() -> None:
    statistics = Statistics(max_tracks=2)
    for name in "abc":
        statistics.take_read(name, 1.0, 1.0, EVEN_S, size_bytes=1)
    assert statistics.find("a") is None
    assert statistics.find("c") is not None
