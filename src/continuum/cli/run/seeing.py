"""`continuum run gantt|graph|report|trace`: pictures, pages and files of what a run did, from its journal."""

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from continuum.cli.options import HomeOption, JsonOption, open_home, print_json
from continuum.cli.run.arguments import RunArgument
from continuum.model.errors import InvalidInputError, UnavailableError
from continuum.workflow import find_folder, read_records, read_summary, with_counts

OutputOption = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", metavar="FILE", help="Where to write it.", show_default="in the run's folder"
    ),
]
HtmlOption = Annotated[
    bool, typer.Option("--html", help="A page that can be moved, zoomed and searched, in one file.")
]


def gantt(
    run: RunArgument,
    output: OutputOption = None,
    html: HtmlOption = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Draw what ran when and where: a row per worker, what queued, failures and the critical path, as SVG."""
    folder = find_folder(open_home(home).runs(), run)
    if html:
        _write_page(folder, output or folder / "gantt.html", "timeline", as_json=as_json)
        return
    from continuum.model.timelines import Timeline  # noqa: PLC0415 - only here
    from continuum.workflow import draw_gantt  # noqa: PLC0415

    timeline = Timeline(read_records(folder))
    if read_summary(folder).state == "running":
        timeline.extend_to(time.time())
    drawn = draw_gantt(timeline, folder.name)
    _write({"svg": (output or folder / "gantt.svg", drawn)}, as_json=as_json)


def graph(
    run: RunArgument,
    output: OutputOption = None,
    html: HtmlOption = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Draw which task needed what of which other, as SVG and DOT."""
    folder = find_folder(open_home(home).runs(), run)
    if html:
        _write_page(folder, output or folder / "graph.html", "graph", as_json=as_json)
        return
    from continuum.workflow import draw_dot, draw_svg, picture_of  # noqa: PLC0415 - only here

    picture = picture_of(read_records(folder))
    svg = output or folder / "graph.svg"
    if svg.suffix == ".dot":
        raise InvalidInputError("-o names the SVG; the DOT file lies beside it", hint="end it with .svg")
    files: dict[str, tuple[Path, str | Iterable[str]]] = {
        "svg": (svg, draw_svg(picture, folder.name)),
        "dot": (svg.with_suffix(".dot"), draw_dot(picture, folder.name)),
    }
    _write(files, as_json=as_json)


def report(
    run: RunArgument,
    output: OutputOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write one page about a run: timeline, graph, functions, sites, transfers, failures, and reasons.

    The page is one file that needs no network; it can be sent to others.
    """
    folder = find_folder(open_home(home).runs(), run)
    _write_page(folder, output or folder / "report.html", "timeline", as_json=as_json)


def trace(
    run: RunArgument,
    output: OutputOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a run as a trace for Perfetto (ui.perfetto.dev) or chrome://tracing."""
    from continuum.model.timelines import Timeline  # noqa: PLC0415 - only here
    from continuum.workflow import trace_of  # noqa: PLC0415

    folder = find_folder(open_home(home).runs(), run)
    pieces = trace_of(Timeline(read_records(folder)), folder.name)
    _write({"trace": (output or folder / "trace.json", map(bytes.decode, pieces))}, as_json=as_json)


def _write_page(folder: Path, output: Path, first: str, *, as_json: bool) -> None:
    from continuum.workflow import draw_page  # noqa: PLC0415 - only here

    summary = with_counts(read_summary(folder), folder)
    page = draw_page(summary, read_records(folder), first=first, now=time.time())
    _write({"html": (output, page)}, as_json=as_json)


def _write(files: dict[str, tuple[Path, str | Iterable[str]]], *, as_json: bool) -> None:
    for path, text in files.values():
        try:
            with path.open("w", encoding="utf-8") as file:
                file.writelines([text] if isinstance(text, str) else text)
        except OSError as problem:
            raise UnavailableError(
                f"{path} cannot be written: {problem.strerror}", hint="name another file with -o"
            ) from problem
    if as_json:
        print_json({kind: str(path) for kind, (path, _) in files.items()})
        return
    for path, _ in files.values():
        typer.echo(path)
