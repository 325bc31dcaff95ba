"""A run from Python itself, for scripts and notebooks: `with run(): …` instead of `continuum run`.

Inside, calls of tasks belong to the run; leaving it waits for all of them. A program that does so behaves the
same under `continuum run`, which has opened a run already: that one is used. Modules beside the script (in a
notebook: in the current folder) go along to the sites, as always.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from continuum.model.errors import NotFoundError
from continuum.sites import Home
from continuum.workflow import journals
from continuum.workflow.failures import TaskFailedError
from continuum.workflow.programming import find_run, use_run
from continuum.workflow.running import Run
from continuum.workflow.sessions import RunOptions, Session

NOTEBOOK = "notebook"


@contextmanager
def run(
    name: str = "",
    *,
    local: bool | None = None,
    site: str = "",
    placement: str = "data",
    objective: str = "fastest",
    computing_units: int = 0,
    environment: dict[str, str] | None = None,
    home: str | os.PathLike[str] | None = None,
    program: str | os.PathLike[str] | None = None,
    draws_graph: bool = True,
) -> Iterator[Run]:
    """Open a run of this program; the options are those of `continuum run`.

    `program`: the script, beside which modules lie that tasks need (default: this process's own). `local`: on
    this machine alone; None: only if no continuum was made (`continuum up`). Raises `UnavailableError` if the
    continuum does not answer, and on leaving `TaskFailedError` for a failure that was not told of.
    """
    going_on = find_run()
    if going_on is not None:
        yield going_on
        return
    place = Home(Path(home)) if home is not None else Home.default()
    options = RunOptions(
        name=name,
        site=site,
        is_local=_is_local(place) if local is None else local,
        placement=placement,
        objective=objective,
        environment=environment or {},
        draws_graph=draws_graph,
        computing_units=computing_units,
    )
    session = Session(place, Path(program) if program else program_path(), sys.argv[1:], options)
    opened = session.open()
    try:
        with use_run(opened):
            yield opened
            _finish(opened)
    except BaseException as problem:
        opened.driver.cancel("the program has ended")
        problems = (problem.problem,) if isinstance(problem, TaskFailedError) else ()
        session.end(journals.FAILED, 1, reason=str(problem) or type(problem).__name__, problems=problems)
        raise
    else:
        session.end(journals.SUCCEEDED, 0)
    finally:
        session.close()


def program_path() -> Path:
    """Return the script of this process; in a notebook or at a prompt a name in the current folder."""
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    return Path(script) if script is not None else Path.cwd() / NOTEBOOK


def _is_local(home: Home) -> bool:
    try:
        home.continuum()
    except NotFoundError:
        return True
    return False


def _finish(opened: Run) -> None:
    for problem in opened.finish():
        raise opened.tell(problem)
