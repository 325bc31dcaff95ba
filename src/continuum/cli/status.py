"""`continuum status`: how every process stands."""

import time

import msgspec
import typer
from rich.table import Table

from continuum.cli.health import GatewayJournal, find_journal
from continuum.cli.options import HomeOption, JsonOption, open_console, open_home, print_json
from continuum.sites import ContinuumStatus, ProcessStatus, find_status

_STYLES = {"ready": "green", "up": "green", "starting": "yellow", "stopping": "yellow", "degraded": "red"}


def status(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Show how the continuum and each of its processes stand.

    Exit status 0 if it is up and all is well, 3 if a process is being restarted or it is on its way up or
    down, 4 if it is down.
    """
    place = open_home(home)
    found = find_status(place)
    journals = {site: find_journal(url, place.ca_file) for site, url in found.gateways.items()}
    if as_json:
        print_json(msgspec.to_builtins(found, enc_hook=str) | {"journals": msgspec.to_builtins(journals)})
    else:
        _print(found)
        _print_journals(journals)
    raise typer.Exit({"up": 0, "down": 4}.get(found.state, 3))


def _print(found: ContinuumStatus) -> None:
    console = open_console()
    style = _STYLES.get(found.state, "dim")
    console.print(f"{found.home}: [{style}]{found.state}[/]")
    if found.died:
        console.print("its supervisor was killed; `continuum up` starts everything again")
    if found.is_full:
        console.print(
            f"[red]its disk is full[/]: {found.free_bytes / 2**20:.0f} MiB are free, and stores take nothing "
            "below 256 MiB; free some space, and it goes on by itself"
        )
    if not found.processes:
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("process", "state", "pid", "up for", "restarts", "ports", "last failure"):
        is_number = heading in {"pid", "restarts", "up for"}
        table.add_column(heading, justify="right" if is_number else "left", no_wrap=heading != "last failure")
    for process in found.processes:
        table.add_row(*_row(process))
    console.print(table)
    console.print(f"hub {found.hub_url}", style="dim")
    for site, url in found.gateways.items():
        console.print(f"gateway of {site} {url}", style="dim")


def _print_journals(journals: dict[str, GatewayJournal]) -> None:
    console = open_console()
    for site, journal in journals.items():
        if journal.buckets:
            console.print(
                f"[yellow]the gateway of {site} serves {journal.buckets} buckets without the hub[/]"
            )
        if journal.waiting:
            since = _duration(max(time.time() - journal.waiting_since, 0.0))
            console.print(
                f"{journal.waiting:,} changes written there wait to be replayed, the oldest for {since}"
            )
        if journal.refused:
            console.print(f"[red]{journal.refused:,} changes at {site} could not be replayed[/]")


def _row(process: ProcessStatus) -> tuple[str, ...]:
    is_ready = process.state == "ready"
    return (
        process.name,
        f"[{_STYLES.get(process.state, 'red')}]{process.state}[/]",
        str(process.pid or ""),
        _duration(time.time() - process.ready_at) if is_ready else "",
        str(process.restarts or ""),
        _ports(process.ports),
        process.last_failure,
    )


def _ports(ports: tuple[int, ...]) -> str:
    """Return the first port, and how many inner ones there are besides."""
    if not ports:
        return ""
    return f"{ports[0]}" + (f" and {len(ports) - 1} inner" if len(ports) > 1 else "")


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
