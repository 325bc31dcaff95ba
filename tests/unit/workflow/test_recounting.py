"""What a journal tells of a run whose summary says nothing yet."""

from continuum.model import stories
from continuum.workflow.journals import LOST, RUNNING, SUCCEEDED, Journal, RunSummary
from continuum.workflow.recounting import with_counts

SUBMITTED = [
    stories.Submitted(at=1.0, task=number, function=name) for number, name in enumerate("fffg", start=1)
]
RECORDS = [
    stories.SiteJoined(at=1.0, site="edge", computing_units=2),
    *SUBMITTED,
    stories.Placed(at=1.0, task=1, attempt=1, site="edge", reason="near"),
    stories.Placed(at=1.0, task=2, attempt=1, site="edge", reason="near"),
    stories.Finished(at=2.0, task=1, attempt=1, site="edge", run_s=0.5, moved_bytes=10),
    stories.Started(at=2.0, task=2, attempt=1),
    stories.Cancelled(at=2.0, task=4, reason="its input"),
]


def counted(folder, state):
    with Journal(folder) as journal:
        journal.add(RECORDS)
    head = RunSummary(
        run_id="fit-1", name="fit", application="a.py", arguments=(), state=state, started_at=1.0
    )
    return with_counts(head, folder)


def tasks(summary):
    return {function.name: function.tasks for function in summary.functions}


def test_a_run_that_goes_on_shows_what_its_tasks_do_now(tmp_path):
    found = counted(tmp_path, RUNNING)
    assert tasks(found) == {"f": {"finished": 1, "running": 1, "waiting": 1}, "g": {"cancelled": 1}}
    [edge] = found.sites
    assert (edge.tasks, edge.run_s, edge.moved_bytes, edge.computing_units) == (1, 0.5, 10, 2)
    assert found.moved_bytes == 10


def test_a_lost_run_shows_what_was_finished_before(tmp_path):
    assert tasks(counted(tmp_path, LOST)) == {"f": {"finished": 1, "lost": 2}, "g": {"cancelled": 1}}


def test_the_summary_of_a_run_that_has_ended_stays_as_it_is(tmp_path):
    assert counted(tmp_path, SUCCEEDED).functions == ()
