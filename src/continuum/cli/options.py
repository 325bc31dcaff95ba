"""Options that several commands share, and how results become text or JSON."""

from pathlib import Path
from typing import Annotated, Any

import typer

from continuum.sites import Home, format_document

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


def print_json(value: Any) -> None:
    """Print `value` as indented JSON."""
    typer.echo(format_document(value).decode())
