"""`import pycompss.interactive as ipycompss`: a run in a notebook or at a prompt, from `start` to `stop`.

The run is one of this process (`continuum.workflow.run`): over the sites of the continuum if one is up, else
on this machine. What `start` takes besides is of COMPSs' own runtime and is named when it is given.
"""

import contextlib
import sys
from collections.abc import Iterator
from typing import Any

from continuum.model.errors import InvalidInputError
from continuum.workflow.drawing import draw_svg, picture_of
from continuum.workflow.journals import read_records
from continuum.workflow.opening import run
from continuum.workflow.programming import find_run
from continuum.workflow.running import Run
from continuum.workflow.synchronising import wait_on

_USED = frozenset(("name", "local", "site", "placement", "objective", "computing_units", "home", "program"))
_stack: contextlib.ExitStack | None = None


def start(*_: Any, **options: Any) -> None:
    """Open a run. Options of ours: those of `continuum.workflow.run`; of COMPSs' none changes anything."""
    global _stack  # noqa: PLW0603 - one run at a time, as there is one prompt
    if _stack is not None:
        raise InvalidInputError("a run is going on already", hint="stop() ends it")
    without = sorted(name for name, value in options.items() if name not in _USED and value)
    if without:
        _say(f"start: {', '.join(without)} change nothing here")
    stack = contextlib.ExitStack()
    opened = stack.enter_context(run(**{name: options[name] for name in options if name in _USED}))
    _stack = stack
    _say(f"run {opened.spec.run_id} over {', '.join(opened.driver.sites)}")


def stop(sync: bool = False, _hard_stop: bool = False) -> None:
    """Wait for all tasks and end the run. `sync`: the futures among the prompt's variables become values."""
    global _stack
    if _stack is None:
        return
    stack, _stack = _stack, None
    with stack:
        if sync:
            main = vars(sys.modules["__main__"])
            for name, value in list(main.items()):
                if not name.startswith("_"):
                    main[name] = wait_on(value)


def tasks_status() -> dict[str, dict[str, int]]:
    """Return how many tasks of each function are in which state."""
    counts = _current().driver.graph.counts
    return {
        function: {str(state): count for state, count in states.items() if count}
        for function, states in list(counts.items())
    }


def tasks_info() -> None:
    """Print how many tasks of each function are in which state."""
    for function, states in tasks_status().items():
        print(f"{function}: " + ", ".join(f"{count} {state}" for state, count in states.items()))  # noqa: T201


def statistics() -> dict[str, int]:
    """Return how many tasks there are in all, how many are done and how many have failed."""
    totals: dict[str, int] = {}
    for states in tasks_status().values():
        for state, count in states.items():
            totals[state] = totals.get(state, 0) + count
    return {"tasks": sum(totals.values()), **totals}


def resources_status() -> dict[str, dict[str, Any]]:
    """Return the sites of the run, with their computing units and whether they are there."""
    return {
        name: {"computing_units": site.units, "is_there": not site.load.is_lost}
        for name, site in _current().driver.sites.items()
    }


def current_task_graph(*_: Any, **__: Any) -> Any:
    """Return the graph of the run so far: as a picture in a notebook, else as SVG text."""
    current = _current()
    current.driver.journal.flush()
    folder = current.driver.journal.folder
    if folder is None:
        raise InvalidInputError("this run keeps no journal, so there is no graph of it")
    svg = draw_svg(picture_of(list(read_records(folder))), current.spec.run_id)
    with contextlib.suppress(ImportError):
        from IPython.display import SVG  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415

        return SVG(data=svg)
    return svg


complete_task_graph = current_task_graph


@contextlib.contextmanager
def session(**options: Any) -> Iterator[None]:
    """Open a run for the length of a `with`."""
    start(**options)
    try:
        yield
    finally:
        stop()


def _current() -> Run:
    found = find_run()
    if found is None:
        raise InvalidInputError("no run is going on", hint="start() opens one")
    current: Run = found
    return current


def _say(text: str) -> None:
    print(f"continuum: {text}", file=sys.stderr)  # noqa: T201


__all__ = [
    "complete_task_graph",
    "current_task_graph",
    "resources_status",
    "session",
    "start",
    "statistics",
    "stop",
    "tasks_info",
    "tasks_status",
]
