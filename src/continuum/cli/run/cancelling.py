"""`continuum run cancel`: end a run that goes on, from any terminal or machine of the continuum."""

import time

import typer

from continuum.cli.asking import ask
from continuum.cli.options import HomeOption, open_home
from continuum.cli.run.arguments import RunArgument
from continuum.model.errors import NotFoundError, UnavailableError
from continuum.sites import Home
from continuum.workflow import (
    cancel_anywhere,
    cancel_here,
    end_lost_run,
    find_folder,
    list_runs,
    read_summary,
)

ENDS_WITHIN_S = 60.0
LOOK_EVERY_S = 0.1
_ALIVE = ("running", "waiting")


def cancel(run: RunArgument, home: HomeOption = None) -> None:
    """Cancel a run: its tasks are ended at once, wherever they are. Returns when that is done."""
    opened = open_home(home)
    try:
        folder = find_folder(opened.runs(), run)
    except NotFoundError:
        run_id = _cancel_elsewhere(opened, run)
        typer.echo(f"run {run_id} is being cancelled by its driver")
        return
    summary = read_summary(folder)
    if summary.state == "lost" and summary.home_site != "local":
        end_lost_run(opened, summary.run_id)
        typer.echo(f"the driver of run {summary.run_id} has died; what its sites held of it is ended")
        return
    cancel_here(summary)
    deadline = time.monotonic() + ENDS_WITHIN_S
    while (state := read_summary(folder).state) in _ALIVE:
        if time.monotonic() > deadline:
            raise UnavailableError(
                f"the run {folder.name} has not ended within {ENDS_WITHIN_S:.0f} s",
                hint=f"`kill -9 {read_summary(folder).driver_pid}` ends its driver, and sites then its tasks",
            )
        time.sleep(LOOK_EVERY_S)
    typer.echo(f"run {folder.name} {state}")


def _cancel_elsewhere(home: Home, wanted: str) -> str:
    found = ask(home, lambda backbone: list_runs(backbone, wanted=wanted, limit=1))
    if not found or found[0].state not in _ALIVE:
        raise NotFoundError(
            f"there is no run called {wanted!r} that goes on", hint="`continuum run list` shows all"
        )
    cancel_anywhere(home, found[0].run_id)
    return found[0].run_id
