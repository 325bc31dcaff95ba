"""`continuum user`: who has keys to the store."""

import datetime as dt
from typing import Annotated

import msgspec
import typer
from rich.table import Table

from continuum.cli.asking import ask
from continuum.cli.options import HomeOption, JsonOption, open_console, open_home, print_json
from continuum.model.objects import Role, User
from continuum.store import CreateUser, DeleteUser, ListUsers, LocatorClient, Users

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode="markdown")


class ListedUser(msgspec.Struct, frozen=True, kw_only=True):
    """A user without the secret."""

    name: str
    role: str
    access_key: str
    created_at: float


@app.callback()
def user() -> None:
    """Add, list and remove users of the store."""


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="The new user's name.")],
    role: Annotated[
        Role, typer.Option(help="admin: everything; member: the buckets that they create.")
    ] = Role.MEMBER,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add a user and print the keys. The secret key is shown this once and cannot be read again.

    Example: `continuum user add alice`
    """
    made: User = ask(
        open_home(home),
        lambda backbone: LocatorClient(backbone).ask(CreateUser(name=name, role=role.value)),
    )
    if as_json:
        print_json(
            {
                "name": made.name,
                "role": made.role.value,
                "access_key": made.access_key,
                "secret_key": made.secret_key,
            }
        )
        return
    typer.echo(f"export AWS_ACCESS_KEY_ID={made.access_key}")
    typer.echo(f"export AWS_SECRET_ACCESS_KEY={made.secret_key}")
    typer.echo(f"keep the secret key of {name} now: it is not shown again", err=True)


@app.command("list")
def list_(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List the users and their access keys, never their secrets."""
    found: Users = ask(open_home(home), lambda backbone: LocatorClient(backbone).ask(ListUsers()))
    users = [
        ListedUser(
            name=each.name, role=each.role.value, access_key=each.access_key, created_at=each.created_at
        )
        for each in found.users
    ]
    if as_json:
        print_json(users)
        return
    table = Table("user", "role", "access key", "added", box=None, pad_edge=False)
    for each in users:
        added = f"{dt.datetime.fromtimestamp(each.created_at, dt.UTC):%Y-%m-%d %H:%M} UTC"
        table.add_row(each.name, each.role, each.access_key, added)
    open_console().print(table)


@app.command()
def remove(name: Annotated[str, typer.Argument(help="The user's name.")], home: HomeOption = None) -> None:
    """Remove a user. When this returns, no gateway accepts the user's keys any more."""
    ask(open_home(home), lambda backbone: LocatorClient(backbone).ask(DeleteUser(name=name)))
    typer.echo(f"{name} was removed", err=True)
