"""What explanations say of guesses, of sites that failed before, and of next to no time."""

import pytest

from continuum.model.placement import History, Links, SiteLoad, Strategy, choose_site
from continuum.model.stories import format_seconds
from continuum.model.tasks import Task

SITES = {name: SiteLoad(name=name, computing_units=1) for name in ("cloud", "edge")}


def choose(task, history):
    return choose_site(task, SITES, history, links=Links(), strategy=Strategy())


def test_a_duration_that_nobody_has_measured_is_said_to_be_assumed():
    history = History()
    assert all(row.is_assumed for row in choose(Task(1, "f"), history).table)
    history.add("f", "edge", 0.2)
    assert not any(row.is_assumed for row in choose(Task(2, "f"), history).table)


def test_the_only_site_that_is_left_is_named_with_the_one_that_failed():
    task = Task(1, "f")
    task.tried = ("edge",)
    assert choose(task, History()).reason == (
        "the only site that can run it besides edge, where it failed before"
    )


@pytest.mark.parametrize(("seconds", "text"), [(0.0, "0 s"), (0.00001, "< 0.1 ms"), (0.0004, "0.4 ms")])
def test_next_to_no_time_is_not_told_as_zero_milliseconds(seconds, text):
    assert format_seconds(seconds) == text
