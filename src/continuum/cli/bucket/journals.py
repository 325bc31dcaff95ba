"""What gateways wrote while they could not reach the hub: how much of it waits, and what was in conflict."""

import time

import typer
from rich.table import Table

from continuum.cli.options import open_console
from continuum.model.policies.amounts import format_duration
from continuum.store import Journals

OUTCOMES = {
    "newer": "the later write is current, the other one is kept as",
    "older": "the earlier write is kept as",
    "kept": "not deleted, for it was written elsewhere:",
    "aside": "the bucket was deleted; kept as",
    "refused": "could not be taken in:",
}


def print_journals(found: Journals) -> None:
    """Print what waits and the last conflicts; nothing if there is nothing."""
    for journal in found.journals:
        if journal.waiting:
            since = format_duration(max(time.time() - journal.oldest_at, 0.0))
            typer.echo(
                f"{journal.gateway} wrote without the hub: {journal.replayed:,} changes are replayed, "
                f"{journal.waiting:,} wait, the oldest for {since}"
            )
    if not found.conflicts:
        return
    table = Table("object", "written at", "conflict", box=None, pad_edge=False)
    for conflict in found.conflicts:
        told = f"{OUTCOMES.get(conflict.outcome, conflict.outcome)} {conflict.kept_as or conflict.problem}"
        table.add_row(f"{conflict.bucket}/{conflict.key}", conflict.gateway, told)
    open_console().print(table)
