"""`continuum store`: the stores behind the gateways. One module per family of commands, each with a
`register` that adds its commands."""

import typer

from continuum.cli.store import keeping, preserving, rotating, serving, simulating, verifying

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode="markdown")


@app.callback()
def store() -> None:
    """List, add, remove and check the stores behind the gateways."""


keeping.register(app)
preserving.register(app)
rotating.register(app)
serving.register(app)
simulating.register(app)
verifying.register(app)
