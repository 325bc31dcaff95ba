"""What people type about workers, and which profile a task gets."""

import pytest

from continuum.model.errors import InvalidInputError
from continuum.model.pools import PoolRequest, Toleration, Volume, WorkerProfile
from continuum.model.profiles import TaskNeeds, apply_request, choose_profile, limits_of, why_not_fit
from continuum.model.requesting import make_request, parse_profile, parse_variables, parse_volume
from continuum.model.scaling import ScalingLimits

SMALL = WorkerProfile(name="small", units=1, memory_bytes=10**9, price_eur_per_h=0.1)
BIG = WorkerProfile(name="big", units=8, memory_bytes=16 * 10**9, price_eur_per_h=0.6)
GPU = WorkerProfile(name="gpu", units=8, memory_bytes=16 * 10**9, gpus=1, price_eur_per_h=0.5)
SSD = WorkerProfile(name="ssd", units=8, memory_bytes=16 * 10**9, labels={"storage_type": "SSD"})
ALL = (SMALL, BIG, GPU)


def test_a_request_says_what_was_typed():
    request = make_request(
        workers="0-4:60",
        units=2,
        memory="2G",
        image="localhost/mine:1",
        environment=["A=b=c"],
        volumes=["claim:data:/data:ro"],
        profile="big",
    )
    assert request == PoolRequest(
        least=0,
        most=4,
        idle_s=60,
        units=2,
        memory_bytes=2 * 10**9,
        image="localhost/mine:1",
        environment={"A": "b=c"},
        volumes=(Volume(kind="claim", name="data", path="/data", is_read_only=True),),
        profile="big",
    )


def test_a_request_of_nothing_is_the_default():
    assert make_request() == PoolRequest()


@pytest.mark.parametrize(
    "parts",
    [
        {"workers": "4-1"},
        {"workers": "many"},
        {"units": -1},
        {"units": 5000},
        {"memory": "lots"},
        {"image": "Not an image"},
        {"environment": ["=x"]},
        {"environment": ["NAME"]},
        {"volumes": ["secret:pool:/keys"]},
        {"volumes": ["host:/etc:/etc"]},
        {"volumes": ["claim:data:relative"]},
        {"volumes": ["claim:data:/a/../b"]},
        {"profile": "Big One"},
    ],
)
def test_what_means_nothing_is_refused(parts):
    with pytest.raises(InvalidInputError):
        make_request(**parts)


def test_a_refused_variable_is_not_shown_with_its_value():
    with pytest.raises(InvalidInputError) as refused:
        parse_variables(["PASS WORD=hunter2"])
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "volume"),
    [
        ("claim:data:/data", Volume(kind="claim", name="data", path="/data")),
        ("config:sets:/etc/sets", Volume(kind="config", name="sets", path="/etc/sets", is_read_only=True)),
        ("empty:2GiB:/scratch", Volume(kind="empty", path="/scratch", size_bytes=2 * 2**30)),
    ],
)
def test_volumes_are_told_by_their_kind(text, volume):
    assert parse_volume(text) == volume


def test_a_profile_says_what_was_typed():
    text = "name=gpu,units=4,memory=8G,gpus=1,selector=disk:ssd,taint=gpu::NoSchedule,taint=x,price=0.5,spot"
    assert parse_profile(text) == WorkerProfile(
        name="gpu",
        units=4,
        memory_bytes=8 * 10**9,
        gpus=1,
        node_selector={"disk": "ssd"},
        tolerations=(Toleration(key="gpu", effect="NoSchedule"), Toleration(key="x")),
        price_eur_per_h=0.5,
        is_spot=True,
    )


@pytest.mark.parametrize(
    "text", ["", "name", "name=A", "units=0", "units=2,units=3", "price=-1", "taint=x:y:Never", "colour=red"]
)
def test_what_is_no_profile_is_refused(text):
    with pytest.raises(InvalidInputError):
        parse_profile(text)


@pytest.mark.parametrize(
    ("needs", "name"),
    [
        (TaskNeeds(), "big"),  # an eighth of 0.6 EUR/h is less than 0.1
        (TaskNeeds(memory_bytes=10**9), "big"),
        (TaskNeeds(units=8), "big"),  # without a GPU that nobody asked for, although it is dearer
        (TaskNeeds(gpus=1), "gpu"),
        (TaskNeeds(units=9), None),
        (TaskNeeds(memory_bytes=10**12), None),
        (TaskNeeds(labels=(("storage_type", "ssd"),)), None),
    ],
)
def test_a_task_gets_the_profile_that_fits_it_best(needs, name):
    chosen = choose_profile(needs, ALL)
    assert (chosen.profile.name if chosen.profile else None) == name


def test_who_fits_nowhere_is_told_what_each_profile_lacks():
    reason = choose_profile(TaskNeeds(units=9), (SMALL, GPU)).reason
    assert reason == "small: needs 9 computing units, has 1; gpu: needs 9 computing units, has 8"


def test_labels_are_compared_whatever_their_case():
    assert not why_not_fit(TaskNeeds(labels=(("storage_type", "ssd"),)), SSD)


def test_a_run_changes_the_profiles_for_itself():
    (changed,) = apply_request(ALL, PoolRequest(profile="big", units=2, memory_bytes=5))
    assert (changed.name, changed.units, changed.memory_bytes) == ("big", 2, 5)
    assert apply_request(ALL, PoolRequest(profile="none")) == ()
    assert apply_request(ALL, PoolRequest()) == ALL


def test_a_run_gets_no_more_workers_than_the_site_allows():
    usual = ScalingLimits(least=1, most=4, idle_s=30)
    assert limits_of(PoolRequest(), usual) == usual
    assert limits_of(PoolRequest(least=2, most=9), usual) == ScalingLimits(least=2, most=4, idle_s=30)
    assert limits_of(PoolRequest(least=0, most=2, idle_s=5), usual) == ScalingLimits(
        most=2, least=0, idle_s=5
    )
