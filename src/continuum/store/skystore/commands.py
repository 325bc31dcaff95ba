"""The commands `skystore` and `skystore-server`: parse, prepare, and hand the plan to a supervisor."""

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from continuum.model.errors import ContinuumError
from continuum.sites import Home, find_status, stop
from continuum.store.skystore.configurations import GATEWAY_PORT, SERVER_PORT
from continuum.store.skystore.launching import (
    ClientOptions,
    Launch,
    ServerOptions,
    find_homes,
    launch,
    prepare_client,
    prepare_server,
    write_join,
)
from continuum.store.skystore.policies import NAMES

HomeOption = Annotated[
    Path | None,
    typer.Option(help="The state folder. Default: $SKYSTORE_HOME, else ~/.skystore.", show_default=False),
]
DetachOption = Annotated[
    bool, typer.Option("--detach", help="Go on in the background; `skystore exit` ends it.")
]
_HELP = {"help_option_names": ["-h", "--help"]}
_SINGLE_DASH = re.compile(r"-(?P<name>[a-z][a-z_]+)(?P<value>=.*)?")

client = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown", context_settings=_HELP)
server = typer.Typer(rich_markup_mode="markdown", add_completion=False, context_settings=_HELP)


@client.callback()
def skystore() -> None:
    """Sky Store: one S3 name space over the object stores of several regions.

    Start `skystore-server` once, then `skystore init` wherever clients are.
    """


@client.command()
def init(  # noqa: PLR0917 -- typer takes options from parameters
    config: Annotated[Path | None, typer.Option(help="The configuration (JSON).", show_default=False)] = None,
    local: Annotated[
        bool, typer.Option("--local", help="Keep the region's objects in a store of its own on this machine.")
    ] = False,
    directory: Annotated[
        Path | None,
        typer.Option(
            help="Keep the region's objects as plain files in this folder of this machine.",
            show_default=False,
        ),
    ] = None,
    policy: Annotated[
        str, typer.Option(help=f"One of {', '.join(NAMES)}; counts before the file.", show_default=False)
    ] = "",
    server_addr: Annotated[str, typer.Option(help="HOST or HOST:PORT; counts before the file.")] = "",
    port: Annotated[int, typer.Option(help="Where clients find the gateway, on 127.0.0.1.")] = GATEWAY_PORT,
    join: Annotated[
        Path | None,
        typer.Option(help="The join file, if the server is on another machine.", show_default=False),
    ] = None,
    home: HomeOption = None,
    detach: DetachOption = False,
) -> None:
    """Start the gateway of a region: an S3 endpoint that shows the objects of all regions.

    The configuration has the keys init_regions, client_from_region, skystore_bucket_prefix, policy and
    server_addr; INIT_REGIONS, CLIENT_FROM_REGION, SKYSTORE_BUCKET_PREFIX, POLICY and SERVER_ADDR stand in for
    those that it has not. AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are the keys of the region's store, and
    of clients too unless SKY_ACCESS_KEY_ID and SKY_SECRET_ACCESS_KEY are set. SKYSTORE_ENDPOINTS
    (`aws:eu-central-1=http://127.0.0.1:9000,…`) names stores that are not AWS's.

    Examples:

    * `skystore init --config eu-central-1.json`

    * `skystore init --config eu-west-1.json --port 8004 --detach`
    """
    options = ClientOptions(
        config=config,
        is_local=local,
        policy=policy,
        server_addr=server_addr,
        port=port,
        join=join,
        directory=directory,
    )
    _launch(lambda: prepare_client(_home(home), options), detach=detach)


@client.command()
def exit(home: HomeOption = None) -> None:  # noqa: A001 -- Sky Store's name for it
    """Stop all gateways and the server that run from this home."""
    stopped = [folder.name for folder in find_homes(_home(home)) if stop(Home(folder))]
    typer.echo(f"stopped {', '.join(stopped)}" if stopped else "nothing was running", err=True)


