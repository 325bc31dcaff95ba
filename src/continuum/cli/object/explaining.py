"""`continuum object explain`: where each copy of an object is, why, what it costs, what would change."""

import datetime as dt
from typing import Annotated

import typer
from rich.table import Table

from continuum.cli.asking import ask
from continuum.cli.options import HomeOption, JsonOption, open_console, open_home, print_json
from continuum.model.errors import InvalidInputError
from continuum.model.policies.amounts import format_duration, format_size
from continuum.model.policies.documents import read_bucket_policy, read_continuum_policy, resolve
from continuum.model.policies.explaining import ExplainedCopy, Explanation, explain
from continuum.model.policies.placing import plan_placement
from continuum.model.policies.prices import select_attributes
from continuum.store import DescribeObject, LocatorClient, ObjectDescription

SCHEME = "s3://"


def explain_object(
    address: Annotated[str, typer.Argument(help="The object, as s3://BUCKET/KEY.")],
    version_id: Annotated[str, typer.Option(help="An older version. Default: the newest.")] = "",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell where each copy of an object is, why, what it costs a month, and what will change.

    Example: `continuum object explain s3://results/2026/run-7.parquet`
    """
    bucket, key = parse_address(address)
    found: ObjectDescription = ask(
        open_home(home),
        lambda backbone: LocatorClient(backbone).ask(
            DescribeObject(bucket=bucket, key=key, version_id=version_id)
        ),
    )
    explanation = conclude(found)
    if as_json:
        print_json(explanation)
        return
    _print(explanation, found.now)


def parse_address(address: str) -> tuple[str, str]:
    """Return bucket and key of `s3://BUCKET/KEY`. Raises `InvalidInputError`."""
    bucket, _, key = address.removeprefix(SCHEME).partition("/")
    if not address.startswith(SCHEME) or not bucket or not key:
        raise InvalidInputError(f"{address!r} is no address of an object", hint="s3://BUCKET/KEY")
    return bucket, key


def conclude(found: ObjectDescription) -> Explanation:
    """Return what follows from the facts."""
    continuum = read_continuum_policy(found.policies.continuum)
    prices = continuum.full_prices()
    policy = resolve(
        read_bucket_policy(found.policies.bucket),
        continuum,
        key=found.version.key,
        tags=found.version.attributes.tags,
    )
    sites = {store.name: store.site for store in found.stores}
    holding = [sites.get(replica.store, "") for replica in found.version.replicas]
    placement = plan_placement(
        policy,
        written_at=holding[0] if holding else found.home,
        home=found.home,
        sites={
            store.site: select_attributes(store.site, prices.sites, store.region)
            for store in found.stores
            if store.is_own
        },
        prices=prices,
        holding=holding,
    )
    waiting = {
        sites.get(copy.store, ""): f"waiting for {format_duration(max(found.now - copy.since, 0.0))}"
        + (f", failed {copy.tries} times: {copy.problem}" if copy.tries else "")
        for copy in found.waiting
    }
    return explain(
        found.version, policy, placement, sites=sites, prices=prices, waiting=waiting, now=found.now
    )


def _print(explanation: Explanation, now: float) -> None:
    console = open_console()
    console.print(
        f"[bold]{SCHEME}{explanation.bucket}/{explanation.key}[/]  {format_size(explanation.size_bytes)},"
        f" version {explanation.version_id}, {explanation.eur_per_month:.6f} € a month for storage"
    )
    table = Table("store", "site", "since", "until", "€/month", "why", box=None, pad_edge=False)
    for copy in explanation.copies:
        since = f"{dt.datetime.fromtimestamp(copy.since, dt.UTC):%Y-%m-%d %H:%M} UTC"
        cost = f"{copy.eur_per_month:.6f}"
        table.add_row(copy.store, copy.site, since, _until(copy, now), cost, copy.reason)
    for missing in explanation.missing:
        table.add_row("[yellow]missing[/]", missing.site, "-", "-", "-", f"{missing.reason}; {missing.state}")
    console.print(table)
    for change in explanation.changes or ("nothing will change",):
        console.print(f"  • {change}")
    policy = Table("policy", "", "said by", box=None, pad_edge=False)
    for field in explanation.policy:
        policy.add_row(field.name, field.value, field.origin)
    console.print(policy)


def _until(copy: ExplainedCopy, now: float) -> str:
    return f"in {format_duration(max(copy.expires_at - now, 0.0))}" if copy.expires_at else "stays"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("explain")(explain_object)
