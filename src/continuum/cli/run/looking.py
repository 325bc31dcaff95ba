"""`continuum run list|show|explain`: looking at runs, those of now and those of before."""

import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from continuum.cli.asking import ask
from continuum.cli.options import HomeOption, JsonOption, open_home, print_json
from continuum.cli.run.arguments import RunArgument, TaskArgument
from continuum.cli.run.outputs import output_files
from continuum.model import stories
from continuum.model.errors import NotFoundError, UnavailableError
from continuum.model.stories import format_bytes, format_seconds
from continuum.sites import Home
from continuum.workflow import (
    RunEntry,
    RunSummary,
    find_folder,
    list_runs,
    list_summaries,
    read_records,
    read_summary,
    show_run,
    to_entry,
    with_counts,
)

_STYLES = {"succeeded": "green", "running": "cyan", "waiting": "yellow"}
_LISTED = 20
_MOST_TOLD = 10
_MOST_ASKED = 1000
_USUAL_ID = 30
_WIDE = 240
_LEAST_WIDTHS = {
    "name": 100,
    "moved": 90,
    "took": 80,
    "started (UTC)": 70,
    "tasks": 50,
}  # of a terminal, to show these


def _console() -> Console:
    """Return a console that does not cut what goes into a file or to a program."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_WIDE)


def list_(
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many runs.")] = _LISTED,
    every: Annotated[bool, typer.Option("--all", "-a", help="All that are known.")] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the runs on this continuum, newest first, wherever they were started."""
    known = _known_runs(open_home(home))
    entries = known if every else known[:limit]
    if as_json:
        print_json(entries)
        return
    if not entries:
        typer.echo("there are no runs yet: `continuum run app.py`")
        return
    console = _console()
    console.print(_table_of(entries, console.width))
    if len(known) > len(entries):
        typer.echo(f"and {len(known) - len(entries)} older ones: --all", err=True)


def _table_of(entries: list[RunEntry], width: int) -> Table:
    """Return the table as wide as may be: ids are never cut, other columns are left out first."""
    rows = [_cells(entry) for entry in entries]
    widest = max(len(entry.run_id) for entry in entries)
    spare = widest - _USUAL_ID  # what a long id takes from the others
    headings = [heading for heading in rows[0] if width - spare >= _LEAST_WIDTHS.get(heading, 0)]
    table = Table(box=None, pad_edge=False)
    for heading in headings:
        is_name = heading == "name"
        table.add_column(
            heading,
            justify="right" if heading in {"took", "tasks", "moved"} else "left",
            no_wrap=heading != "run",
            overflow="ellipsis" if is_name else "fold",
            min_width=min(widest, width - 1) if heading == "run" else None,
        )
    for row in rows:
        table.add_row(*(row[heading] for heading in headings))
    return table


def _cells(entry: RunEntry) -> dict[str, str]:
    return {
        "run": escape(entry.run_id),
        "name": escape(entry.name),
        "state": f"[{_STYLES.get(entry.state, 'red')}]{entry.state}[/]",
        "started (UTC)": datetime.fromtimestamp(entry.started_at, UTC).strftime("%Y-%m-%d %H:%M:%S"),
        "took": format_seconds(entry.ended_at - entry.started_at) if entry.ended_at else "",
        "tasks": str(entry.tasks),
        "moved": format_bytes(entry.moved_bytes),
    }


def _known_runs(home: Home) -> list[RunEntry]:
    """Return what the hub knows and what lies in this home, newest first."""
    summaries = list_summaries(home.runs())
    found = {each.run_id: to_entry(with_counts(each, home.runs() / each.run_id)) for each in summaries}
    try:
        entries = ask(home, lambda backbone: list_runs(backbone, limit=_MOST_ASKED))
    except (NotFoundError, UnavailableError):
        entries = ()  # no continuum is up: what this home remembers
    for entry in entries:
        found.setdefault(entry.run_id, entry)
    return sorted(found.values(), key=lambda entry: (-entry.started_at, entry.run_id))


