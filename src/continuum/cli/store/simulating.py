"""`continuum store simulate` and `make-trace`: what policies would cost."""

import csv
import sys
from pathlib import Path
from typing import Annotated, TextIO

import typer
from rich.table import Table

from continuum.cli.options import JsonOption, open_console, print_json
from continuum.model.errors import InvalidInputError
from continuum.model.policies.documents import (
    BucketPolicy,
    Effective,
    parse_bucket_policy,
    parse_prices,
)
from continuum.model.policies.prices import Prices
from continuum.model.policies.simulating import Request
from continuum.store import (
    TRACE_COLUMNS,
    SimulationReport,
    TraceShape,
    format_request,
    generate,
    parse_named_policy,
    read_trace,
)
from continuum.store import simulate as run_simulation

DEFAULT = ("none", "always", "t_even", "histogram", "combined")


def simulate(
    trace: Annotated[
        Path, typer.Argument(help="CSV or JSON lines: time, op, bucket, key, size, range, site.")
    ],
    policy: Annotated[
        list[str] | None,
        typer.Option(
            help="A name (none, always, t_even, histogram, combined, fixed_ttl:12h, replicate_all;"
            " +second_hit) or the file of a bucket's policy. Can be given several times.",
            show_default=False,
        ),
    ] = None,
    prices: Annotated[
        Path | None,
        typer.Option(help="A price list (TOML or JSON). Default: a large cloud's.", show_default=False),
    ] = None,
    home: Annotated[str, typer.Option(help="The site of what the trace does not write.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Replay a trace against policies: what each would cost, and how much more than the least possible.

    Examples:

    * `continuum store make-trace --output week.csv && continuum store simulate week.csv`

    * `continuum store simulate week.csv --policy combined --policy my-policy.toml --prices prices.toml`
    """
    policies = {name: _read_policy(name) for name in policy or DEFAULT}
    table = parse_prices(_read(prices), is_toml=_is_toml(prices)) if prices else Prices()
    requests = list(read_trace(trace))
    progress = open_console(stderr=True)
    report = run_simulation(
        requests,
        policies,
        table,
        home=home,
        on_policy=lambda name: progress.print(f"[dim]replaying {len(requests):,} requests: {name}[/]"),
    )
    if as_json:
        print_json(report)
        return
    _print(report)


def make_trace(  # noqa: PLR0917 - typer's way
    output: Annotated[
        Path | None, typer.Option(help="Where to. Default: standard output.", show_default=False)
    ] = None,
    objects: Annotated[
        int, typer.Option(help="How many objects are written; about 12 requests each.")
    ] = 20_000,
    buckets: Annotated[int, typer.Option(help="In how many buckets.")] = 98,
    days: Annotated[float, typer.Option(help="Over how many days.")] = 7.0,
    sites: Annotated[str, typer.Option(help="The site that writes, then those that read.")] = "cloud,edge",
    seed: Annotated[int, typer.Option(help="The same seed gives the same trace.")] = 1,
) -> None:
    """Make a trace with the published shape of a large store: HEAD 58 %, GET 25 %, 30 % of GETs ranged."""
    shape = TraceShape(
        objects=objects, buckets=buckets, days=days, seed=seed, sites=tuple(filter(None, sites.split(",")))
    )
    requests = generate(shape)
    if output is None:
        _write(requests, sys.stdout)
        return
    try:
        with output.open("w", newline="", encoding="utf-8") as file:
            _write(requests, file)
    except OSError as problem:
        raise InvalidInputError(f"cannot write {output}: {problem.strerror}") from problem
    typer.echo(f"{len(requests):,} requests in {output}", err=True)


def _write(requests: list[Request], file: TextIO) -> None:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(TRACE_COLUMNS)
    writer.writerows(format_request(request) for request in requests)


def _read_policy(name: str) -> Effective | BucketPolicy:
    path = Path(name)
    if path.suffix in {".toml", ".json"}:
        return parse_bucket_policy(_read(path), is_toml=_is_toml(path))
    return parse_named_policy(name)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as problem:
        raise InvalidInputError(f"cannot read {path}: {problem.strerror}") from problem


def _is_toml(path: Path | None) -> bool:
    return path is not None and path.suffix == ".toml"


def _print(report: SimulationReport) -> None:
    console = open_console()
    even = ", ".join(f"{name} {hours:.3g} h" for name, hours in report.even_h.items())
    console.print(
        f"{report.requests:,} requests, {report.reads:,} reads, {report.buckets} buckets,"
        f" {report.days:.1f} days; keeping costs as much as fetching after: {even}"
    )
    table = Table(box=None, pad_edge=False)
    headings = ("cost", "transfer", "storage", "optimum", "cost/optimum")
    per = ("buckets: mean", "median", "max", "objects: mean", "max", "read locally")
    table.add_column("policy")
    for heading in (*headings, *per):
        table.add_column(heading, justify="right")
    for each in report.summaries:
        euros = (each.total_eur, each.transfer_eur, each.storage_eur, each.optimum_eur)
        ratios = (each.ratio, each.bucket_mean, each.bucket_median, each.bucket_max)
        table.add_row(
            each.policy,
            *(f"{amount:.4g} €" for amount in euros),
            *(f"{ratio:.2f}" for ratio in (*ratios, each.object_mean, each.object_max)),
            f"{each.local_reads:.0%}",
        )
    console.print(table)
    console.print(
        "[dim]Counted is what a policy decides: copies at other sites than the writer's, and transfer to"
        " them. The optimum knows the future.[/]"
    )


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("simulate")(simulate)
    app.command("make-trace")(make_trace)
