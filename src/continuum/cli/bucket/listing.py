"""`continuum bucket list`."""

import datetime as dt

import msgspec
import typer
from rich.table import Table

from continuum.backbone import Backbone
from continuum.cli.asking import ask
from continuum.cli.options import HomeOption, JsonOption, open_console, open_home, print_json
from continuum.model.objects import Bucket
from continuum.model.policies.amounts import format_size
from continuum.store import BucketCount, Buckets, CountObjects, Counts, ListBuckets, LocatorClient


class ListedBucket(msgspec.Struct, frozen=True, kw_only=True):
    """A bucket as programs are told of it."""

    name: str
    owner: str
    home: str
    created_at: float
    versioning: str
    objects: int
    object_bytes: int
    versions: int
    version_bytes: int


def list_(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List all buckets of the name space and how much is in them."""

    async def ask_both(backbone: Backbone) -> tuple[Buckets, Counts]:
        locator = LocatorClient(backbone)
        return await locator.ask(ListBuckets()), await locator.ask(CountObjects())

    found, counted = ask(open_home(home), ask_both)
    counts = {count.bucket: count for count in counted.counts}
    nothing = BucketCount("", 0, 0, 0, 0)
    listed = [_list(each, counts.get(each.name, nothing)) for each in found.buckets]
    if as_json:
        print_json(listed)
        return
    table = Table(box=None, pad_edge=False)
    for head in ("bucket", "owner", "home", "versioning", "created", "objects", "size", "with versions"):
        is_number = head in {"objects", "size", "with versions"}
        table.add_column(head, justify="right" if is_number else "left")
    for each in listed:
        created = f"{dt.datetime.fromtimestamp(each.created_at, dt.UTC):%Y-%m-%d %H:%M} UTC"
        table.add_row(each.name, each.owner, each.home, each.versioning or "-", created, *_sizes(each))
    open_console().print(table)


def _list(bucket: Bucket, count: BucketCount) -> ListedBucket:
    return ListedBucket(
        name=bucket.name,
        owner=bucket.owner,
        home=bucket.home,
        created_at=bucket.created_at,
        versioning=bucket.versioning.value,
        objects=count.objects,
        object_bytes=count.object_bytes,
        versions=count.versions,
        version_bytes=count.version_bytes,
    )


def _sizes(bucket: ListedBucket) -> tuple[str, str, str]:
    return f"{bucket.objects:,}", format_size(bucket.object_bytes), format_size(bucket.version_bytes)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("list")(list_)
