"""`continuum bucket notification`: who is told of what happens in buckets."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from continuum.cli.asking import ask
from continuum.cli.options import HomeOption, JsonOption, open_console, open_home, print_json
from continuum.model.errors import InvalidInputError, NotFoundError
from continuum.model.notifications import format_arn, parse_rules
from continuum.model.objects import Bucket, Setting
from continuum.store import (
    AddTarget,
    GetBucket,
    ListTargets,
    LocatorClient,
    ProbedTargets,
    ProbeTargets,
    RemoveTarget,
    Target,
    Targets,
)

TEST_LIMIT_S = 20.0
MAX_FILE_BYTES = 65_536

BucketArgument = Annotated[str, typer.Argument(help="The bucket's name.")]
TargetArgument = Annotated[str, typer.Argument(help="The target's name.")]

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode="markdown")
targets_app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode="markdown")


@app.callback()
def notification() -> None:
    """See and test who is told of what happens in a bucket; define targets.

    Buckets are configured with any S3 tool (`aws s3api put-bucket-notification-configuration`); a target is
    named there as `arn:continuum:sns:::NAME`.
    """


@targets_app.callback()
def target() -> None:
    """Add, list and remove targets of notifications."""


@targets_app.command()
def add(
    name: TargetArgument,
    address: Annotated[
        str,
        typer.Argument(help="A subject on the backbone (`notifications.…`) or a URL (`https://…`)."),
    ],
    *,
    acknowledged: Annotated[
        bool,
        typer.Option(
            "--acknowledged",
            help="On a subject: an event is delivered only when it was answered, as by a JetStream stream.",
        ),
    ] = False,
    ca: Annotated[
        Path | None, typer.Option(help="The authority (PEM) that the URL's certificate is checked by.")
    ] = None,
    secret_file: Annotated[
        Path | None, typer.Option(help="A file with the secret that signs. Default: a fresh one, printed.")
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add a target and print its ARN, and its secret if it was made here. It cannot be read again.

    Example: `continuum bucket notification target add photos https://example.org/hook`
    """
    request = AddTarget(
        name=name,
        address=address,
        is_acknowledged=acknowledged,
        ca_pem=_read(ca) if ca is not None else "",
        secret=_read(secret_file).strip() if secret_file is not None else "",
    )
    made: Target = ask(open_home(home), lambda backbone: LocatorClient(backbone).ask(request))
    told = {"name": made.name, "arn": format_arn(made.name)}
    if secret_file is None and made.address.startswith("https:"):
        told["secret"] = made.secret
    if as_json:
        print_json(told)
        return
    for key, value in told.items():
        typer.echo(f"{key}: {value}")


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            text = file.read(MAX_FILE_BYTES + 1).decode()
    except (OSError, UnicodeDecodeError) as problem:
        raise InvalidInputError(f"{path} cannot be read: {problem}") from problem
    if not text or len(text) > MAX_FILE_BYTES:
        raise InvalidInputError(f"{path} is empty or too large")
    return text


@targets_app.command("list")
def list_(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List targets: how many events wait, were delivered, were given up, and the last failure."""
    found: Targets = ask(open_home(home), lambda backbone: LocatorClient(backbone).ask(ListTargets()))
    if as_json:
        print_json(found.targets)
        return
    table = Table(
        "target", "address", "waiting", "delivered", "given up", "last failure", box=None, pad_edge=False
    )
    for each in found.targets:
        numbers = (str(each.waiting), str(each.delivered), str(each.dead))
        table.add_row(each.name, each.address, *numbers, each.last_error or "-")
    open_console().print(table)


@targets_app.command()
def remove(name: TargetArgument, home: HomeOption = None) -> None:
    """Remove a target that no bucket names any more; what waits for it is dropped."""
    ask(open_home(home), lambda backbone: LocatorClient(backbone).ask(RemoveTarget(name=name)))
    typer.echo(f"{name} was removed", err=True)


@app.command()
def show(bucket: BucketArgument, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Show a bucket's notification configuration."""
    found: Bucket = ask(open_home(home), lambda backbone: LocatorClient(backbone).ask(GetBucket(name=bucket)))
    document = found.settings.get(Setting.NOTIFICATION)
    if document is None:
        raise NotFoundError(f"nobody is told of {bucket!r}", hint="configure it with any S3 tool")
    rules = parse_rules(document)
    if as_json:
        print_json(rules)
        return
    table = Table("rule", "target", "events", "prefix", "suffix", box=None, pad_edge=False)
    for rule in rules:
        table.add_row(
            rule.rule_id, rule.target, ", ".join(rule.events), rule.prefix or "-", rule.suffix or "-"
        )
    open_console().print(table)


@app.command("test")
def probe(bucket: BucketArgument, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Send S3's test event to every target of a bucket now; exit status 1 if one does not take it."""
    found: ProbedTargets = ask(
        open_home(home),
        lambda backbone: LocatorClient(backbone).ask(ProbeTargets(bucket=bucket), timeout_s=TEST_LIMIT_S),
    )
    if as_json:
        print_json(found.targets)
    else:
        for each in found.targets:
            typer.echo(f"{each.name}: {each.error or 'taken'}")
    if any(each.error for each in found.targets):
        raise typer.Exit(1)


def register(parent: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(targets_app, name="target")
    parent.add_typer(app, name="notification")
