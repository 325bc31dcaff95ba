"""`continuum run watch|events`: looking at a run while it goes on, from any terminal.

On the machine of its driver a run is followed in its journal; elsewhere on the continuum through the hub,
which drivers tell every few seconds. On a terminal there is a live table, elsewhere a line now and then.
"""

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live

from continuum.cli.asking import ask
from continuum.cli.options import HomeOption, open_home
from continuum.cli.run.arguments import RunArgument, TaskArgument
from continuum.cli.run.screens import line, screen
from continuum.cli.run.views import Pace, Tally, View, view_summary
from continuum.model.errors import NotFoundError, UnavailableError
from continuum.model.stories import Record, format_time, sentence
from continuum.sites import Home
from continuum.workflow import (
    JournalTail,
    RunSummary,
    find_folder,
    read_summary,
    show_run,
)

SCREEN_EVERY_S = 0.5
LINE_EVERY_S = 5.0
FOLLOW_EVERY_S = 0.25
ASK_EVERY_S = 2.0
PATIENCE_S = 30.0  # a hub may be being started again
_ALIVE = ("running", "waiting")


def watch(run: RunArgument, home: HomeOption = None) -> None:
    """Watch a run until it ends: its functions, sites, rate and last failures. Ctrl-C stops watching only."""
    opened = open_home(home)
    try:
        folder = find_folder(opened.runs(), run)
    except NotFoundError:
        looks = _looks_at_hub(opened, run)
    else:
        looks = _looks_at_journal(folder)
    try:
        last = _show(looks)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    raise typer.Exit(0 if last.state == "succeeded" else 1)


def _show(looks: Iterator[View]) -> View:
    """Show views until the run has ended; return the last."""
    console = Console(highlight=False)
    pace = Pace()
    last = pace.note(next(looks))
    if console.is_terminal:
        with Live(console=console, auto_refresh=False, transient=True) as live:
            for view in looks:
                last = pace.note(view)
                live.update(screen(last, *console.size), refresh=True)
        console.print(screen(last, *console.size))
    else:
        told_at = -LINE_EVERY_S
        for view in looks:
            last = pace.note(view)
            if time.monotonic() - told_at >= LINE_EVERY_S and last.state in _ALIVE:
                told_at = time.monotonic()
                console.print(line(last), markup=False, soft_wrap=True)
    console.print(f"{last.state}: {line(last)}", markup=False, soft_wrap=True)
    return last


def _looks_at_journal(folder: Path) -> Iterator[View]:
    tail, tally = JournalTail(folder), Tally()
    while True:
        summary = read_summary(folder)  # before the journal: what had ended then is in the journal now
        while records := tail.read():
            tally.add(records)
        elapsed_s = (summary.ended_at or time.time()) - summary.started_at
        yield tally.view(elapsed_s, summary.state)
        if summary.state not in _ALIVE:
            return
        time.sleep(SCREEN_EVERY_S)


def _looks_at_hub(home: Home, run: str) -> Iterator[View]:
    asked = _asker(home, run)
    while True:
        summary = asked()
        yield view_summary(summary, time.time())
        if summary.state not in _ALIVE:
            return
        time.sleep(ASK_EVERY_S)


def _asker(home: Home, run: str) -> Callable[[], RunSummary]:
    def asked() -> RunSummary:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                return ask(home, lambda backbone: show_run(backbone, run))
            except UnavailableError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(FOLLOW_EVERY_S)

    return asked


def events(  # noqa: PLR0917 - typer passes what the command line says
    run: RunArgument,
    task: TaskArgument = None,
    kind: Annotated[
        list[str] | None,
        typer.Option("--kind", metavar="KIND", help="Only records of this kind, as failed; may be repeated."),
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run has ended.")] = False,
    home: HomeOption = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON, one record a line, as in the journal.")
    ] = False,
) -> None:
    """Print what happened in a run, in order: calls, placements, ends, failures, moves, sites, waits."""
    folder = find_folder(open_home(home).runs(), run)
    wanted = frozenset(kind or ())
    try:
        for lines in _batches(folder, follow=follow):
            for written, record in lines:
                if _is_wanted(record, task, wanted):
                    typer.echo(written if as_json else _told(record))
            sys.stdout.flush()
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def _batches(folder: Path, *, follow: bool) -> Iterator[list[tuple[bytes, Record]]]:
    tail = JournalTail(folder)
    while True:
        is_over = not follow or read_summary(folder).state not in _ALIVE  # before the journal is read
        while lines := tail.read_lines():
            yield list(zip(lines, tail.decode(lines), strict=True))
        if is_over:
            return
        time.sleep(FOLLOW_EVERY_S)


def _is_wanted(record: Record, task: int | None, kinds: frozenset[str]) -> bool:
    if task is not None and getattr(record, "task", None) != task:
        return False
    return not kinds or record.__struct_config__.tag in kinds


def _told(record: Record) -> str:
    number = getattr(record, "task", 0)
    who = f"task {number} " if number else ""
    return f"{format_time(record.at)}  {who}{sentence(record)}"
