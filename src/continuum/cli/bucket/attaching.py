"""`continuum bucket attach|rescan|detach|attachments`: existing buckets in the name space, where they are."""

import asyncio
import datetime as dt
from typing import Annotated

import typer
from rich.table import Table

from continuum.backbone import Backbone
from continuum.cli.asking import ask
from continuum.cli.jobs import watch
from continuum.cli.options import HomeOption, JsonOption, open_console, open_home, print_json
from continuum.model.errors import ContinuumError, InvalidInputError, UnavailableError
from continuum.store import (
    AttachBucket,
    Attachments,
    DescribeAttachments,
    DetachBucket,
    Detaching,
    Job,
    LocatorClient,
    StartJob,
)

PATIENCE_S = 120.0
PAUSE_S = 0.3

NameArgument = Annotated[str, typer.Argument(help="The bucket's name in the name space.")]


def attach(  # noqa: PLR0917 -- typer takes options from parameters
    name: NameArgument,
    store: Annotated[str, typer.Option(help="The store that has it (`continuum store list`).")],
    bucket: Annotated[str, typer.Option(help="The physical bucket.")],
    prefix: Annotated[str, typer.Option(help="Only what begins with this; it is left out of keys.")] = "",
    owner: Annotated[str, typer.Option(help="Whose bucket it becomes.")] = "admin",
    rescan_every: Annotated[
        float, typer.Option(help="Seconds between scans for outside changes; 0: only when asked.")
    ] = 3600.0,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Index an existing bucket where it is. Objects keep their names; nothing is copied or changed.

    If the command is stopped the scan goes on; the same command again shows it.

    Example: `continuum bucket attach survey --store paris --bucket survey-2024`
    """
    if rescan_every < 0:
        raise InvalidInputError("the time between scans cannot be below zero")
    request = AttachBucket(
        name=name, owner=owner, store=store, bucket=bucket, prefix=prefix, rescan_every_s=rescan_every
    )

    async def run(backbone: Backbone) -> Job:
        client = LocatorClient(backbone)
        job: Job = await client.ask(request)
        return (await watch(client, [job], f"indexing {bucket}", is_quiet=as_json))[0]

    done = ask(open_home(home), run)
    _tell(done, as_json=as_json, undo=f"`continuum bucket detach {name}` takes it back")


def rescan(name: NameArgument, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Follow now what others changed in an attached bucket: new, changed, vanished objects."""

    async def run(backbone: Backbone) -> Job:
        client = LocatorClient(backbone)
        job: Job = await client.ask(StartJob(kind="scan", store="", bucket=name))
        return (await watch(client, [job], f"scanning {name}", is_quiet=as_json))[0]

    _tell(ask(open_home(home), run), as_json=as_json, undo="the next scan tries again")


def detach(
    name: NameArgument,
    drop_history: Annotated[
        bool, typer.Option("--drop-history", help="Also if old versions go: they have no names there.")
    ] = False,
    home: HomeOption = None,
) -> None:
    """Let an attached bucket go. Every byte stays in its store under the object's own name.

    Writes that are not there yet are brought there first. Stopped in the middle, the same command goes on.
    """
    request = DetachBucket(name=name, drop_history=drop_history)
    removed = ask(open_home(home), lambda backbone: _detach(LocatorClient(backbone), request))
    typer.echo(f"{name} was detached: {removed:,} objects stay where they are", err=True)


async def _detach(client: LocatorClient, request: DetachBucket) -> int:
    removed = 0
    deadline = asyncio.get_running_loop().time() + PATIENCE_S
    with open_console(stderr=True).status(f"detaching {request.name}") as status:
        while True:
            step: Detaching = await client.ask(request)
            removed += step.removed
            if step.is_done:
                return removed
            if step.waiting:
                status.update(f"{step.waiting:,} writes are brought to their own names")
                if asyncio.get_running_loop().time() > deadline:
                    raise UnavailableError(
                        f"{step.waiting:,} writes are not at their own names: {step.problem or 'waiting'}",
                        hint="nothing is lost; the same command goes on later",
                    )
                await asyncio.sleep(PAUSE_S)


def attachments(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List the buckets that are attached where they are, with their last scan."""
    found: Attachments = ask(
        open_home(home), lambda backbone: LocatorClient(backbone).ask(DescribeAttachments())
    )
    if as_json:
        print_json(found.attachments)
        return
    headings = ("bucket", "store", "physical bucket", "objects", "scan", "scanned")
    table = Table(*headings, box=None, pad_edge=False)
    for each in found.attachments:
        scanned = f"{dt.datetime.fromtimestamp(each.scanned_at, dt.UTC):%Y-%m-%d %H:%M} UTC"
        table.add_row(
            each.name,
            each.store,
            f"{each.bucket}/{each.prefix}",
            f"{each.objects:,}",
            "detaching" if each.is_detaching else each.scan_state,
            scanned if each.scanned_at else "-",
        )
    open_console().print(table)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(attach)
    app.command()(rescan)
    app.command()(detach)
    app.command()(attachments)


def _tell(job: Job, *, as_json: bool, undo: str) -> None:
    if as_json:
        print_json(job)
    if job.state == "failed":
        raise ContinuumError(f"the scan of {job.bucket} failed: {job.problem}", hint=undo)
    if not as_json:
        counts = job.counts
        changes = ", ".join(f"{counts.get(name, 0):,} {name}" for name in ("new", "changed", "vanished"))
        typer.echo(f"{job.bucket}: {counts.get('objects', 0):,} objects ({changes})", err=True)
