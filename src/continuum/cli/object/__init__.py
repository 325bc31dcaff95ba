"""`continuum object`: what is known of one object besides S3."""

import typer

from continuum.cli.object import explaining

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode="markdown")


@app.callback()
def object_() -> None:
    """Explain where an object is."""


explaining.register(app)
