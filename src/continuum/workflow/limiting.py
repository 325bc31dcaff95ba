"""What a program asks of its run as a whole: how much there is, a limit of time, a snapshot."""

import threading
from typing import Any

from continuum.model.errors import InvalidInputError
from continuum.model.tasks import Problem
from continuum.workflow.operations import Op
from continuum.workflow.programming import find_run


def count_sites() -> int:
    """Return how many sites take part in the run now; 1 without a run."""
    run = find_run()
    if run is None:
        return 1
    return sum(not site.load.is_lost for site in run.driver.sites.values())


def set_wall_clock(limit_s: float) -> None:
    """Stop the run `limit_s` seconds from now: what is not finished then is cancelled, and no task begins.

    Whoever waits for results then gets `TaskFailedError`. Nothing without a run.
    """
    if not isinstance(limit_s, int | float) or limit_s <= 0:
        raise InvalidInputError(f"a wall clock limit of {limit_s!r} is no number of seconds")
    run = find_run()
    if run is None:
        return
    timer = threading.Timer(limit_s, _stop, (run, f"the wall clock limit of {limit_s:g} s was reached"))
    timer.daemon = True
    timer.start()


def stop_run(reason: str) -> None:
    """Cancel what the run of this process has not finished, and let no task begin. Nothing without a run."""
    run = find_run()
    if run is not None:
        _stop(run, reason)


def _stop(run: Any, reason: str) -> None:
    run.driver.post(Op.DO, lambda graph, at: _forbid(graph, reason, at))


def _forbid(graph: Any, reason: str, at: float) -> None:
    if graph.fatal is None:
        graph.fatal = Problem(task_id=0, function="main program", kind="cancelled", message=reason)
        graph.failures.append(graph.fatal)
        graph.cancel_all(reason, at)


def snapshot() -> None:
    """Keep what is finished now, so that the run can be resumed from here. Nothing without a run."""
    run = find_run()
    if run is None:
        return
    keep = getattr(run, "snapshot", None)
    if keep is None:
        raise InvalidInputError("snapshots of a run are not supported yet")
    keep()
