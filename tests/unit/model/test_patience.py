"""For how long a silent site is worth waiting for."""

import pytest

from continuum.model.patience import find_patience_s
from continuum.model.placement import History
from continuum.model.tasks import Datum, Task


def task(function):
    return Task(1, function, (), ())


def datum(function):
    made = Datum("d1")
    made.producer = task(function)
    return made


@pytest.fixture
def history():
    known = History()
    for function, run_s in (("short", 0.5), ("long", 40.0), ("endless", 900.0)):
        known.add(function, "edge", run_s)
    return known


@pytest.mark.parametrize(
    ("running", "data", "expected_s"),
    [
        ([], [], 0.0),
        (["short"], [], 0.5),
        (["short", "long", "short"], [], 40.0),
        (["endless"], [], 120.0),
        (["short", "never seen"], [], 120.0),
        ([], ["long"], 20.0),
        (["long"], ["long", "long"], 80.0),
        ([], ["short"] * 100_000, 120.0),
    ],
)
def test_a_site_is_worth_as_long_as_it_takes_to_do_again_what_it_has(history, running, data, expected_s):
    found = find_patience_s("edge", map(task, running), map(datum, data), history, units=2, limit_s=120.0)
    assert found == pytest.approx(expected_s)


def test_what_the_program_brought_costs_nothing_to_make_again(history):
    assert find_patience_s("edge", [], [Datum("d1")], history, units=1) == 0
