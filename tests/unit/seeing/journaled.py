"""A journal of a small run with a bit of everything, for what is drawn and written from journals."""

from continuum.model import stories
from continuum.model.stories import Record
from continuum.workflow.journals import RunSummary

SUMMARY = RunSummary(
    run_id="fit-20260101-000000-abcdef",
    name="fit",
    application="/work/fit.py",
    arguments=("3", "</script>"),
    state="succeeded",
    started_at=1000.0,
    ended_at=1010.0,
    home_site="edge",
)


def records() -> list[Record]:
    """Two sites, three functions, a failure that is tried again, a move of data, a wait, a group."""
    told: list[Record] = [
        stories.SiteJoined(at=1000, site="edge", computing_units=2),
        stories.SiteJoined(at=1000, site="cloud", computing_units=1),
        stories.Submitted(at=1001, task=1, function="load", writes=("d1v1",), call="load('a')"),
        stories.Submitted(at=1001, task=2, function="load", writes=("d2v1",), call="load('<b>')"),
        stories.Submitted(
            at=1001, task=3, function="join", reads=("d1v1", "d2v1"), writes=("d3v1",), group="outer/inner"
        ),
        _placed(1001, 1, "edge"),
        _placed(1001, 2, "cloud"),
        _finished(1003, 1, "edge", "worker-1"),
        stories.Failed(
            at=1003,
            task=2,
            attempt=1,
            site="cloud",
            kind="raised",
            message="ValueError: <no>",
            decision="it is tried again",
            traceback="Traceback\n  ValueError: <no>\n",
            worker="worker-1",
        ),
        _placed(1003, 2, "cloud", attempt=2),
        _finished(1005, 2, "cloud", "worker-1", attempt=2),
        _placed(1005, 3, "edge"),
        stories.Moved(at=1005.5, datum="d2v1", site="cloud", bytes=2_000_000),
        _finished(1008, 3, "edge", "worker-2", moved_bytes=2_000_000, move_s=0.5),
        stories.Synchronised(at=1008, data=("d3v1",)),
        stories.Submitted(at=1008, task=4, function="show", reads=("d3v1",)),
        _placed(1008, 4, "edge"),
        _finished(1010, 4, "edge", "worker-1"),
    ]
    return told


def _placed(at: float, task: int, site: str, attempt: int = 1) -> stories.Placed:
    return stories.Placed(at=at, task=task, attempt=attempt, site=site, reason=f"as good at {site}")


def _finished(at: float, task: int, site: str, worker: str, attempt: int = 1, **more) -> stories.Finished:
    return stories.Finished(
        at=at, task=task, attempt=attempt, site=site, started_at=at - 1, run_s=1.0, worker=worker, **more
    )
