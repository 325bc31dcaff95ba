"""How many tasks go to a worker at once."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from continuum.workflow.engines.batches import (
    MAX_BATCH,
    OVERHEAD_S,
    UNKNOWN_S,
    WINDOW_S,
    Durations,
    choose_batch,
    has_room,
    is_quick,
)


@pytest.mark.parametrize(
    ("queued", "workers", "load_s", "expected_s", "batch"),
    [
        (10_000, 2, 0.0, 0.000_02, MAX_BATCH),
        (10_000, 2, 0.0, 0.001, 10),
        (10_000, 2, 0.004, 0.001, 6),
        (10, 2, 0.0, 0.001, 5),
        (3, 2, 0.0, 0.001, 2),
        (1, 8, 0.0, 0.001, 1),
        (100, 2, 0.010, 0.001, 1),
    ],
)
def test_a_worker_gets_its_window_or_its_part_of_the_rest(queued, workers, load_s, expected_s, batch):
    assert choose_batch(queued, workers, load_s, expected_s) == batch


@given(
    st.integers(1, 100_000),
    st.integers(1, 64),
    st.floats(0, WINDOW_S),
    st.floats(OVERHEAD_S, 0.005),
)
def test_a_batch_is_never_empty_nor_more_than_there_is_nor_longer_than_the_window(
    queued, workers, load_s, expected_s
):
    batch = choose_batch(queued, workers, load_s, expected_s)
    assert 1 <= batch <= min(queued, MAX_BATCH)
    assert batch == 1 or load_s + batch * expected_s <= WINDOW_S * 1.000001


def test_what_is_unknown_goes_alone():
    durations = Durations()
    assert durations.expected("f") == UNKNOWN_S
    assert not is_quick(durations.expected("f"))


def test_a_mean_follows_what_is_seen_but_hardly_believes_an_outlier():
    durations = Durations()
    for _ in range(10):
        durations.add("f", 0.000_1)
    durations.add("f", 60.0)
    assert is_quick(durations.expected("f"))
    for _ in range(200):
        durations.add("f", 1.0)
    assert durations.expected("f") == pytest.approx(1.0, rel=0.05)


def test_a_busy_worker_has_room_when_less_than_half_of_its_window_is_left():
    assert has_room(0.004, 10)
    assert not has_room(0.006, 10)
    assert not has_room(0.001, MAX_BATCH)
