"""`continuum bucket copy|move|sync`: many objects from one place to another."""

import asyncio
import contextlib
import shlex
import signal
import sys
import time
from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
import typer
import uvloop

from continuum.cli.bucket.bringing import Bringing, bring
from continuum.cli.bucket.options import (
    AddressingOption,
    BandwidthOption,
    CaFileOption,
    ChecksumOption,
    CredentialsOption,
    EndpointOption,
    ExcludeOption,
    ForceOption,
    IncludeOption,
    LanesOption,
    PlanOption,
    PreferOption,
    RegionOption,
    SiteOption,
    SourceArgument,
    StoresOption,
    TargetArgument,
    VersionsOption,
)
from continuum.cli.bucket.places import Ends, Named, look_around, open_ends
from continuum.cli.bucket.progress import (
    SHOWN_KEYS,
    PlanSummary,
    Summary,
    estimate,
    print_plan,
    print_summary,
    shown,
    summarise,
)
from continuum.cli.options import HomeOption, JsonOption, open_home, print_json
from continuum.model.errors import InvalidInputError
from continuum.model.paths import Preference
from continuum.model.transfers import Filters, Place, Reason, Verb, parse_place, parse_rate
from continuum.sites import Home
from continuum.store import (
    BucketEnd,
    HistoryMover,
    Journal,
    Mover,
    Plan,
    Tally,
    TransferRequest,
    name_transfer,
)

FOLDER = "transfers"
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A transfer as it was asked for."""

    source: Place
    target: Place
    request: TransferRequest
    named: Named
    is_plan: bool
    as_json: bool
    with_versions: bool = False


def copy(  # noqa: PLR0917 -- typer takes options from parameters
    source: SourceArgument,
    target: Annotated[str, typer.Argument(help="The same forms; left out with --to.")] = "",
    to: Annotated[str, typer.Option(help="Make copies at this site instead; names stay as they are.")] = "",
    plan: PlanOption = False,
    include: IncludeOption = None,
    exclude: ExcludeOption = None,
    checksum: ChecksumOption = False,
    force: ForceOption = False,
    versions: VersionsOption = False,
    bandwidth: BandwidthOption = "",
    lanes: LanesOption = 0,
    site: SiteOption = "",
    endpoint: EndpointOption = "",
    credentials: CredentialsOption = "",
    region: RegionOption = "us-east-1",
    addressing: AddressingOption = "path",
    ca_file: CaFileOption = "",
    stores: StoresOption = None,
    prefer: PreferOption = Preference.FASTEST,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Copy objects. What is at the target already, as large and not older, is not sent again.

    Interrupted, the same command goes on where it was.

    Examples:

    * `continuum bucket copy file:///data/run7 s3://results/run7`

    * `continuum bucket copy s3://results paris:archive --plan`

    * `continuum bucket copy s3://results --to edge`
    """
    _start(Verb.COPY, locals())


