"""`continuum bucket`: what is done to buckets besides S3. One module per family of commands, each with a
`register` that adds its commands."""

import typer

from continuum.cli.bucket import attaching, lifecycles, listing, notifications, policies, transferring

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode="markdown")


@app.callback()
def bucket() -> None:
    """List buckets, and do to them what S3 has no word for."""


listing.register(app)
attaching.register(app)
policies.register(app)
transferring.register(app)
lifecycles.register(app)
notifications.register(app)
