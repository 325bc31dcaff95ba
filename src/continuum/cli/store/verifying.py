"""`continuum store verify`: does every store have what the index says."""

from typing import Annotated

import msgspec
import typer
from rich.table import Table

from continuum.backbone import Backbone
from continuum.cli.asking import ask
from continuum.cli.jobs import watch
from continuum.cli.options import HomeOption, JsonOption, open_console, open_home, print_json
from continuum.model.errors import ContinuumError
from continuum.model.policies.amounts import format_size
from continuum.store import (
    Attachments,
    CancelJob,
    DescribeAttachments,
    DescribeStores,
    Finding,
    Job,
    LocatorClient,
    StartJob,
    StoreDescriptions,
)

DAMAGED = 2  # the exit status when something is wrong and was not repaired
SHOWN = 50
_MENDED = frozenset({"repaired", "removed"})


def verify(  # noqa: PLR0917 -- typer takes options from parameters
    bucket: Annotated[str, typer.Argument(help="Only the objects of this bucket.")] = "",
    store: Annotated[str, typer.Option(help="Only this store.")] = "",
    is_deep: Annotated[
        bool, typer.Option("--deep", help="Read every byte and compare checksums end to end.")
    ] = False,
    is_repairing: Annotated[
        bool, typer.Option("--repair", help="Copy anew what is lost or bad where a good copy is elsewhere.")
    ] = False,
    is_cancelling: Annotated[bool, typer.Option("--cancel", help="End what runs.")] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare the index with the stores: what is missing, has another size or ETag, or belongs to nobody.

    A copy that was found bad is never served again. Exit status 0: all is well or was repaired; 2: something
    is wrong and was not. The gateways do it, so it goes on when the command is stopped; the same command
    again shows it, `--cancel` ends it.

    Examples:

    * `continuum store verify`

    * `continuum store verify --deep --repair`

    * `continuum store verify measurements --json`
    """

    async def run(backbone: Backbone) -> list[Job]:
        client = LocatorClient(backbone)
        jobs = await _start(
            client,
            bucket,
            store,
            StartJob(
                kind="verify", store="", is_deep=is_deep, is_repairing=is_repairing, joins_any=is_cancelling
            ),
        )
        if is_cancelling:
            for job in jobs:
                await client.ask(CancelJob(job_id=job.job_id))
            return jobs
        return await watch(client, jobs, "verifying", is_quiet=as_json)

    done = ask(open_home(home), run)
    if is_cancelling:
        typer.echo("what ran was ended", err=True)
        return
    _tell(done, as_json=as_json)


async def _start(client: LocatorClient, bucket: str, store: str, wanted: StartJob) -> list[Job]:
    """Start the verification of every store that is asked for, or join it."""
    known: StoreDescriptions = await client.ask(DescribeStores())
    attached: Attachments = await client.ask(DescribeAttachments())
    used = {each.store for each in attached.attachments}
    names = [store] if store else [each.name for each in known.stores if each.bucket or each.name in used]
    return [await client.ask(msgspec.structs.replace(wanted, store=name, bucket=bucket)) for name in names]


def _tell(jobs: list[Job], *, as_json: bool) -> None:
    findings = [finding for job in jobs for finding in job.findings]
    if as_json:
        print_json(jobs)
    else:
        _print(jobs, findings)
    failed = [job for job in jobs if job.state == "failed"]
    if failed:
        raise ContinuumError(
            f"{failed[0].store} was not verified to its end: {failed[0].problem}",
            hint="`continuum store verify` begins anew",
        )
    if any(finding.outcome not in _MENDED for finding in findings):
        raise typer.Exit(DAMAGED)


def _print(jobs: list[Job], findings: list[Finding]) -> None:
    console = open_console()
    table = Table("store", "copies", "bytes", "found", box=None, pad_edge=False)
    for job in jobs:
        counts = dict(job.counts)
        copies, size_bytes = counts.pop("objects", 0), counts.pop("bytes", 0)
        found = ", ".join(f"{number:,} {name}" for name, number in sorted(counts.items()))
        table.add_row(job.store, f"{copies:,}", format_size(size_bytes), found or "all is well")
    console.print(table)
    for finding in findings[:SHOWN]:
        what = f"{finding.bucket}/{finding.key}" if finding.key else finding.physical
        console.print(f"  {finding.kind}: {what} in {finding.store}: {finding.outcome}", markup=False)
    if len(findings) > SHOWN:
        console.print(f"  … and {len(findings) - SHOWN:,} more (--json lists them)")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(verify)
