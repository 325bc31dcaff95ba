"""`continuum store list|show|add|remove`: which stores there are, and how gateways reach them."""

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from continuum.backbone import Backbone
from continuum.cli.asking import ask
from continuum.cli.options import HomeOption, JsonOption, open_console, open_home, print_json
from continuum.model.errors import InvalidInputError, NotFoundError
from continuum.model.objects import Store
from continuum.model.policies.amounts import format_size
from continuum.model.sites import Reach
from continuum.sites import Home, add_directory, remove_directory
from continuum.store import (
    AddStore,
    DescribeStores,
    LocatorClient,
    RemoveStore,
    StoreConfiguration,
    StoreDescription,
    StoreDescriptions,
    Survey,
    check_store_name,
    parse_size,
    read_store_file,
    resolve_store,
    survey,
)

SURVEY_S = 5.0


def list_(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List the stores: the sites' own and those that were added."""
    found = _describe(open_home(home))
    if as_json:
        print_json(found)
        return
    headings = ("store", "site", "kind", "reach", "endpoint", "bucket", "capacity")
    table = Table(*headings, box=None, pad_edge=False)
    for each in found:
        capacity = format_size(each.capacity_bytes) if each.capacity_bytes else "-"
        table.add_row(each.name, each.site, *_kinds(each), each.endpoint, each.bucket or "-", capacity)
    open_console().print(table)


def show(
    name: Annotated[str, typer.Argument(help="The store's name.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one store: where it is, and who reaches it how. Never its secret key."""
    found = _describe(open_home(home), measured=name)
    each = next((each for each in found if each.name == name), None)
    if each is None:
        names = ", ".join(each.name for each in found) or "none"
        raise NotFoundError(f"there is no store {name}", hint=f"stores: {names}")
    if as_json:
        print_json(each)
        return
    console = open_console()
    console.print(f"[bold]{each.name}[/]")
    for heading, text in _lines(each).items():
        console.print(f"  {heading:<16} {text}")


def add(  # noqa: PLR0917 -- typer takes options from parameters
    name: Annotated[
        str, typer.Argument(help="The store's name; with --file: this one of the file, else all.")
    ] = "",
    endpoint: Annotated[str, typer.Option(help="https://host[:port], as every gateway reaches it.")] = "",
    site: Annotated[str, typer.Option(help="The site it is near to; its gateways look after it.")] = "",
    credentials: Annotated[
        str, typer.Option(help="Where the keys are: file:PATH, env:PREFIX or profile:NAME.")
    ] = "",
    region: Annotated[str, typer.Option(help="The region that requests are signed for.")] = "us-east-1",
    addressing: Annotated[str, typer.Option(help="path or virtual (bucket.host).")] = "path",
    bucket: Annotated[str, typer.Option(help="A physical bucket for what the platform writes.")] = "",
    ca_file: Annotated[str, typer.Option(help="The authority of the endpoint's certificate (PEM).")] = "",
    capacity: Annotated[str, typer.Option(help="Like 500 GB; empty: not limited.")] = "",
    directory: Annotated[
        Path | None,
        typer.Option(
            help="A folder of this machine, to be served as a store by this continuum: no endpoint, no keys.",
            show_default=False,
        ),
    ] = None,
    file: Annotated[
        Path | None, typer.Option(help="A TOML or JSON file that describes stores.", show_default=False)
    ] = None,
    home: HomeOption = None,
) -> None:
    """Add a store, or change how one that was added is reached. No secret is given on the command line.

    Examples:

    * `continuum store add paris --endpoint https://s3.eu-west-3.amazonaws.com --region eu-west-3
      --addressing virtual --credentials profile:research --site cloud`

    * `continuum store add gra --endpoint https://s3.gra.io.cloud.ovh.net --region gra
      --credentials env:OVH --site cloud`

    * `continuum store add --file stores.toml`

    * `continuum store add lab --directory /srv/lab --site edge`
    """
    if directory is not None:
        if endpoint or credentials or ca_file or file is not None:
            raise InvalidInputError(
                "a folder has no endpoint and no keys",
                hint="--directory with --site, --bucket and --capacity",
            )
        _add_directory(open_home(home), name, directory, site=site, bucket=bucket, capacity=capacity)
        return
    if file is not None:
        wanted = _choose(read_store_file(file), name, file)
    else:
        missing = [
            option
            for option, value in (
                ("NAME", name),
                ("--endpoint", endpoint),
                ("--site", site),
                ("--credentials", credentials),
            )
            if not value
        ]
        if missing:
            raise InvalidInputError(f"{', '.join(missing)} is not given", hint="or give them with --file")
        wanted = {
            name: StoreConfiguration(
                endpoint=endpoint,
                site=site,
                credentials=credentials,
                region=region,
                addressing=addressing,
                bucket=bucket,
                ca_file=ca_file,
                capacity=capacity,
            )
        }
    stores = [resolve_store(each, configuration, os.environ) for each, configuration in wanted.items()]
    _add(open_home(home), stores)


def remove(name: Annotated[str, typer.Argument(help="The store's name.")], home: HomeOption = None) -> None:
    """Remove a store that was added. Nothing in it is touched; buckets in it must be detached first."""
    chosen = open_home(home)
    ask(chosen, lambda backbone: LocatorClient(backbone).ask(RemoveStore(name=name)))
    served = remove_directory(chosen, name)
    typer.echo(f"{name} was removed{'; its folder stays as it is' if served else ''}", err=True)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("list")(list_)
    app.command()(show)
    app.command()(add)
    app.command()(remove)


def _describe(home: Home, *, measured: str = "") -> tuple[StoreDescription, ...]:
    request = DescribeStores(measured=measured)
    found: StoreDescriptions = ask(home, lambda backbone: LocatorClient(backbone).ask(request))
    return found.stores


def _choose(found: dict[str, StoreConfiguration], name: str, file: Path) -> dict[str, StoreConfiguration]:
    if not name:
        return found
    if name not in found:
        raise NotFoundError(f"{file} describes no store {name}", hint=f"it has {', '.join(found)}")
    return {name: found[name]}


def _add(home: Home, stores: list[Store]) -> None:
    async def send(backbone: Backbone) -> None:
        for each in stores:
            await LocatorClient(backbone).ask(AddStore(store=each))
            typer.echo(f"{each.name} was added: all gateways reach it at {each.endpoint}", err=True)

    ask(home, send)


def _add_directory(home: Home, name: str, folder: Path, *, site: str, bucket: str, capacity: str) -> None:
    """Serve a folder, and tell the hub; say what in it cannot be objects."""
    if not name or not site:
        raise InvalidInputError(
            "a folder needs NAME and --site", hint="the site whose gateways look after it"
        )
    check_store_name(name)
    found = survey(folder.expanduser(), limit_s=SURVEY_S)
    store = add_directory(home, name, folder, site, bucket=bucket, capacity_bytes=parse_size(capacity))
    _add(home, [store])
    _tell_survey(found)


def _tell_survey(found: Survey) -> None:
    more = "" if found.is_complete else " so far (there is more than was looked at)"
    typer.echo(f"files that can be objects: {found.objects}{more}", err=True)
    if found.skipped:
        typer.echo(f"left out: {found.skipped}{more}", err=True)
    for path, reason in found.examples:
        typer.echo(f"  {path}: {reason}", err=True)


def _kind(each: StoreDescription) -> str:
    return "added" if each.is_added else "the site's own"


def _kinds(each: StoreDescription) -> tuple[str, str]:
    return _kind(each), each.reach.value


def _lines(each: StoreDescription) -> dict[str, str]:
    reached = (
        f"by all gateways at {each.endpoint}"
        if each.is_added
        else f"by the gateways of {each.site} directly, by the others at {each.endpoint}"
    )
    if each.reach is Reach.SITE:
        reached = f"by the gateways of {each.site} alone: they bring its objects to the others"
    return {
        "kind": _kind(each),
        "reached": reached,
        "looked after": f"by the gateways of {each.site}",
        "region": each.region,
        "addressing": each.addressing,
        "bucket": each.bucket or "none: only what is attached",
        "attached": ", ".join(each.attached) or "-",
        "access key": each.access_key,
        "authority": "given with --ca-file" if each.has_ca else "the machine's",
        "capacity": format_size(each.capacity_bytes) if each.capacity_bytes else "not limited",
        "objects in it": "-" if each.used_bytes is None else format_size(each.used_bytes),
    }
