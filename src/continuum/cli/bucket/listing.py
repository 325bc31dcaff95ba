"""`continuum bucket list`."""

import datetime as dt

import msgspec
import typer
from rich.table import Table

from continuum.cli.asking import ask
from continuum.cli.options import HomeOption, JsonOption, open_console, open_home, print_json
from continuum.store import Buckets, ListBuckets, LocatorClient


class ListedBucket(msgspec.Struct, frozen=True, kw_only=True):
    """A bucket as programs are told of it."""

    name: str
    owner: str
    home: str
    created_at: float
    versioning: str


def list_(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List all buckets of the name space."""
    found: Buckets = ask(open_home(home), lambda backbone: LocatorClient(backbone).ask(ListBuckets()))
    listed = [
        ListedBucket(
            name=each.name,
            owner=each.owner,
            home=each.home,
            created_at=each.created_at,
            versioning=each.versioning.value,
        )
        for each in found.buckets
    ]
    if as_json:
        print_json(listed)
        return
    table = Table("bucket", "owner", "home", "versioning", "created", box=None, pad_edge=False)
    for each in listed:
        created = f"{dt.datetime.fromtimestamp(each.created_at, dt.UTC):%Y-%m-%d %H:%M} UTC"
        table.add_row(each.name, each.owner, each.home, each.versioning or "-", created)
    open_console().print(table)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("list")(list_)