def move(  # noqa: PLR0917
    source: SourceArgument,
    target: TargetArgument,
    plan: PlanOption = False,
    include: IncludeOption = None,
    exclude: ExcludeOption = None,
    bandwidth: BandwidthOption = "",
    lanes: LanesOption = 0,
    site: SiteOption = "",
    endpoint: EndpointOption = "",
    credentials: CredentialsOption = "",
    region: RegionOption = "us-east-1",
    addressing: AddressingOption = "path",
    ca_file: CaFileOption = "",
    stores: StoresOption = None,
    prefer: PreferOption = Preference.FASTEST,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Copy objects and remove each at the source once the target was asked again and has it.

    Example: `continuum bucket move s3://inbox/2026 s3://archive/2026`
    """
    _start(Verb.MOVE, locals())


def sync(  # noqa: PLR0917
    source: SourceArgument,
    target: TargetArgument,
    delete: Annotated[
        bool, typer.Option("--delete", help="Delete at the target what the source does not have.")
    ] = False,
    plan: PlanOption = False,
    include: IncludeOption = None,
    exclude: ExcludeOption = None,
    checksum: ChecksumOption = False,
    bandwidth: BandwidthOption = "",
    lanes: LanesOption = 0,
    site: SiteOption = "",
    endpoint: EndpointOption = "",
    credentials: CredentialsOption = "",
    region: RegionOption = "us-east-1",
    addressing: AddressingOption = "path",
    ca_file: CaFileOption = "",
    stores: StoresOption = None,
    prefer: PreferOption = Preference.FASTEST,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make the target like the source. Nothing is deleted without `--delete`, nor if anything failed.

    Example: `continuum bucket sync s3://results file:///backup/results --delete --plan`
    """
    _start(Verb.SYNC, locals())


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (copy, move, sync):
        app.command()(command)


# ---- doing it ----


def _start(verb: Verb, given: dict[str, Any]) -> None:
    """Do a transfer as the options say; end with status 1 if anything failed, 130 if it was interrupted."""
    if given.get("to"):
        status = _start_bringing(given)
        if status:
            sys.exit(status)
        return
    if not given["target"]:
        raise InvalidInputError("it is not said where to", hint="name a second place, or a site with --to")
    bandwidth = given["bandwidth"]
    request = TransferRequest(
        verb=verb,
        delete=given.get("delete", False),
        by_content=given.get("checksum", False),
        everything=given.get("force", False),
        filters=_read_filters(given),
        bandwidth_bytes_per_s=parse_rate(bandwidth) if bandwidth else None,
        lanes=given["lanes"] or None,
    )
    if request.everything and request.by_content:
        raise InvalidInputError("--force and --checksum contradict each other")
    with_versions = given.get("versions", False)
    odd = [name for name in ("plan", "force", "checksum") if with_versions and given[name]]
    if odd:
        raise InvalidInputError(f"--versions goes without --{', --'.join(odd)}")
    asked = Asked(
        source=parse_place(given["source"]),
        target=parse_place(given["target"]),
        request=request,
        named=_read_named(given),
        is_plan=given["plan"],
        as_json=given["as_json"],
        with_versions=with_versions,
    )
    status = run(open_home(given["home"]), asked)
    if status:
        sys.exit(status)


def _start_bringing(given: dict[str, Any]) -> int:
    refused = ("target", "checksum", "force", "versions", "bandwidth", "lanes")
    odd = [name for name in refused if given[name]]
    if odd:
        raise InvalidInputError(
            f"--to goes without {', '.join(odd)}", hint="the site's gateways make the copies, each once"
        )
    asked = Bringing(
        source=parse_place(given["source"]),
        site=given["to"],
        filters=_read_filters(given),
        named=_read_named(given),
        is_plan=given["plan"],
        as_json=given["as_json"],
    )
    return bring(open_home(given["home"]), asked)


def _read_filters(given: dict[str, Any]) -> Filters:
    return Filters(include=tuple(given["include"] or ()), exclude=tuple(given["exclude"] or ()))


def _read_named(given: dict[str, Any]) -> Named:
    return Named(
        site=given["site"],
        endpoint=given["endpoint"],
        credentials=given["credentials"],
        region=given["region"],
        addressing=given["addressing"],
        ca_file=given["ca_file"],
        stores_file=given["stores"],
        preference=given["prefer"],
    )


def run(home: Home, asked: Asked) -> int:
    """Do a transfer; return the exit status."""
    around = look_around(home, (asked.source, asked.target))

    async def work() -> int:
        with _interruptible() as interrupted:
            ends = await open_ends(home, (asked.source, asked.target), asked.named, around)
            try:
                return await (_plan(ends, asked) if asked.is_plan else _transfer(home, ends, asked))
            except asyncio.CancelledError:
                if not interrupted:
                    raise
                return 128 + interrupted[0]
            finally:
                await ends.source.close()
                await ends.target.close()

    return uvloop.run(work())


@contextlib.contextmanager
def _interruptible() -> Iterator[list[int]]:
    """Cancel the running task at Ctrl-C or SIGTERM; gives a list that then has the signal's number."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    got: list[int] = []

    def stop(number: int) -> None:
        if not got and task is not None:
            got.append(number)
            task.cancel()

    for number in _SIGNALS:
        loop.add_signal_handler(number, stop, number)
    try:
        yield got
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)


async def _transfer(home: Home, ends: Ends, asked: Asked) -> int:
    words = [asked.request.verb.value, str(asked.source), str(asked.target), asked.named.endpoint]
    journal = Journal(
        home.path / FOLDER / name_transfer(words), shlex.join(["continuum", "bucket", *words[:3]])
    )
    mover = _choose_mover(ends, asked, journal)
    began = time.monotonic()
    try:
        async with shown(mover, asked.request.verb.value, quiet=asked.as_json):
            await mover.run()
    except asyncio.CancelledError:
        journal.close()
        _tell_interrupted(mover)
        _tell(asked, mover, time.monotonic() - began, str(journal.folder))
        raise
    except BaseException:
        journal.close()
        raise
    failed = bool(mover.tally.failed)
    if failed:
        journal.close()
    else:
        journal.remove()
    _tell(asked, mover, time.monotonic() - began, str(journal.folder) if failed else "")
    if failed and not asked.as_json:
        typer.echo("the same command tries again what failed, and sends nothing else again", err=True)
    return int(failed)


def _choose_mover(ends: Ends, asked: Asked, journal: Journal) -> Mover | HistoryMover:
    if not asked.with_versions:
        return Mover(ends.source, ends.target, journal, asked.request)
    source, target = ends.source, ends.target
    if not isinstance(source, BucketEnd) or not isinstance(target, BucketEnd) or source.exact:
        raise InvalidInputError("--versions goes from bucket to bucket", hint="with or without a prefix")
    return HistoryMover(source, target, asked.request)


def _tell(asked: Asked, mover: Mover | HistoryMover, seconds: float, journal: str) -> None:
    done: Summary = summarise(
        mover,
        verb=asked.request.verb.value,
        source=str(asked.source),
        target=str(asked.target),
        seconds=seconds,
        journal=journal,
    )
    if asked.as_json:
        print_json(done)
    else:
        print_summary(done)


def _tell_interrupted(mover: Mover | HistoryMover) -> None:
    tally = mover.tally
    typer.echo(
        f"interrupted: {tally.sent_objects} of {tally.planned_objects} objects are in place; "
        "the same command goes on from here",
        err=True,
    )


async def _plan(ends: Ends, asked: Asked) -> int:
    plan, tally = Plan(ends.source, ends.target, asked.request), Tally()
    keys: list[tuple[str, str]] = []
    async for step in plan.steps():
        tally.plan(step)
        if step.reason is not Reason.SAME and len(keys) < SHOWN_KEYS:
            keys.append((step.line.key or str(asked.source), step.reason.value))
    deletes = plan.surplus if asked.request.verb is Verb.SYNC and asked.request.delete else []
    keys += [(key, "delete") for key in deletes[: SHOWN_KEYS - len(keys)]]
    seconds, cost_eur = estimate(ends.path, tally.planned_bytes)
    rate = asked.request.bandwidth_bytes_per_s
    if rate is not None and ends.path is not None:
        seconds = max(seconds, tally.planned_bytes / rate)
    summary = PlanSummary(
        verb=asked.request.verb.value,
        source=str(asked.source),
        target=str(asked.target),
        objects=tally.listed_objects,
        bytes=tally.listed_bytes,
        send_objects=tally.planned_objects,
        send_bytes=tally.planned_bytes,
        delete_objects=len(deletes),
        impossible_objects=len(ends.source.problems) + len(ends.target.problems),
        path=list(ends.path.sites if ends.path is not None else ()),
        estimated_s=seconds,
        estimated_eur=cost_eur,
    )
    if asked.as_json:
        print_json(summary)
    else:
        print_plan(summary, keys)
    return 0
