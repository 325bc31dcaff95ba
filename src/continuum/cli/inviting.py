"""`continuum site invite` and `site uninvite`: whom a continuum lets in from elsewhere."""

import asyncio
import datetime as dt
import re
from pathlib import Path
from typing import Annotated

import typer

from continuum.cli.options import HomeOption, open_home
from continuum.model.errors import InvalidInputError
from continuum.model.sites import SiteKind
from continuum.sites import make_invitation, revoke, write_invitation

_LIFETIME = re.compile(r"([1-9][0-9]{0,4})([hd])")


def invite(  # noqa: PLR0917 -- typer takes options from parameters
    name: Annotated[str, typer.Argument(help="The name of the site to be.")],
    out: Annotated[Path, typer.Option(help="Where to write the join file.", show_default=False)],
    kind: Annotated[str, typer.Option(help="kubernetes, slurm or edge.")] = SiteKind.KUBERNETES.value,
    host: Annotated[
        list[str] | None,
        typer.Option(
            help="A name or an address at which others find the site's gateway and store, for their "
            "certificates. May be repeated.",
            show_default="loopback, and in a cluster the names of its services",
        ),
    ] = None,
    without_master_keys: Annotated[
        bool,
        typer.Option(
            "--without-master-keys",
            help="Do not trust the site with the keys of encrypted objects; it cannot serve them then.",
        ),
    ] = False,
    valid: Annotated[str, typer.Option(help="How long its certificates live: 90d, 12h.")] = "90d",
    home: HomeOption = None,
) -> None:
    """Invite a site elsewhere: write the file with which it joins. Who holds the file is that site.

    The continuum must be up, and listen for other machines (`continuum up --listen ADDRESS`).

    Example: `continuum site invite lab --out lab.join`
    """
    chosen = open_home(home)
    hosts = (*_service_names(name, kind), *(host or ()))
    invitation = asyncio.run(
        make_invitation(
            chosen,
            name,
            kind=_parse_kind(kind),
            gateway_hosts=hosts,
            store_hosts=hosts,
            has_master_keys=not without_master_keys,
            lifetime=_parse_lifetime(valid),
        )
    )
    write_invitation(out, invitation)
    ends = dt.datetime.fromtimestamp(invitation.ends_at, dt.UTC)
    typer.echo(
        f"{out} lets its holder be the site {name} until {ends:%Y-%m-%d %H:%M} UTC: carry it over a way that "
        "is trusted, and remove it afterwards",
        err=True,
    )


def uninvite(name: Annotated[str, typer.Argument(help="The site's name.")], home: HomeOption = None) -> None:
    """Shut out a site that was invited: it is cut off at once, its keys to the store end.

    What runs there is not stopped (`continuum site leave` takes it out of a cluster), and objects that lie
    only there cannot be read any more.
    """
    asyncio.run(revoke(open_home(home), name))
    typer.echo(f"{name} is shut out", err=True)


def _service_names(name: str, kind: str) -> tuple[str, ...]:
    if kind != SiteKind.KUBERNETES.value:
        return ()
    from continuum.sites import service_names  # noqa: PLC0415 -- costs time at the start of other commands

    return tuple(
        dict.fromkeys(
            each for part in ("gateway", "store") for each in service_names(part, f"continuum-{name}")
        )
    )


def _parse_kind(text: str) -> SiteKind:
    try:
        return SiteKind(text)
    except ValueError:
        raise InvalidInputError(
            f"there is no kind of site {text!r}", hint="kubernetes, slurm or edge"
        ) from None


def _parse_lifetime(text: str) -> dt.timedelta:
    match = _LIFETIME.fullmatch(text)
    if match is None:
        raise InvalidInputError(f"{text!r} is no lifetime", hint="like 90d or 12h")
    return dt.timedelta(**{"days" if match[2] == "d" else "hours": int(match[1])})
