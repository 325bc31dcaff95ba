"""The list of runs in the hub's database."""

import msgspec
import pytest

from continuum.workflow.runs import SILENT_AFTER_S, RunEntry, RunRegistry


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def registry(tmp_path, clock):
    registry = RunRegistry(f"sqlite:///{tmp_path}/hub.sqlite", clock=clock)
    registry.open()
    yield registry
    registry.close()


def entry(run_id: str = "fit-1", **changes) -> RunEntry:
    return RunEntry(
        **{
            "run_id": run_id,
            "name": "fit",
            "application": "fit.py",
            "state": "running",
            "started_at": 1.0,
            **changes,
        }
    )


def test_the_newest_run_comes_first_and_the_latest_word_counts(registry):
    registry.note(entry("fit-1", started_at=1.0))
    registry.note(entry("fit-2", started_at=2.0))
    registry.note(entry("fit-1", started_at=1.0, state="succeeded", tasks=3))
    found = registry.latest()
    assert [run.run_id for run in found] == ["fit-2", "fit-1"]
    assert (found[1].state, found[1].tasks) == ("succeeded", 3)


def test_runs_are_found_by_name_or_id(registry):
    registry.note(entry("fit-1"))
    registry.note(entry("map-1", name="map"))
    assert [run.run_id for run in registry.latest(wanted="map")] == ["map-1"]
    assert [run.run_id for run in registry.latest(wanted="fit-1")] == ["fit-1"]
    assert registry.latest(wanted="none") == ()


def test_a_run_whose_driver_falls_silent_is_lost(registry, clock):
    registry.note(entry())
    clock.now += SILENT_AFTER_S - 1
    assert registry.latest()[0].state == "running"
    clock.now += 2
    assert registry.latest()[0].state == "lost"


def test_a_run_that_has_ended_may_be_silent(registry, clock):
    registry.note(entry(state="failed", reason="no"))
    clock.now += 1_000_000
    assert registry.latest()[0].state == "failed"


def test_silence_while_the_hub_was_down_does_not_count(tmp_path, registry, clock):
    registry.note(entry())
    clock.now += 100
    again = RunRegistry(f"sqlite:///{tmp_path}/hub.sqlite", clock=clock)
    again.open()
    assert again.latest()[0].state == "running"
    again.close()


def test_what_a_driver_says_of_the_time_it_was_heard_is_not_believed(registry, clock):
    registry.note(msgspec.structs.replace(entry(), heard_at=9e9))
    assert registry.latest()[0].heard_at == clock.now
