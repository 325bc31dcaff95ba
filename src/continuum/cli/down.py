"""`continuum down`: stop the embedded continuum."""

import typer

from continuum.cli.options import HomeOption, open_home
from continuum.sites import stop


def down(home: HomeOption = None) -> None:
    """Stop all processes of the continuum in order. All data stay; `continuum up` brings everything back."""
    chosen = open_home(home)
    if stop(chosen):
        typer.echo(f"the continuum in {chosen.path} is down", err=True)
    else:
        typer.echo(f"the continuum in {chosen.path} was not up", err=True)
