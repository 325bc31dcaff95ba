"""`continuum run forget`: remove what is kept of runs that have ended."""

import time
from datetime import UTC, datetime
from typing import Annotated

import typer

from continuum.cli.options import HomeOption, open_home
from continuum.model.errors import InvalidInputError
from continuum.model.policies.amounts import parse_duration
from continuum.model.stories import format_bytes
from continuum.workflow import find_folder, find_old, forget_runs, read_summary, remains_of


def forget(
    runs: Annotated[
        list[str] | None,
        typer.Argument(metavar="RUN", help="Ids of runs, the beginnings of them, names, or `last`."),
    ] = None,
    older: Annotated[
        str, typer.Option("--older", metavar="AGE", help="All that ended longer ago than this: 30d, 12h.")
    ] = "",
    plan: Annotated[
        bool, typer.Option("--plan", "--dry-run", help="Say what would go; remove nothing.")
    ] = False,
    home: HomeOption = None,
) -> None:
    """Remove what is kept of runs that have ended: journal, memory, kept results, what sites hold.

    They cannot be resumed, shown or compared any more. Objects and files that the programs named stay.
    """
    if bool(runs) == bool(older):
        raise InvalidInputError("which runs?", hint="name them, or say --older 30d")
    opened = open_home(home)
    folder = opened.runs()
    if older:
        wanted = find_old(folder, time.time() - parse_duration(older))
    else:
        found = dict.fromkeys(find_folder(folder, run) for run in runs or ())
        wanted = [remains_of(folder, read_summary(each)) for each in found]
    if not plan:
        forget_runs(opened, wanted)
    for each in wanted:
        began = datetime.fromtimestamp(each.started_at, UTC).strftime("%Y-%m-%d %H:%M")
        said = "would be forgotten" if plan else "is forgotten"
        typer.echo(f"run {each.run_id} ({each.state}, of {began}, {format_bytes(each.size_bytes)}) {said}")
    if not wanted:
        typer.echo("there are no such runs")
