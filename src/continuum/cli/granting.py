"""`continuum site grant|revoke|rights`, `continuum user invite|uninvite|accept`: who may use which sites."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from continuum.cli.options import HomeOption, JsonOption, open_home, print_json
from continuum.model.errors import NotFoundError
from continuum.sites import (
    Home,
    identity_of_user,
    invite_user,
    make_guest_home,
    parse_user_name,
    read_guest,
    read_rights,
    uninvite_user,
    write_guest,
    write_rights,
)

SiteArgument = Annotated[str, typer.Argument(help="The site's name.")]
UserArgument = Annotated[str, typer.Argument(help="The user's name.")]


def grant(name: SiteArgument, user: UserArgument, home: HomeOption = None) -> None:
    """Let a user run tasks at a site. The owner of the continuum may everywhere, without being granted it.

    Example: `continuum site grant lab alice`
    """
    chosen = open_home(home)
    _check_site(chosen, name)
    if not chosen.identity(identity_of_user(parse_user_name(user))).key_file.exists():
        raise NotFoundError(f"no user {user} was invited", hint=f"continuum user invite {user} --out FILE")
    write_rights(chosen, read_rights(chosen).grant(name, user))
    typer.echo(f"{user} may use {name}", err=True)


def revoke(name: SiteArgument, user: UserArgument, home: HomeOption = None) -> None:
    """Take a user's right on a site back: its agent refuses the user within about two seconds."""
    chosen = open_home(home)
    write_rights(chosen, read_rights(chosen).revoke(name, user))
    typer.echo(f"{user} may not use {name} any more", err=True)


def rights(name: SiteArgument, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Show who may run tasks at a site besides the owner of the continuum."""
    chosen = open_home(home)
    _check_site(chosen, name)
    users = read_rights(chosen).of(name)
    if as_json:
        print_json({"site": name, "users": users})
        return
    typer.echo("\n".join(users) or f"the owner of the continuum alone may use {name}")


def invite(
    user: UserArgument,
    out: Annotated[Path, typer.Option(help="Where to write the user's file.", show_default=False)],
    home: HomeOption = None,
) -> None:
    """Let a user drive runs with an identity and keys of their own, at the sites that are granted.

    Whoever holds the file is that user: carry it over a way that is trusted.

    Example: `continuum user invite alice --out alice.user; continuum site grant edge alice`
    """
    write_guest(out, asyncio.run(invite_user(open_home(home), user)))
    typer.echo(f"{out} lets its holder be {user}; continuum site grant SITE {user} says where", err=True)


def uninvite(user: UserArgument, home: HomeOption = None) -> None:
    """Let a user drive runs no more. Keys to the store stay until `continuum user remove`."""
    asyncio.run(uninvite_user(open_home(home), user))
    typer.echo(f"{user} is let in no more", err=True)


def accept(
    file: Annotated[Path, typer.Argument(help="What `continuum user invite` wrote.")],
    home: HomeOption = None,
) -> None:
    """Make a home with which to drive runs as the user whom a file names.

    Example: `continuum user accept alice.user --home ~/.continuum-of-bob`
    """
    chosen = open_home(home)
    guest = read_guest(file)
    make_guest_home(chosen, guest)
    typer.echo(f"{chosen.path} is the home of {guest.user}: export CONTINUUM_HOME={chosen.path}", err=True)


def _check_site(home: Home, name: str) -> None:
    if name not in home.site_names():
        raise NotFoundError(f"there is no site {name}", hint=f"the sites are {', '.join(home.site_names())}")
