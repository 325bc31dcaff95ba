"""`continuum run --engine compss`: the whole program in the hands of the COMPSs runtime of this machine."""

import contextlib
from pathlib import Path
from typing import NoReturn

import typer

from continuum.cli.options import print_json
from continuum.cli.run.executing import Outcome
from continuum.cli.run.interrupting import (
    end_at_once_on_signals,
    interrupt_on_sigterm,
    output_to_stderr,
    status_of,
)
from continuum.cli.run.progress import Progress
from continuum.model.stories import format_seconds
from continuum.sites import Home
from continuum.workflow import HandedRun, RunOptions


def hand(
    home: Home,
    app: Path,
    arguments: list[str],
    options: RunOptions,
    handed: list[str],
    *,
    is_quiet: bool,
    as_json: bool,
) -> NoReturn:
    """Have COMPSs run a program to its end, and end as it did."""
    progress = Progress(is_quiet=is_quiet)
    run = HandedRun(home.runs(), app, arguments, options, handed)
    progress.tell(f"run {run.run_id}: handed to {run.command[0]}")
    with output_to_stderr() if as_json else contextlib.nullcontext():
        outcome = _run(run, progress)
    summary = run.summary()
    took = format_seconds(summary.ended_at - summary.started_at)
    progress.tell(f"run {run.run_id} {outcome.state} in {took}; what was kept: {run.folder}")
    if as_json:
        print_json(summary)
    raise typer.Exit(outcome.exit_status)


def _run(run: HandedRun, progress: Progress) -> Outcome:
    interrupt_on_sigterm()
    try:
        run.open()
        outcome = _outcome_of(run.wait())
    except KeyboardInterrupt as interrupt:
        outcome = Outcome("cancelled", status_of(interrupt), reason="cancelled by the user")
    except BaseException as problem:
        run.end("failed", 1, reason=str(problem) or type(problem).__name__)
        run.close()
        raise
    end_at_once_on_signals(run)
    run.end(outcome.state, outcome.exit_status, reason=outcome.reason)
    if outcome.state == "cancelled":
        progress.tell("cancelled; ending what COMPSs runs (once more to leave that to its guard)")
    run.close()
    return outcome


def _outcome_of(status: int) -> Outcome:
    if status == 0:
        return Outcome("succeeded", 0)
    return Outcome("failed", status, f"runcompss ended with {status}")