def show(run: RunArgument, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Show one run: its state, functions, sites and failures."""
    opened = open_home(home)
    summary, folder = _find(opened, run)
    if as_json:
        print_json(summary)
        return
    console = _console()
    style = _STYLES.get(summary.state, "red")
    console.print(f"[bold]{summary.run_id}[/] [{style}]{summary.state}[/]")
    files = output_files(opened, folder) if folder is not None else {}
    printed = [(f"output {site}", str(path)) for site, path in files.items()]
    place = str(folder) if folder is not None else "the home of the machine where it was started"
    for heading, text in [*_lines(summary, place), *printed]:
        console.print(f"  {heading:<12} {text}", markup=False, soft_wrap=True)
    _print_functions(console, summary)
    if not summary.handed_over:
        _print_sites(console, summary)
    for problem in summary.problems:
        console.print(
            f"\nfailed: task {problem.task_id} ({problem.function}): {problem.message}", markup=False
        )
        console.print(problem.traceback, style="dim", markup=False)


def _find(home: Home, run: str) -> tuple[RunSummary, Path | None]:
    """Return the run in this home, else what the hub knows of one that was started elsewhere."""
    try:
        folder = find_folder(home.runs(), run)
    except NotFoundError as unknown:
        try:
            return ask(home, lambda backbone: show_run(backbone, run)), None
        except (NotFoundError, UnavailableError):
            raise unknown from None
    return with_counts(read_summary(folder), folder), folder


def _lines(summary: RunSummary, folder: str) -> list[tuple[str, str]]:
    took = format_seconds(summary.ended_at - summary.started_at) if summary.ended_at else "not ended"
    lines = [
        ("name", summary.name),
        ("program", " ".join((summary.application, *summary.arguments))),
        ("started", f"{datetime.fromtimestamp(summary.started_at, UTC):%Y-%m-%d %H:%M:%S} UTC"),
        ("took", took),
        *_told_of_placement(summary),
        ("kept in", folder),
    ]
    if summary.reason:
        lines.append(("reason", summary.reason))
    return lines


def _told_of_placement(summary: RunSummary) -> list[tuple[str, str]]:
    if summary.handed_over:
        return [
            ("engine", f"{summary.engine}, which has the tasks"),
            ("handed over", shlex.join(summary.handed_over)),
        ]
    return [
        ("placement", f"{summary.placement}, {summary.objective}, home site {summary.home_site or '-'}"),
        ("moved", f"{format_bytes(summary.moved_bytes)} between sites"),
    ]


def _print_functions(console: Console, summary: RunSummary) -> None:
    if not summary.functions:
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("function")
    states = sorted({state for function in summary.functions for state in function.tasks})
    for state in states:
        table.add_column(state, justify="right")
    for function in summary.functions:
        table.add_row(function.name, *(str(function.tasks.get(state, "")) for state in states))
    console.print()
    console.print(table)


def _print_sites(console: Console, summary: RunSummary) -> None:
    table = Table(box=None, pad_edge=False)
    for heading in ("site", "units", "tasks", "computed", "came from elsewhere"):
        table.add_column(heading, justify="left" if heading == "site" else "right")
    for site in summary.sites:
        table.add_row(
            f"{site.name} (lost)" if site.is_lost else site.name,
            str(site.computing_units),
            str(site.tasks),
            format_seconds(site.run_s),
            format_bytes(site.moved_bytes),
        )
    console.print()
    console.print(table)


def explain(
    run: RunArgument,
    task: TaskArgument = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell the story of a task, with the table that decided where it ran; without TASK, of each function."""
    folder = find_folder(open_home(home).runs(), run)
    if task is None:
        _explain_functions(folder.name, list(read_records(folder)), as_json=as_json)
        return
    story = stories.story_of(task, read_records(folder))
    if not story:
        raise NotFoundError(f"the run {folder.name} has no task {task}")
    if as_json:
        print_json(story)
        return
    console = _console()
    for line, record in zip(stories.tell(story), story, strict=True):
        console.print(line, markup=False, soft_wrap=True)
        if isinstance(record, stories.Placed) and record.table:
            console.print(_placement_table(record))
            if record.ahead_s:
                console.print(f"  {format_seconds(record.ahead_s)} of the graph follow it", style="dim")
        if isinstance(record, stories.Failed) and record.traceback:
            console.print(record.traceback.rstrip(), style="dim", markup=False)


def _placement_table(placed: stories.Placed) -> Table:
    headings = [
        "site",
        "rank",
        "to move",
        "moving",
        "waiting",
        "executing",
        "done in",
        "price",
        "energy",
        "CO2e",
    ]
    if not any(row.price_eur for row in placed.table):
        headings.remove("price")
    table = Table(box=None, pad_edge=True)
    for heading in headings:
        table.add_column(heading, justify="left" if heading == "site" else "right")
    for row in placed.table:
        if row.excluded:
            table.add_row(row.site, "", row.excluded)
            continue
        cells = _placement_cells(row, placed.site)
        table.add_row(*(cells[heading] for heading in headings))
    return table


def _placement_cells(row: stories.Row, chosen: str) -> dict[str, str]:
    return {
        "site": ("→ " if row.site == chosen else "  ") + row.site,
        "rank": str(row.rank or ""),
        "to move": format_bytes(row.move_bytes),
        "moving": format_seconds(row.move_s),
        "waiting": format_seconds(row.queue_s),
        "executing": format_seconds(row.run_s) + (" (assumed)" if row.is_assumed else ""),
        "done in": format_seconds(row.total_s),
        "price": stories.format_eur(row.price_eur),
        "energy": stories.format_energy(row.energy_j),
        "CO2e": stories.format_carbon(row.carbon_g),
    }


def _explain_functions(run_id: str, records: list[stories.Record], *, as_json: bool) -> None:
    rows = stories.by_function(records)
    if as_json:
        print_json(rows)
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("function", "site", "tasks", "mean time", "came from elsewhere", "most frequent reason"):
        is_text = heading in {"function", "site", "most frequent reason"}
        table.add_column(heading, justify="left" if is_text else "right")
    for row in rows:
        table.add_row(
            row.function,
            row.site,
            str(row.tasks),
            format_seconds(row.mean_s),
            format_bytes(row.moved_bytes),
            row.reason,
        )
    console = _console()
    console.print(table if rows else "no task has finished", highlight=False)
    told = [each for each in records if isinstance(each, stories.SiteLost | stories.Failed)]
    cancelled = [each for each in records if isinstance(each, stories.Cancelled)]
    for record in (*told, *cancelled[:_MOST_TOLD]):
        what = "" if isinstance(record, stories.SiteLost) else f"task {record.task}: "
        line = f"{stories.format_time(record.at)}  {what}{stories.sentence(record)}"
        console.print(line, markup=False, soft_wrap=True)
    if len(cancelled) > _MOST_TOLD:
        console.print(f"… and {len(cancelled) - _MOST_TOLD} more were cancelled")
    console.print(f"`continuum run explain {run_id} TASK` tells the story of one task", style="dim")
