"""`continuum up`: start the embedded continuum and show how it comes up."""

import time
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live
from rich.text import Text

from continuum.cli.options import HomeOption, JsonOption, open_home, print_json
from continuum.model.errors import ConflictError, InvalidInputError
from continuum.sites import Home, Progress, UpOptions, find_status, run_in_foreground, start

_MARKS = {"ready": ("✓", "green"), "starting": ("…", "yellow"), "waiting": ("·", "dim")}


def up(  # noqa: PLR0917 -- typer takes options from parameters
    home: HomeOption = None,
    sites: Annotated[
        str, typer.Option(help="Names of the sites, with commas.", show_default="as before, else edge,cloud")
    ] = "",
    hub_port: Annotated[
        int | None,
        typer.Option(help="Port of the hub's HTTPS API; 0 picks one.", show_default="as before, else 3000"),
    ] = None,
    gateway_ports: Annotated[
        str,
        typer.Option(
            help="Ports of the sites' S3 gateways, with commas; 0 picks one.",
            show_default="as before, else 8002,8003,…",
        ),
    ] = "",
    policy: Annotated[
        str,
        typer.Option(
            help="write_local, or copy_on_read: also keep what was read from elsewhere.",
            show_default="as before, else write_local",
        ),
    ] = "",
    profile: Annotated[
        str,
        typer.Option(
            help="development, or release: gateways speak HTTPS only.",
            show_default="as before, else development",
        ),
    ] = "",
    store: Annotated[
        str,
        typer.Option(
            help="Kind of the sites' stores: seaweedfs, directory (plain files) or directory:/path; with "
            "commas, one site's as edge=directory.",
            show_default="as before, else seaweedfs",
        ),
    ] = "",
    database: Annotated[
        str,
        typer.Option(
            help="Where the URL of a PostgreSQL database for the index is: file:PATH or env:NAME.",
            show_default="as before, else SQLite in the home",
        ),
    ] = "",
    hubs: Annotated[
        int | None,
        typer.Option(help="How many hubs share that database.", show_default="as before, else 1"),
    ] = None,
    costs: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SITE:price=…",
            help="What computing costs at a site: price (EUR per unit-hour), idle and busy (W per unit), "
            "carbon (g CO2e per kWh). May be repeated.",
            show_default="as before, else no price and 250 g/kWh",
        ),
    ] = None,
    offer: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SITE:gpus=…",
            help="What a site has for tasks: units, gpus, engine (pool, dask, or tls://HOST:PORT), workers "
            "(MIN-MAX[:SECONDS], of its own Dask), software (a+b), nodes (host1+host2), and properties that "
            "constraints ask for, such as storage_type. May be repeated.",
            show_default="as before, else what is found there",
        ),
    ] = None,
    link: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FROM:TO:price=…",
            help="The link from a site to another: bandwidth (bytes/s), latency (s), price (EUR per GB). "
            "May be repeated.",
            show_default="as before, else loopback's",
        ),
    ] = None,
    listen: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="Let other machines reach it at these addresses or names; none: no more.",
            show_default="as before, else none",
        ),
    ] = "",
    foreground: Annotated[
        bool, typer.Option("--foreground", help="Stay in the terminal; Ctrl-C stops everything.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Start a hub and sites on this machine: each site with a store, an S3 gateway and an agent.

    State lives in one folder. What was started once comes back with all its data and on the same ports.

    Examples:

    * `continuum up`

    * `continuum up --home /data/c --hub-port 3001 --gateway-ports 9002,9003`

    * `continuum up --sites lab,edge,cloud --policy copy_on_read`

    * `continuum up --database file:/etc/continuum/database.url --hubs 2`

    * `continuum up --listen 192.0.2.7` (so that sites elsewhere can join)

    * `continuum up --store edge=directory:/data/edge`

    * `continuum up --offer cloud:gpus=2,storage_type=ssd --offer edge:software=casa+wsclean`

    * `continuum up --costs cloud:price=0.05,carbon=300 --costs edge:carbon=40 --link cloud:edge:price=0.02`
    """
    chosen = open_home(home)
    status = find_status(chosen)
    if status.state in {"up", "degraded"}:
        given = (sites, gateway_ports, policy, profile, database, hubs, store, costs, offer, link, listen)
        if hub_port is not None or any(given):
            raise ConflictError(
                f"the continuum in {chosen.path} is already up; options count when it starts",
                hint="`continuum down`, then the same command again",
            )
        _tell_already_up(chosen, as_json=as_json)
        return
    options = UpOptions(
        sites=tuple(_words(sites)),
        hub_port=hub_port,
        gateway_ports=_ports(gateway_ports),
        policy=policy,
        profile=profile,
        stores=tuple(_words(store)),
        database=database,
        hubs=hubs,
        costs=tuple(costs or ()),
        offers=tuple(offer or ()),
        links=tuple(link or ()),
        listen=tuple(_words(listen)),
    )
    display = Display(chosen, is_quiet=as_json)
    with display:
        run = run_in_foreground if foreground else start
        run(chosen, options, display.report)
    if as_json and not foreground:
        print_json(find_status(chosen))


class Display:
    """Shows a start: one line per process on a terminal, plain lines elsewhere."""

    def __init__(self, home: Home, *, is_quiet: bool) -> None:
        self._home = home
        self._is_quiet = is_quiet
        self._console = Console(stderr=True, highlight=False)
        self._states: dict[str, str] = {}
        self._began = time.monotonic()
        self._is_ready = False
        self._live = Live(console=self._console, refresh_per_second=8, transient=True)
        self._is_live = self._console.is_terminal and not is_quiet

    def __enter__(self) -> "Display":
        if self._is_live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def report(self, progress: Progress) -> None:
        """Show what happened."""
        if progress.note and not self._is_quiet:
            self._console.print(progress.note)
        if progress.process:
            self._show(progress.process, progress.state)
        if progress.ready and not self._is_ready:
            self._is_ready = True
            self._is_live = False
            self._live.stop()
            if not self._is_quiet:
                self._tell_ready()

    def _show(self, process: str, state: str) -> None:
        is_news = self._states.get(process) != state
        self._states[process] = state
        if self._is_live:
            self._live.update(self._draw())
        elif not self._is_quiet and is_news and (self._is_ready or state == "ready"):
            self._console.print(f"{time.monotonic() - self._began:5.1f} s  {process} {state}")

    def _draw(self) -> Text:
        text = Text()
        for process, state in self._states.items():
            mark, style = _MARKS.get(state, ("!", "red"))
            text.append(f" {mark} {process} ", style)
            text.append(f"{state}\n", "dim")
        return text

    def _tell_ready(self) -> None:
        """Say what there is now and what to do with it."""
        described = self._home.continuum()
        print_ = self._console.print
        print_(f"[green]up[/] after {time.monotonic() - self._began:.1f} s: {len(described.sites)} sites")
        for site in described.sites:
            print_(f"  {site.name:<12} S3 at {site.gateway_url}, {site.computing_units} computing units")
        print_(f"  {'hub':<12} {described.hub_url}")
        print_(f'next: eval "$(continuum env {described.sites[0].name})"; aws s3 ls', style="dim")


def _tell_already_up(home: Home, *, as_json: bool) -> None:
    if as_json:
        print_json(find_status(home))
        return
    typer.echo(f"the continuum in {home.path} is already up; `continuum status` shows it", err=True)


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _ports(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(word) for word in _words(text))
    except ValueError as problem:
        raise InvalidInputError(
            f"{text!r} is no list of ports", hint="as in --gateway-ports 8002,8003"
        ) from problem
