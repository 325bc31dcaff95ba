"""`continuum bucket copy s3://BUCKET[/PREFIX] --to SITE`: further copies at a site, under the same names.

The copies are queued in the locator and made by the site's own gateways, which read from wherever the bytes
are, again and again until it works. So this command may be stopped, or its machine go away: the copies are
made all the same.
"""

import asyncio
import time
from collections.abc import AsyncIterator

import msgspec
import typer
import uvloop

from continuum.backbone import Backbone
from continuum.cli.asking import IDENTITY
from continuum.cli.bucket.places import Named, Surroundings, look_around, open_source
from continuum.cli.bucket.progress import LINE_EVERY_S
from continuum.cli.options import print_json
from continuum.model.errors import InvalidInputError
from continuum.model.paths import choose_path, find_paths
from continuum.model.policies.amounts import format_size
from continuum.model.transfers import Filters, Place, PlaceKind
from continuum.sites import Home
from continuum.store import BringObjects, Brought, GetLag, Lag, LocatorClient

KEYS_AT_ONCE = 500
LOOK_EVERY_S = 0.5
INTERRUPTED = 130


class Bringing(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for, and how."""

    source: Place
    site: str
    filters: Filters
    named: Named
    is_plan: bool
    as_json: bool


class Done(msgspec.Struct, kw_only=True):
    """What came of it. `waiting_objects` of the bucket are still to be made for the store, for whatever
    reason; -1 for an estimate that cannot be made."""

    source: str
    site: str
    store: str = ""
    queued_objects: int = 0
    queued_bytes: int = 0
    present_objects: int = 0
    waiting_objects: int = 0
    failing_objects: int = 0
    problem: str = ""
    seconds: float = 0.0
    estimated_s: float = -1.0
    estimated_eur: float = -1.0

    def take(self, brought: Brought) -> None:
        """Count a page."""
        self.store = brought.store
        self.queued_objects += brought.queued
        self.queued_bytes += brought.queued_bytes
        self.present_objects += brought.present
        self.waiting_objects += brought.waiting


def bring(home: Home, asked: Bringing) -> int:
    """Queue the copies and wait until they are made; return the exit status."""
    if asked.source.kind is not PlaceKind.NAME_SPACE:
        raise InvalidInputError(
            f"{asked.source} is not in the name space", hint="--to makes copies of s3://BUCKET[/PREFIX]"
        )
    around = look_around(home, (asked.source, asked.source))
    done = Done(source=str(asked.source), site=asked.site)
    try:
        uvloop.run(_bring(home, asked, around, done))
    except KeyboardInterrupt:
        typer.echo(f"{asked.site} goes on making what was queued; the same command tells how far", err=True)
        return INTERRUPTED
    _estimate(asked, around, done)
    if asked.as_json:
        print_json(done)
    else:
        _print(asked, done)
    return 0


async def _bring(home: Home, asked: Bringing, around: Surroundings, done: Done) -> None:
    began = time.monotonic()
    backbone = await Backbone.connect(home.backbone_settings(IDENTITY))
    try:
        locator = LocatorClient(backbone)
        async for keys in _pages(home, asked, around):
            request = BringObjects(
                bucket=asked.source.bucket, site=asked.site, keys=keys, only_count=asked.is_plan
            )
            done.take(await locator.ask(request))
        if not asked.is_plan and done.queued_objects + done.waiting_objects:
            await _wait(locator, asked, done)
    finally:
        await backbone.close()
    done.seconds = round(time.monotonic() - began, 3)


async def _pages(home: Home, asked: Bringing, around: Surroundings) -> AsyncIterator[tuple[str, ...]]:
    end = await open_source(home, asked.source, asked.named, around)
    keys: list[str] = []
    try:
        async for line in end.lines():
            if not asked.filters.matches(line.key):
                continue
            keys.append(end.prefix + line.key)
            if len(keys) == KEYS_AT_ONCE:
                yield tuple(keys)
                keys = []
        if keys:
            yield tuple(keys)
    finally:
        await end.close()


async def _wait(locator: LocatorClient, asked: Bringing, done: Done) -> None:
    """Wait until nothing of the bucket waits for the store, telling how far it is."""
    told_at = time.monotonic()
    while True:
        lag: Lag = await locator.ask(GetLag(bucket=asked.source.bucket))
        line = next((each for each in lag.stores if each.store == done.store), None)
        done.waiting_objects = line.waiting if line is not None else 0
        done.failing_objects = line.failing if line is not None else 0
        done.problem = line.problem if line is not None else ""
        if line is None:
            return
        if not asked.as_json and time.monotonic() >= told_at + LINE_EVERY_S:
            told_at = time.monotonic()
            _tell(asked, done)
        await asyncio.sleep(LOOK_EVERY_S)


def _tell(asked: Bringing, done: Done) -> None:
    failing = ""
    if done.failing_objects:
        failing = f", {done.failing_objects} failed and are tried again: {done.problem}"
    typer.echo(f"copy to {asked.site}: {done.waiting_objects} objects wait{failing}", err=True)


def _estimate(asked: Bringing, around: Surroundings, done: Done) -> None:
    source_site = around.homes.get(asked.source.bucket, "")
    paths = [path for path in find_paths(around.links, source_site, asked.site) if not path.relay]
    path = choose_path(paths, done.queued_bytes, asked.named.preference)
    if path is not None:
        done.estimated_s = path.estimate_s(done.queued_bytes)
        done.estimated_eur = path.cost_eur(done.queued_bytes)


def _print(asked: Bringing, done: Done) -> None:
    verb = "would be" if asked.is_plan else "were"
    size = format_size(done.queued_bytes)
    typer.echo(f"{done.queued_objects} objects {verb} copied to {done.site}, {size}")
    if done.present_objects:
        typer.echo(f"{done.present_objects} objects were there already")
    if asked.is_plan and done.estimated_s >= 0:
        typer.echo(f"estimated: {done.estimated_s:,.1f} s, {done.estimated_eur:,.2f} EUR")
