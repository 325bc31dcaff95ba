"""`continuum bucket policy` and `status`: where the copies of a bucket's objects are to be, and the lag."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.table import Table

from continuum.backbone import Backbone
from continuum.cli.asking import ask
from continuum.cli.bucket.journals import print_journals
from continuum.cli.options import HomeOption, JsonOption, open_console, open_home, print_json
from continuum.model.errors import InvalidInputError
from continuum.model.policies.amounts import format_duration
from continuum.model.policies.documents import (
    BucketPolicy,
    ContinuumPolicy,
    describe_override,
    format_policy,
    parse_bucket_policy,
    parse_continuum_policy,
    read_bucket_policy,
    read_continuum_policy,
    resolve,
)
from continuum.model.policies.explaining import ExplainedPolicy, explain_policy
from continuum.sites import Home
from continuum.store import (
    GetJournals,
    GetLag,
    GetPolicy,
    Journals,
    Lag,
    LocatorClient,
    Placed,
    PlaceObjects,
    Policies,
    SetPolicy,
)

EVERYWHERE = "."  # cannot be a bucket
PAGE = 200


class Action(StrEnum):
    """What to do with a policy."""

    SHOW = "show"
    SET = "set"
    UNSET = "unset"
    EXPLAIN = "explain"
    APPLY = "apply"


def policy(
    name: Annotated[str, typer.Argument(help="The bucket; `.` means the whole continuum.")],
    action: Annotated[Action, typer.Argument(help="What to do.")] = Action.SHOW,
    file: Annotated[
        Path | None, typer.Argument(help="For set: the policy, TOML or JSON.", show_default=False)
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show, set, take away or explain a policy, or apply it to the objects that are there already.

    A new policy holds for what is written from now on, and for reads at once; `apply` queues the copies that
    older objects lack, and lets those go that are needed no more.

    Examples:

    * `continuum bucket policy results set two-copies.toml`

    * `continuum bucket policy results apply`

    * `continuum bucket policy . set continuum.toml` - for all buckets that say nothing else; sites, prices
    """
    place = open_home(home)
    bucket = "" if name == EVERYWHERE else name
    if (file is not None) != (action is Action.SET):
        raise InvalidInputError("`set` needs a file, the other actions none")
    if action is Action.SET and file is not None:
        _set(place, bucket, _read(file, bucket))
    elif action is Action.UNSET:
        _set(place, bucket, b"")
    elif action is Action.APPLY:
        _apply(place, bucket, as_json=as_json)
    else:
        found: Policies = ask(place, lambda backbone: LocatorClient(backbone).ask(GetPolicy(bucket=bucket)))
        _show(found, bucket, is_explained=action is Action.EXPLAIN, as_json=as_json)


def _read(file: Path, bucket: str) -> bytes:
    try:
        data = file.read_bytes()
    except OSError as problem:
        raise InvalidInputError(f"cannot read {file}: {problem.strerror}") from problem
    parse = parse_bucket_policy if bucket else parse_continuum_policy
    return format_policy(parse(data, is_toml=file.suffix == ".toml"))


def _set(home: Home, bucket: str, document: bytes) -> None:
    request = SetPolicy(bucket=bucket, document=document)
    ask(home, lambda backbone: LocatorClient(backbone).ask(request))
    typer.echo(
        f"the policy of {bucket or 'the continuum'} is {'set' if document else 'taken away'}", err=True
    )
    if bucket and document:
        typer.echo(f"for objects that are there already: continuum bucket policy {bucket} apply", err=True)


def _apply(home: Home, bucket: str, *, as_json: bool) -> None:
    if not bucket:
        raise InvalidInputError(
            "apply the policy bucket by bucket", hint="continuum bucket policy NAME apply"
        )

    async def run(backbone: Backbone) -> dict[str, int]:
        locator, after, totals = LocatorClient(backbone), "", {"objects": 0, "queued": 0}
        with open_console(stderr=True).status("looking at objects") as status:
            while True:
                placed: Placed = await locator.ask(PlaceObjects(bucket=bucket, after=after, limit=PAGE))
                totals = {
                    "objects": totals["objects"] + placed.objects,
                    "queued": totals["queued"] + placed.queued,
                }
                status.update(f"{totals['objects']:,} objects, {totals['queued']:,} copies queued")
                after = placed.next_after
                if not after:
                    return totals

    totals = ask(home, run)
    if as_json:
        print_json(totals)
    else:
        typer.echo(f"{totals['objects']:,} objects: {totals['queued']:,} copies queued")


def _show(found: Policies, bucket: str, *, is_explained: bool, as_json: bool) -> None:
    document: BucketPolicy | ContinuumPolicy = (
        read_bucket_policy(found.bucket) if bucket else read_continuum_policy(found.continuum)
    )
    if not is_explained:
        print_json(msgspec.json.decode(format_policy(document)))
        return
    own = document if isinstance(document, BucketPolicy) else BucketPolicy()
    fields = explain_policy(resolve(own, read_continuum_policy(found.continuum), key=""))
    if own.disconnected is not None:
        fields += (ExplainedPolicy(name="disconnected", value=own.disconnected, origin="the bucket"),)
    if as_json:
        print_json(fields)
        return
    table = Table("policy", "", "said by", box=None, pad_edge=False)
    for field in fields:
        table.add_row(field.name, field.value, field.origin)
    open_console().print(table)
    for override in own.overrides:
        typer.echo(f"and {describe_override(override)}")


def status(
    name: Annotated[str, typer.Argument(help="The bucket.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show which copies of a bucket's objects wait to be made, since when, and what went wrong; what gateways
    wrote without the hub and waits to be replayed; and which writes met others."""

    async def question(backbone: Backbone) -> tuple[Lag, Journals]:
        locator = LocatorClient(backbone)
        return await locator.ask(GetLag(bucket=name)), await locator.ask(GetJournals(bucket=name))

    lag, journals = ask(open_home(home), question)
    if as_json:
        print_json(msgspec.to_builtins(lag) | msgspec.to_builtins(journals))
        return
    print_journals(journals)
    if not lag.stores:
        typer.echo("all copies that the policy asked for are there")
        return
    table = Table("store", "copies waiting", "failing", "lag", "last problem", box=None, pad_edge=False)
    for each in lag.stores:
        late = format_duration(max(lag.now - each.oldest_at, 0.0))
        table.add_row(each.store, str(each.waiting), str(each.failing), late, each.problem or "-")
    open_console().print(table)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("policy")(policy)
    app.command("status")(status)
