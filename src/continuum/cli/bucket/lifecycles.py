"""`continuum bucket lifecycle`: see a bucket's rules, and follow them now."""

import datetime as dt
from typing import Annotated, Any

import typer
from rich.table import Table

from continuum.backbone import Backbone
from continuum.cli.asking import ask
from continuum.cli.options import HomeOption, JsonOption, open_console, open_home, print_json
from continuum.model.errors import InvalidInputError, NotFoundError
from continuum.model.lifecycle import Rule, Rules, parse_rules
from continuum.model.objects import Bucket, Setting
from continuum.store import GetBucket, LifecycleStep, LocatorClient, RunLifecycle

STEP_LIMIT_S = 120.0  # a step looks at a page and may wait for gateways that are slow to forget

BucketArgument = Annotated[str, typer.Argument(help="The bucket's name.")]

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode="markdown")


@app.callback()
def lifecycle() -> None:
    """See a bucket's lifecycle rules; follow them now, or see what they would do.

    Rules are set with any S3 tool (`aws s3api put-bucket-lifecycle-configuration`); the hub follows them
    every hour.
    """


@app.command()
def show(bucket: BucketArgument, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Show the rules of a bucket."""
    found: Bucket = ask(open_home(home), lambda backbone: LocatorClient(backbone).ask(GetBucket(name=bucket)))
    document = found.settings.get(Setting.LIFECYCLE)
    if document is None:
        raise NotFoundError(f"{bucket!r} has no lifecycle rules", hint="set some with any S3 tool")
    rules = parse_rules(document)
    if as_json:
        print_json(rules)
        return
    open_console().print(_table(rules))


def _table(rules: Rules) -> Table:
    table = Table("rule", "status", "about", "does", box=None, pad_edge=False)
    for rule in rules:
        table.add_row(
            rule.rule_id,
            "enabled" if rule.is_enabled else "disabled",
            _about(rule),
            ", ".join(_actions(rule)),
        )
    return table


def _about(rule: Rule) -> str:
    words = [f"prefix {rule.prefix}"] if rule.prefix else []
    words += [f"tag {name}={value}" for name, value in rule.tags.items()]
    if rule.larger_than_bytes is not None:
        words.append(f"> {rule.larger_than_bytes} bytes")
    if rule.smaller_than_bytes is not None:
        words.append(f"< {rule.smaller_than_bytes} bytes")
    return ", ".join(words) or "everything"


def _actions(rule: Rule) -> list[str]:
    words = []
    if rule.expire_after_days:
        words.append(f"expire after {rule.expire_after_days} d")
    if rule.expire_at is not None:
        words.append(f"expire on {dt.datetime.fromtimestamp(rule.expire_at, dt.UTC):%Y-%m-%d}")
    if rule.removes_lone_markers:
        words.append("remove delete markers with nothing under them")
    if rule.remove_noncurrent_after_days:
        kept = f", keep {rule.keep_noncurrent}" if rule.keep_noncurrent else ""
        words.append(f"remove noncurrent after {rule.remove_noncurrent_after_days} d{kept}")
    if rule.abort_uploads_after_days:
        words.append(f"abort uploads after {rule.abort_uploads_after_days} d")
    return words


@app.command()
def run(
    bucket: BucketArgument,
    now: Annotated[
        str,
        typer.Option(
            help="Act as if it were this instant (ISO 8601, UTC if it says nothing). Locks are compared with"
            " the true one.",
            metavar="INSTANT",
        ),
    ] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would be done.")] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Follow the rules of a bucket now, to the end, and tell what was done.

    Example: `continuum bucket lifecycle run photos --now 2027-01-01 --dry-run`
    """
    instant = _parse_instant(now) if now else 0.0
    totals: dict[str, int] = {}
    lines: list[dict[str, str]] = []

    async def follow(backbone: Backbone) -> None:
        locator, cursor = LocatorClient(backbone), b""
        while True:
            request = RunLifecycle(bucket=bucket, now=instant, is_dry=dry_run, cursor=cursor)
            step: LifecycleStep = await locator.ask(request, timeout_s=STEP_LIMIT_S)
            for name in step.counts.__struct_fields__:
                totals[name] = totals.get(name, 0) + getattr(step.counts, name)
            for line in step.lines:
                told = {name: getattr(line, name) for name in line.__struct_fields__}
                if as_json:
                    lines.append(told)
                else:
                    typer.echo("\t".join(told.values()))
            cursor = step.cursor
            if not cursor:
                return

    ask(open_home(home), follow)
    _tell(totals, lines, is_dry=dry_run, as_json=as_json)


def _tell(totals: dict[str, int], lines: list[dict[str, str]], *, is_dry: bool, as_json: bool) -> None:
    if as_json:
        told: dict[str, Any] = {"is_dry": is_dry, "counts": totals, "lines": lines}
        print_json(told)
        return
    would = "would be " if is_dry else ""
    typer.echo(
        f"of {totals['versions']} versions and {totals['uploads']} uploads {would}"
        f"expired: {totals['expired']}, removed: {totals['removed']},"
        f" delete markers removed: {totals['removed_markers']}, uploads aborted: {totals['aborted']};"
        f" kept because they are locked: {totals['locked']}",
        err=True,
    )


def _parse_instant(text: str) -> float:
    try:
        instant = dt.datetime.fromisoformat(text)
    except ValueError as problem:
        raise InvalidInputError(
            f"{text!r} is no instant", hint="for example 2027-01-01 or 2027-01-01T12:00:00Z"
        ) from problem
    return (instant if instant.tzinfo else instant.replace(tzinfo=dt.UTC)).timestamp()


def register(parent: typer.Typer) -> None:
    """Add the commands."""
    parent.add_typer(app, name="lifecycle")
