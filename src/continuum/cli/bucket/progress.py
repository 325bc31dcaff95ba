"""How a transfer is shown: what it would do, how far it is, what it did."""

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator

import msgspec
import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from continuum.model.paths import Path as SitePath
from continuum.model.policies.amounts import format_size
from continuum.store import HistoryMover, Mover, Tally

LIVE_EVERY_S = 0.2
LINE_EVERY_S = 5.0
SHOWN_KEYS = 20


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """An object that could not be dealt with."""

    key: str
    reason: str


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What a transfer did. `journal` is empty if nothing is left to go on with."""

    verb: str
    source: str
    target: str
    objects: int
    sent_objects: int
    sent_bytes: int
    present_objects: int
    resumed_objects: int
    resumed_bytes: int
    removed_objects: int
    deleted_objects: int
    failed_objects: int
    failures: list[Failure]
    retries: int
    seconds: float
    bytes_per_s: float
    lanes: int
    note: str
    journal: str


class PlanSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What a transfer would do; -1 where it cannot be known, because the links are not."""

    verb: str
    source: str
    target: str
    objects: int
    bytes: int
    send_objects: int
    send_bytes: int
    delete_objects: int
    impossible_objects: int
    path: list[str]
    estimated_s: float
    estimated_eur: float


@contextlib.asynccontextmanager
async def shown(mover: Mover | HistoryMover, title: str, *, quiet: bool) -> AsyncIterator[None]:
    """Show how far a transfer is while it runs: live on a terminal, a line now and then elsewhere."""
    if quiet:
        yield
        return
    show = _show_live(mover, title) if sys.stderr.isatty() else _show_lines(mover, title)
    showing = asyncio.create_task(show)
    try:
        yield
    finally:
        showing.cancel()
        await asyncio.gather(showing, return_exceptions=True)


async def _show_live(mover: Mover | HistoryMover, title: str) -> None:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[objects]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(title, total=None, objects="")
        while True:
            tally = mover.tally
            total = tally.planned_bytes if tally.is_planned else None
            progress.update(task, completed=mover.passed_bytes, total=total, objects=_objects(tally))
            await asyncio.sleep(LIVE_EVERY_S)


async def _show_lines(mover: Mover | HistoryMover, title: str) -> None:
    passed, at = 0, time.monotonic()
    while True:
        await asyncio.sleep(LINE_EVERY_S)
        now = time.monotonic()
        rate, passed, at = (mover.passed_bytes - passed) / (now - at), mover.passed_bytes, now
        tally = mover.tally
        of = format_size(tally.planned_bytes) if tally.is_planned else "?"
        typer.echo(
            f"{title}: {format_size(passed)} of {of}, {_objects(tally)}, {format_size(rate)}/s, "
            f"{mover.lanes} lanes",
            err=True,
        )


def _objects(tally: Tally) -> str:
    more = "" if tally.is_planned else "+"
    failed = f", {tally.failed} failed" if tally.failed else ""
    return f"{tally.sent_objects} of {tally.planned_objects}{more} objects{failed}"


def summarise(
    mover: Mover | HistoryMover, *, verb: str, source: str, target: str, seconds: float, journal: str
) -> Summary:
    """Return what a transfer did."""
    tally = mover.tally
    return Summary(
        verb=verb,
        source=source,
        target=target,
        objects=tally.listed_objects,
        sent_objects=tally.sent_objects,
        sent_bytes=tally.sent_bytes,
        present_objects=tally.present_objects,
        resumed_objects=tally.resumed_objects,
        resumed_bytes=tally.resumed_bytes,
        removed_objects=tally.removed,
        deleted_objects=tally.deleted,
        failed_objects=tally.failed,
        failures=[Failure(key=key, reason=reason) for key, reason in tally.failures.items()],
        retries=tally.retries,
        seconds=round(seconds, 3),
        bytes_per_s=round(tally.sent_bytes / seconds) if seconds else 0,
        lanes=mover.lanes,
        note=tally.note,
        journal=journal,
    )


def print_summary(done: Summary) -> None:
    """Tell a person what a transfer did; failures on standard error."""
    words = [f"{done.sent_objects} of {done.objects} objects sent, {format_size(done.sent_bytes)}"]
    words.append(f"in {done.seconds:.1f} s ({format_size(done.bytes_per_s)}/s)")
    typer.echo(" ".join(words))
    counts = {
        "were there already": done.present_objects,
        "were removed at the source": done.removed_objects,
        "were deleted at the target": done.deleted_objects,
    }
    for what, count in counts.items():
        if count:
            typer.echo(f"{count} objects {what}")
    if done.resumed_bytes or done.resumed_objects:
        typer.echo(f"{format_size(done.resumed_bytes)} of parts were there from before")
    if done.note:
        typer.echo(done.note, err=True)
    for failure in done.failures[:SHOWN_KEYS]:
        typer.echo(f"failed: {failure.key or done.source}: {failure.reason}", err=True)
    if done.failed_objects > SHOWN_KEYS:
        typer.echo(f"failed: {done.failed_objects - SHOWN_KEYS} more; --json tells up to 1,000", err=True)


def estimate(path: SitePath | None, size_bytes: int) -> tuple[float, float]:
    """Return time (s) and cost (EUR) over a path; -1 if it is not known."""
    if path is None:
        return -1.0, -1.0
    return path.estimate_s(size_bytes), path.cost_eur(size_bytes)


def print_plan(plan: PlanSummary, keys: list[tuple[str, str]]) -> None:
    """Tell a person what a transfer would do."""
    typer.echo(f"would send {plan.send_objects} of {plan.objects} objects, {format_size(plan.send_bytes)}")
    if plan.delete_objects:
        typer.echo(f"would delete {plan.delete_objects} objects at the target")
    if plan.impossible_objects:
        typer.echo(f"{plan.impossible_objects} objects cannot be at the target under their names")
    if plan.path:
        typer.echo(f"path: {' → '.join(plan.path)}")
    if plan.estimated_s >= 0:
        typer.echo(f"estimated: {plan.estimated_s:,.1f} s, {plan.estimated_eur:,.2f} EUR")
    else:
        typer.echo("estimated: unknown, no link between the two ends is described")
    for key, reason in keys:
        typer.echo(f"  {reason}: {key}")
