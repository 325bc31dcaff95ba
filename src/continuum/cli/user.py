"""`continuum user`: who has keys to the store."""

import datetime as dt
from typing import Annotated

import msgspec
import typer
from rich.table import Table

from continuum.cli.asking import ask
from continuum.cli.granting import accept, invite, uninvite
from continuum.cli.options import HomeOption, JsonOption, open_console, open_home, print_json
from continuum.model.objects import Role, User
from continuum.store import (
    AddKey,
    CreateUser,
    DeleteUser,
    Keys,
    ListKeys,
    ListUsers,
    LocatorClient,
    RemoveKey,
    Users,
)

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode="markdown")


key_app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode="markdown")
app.add_typer(key_app, name="key", help="Add, list and remove further keys of a user, to change them in use.")


class ListedUser(msgspec.Struct, frozen=True, kw_only=True):
    """A user without the secret."""

    name: str
    role: str
    access_key: str
    created_at: float


@app.callback()
def user() -> None:
    """Add, list and remove users of the store; let them drive runs."""


app.command()(invite)
app.command()(uninvite)
app.command()(accept)


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
    _show_once(made, as_json=as_json)


def _show_once(made: User, *, as_json: bool) -> None:
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
    typer.echo(f"keep the secret key of {made.name} now: it is not shown again", err=True)


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


# ---- further keys ----

NameArgument = Annotated[str, typer.Argument(help="The user's name.")]


@key_app.callback()
def key() -> None:
    """Change the keys of a user without an interruption: add one, use it everywhere, remove the old one."""


@key_app.command("add")
def add_key(name: NameArgument, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Give a user a further key and print it. The secret key is shown this once.

    Example: `continuum user key add alice`
    """
    made: User = ask(open_home(home), lambda backbone: LocatorClient(backbone).ask(AddKey(name=name)))
    _show_once(made, as_json=as_json)


@key_app.command("list")
def list_keys(name: NameArgument, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List a user's access keys, the oldest first, never their secrets."""
    found: Keys = ask(open_home(home), lambda backbone: LocatorClient(backbone).ask(ListKeys(name=name)))
    if as_json:
        print_json(found.keys)
        return
    table = Table("access key", "added", box=None, pad_edge=False)
    for each in found.keys:
        table.add_row(
            each.access_key, f"{dt.datetime.fromtimestamp(each.created_at, dt.UTC):%Y-%m-%d %H:%M} UTC"
        )
    open_console().print(table)


@key_app.command("remove")
def remove_key(
    name: NameArgument,
    access_key: Annotated[str, typer.Argument(help="The access key, as `continuum user key list` shows it.")],
    home: HomeOption = None,
) -> None:
    """Remove one key of a user. When this returns, no gateway accepts it any more."""
    request = RemoveKey(name=name, access_key=access_key)
    ask(open_home(home), lambda backbone: LocatorClient(backbone).ask(request))
    typer.echo(f"{access_key} was removed", err=True)
