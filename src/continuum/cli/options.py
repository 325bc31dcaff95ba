"""Options that several commands share, and how results become text or JSON."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from continuum.sites import Home, format_document

PIPED_COLUMNS = 200

HomeOption = Annotated[
    Path | None,
    typer.Option(
        "--home", help="The state folder. Default: $CONTINUUM_HOME, else ~/.continuum.", show_default=False
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def open_home(path: Path | None) -> Home:
    """Return the home that the option names, else the default one."""
    return Home(path) if path is not None else Home.default()


def open_console(*, stderr: bool = False) -> Console:
    """Return a console for results; where nobody looks (a pipe, a file) lines are not cut to 80 columns."""
    stream = sys.stderr if stderr else sys.stdout
    return Console(highlight=False, stderr=stderr, width=None if stream.isatty() else PIPED_COLUMNS)


def print_json(value: Any) -> None:
    """Print `value` as indented JSON."""
    typer.echo(format_document(value).decode())
