"""`continuum run forget`: what has ended goes, what goes on stays, and a plan removes nothing."""

import os
import time

import pytest
from typer.testing import CliRunner

from continuum.cli.main import cli
from continuum.model.errors import ConflictError, InvalidInputError
from continuum.workflow.journals import Journal, RunSummary, start_of
from continuum.workflow.keeping import lock_run

DAY_S = 86_400.0


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """A home with an old run, a new one, and one that goes on."""
    monkeypatch.setenv("CONTINUUM_HOME", str(tmp_path))
    folder = tmp_path / "runs"
    keep(folder, "old", "failed", 40)
    keep(folder, "new", "succeeded", 1)
    keep(folder, "alive", "running", 50)
    return folder


def keep(runs, name, state, days):
    began = time.time() - days * DAY_S
    summary = RunSummary(
        run_id=name,
        name=name,
        application="app.py",
        arguments=(),
        state=state,
        started_at=began,
        home_site="local",
        driver_pid=os.getpid(),
        driver_start=start_of(os.getpid()),
    )
    with Journal(runs / name) as journal:
        journal.write_summary(summary)
    (runs / name / "memory.log").write_bytes(bytes(2000))


def forget(*words):
    done = CliRunner().invoke(cli, ["run", "forget", *words], catch_exceptions=False, standalone_mode=False)
    return done.output


def names(runs):
    return {path.name for path in runs.iterdir()}


def test_a_run_is_forgotten_by_its_name_once_it_was_planned(runs):
    assert "run old (failed, " in forget("old", "--plan")
    assert "would be forgotten" in forget("old", "--plan")
    assert names(runs) == {"old", "new", "alive"}
    assert "is forgotten" in forget("old")
    assert names(runs) == {"new", "alive"}


def test_all_that_are_older_are_forgotten_but_what_goes_on(runs):
    assert forget("--older", "30d").count("is forgotten") == 1
    assert names(runs) == {"new", "alive"}
    assert forget("--older", "30d") == "there are no such runs\n"


def test_what_goes_on_or_is_being_resumed_is_not_forgotten(runs):
    with pytest.raises(ConflictError, match="the run alive is running"):
        forget("alive")
    lock = lock_run(runs / "old", "old")
    with pytest.raises(ConflictError, match="another process drives the run old"):
        forget("old")
    os.close(lock)
    assert names(runs) == {"old", "new", "alive"}


@pytest.mark.parametrize("words", [(), ("old", "--older", "30d"), ("--older", "soon")])
def test_it_is_said_which_runs(runs, words):
    with pytest.raises(InvalidInputError):
        forget(*words)
