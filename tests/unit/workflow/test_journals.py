"""Journals: what is written is read again, whatever happened to the driver."""

import errno
import os
from pathlib import Path

import pytest

from continuum.model import stories
from continuum.model.errors import InvalidInputError, NotFoundError, UnavailableError
from continuum.workflow.journals import (
    DAMAGED,
    LOST,
    RUNNING,
    SUCCEEDED,
    Journal,
    RunSummary,
    find_folder,
    list_summaries,
    read_records,
    read_summary,
    start_of,
)

RECORDS = [
    stories.SiteJoined(at=1.0, site="edge", computing_units=2),
    stories.Submitted(at=2.0, task=1, function="f", reads=("d1v1",), call="f(1)"),
    stories.Placed(
        at=3.0, task=1, attempt=1, site="edge", reason="near", table=(stories.Row(site="edge", move_s=0.5),)
    ),
    stories.Finished(at=4.0, task=1, attempt=1, site="edge", run_s=0.1),
]


def summary(run_id: str, **changes) -> RunSummary:
    return RunSummary(
        **{
            "run_id": run_id,
            "name": run_id.partition("-")[0],
            "application": "app.py",
            "arguments": (),
            "state": SUCCEEDED,
            "started_at": 1.0,
            "driver_pid": os.getpid(),
            **changes,
        }
    )


def write(runs, *summaries: RunSummary) -> None:
    for each in summaries:
        with Journal(runs / each.run_id) as journal:
            journal.write_summary(each)


def test_records_are_read_as_they_were_written(tmp_path):
    with Journal(tmp_path / "run") as journal:
        journal.add(RECORDS)
    assert list(read_records(tmp_path / "run")) == RECORDS


def test_a_line_that_was_cut_off_is_left_out(tmp_path):
    with Journal(tmp_path) as journal:
        journal.add(RECORDS)
    file = tmp_path / "journal.jsonl"
    file.write_bytes(file.read_bytes()[:-5])
    assert list(read_records(tmp_path)) == RECORDS[:-1]


def test_a_damaged_journal_is_said_to_be_damaged(tmp_path):
    (tmp_path / "journal.jsonl").write_text('{"event":"unheard of"}\n')
    with pytest.raises(InvalidInputError, match="damaged"):
        list(read_records(tmp_path))


def test_a_run_without_records_has_none(tmp_path):
    assert list(read_records(tmp_path)) == []


def test_a_running_run_whose_driver_is_dead_is_lost(tmp_path):
    write(tmp_path, summary("a-1", state=RUNNING), summary("b-1", state=RUNNING, driver_pid=2**22 + 1))
    assert read_summary(tmp_path / "a-1").state == RUNNING
    assert read_summary(tmp_path / "b-1").state == LOST


def test_runs_are_found_by_id_beginning_name_and_last(tmp_path):
    write(
        tmp_path,
        summary("fit-1", started_at=1.0),
        summary("fit-2", started_at=2.0),
        summary("map-3", started_at=1.5),
    )
    assert find_folder(tmp_path, "fit-1").name == "fit-1"
    assert find_folder(tmp_path, "fit").name == "fit-2"
    assert find_folder(tmp_path, "map-").name == "map-3"
    assert find_folder(tmp_path, "last").name == "fit-2"
    assert [each.run_id for each in list_summaries(tmp_path)] == ["fit-1", "map-3", "fit-2"]


@pytest.mark.parametrize("wanted", ["unknown", "../fit-1", "", "last"])
def test_a_run_that_is_not_there_is_not_found(tmp_path, wanted):
    with pytest.raises(NotFoundError):
        find_folder(tmp_path / "runs", wanted)
    if wanted != "last":
        write(tmp_path / "runs", summary("fit-1"))
        with pytest.raises(NotFoundError):
            find_folder(tmp_path / "runs", wanted)


def test_an_exact_name_wins_before_the_beginning_of_a_newer_id(tmp_path):
    write(tmp_path, summary("cc-1", started_at=1.0), summary("cc2-1", started_at=2.0))
    assert find_folder(tmp_path, "cc").name == "cc-1"
    assert find_folder(tmp_path, "cc2").name == "cc2-1"
    assert find_folder(tmp_path, "c").name == "cc2-1"


def test_a_damaged_summary_damages_no_other_run(tmp_path):
    write(tmp_path, summary("fit-1"), summary("map-1"))
    (tmp_path / "map-1" / "run.json").write_text("{")
    states = {each.run_id: each.state for each in list_summaries(tmp_path)}
    assert states == {"fit-1": SUCCEEDED, "map-1": DAMAGED}
    assert find_folder(tmp_path, "fit").name == "fit-1"
    with pytest.raises(InvalidInputError, match="damaged"):
        read_summary(tmp_path / "map-1")


def test_a_later_process_with_the_number_of_the_driver_is_not_the_driver(tmp_path):
    write(
        tmp_path,
        summary("a-1", state=RUNNING, driver_start=start_of(os.getpid())),
        summary("b-1", state=RUNNING, driver_start="1"),
    )
    assert read_summary(tmp_path / "a-1").state == RUNNING
    assert read_summary(tmp_path / "b-1").state == LOST


@pytest.fixture
def full_disk(monkeypatch):
    """Nothing can be written any more."""

    def refuse(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def fill():
        monkeypatch.setattr(os, "write", refuse)
        monkeypatch.setattr(Path, "write_bytes", refuse)

    return fill


def test_a_journal_on_a_full_disk_ends_and_what_was_written_stays(tmp_path, full_disk, caplog):
    journal = Journal(tmp_path)
    journal.add(RECORDS)
    journal.flush()
    full_disk()
    journal.add(RECORDS)
    journal.flush()
    journal.add(RECORDS)
    journal.close()
    assert list(read_records(tmp_path)) == RECORDS
    assert caplog.text.count("No space left on device") == 1


def test_a_summary_that_cannot_be_written_is_an_error_for_people(tmp_path, full_disk):
    journal = Journal(tmp_path)
    full_disk()
    with pytest.raises(UnavailableError, match="No space left on device") as problem:
        journal.write_summary(summary("fit-1"))
    assert "--home" in problem.value.hint