@client.command()
def status(home: HomeOption = None) -> None:
    """Show what runs from this home."""
    place = _home(home)
    folders = find_homes(place)
    if not folders:
        typer.echo(f"nothing was started from {place.path} yet: skystore-server, then skystore init")
    for folder in folders:
        found = find_status(Home(folder))
        where = " ".join(found.gateways.values())
        typer.echo(f"{folder.name:<24} {found.state:<9} {where}")
        for process in found.processes:
            restarts = f", restarted {process.restarts} times" if process.restarts else ""
            typer.echo(f"  {process.name:<22} {process.state}{restarts}")


@server.command()
def run_server(  # noqa: PLR0917
    init_regions: Annotated[
        str,
        typer.Option(
            help="The regions that may join, with commas. Default: $INIT_REGIONS.", show_default=False
        ),
    ] = "",
    port: Annotated[int, typer.Option(help="Where gateways find the server (TLS).")] = SERVER_PORT,
    api_port: Annotated[
        int | None,
        typer.Option(
            help="Port of the HTTPS API and page, on 127.0.0.1; 0 picks one.", show_default="port + 1"
        ),
    ] = None,
    host: Annotated[
        list[str] | None,
        typer.Option(
            help="A name or address by which gateways on other machines reach the server; may be repeated. "
            "Without any, it listens on this machine only.",
            show_default=False,
        ),
    ] = None,
    join_file: Annotated[
        Path | None,
        typer.Option(
            help="Write what a gateway on another machine needs to join, and end.", show_default=False
        ),
    ] = None,
    region: Annotated[str, typer.Option(help="The region whose gateway the join file is for.")] = "",
    home: HomeOption = None,
    detach: DetachOption = False,
) -> None:
    """Run the Sky Store server: it knows where every object is.

    Gateways connect to its one port, by TLS, with a certificate of its own authority. On this machine they
    get one by themselves; for another machine write a join file and carry it there, or tunnel the port (`ssh
    -L 3000:localhost:3000`) and carry it all the same.

    Examples:

    * `INIT_REGIONS=aws:eu-central-1,aws:eu-west-1 skystore-server`

    * `skystore-server --join-file eu-west-1.join --region aws:eu-west-1`
    """
    options = ServerOptions(
        init_regions=init_regions,
        port=port,
        api_port=port + 1 if api_port is None else api_port,
        hosts=tuple(host or ()),
    )
    if join_file is not None:
        write_join(_home(home), options, join_file, region)
        typer.echo(f"wrote {join_file}; whoever has it is the gateway of {region}: carry it safely", err=True)
        return
    _launch(lambda: prepare_server(_home(home), options), detach=detach)


def main() -> None:
    """Run `skystore`."""
    _run(client, "skystore")


def serve() -> None:
    """Run `skystore-server`."""
    _run(server, "skystore-server")


def accept_single_dashes(words: list[str]) -> list[str]:
    """Return the words with `-config=FILE`, as Sky Store's papers print it, as `--config=FILE`.

    Underscores in the names of options become dashes.
    """
    return [_as_option(word) for word in words]


def _as_option(word: str) -> str:
    single = _SINGLE_DASH.fullmatch(word)
    if single is not None:
        word = f"-{word}"
    if not word.startswith("--"):
        return word
    name, equals, value = word.partition("=")
    return name.replace("_", "-") + equals + value


def _run(application: typer.Typer, name: str) -> None:
    try:
        application(accept_single_dashes(sys.argv[1:]), prog_name=name)
    except ContinuumError as problem:
        _tell_error(problem)
        sys.exit(1)


def _launch(prepare: Callable[[], Launch], *, detach: bool) -> None:
    launch(prepare(), is_detached=detach, tell=lambda text: typer.echo(text, err=True), ready=typer.echo)


def _home(path: Path | None) -> Home:

    return Home(path or os.environ.get("SKYSTORE_HOME") or "~/.skystore")


def _tell_error(problem: ContinuumError) -> None:
    typer.secho(f"error: {problem.message}", err=True)
    for line in getattr(problem, "lines", ()):
        typer.secho(f"  | {line}", dim=True, err=True)
    if problem.hint:
        typer.secho(f"hint:  {problem.hint}", err=True)
