"""`continuum store rotate-key|rewrap-keys|retire-keys`: the master key that objects are encrypted under."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn

from continuum.backbone import Backbone
from continuum.cli.asking import ask
from continuum.cli.options import HomeOption, open_home
from continuum.sites import Home
from continuum.store import (
    LocatorClient,
    Rewrapped,
    add_master_key,
    list_master_keys,
    retire_master_keys,
    rewrap_data_keys,
)

Answer = TypeVar("Answer")


def rotate_key(home: HomeOption = None) -> None:
    """Make a new master key, let it encrypt from now on, and wrap all data keys anew under it.

    Objects stay as they are, and readable all the time; no gateway is restarted. Old keys stay in the file
    until `continuum store retire-keys`. Back the file up: without it nothing encrypted can be read.
    """
    found = open_home(home)
    found.continuum()
    key_id = add_master_key(found.master_keys_file)
    typer.echo(f"the master key is {key_id} now: {found.master_keys_file}", err=True)
    _rewrap(found)


def rewrap_keys(home: HomeOption = None) -> None:
    """Wrap anew all data keys that are not under the current master key, after a rotation that was broken
    off."""
    found = open_home(home)
    found.continuum()
    _rewrap(found)


def retire_keys(home: HomeOption = None) -> None:
    """Take old master keys out of the file, once nothing is under them any more."""
    found = open_home(home)
    found.continuum()
    path = found.master_keys_file
    retired = _watch(found, lambda locator, report: retire_master_keys(locator, path, report))
    typer.echo(f"retired {', '.join(retired)}" if retired else "there are no old keys", err=True)


def _rewrap(home: Home) -> None:
    path = home.master_keys_file
    done = _watch(home, lambda locator, report: rewrap_data_keys(locator, path, report))
    keys = len(list_master_keys(path))
    typer.echo(
        f"{done.rewrapped} data keys wrapped anew, {done.looked_at} versions looked at; {keys} master keys",
        err=True,
    )
    if done.left:
        typer.echo("writes under an old key go on: run `continuum store rewrap-keys` again", err=True)


def _watch(home: Home, work: Callable[..., Awaitable[Answer]]) -> Answer:
    """Do it, with a line of progress on a terminal."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"))
    with Progress(*columns, transient=True) as progress:
        line = progress.add_task("looking for data keys")

        def report(so_far: Rewrapped) -> None:
            text = f"{so_far.looked_at} versions looked at, {so_far.rewrapped} data keys wrapped anew"
            progress.update(line, description=text)

        async def run(backbone: Backbone) -> Answer:
            return await work(LocatorClient(backbone), report)

        return ask(home, run)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("rotate-key")(rotate_key)
    app.command("rewrap-keys")(rewrap_keys)
    app.command("retire-keys")(retire_keys)
