"""`continuum site`: the sites, as their agents report them; invitations."""

import time
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.table import Table

from continuum.cli.asking import ask
from continuum.cli.clusters.joining import join
from continuum.cli.clusters.leaving import leave, upgrade
from continuum.cli.clusters.secrets import secrets
from continuum.cli.clusters.showing import look, print_cluster
from continuum.cli.granting import grant, revoke, rights
from continuum.cli.inviting import invite, uninvite
from continuum.cli.options import HomeOption, JsonOption, open_console, open_home, print_json
from continuum.model.errors import NotFoundError
from continuum.model.sites import Reach
from continuum.sites import JoinedSite, KnownSite, Sites, list_joined, list_sites

DAY_S = 86_400

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode="markdown")


@app.callback()
def site() -> None:
    """List and show sites, invite further ones, and make sites of clusters."""


app.command()(join)
app.command()(upgrade)
app.command()(leave)
app.command()(invite)
app.command()(uninvite)
app.command()(secrets)
app.command()(grant)
app.command()(revoke)
app.command()(rights)


@app.command("list")
def list_(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List the sites: can they be reached, and how busy are they."""
    known = ask(open_home(home), list_sites)
    if as_json:
        print_json(known.sites)
        return
    table = Table(box=None, pad_edge=False)
    for heading in (
        "site",
        "state",
        "kind",
        "units free",
        "tasks waiting",
        "memory",
        "price",
        "CO2e",
        "gateway",
    ):
        is_number = heading in {"units free", "tasks waiting", "memory", "price", "CO2e"}
        table.add_column(heading, justify="right" if is_number else "left")
    for each in known.sites:
        table.add_row(*_row(each))
    joined = list_joined(open_home(home))
    heard = {each.name for each in known.sites}
    for site_ in joined:
        if site_.name not in heard:
            table.add_row(site_.name, "invited", site_.kind.value)
    open_console().print(table)
    _warn_of_ends(joined)


def _warn_of_ends(joined: Sequence[JoinedSite]) -> None:
    """Say of which sites elsewhere the certificates end soon."""
    for each in joined:
        left_s = each.ends_at - time.time()
        if each.is_due(time.time()):
            when = f"end in {left_s / DAY_S:.0f} days" if left_s > 0 else "have ended"
            typer.echo(f"the certificates of {each.name} {when}: invite and join it again", err=True)


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="The site's name.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one site: what it offers, how it is, its links, and the cluster that it is."""
    chosen = open_home(home)
    known = ask(chosen, list_sites)
    view = look(chosen, name)
    found = next((each for each in known.sites if each.name == name), None)
    if found is None and view is None:
        names = ", ".join(each.name for each in known.sites) or "none"
        raise NotFoundError(f"there is no site {name}", hint=f"sites that have reported: {names}")
    if as_json:
        print_json(
            {
                "site": found,
                "links": [link for link in known.links if name in (link.source, link.target)],
                "cluster": view,
            }
        )
        return
    if found is not None:
        _print(found, known)
    if view is not None:
        print_cluster(open_console(), view)


def _print(found: KnownSite, known: Sites) -> None:
    console = open_console()
    report = found.report
    lines = {
        "state": _state(found),
        "kind": report.kind.value,
        "computing units": f"{report.free_units} of {report.capacity.computing_units} free",
        "tasks waiting": str(report.queued_tasks),
        "workers": f"{report.workers}{_limits(report.worker_limits)}",
        "memory": _gigabytes(report.capacity.memory_bytes),
        "architecture": report.capacity.architecture,
        "software": ", ".join(report.capacity.software) or "-",
        "price": f"{report.costs.price_eur_per_unit_h:g} € per unit and hour",
        "power": f"{report.costs.idle_w_per_unit:g} W idle, {report.costs.busy_w_per_unit:g} W busy per unit",
        "carbon": f"{report.costs.carbon_g_per_kwh:g} g CO2e per kWh",
        "GPUs": str(report.capacity.gpus),
        "storage": _gigabytes(report.capacity.storage_bytes) if report.capacity.storage_bytes else "-",
        "machines": ", ".join(report.capacity.nodes) or "1",
        "properties": ", ".join(f"{name}={value}" for name, value in sorted(report.capacity.labels.items())),
        "engines": ", ".join(report.engines),
        "gateway": report.gateway_url,
        "store": "nobody elsewhere can connect to it"
        if report.reach is Reach.SITE
        else "reached from all sites",
        "version": report.version,
    }
    console.print(f"[bold]{report.name}[/]")
    for heading, text in lines.items():
        console.print(f"  {heading:<16} {text}")
    for link in known.links:
        if link.source == report.name:
            console.print(
                f"  {'link':<16} to {link.target}: {link.bandwidth_bytes_per_s / 1e6:,.0f} MB/s, "
                f"{link.latency_s * 1e3:g} ms, {link.price_eur_per_gb:g} € per GB"
            )


def _limits(limits: str) -> str:
    return f" (follow the queue: {limits})" if limits else ""


def _row(each: KnownSite) -> tuple[str, ...]:
    report = each.report
    return (
        report.name,
        _state(each),
        report.kind.value,
        f"{report.free_units}/{report.capacity.computing_units}",
        str(report.queued_tasks),
        _gigabytes(report.capacity.memory_bytes),
        f"{report.costs.price_eur_per_unit_h:g} €/h",
        f"{report.costs.carbon_g_per_kwh:g} g/kWh",
        report.gateway_url,
    )


def _state(each: KnownSite) -> str:
    return "[green]reachable[/]" if each.is_reachable else f"[red]silent for {each.silent_s:.0f} s[/]"


def _gigabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e9:.1f} GB"
