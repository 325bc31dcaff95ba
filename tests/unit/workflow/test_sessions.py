"""Sessions on this machine alone: how they begin and end when the home cannot be written."""

import errno
import json
import os
from pathlib import Path

import pytest

from continuum.model.errors import UnavailableError
from continuum.sites import Home
from continuum.workflow import RunOptions, Session


@pytest.fixture
def session(tmp_path):
    program = tmp_path / "app.py"
    program.write_text("pass\n")
    return Session(Home(tmp_path / "home"), program, (), RunOptions(is_local=True, computing_units=1))


@pytest.fixture
def full_disk(monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    return lambda: monkeypatch.setattr(Path, "write_bytes", refuse)


def test_a_run_that_begins_on_a_full_disk_is_refused_with_an_error_for_people(session, full_disk):
    full_disk()
    with pytest.raises(UnavailableError, match="No space left on device"):
        session.open()


def test_a_run_that_ends_on_a_full_disk_ends_with_a_warning(session, full_disk, caplog):
    session.open()
    session.end("succeeded", 0)
    full_disk()
    session.close()
    assert "No space left on device" in caplog.text


def test_a_run_that_is_left_at_once_is_kept_as_cancelled(session):
    session.open()
    session.abandon(130)
    kept = json.loads((session.folder / "run.json").read_bytes())
    assert (kept["state"], kept["exit_status"]) == ("cancelled", 130)
    session.close()


def test_a_run_that_has_ended_stays_so_when_its_process_is_hurried(session):
    session.open()
    session.end("succeeded", 0)
    session.abandon(130)
    assert json.loads((session.folder / "run.json").read_bytes())["state"] == "succeeded"
    session.close()
