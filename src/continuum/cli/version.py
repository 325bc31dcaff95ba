"""`continuum version`."""

import typer

import continuum


def version() -> None:
    """Print the version."""
    typer.echo(continuum.__version__)
