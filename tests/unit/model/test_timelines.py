"""What happened when, put together from the records of a run."""

from continuum.model import stories
from continuum.model.timelines import (
    CANCELLED,
    FAILED,
    FINISHED,
    IGNORED,
    QUEUED,
    RUNNING,
    Timeline,
    lanes_of,
)


def submitted(at: float, task: int, function: str = "f", reads=(), writes=()) -> stories.Submitted:
    return stories.Submitted(at=at, task=task, function=function, reads=reads, writes=writes)


def placed(at: float, task: int, site: str = "edge", attempt: int = 1) -> stories.Placed:
    return stories.Placed(at=at, task=task, attempt=attempt, site=site, reason="the only one")


def finished(at: float, task: int, **more) -> stories.Finished:
    values = {"attempt": 1, "site": "edge", "run_s": 1.0, "worker": "worker-1"} | more
    return stories.Finished(at=at, task=task, **values)


def failed(at: float, task: int, attempt: int = 1, decision: str = "it is tried again") -> stories.Failed:
    return stories.Failed(
        at=at, task=task, attempt=attempt, site="edge", kind="raised", message="no", decision=decision
    )


def test_a_task_is_queued_then_moves_its_inputs_then_runs():
    timeline = Timeline(
        [submitted(10, 1), placed(11, 1), finished(16.5, 1, started_at=15.0, move_s=2.0, moved_bytes=7)]
    )
    (only,) = timeline.tries
    instants = (only.placed_at, only.moving_at, only.started_at, only.ended_at)
    assert instants == (11.0, 13.0, 15.0, 16.0)
    assert (only.outcome, only.moved_bytes, timeline.calls[1].state) == (FINISHED, 7, FINISHED)


def test_a_clock_that_is_ahead_or_behind_cannot_put_a_start_where_it_is_impossible():
    ahead = Timeline([submitted(10, 1), placed(11, 1), finished(16, 1, started_at=99.0)])
    assert (ahead.tries[0].started_at, ahead.tries[0].ended_at) == (15.0, 16.0)
    behind = Timeline([submitted(10, 1), placed(11, 1), finished(16, 1, started_at=3.0)])
    assert behind.tries[0].started_at == 11.0


def test_journals_without_starts_are_read_too():
    timeline = Timeline([submitted(10, 1), placed(11, 1), finished(16, 1)])
    assert timeline.tries[0].started_at == 15.0


def test_each_try_stands_for_itself_and_a_better_place_before_the_start_replaces_the_first():
    timeline = Timeline(
        [
            submitted(0, 1),
            placed(1, 1, "edge"),
            placed(2, 1, "cloud"),
            failed(3, 1),
            placed(3, 1, "edge", attempt=2),
            finished(5, 1, attempt=2),
        ]
    )
    assert [(each.site, each.outcome) for each in timeline.tries] == [("cloud", FAILED), ("edge", FINISHED)]


def test_what_goes_on_has_no_end():
    timeline = Timeline(
        [
            submitted(0, 1),
            submitted(0, 2),
            placed(1, 1),
            placed(1, 2),
            stories.Started(at=2, task=1, attempt=1),
        ]
    )
    assert [(each.outcome, each.ended_at) for each in timeline.tries] == [(RUNNING, 0.0), (QUEUED, 0.0)]


def test_ignored_cancelled_and_lost_things_are_told_apart():
    timeline = Timeline(
        [
            stories.SiteJoined(at=0, site="edge", computing_units=4),
            submitted(0, 1),
            submitted(0, 2),
            submitted(0, 3),
            placed(1, 1),
            failed(2, 1, decision="ignored: the run goes on with defaults"),
            placed(2, 2),
            stories.Cancelled(at=3, task=2, reason="enough"),
            failed(3, 3, attempt=0, decision="given up"),
            stories.SiteLost(at=4, site="edge", reason="silence"),
        ]
    )
    assert [call.state for call in timeline.calls.values()] == [IGNORED, CANCELLED, FAILED]
    assert timeline.sites["edge"].is_lost
    assert timeline.sites["edge"].turns == [(0, "takes part"), (4, "lost: silence")]
    assert [failure.task for failure in timeline.failures] == [1, 3]


def test_a_run_that_was_resumed_keeps_what_was_done_before_its_driver_died():
    timeline = Timeline(
        [
            submitted(0, 1),
            submitted(0, 2),
            placed(1, 1),
            finished(2, 1),
            placed(2, 2),
            stories.Started(at=3, task=2, attempt=1),
            submitted(50, 1),
            stories.Remembered(at=50, task=1),
            submitted(50, 2),
            placed(51, 2),
            finished(53, 2),
        ]
    )
    assert [(each.outcome, each.ended_at) for each in timeline.tries] == [
        (FINISHED, 2.0),
        (CANCELLED, 50.0),
        (FINISHED, 53.0),
    ]
    assert [call.state for call in timeline.calls.values()] == [FINISHED, FINISHED]


def test_the_critical_path_of_a_resumed_run_goes_through_what_was_called_when_it_was_called_first():
    def calls(at):
        yield submitted(at, 1, writes=("d1v1",))
        yield submitted(at, 2, writes=("d2v1",))

    last = submitted(50, 3, reads=("d1v1", "d2v1"), writes=("d3v1",))
    timeline = Timeline(
        [
            *calls(0),
            *(placed(0, 1), placed(0, 2), finished(1, 1)),
            stories.Synchronised(at=1, data=("d1v1",)),
            submitted(1, 3, reads=("d1v1", "d2v1"), writes=("d3v1",)),
            *(finished(5, 2), placed(5, 3), finished(6, 3)),
            *calls(50),
            *(stories.Remembered(at=50, task=1), stories.Remembered(at=50, task=2)),
            stories.Synchronised(at=50, data=("d1v1",)),
            *(last, stories.Remembered(at=50, task=3)),
        ]
    )
    assert [call.id for call in timeline.critical_path()] == [2, 3]


def test_the_critical_path_goes_through_what_ended_last_and_through_waits_of_the_program():
    timeline = Timeline(
        [
            submitted(0, 1, writes=("d1v1",)),
            submitted(0, 2, writes=("d2v1",)),
            submitted(0, 3, reads=("d1v1", "d2v1"), writes=("d3v1",)),
            placed(0, 1),
            placed(0, 2),
            finished(1, 1),
            finished(5, 2),
            placed(5, 3),
            finished(7, 3),
            stories.Synchronised(at=7, data=("d3v1",)),
            submitted(8, 4, reads=("d1v1",)),
            submitted(8, 5),
            placed(8, 4),
            placed(8, 5),
            finished(9, 5),
            finished(10, 4),
        ]
    )
    assert [call.id for call in timeline.critical_path()] == [2, 3, 4]
    assert timeline.calls[3].sources == (1, 2)
    assert timeline.producer_of("d2v1") == 2
    assert Timeline([]).critical_path() == []


def test_rows_are_workers_in_their_natural_order_and_what_has_no_worker_gets_rows_with_room():
    records = []
    for task, worker in enumerate(["worker-10", "worker-2", "", "", ""], start=1):
        records += [submitted(0, task), placed(task, task)]
        if worker:
            records.append(finished(task + 2, task, worker=worker))
        else:
            records.append(failed(task + 1.5, task, decision="given up"))
    timeline = Timeline(sorted(records, key=lambda record: record.at))
    lanes = lanes_of(timeline.tries, timeline.end_at)
    assert list(lanes) == [("edge", "worker-2"), ("edge", "worker-10"), ("edge", "~1"), ("edge", "~2")]
    assert [each.task.id for each in lanes["edge", "~1"]] == [3, 5]
