"""What there is to see of a run while it goes on."""

import io
from pathlib import Path

import journaled
import msgspec
import pytest
from rich.console import Console

from continuum.cli.run.screens import line, screen
from continuum.cli.run.views import FunctionView, Pace, SiteView, Tally, View, view_summary
from continuum.model import stories
from continuum.model.errors import InvalidInputError
from continuum.model.tasks import Problem
from continuum.workflow.following import JournalTail, last_lines
from continuum.workflow.journals import FunctionSummary, Journal, SiteSummary


def view_after(count: int) -> View:
    tally = Tally()
    tally.add(journaled.records()[:count])
    return tally.view(2.0, "running")


def test_a_tally_follows_a_run_record_by_record():
    before = view_after(7)
    assert before.functions == (FunctionView("load", 0, 2, 0, 0, 0), FunctionView("join", 1, 0, 0, 0, 0))
    assert [(site.name, site.busy, site.queued) for site in before.sites] == [("edge", 1, 0), ("cloud", 1, 0)]
    after = view_after(99)
    assert (after.done, after.total, after.failed, after.moved_bytes) == (4, 4, 0, 2_000_000)
    assert after.failures == ("00:16:43 task 2 (load) at cloud: ValueError: <no>; it is tried again",)
    assert {site.name: site.done for site in after.sites} == {"edge": 3, "cloud": 1}


def test_a_lost_site_is_told_and_its_tasks_are_nowhere():
    tally = Tally()
    tally.add([*journaled.records()[:7], stories.SiteLost(at=1002, site="cloud", reason="silence")])
    (_, cloud) = tally.view(2.0, "running").sites
    assert (cloud.is_lost, cloud.busy) == (True, 0)
    assert "cloud: 0 done, lost" in line(tally.view(2.0, "running"))


def test_the_time_left_follows_from_the_rate_of_the_last_seconds():
    pace = Pace()

    def at(elapsed_s: float, done: int) -> View:
        return pace.note(View((FunctionView("f", 100 - done, 0, 0, done, 0),), (), elapsed_s))

    assert at(0.0, 0).left_s == -1.0
    assert at(10.0, 20).rate == 2.0
    assert at(10.0, 20).left_s == 40.0
    assert at(40.0, 50).rate == pytest.approx(1.0)  # the first ten seconds are forgotten
    assert at(90.0, 100).left_s == -1.0


def shown(view: View, width: int, height: int) -> list[str]:
    console = Console(width=width, height=height, file=io.StringIO(), color_system=None)
    console.print(screen(view, width, height))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


MANY = View(
    tuple(FunctionView(f"function_with_a_long_name_{n}", n % 7 == 0, 0, 0, 5, 0) for n in range(40)),
    tuple(SiteView(f"site{n}", 8, 3, 2, 100, 10**9, is_lost=n == 1) for n in range(3)),
    12.0,
    rate=3.2,
    left_s=65.0,
    failures=("12:00:00 task 3 (f): " + "no " * 100,),
)


@pytest.mark.parametrize(("width", "height"), [(200, 50), (80, 24), (60, 20), (40, 10), (30, 6)])
def test_whatever_the_terminal_the_table_fits_it(width: int, height: int) -> None:
    lines = shown(MANY, width, height)
    assert len(lines) <= height
    assert all(len(each) <= width for each in lines)
    assert "done" in lines[0]


def test_a_usual_terminal_shows_functions_sites_failures_and_numbers():
    text = "\n".join(shown(MANY, 120, 30))
    for wanted in (
        "3 of 8",
        "lost",
        "1 GB",
        "task 3 (f): no",
        "200 of 206 tasks done",
        "about 1 min 5 s left",
    ):
        assert wanted in text
    assert "function_with_a_long_name_35" in text  # has something to do
    assert "and " in text


def test_a_summary_of_another_machine_can_be_seen_too():
    summary = msgspec.structs.replace(
        journaled.SUMMARY,
        functions=(FunctionSummary(name="load", tasks={"finished": 3, "running": 1, "failed": 1}),),
        sites=(SiteSummary(name="edge", computing_units=4, tasks=3, moved_bytes=5),),
        problems=(Problem(task_id=7, function="load", kind="raised", message="no"),),
    )
    view = view_summary(summary, 0.0)
    assert view.functions == (FunctionView("load", 0, 0, 1, 3, 1),)
    assert view.failures == ("task 7 (load): no",)
    assert "? of 4" in "\n".join(shown(view, 100, 30))


def test_a_tail_reads_what_was_added_and_waits_for_whole_lines(tmp_path: Path):
    tail = JournalTail(tmp_path)
    assert tail.read() == []
    records = journaled.records()
    with Journal(tmp_path) as journal:
        journal.add(records[:3])
        journal.flush()
        assert tail.read() == records[:3]
        assert tail.read() == []
    path = tmp_path / "journal.jsonl"
    line_ = msgspec.json.encode(records[3])
    with path.open("ab") as file:
        file.write(line_[:20])
    assert tail.read() == []
    with path.open("ab") as file:
        file.write(line_[20:] + b"\n")
    assert tail.read() == [records[3]]
    with path.open("ab") as file:
        file.write(b"nonsense\n")
    with pytest.raises(InvalidInputError, match="damaged"):
        tail.read()


def test_the_last_failures_are_found_at_the_end_of_a_journal(tmp_path: Path):
    with Journal(tmp_path) as journal:
        journal.add(journaled.records() * 5)
    found = last_lines(tmp_path, b'"event":"failed"', 3)
    assert [type(each) for each in found] == [stories.Failed] * 3
    assert last_lines(tmp_path, b'"event":"failed"', 3, within_bytes=300) == []
    assert last_lines(tmp_path / "none", b"x", 3) == []
