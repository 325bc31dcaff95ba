"""Keeping what a run was made of: the manifest that a session writes when it begins and when it ends.

Whatever goes wrong here is a warning: a run does not fail because its provenance cannot be kept.
"""

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from continuum.model.errors import ContinuumError
from continuum.model.placement import SiteLoad
from continuum.store import Locate, LocatorClient
from continuum.workflow.connecting import patiently
from continuum.workflow.driver import Driver
from continuum.workflow.driving import DriverConnection
from continuum.workflow.importing import imported_from
from continuum.workflow.manifests import (
    Facts,
    Manifest,
    SiteFacts,
    begin_manifest,
    list_items,
    write_manifest,
)

MOST_LOCATED = 500  # objects in one question
ASK_TIMEOUT_S = 30.0

log = logging.getLogger(__name__)


class Provenance:
    """The manifest of one run; `begin` when its folder is there, `end` when its driver has stopped."""

    def __init__(self, folder: Path, run_id: str, program: Path) -> None:
        self._folder = folder
        self._run_id = run_id
        self._program = program
        self._manifest: Manifest | None = None

    def begin(self, code: bytes) -> None:
        """Keep code and versions."""
        try:
            self._manifest = begin_manifest(self._folder, self._run_id, self._program, code)
        except OSError as problem:
            log.warning("what the run is made of could not be kept: %s", problem)

    def end(self, driver: Driver, connection: DriverConnection | None) -> None:
        """Keep sites, and what was read and written by name."""
        if self._manifest is None:
            return
        look = partial(_look, connection) if connection is not None else None
        try:
            items, left_out = list_items(self._folder, look)
            done = msgspec.structs.replace(
                self._manifest,
                sites=tuple(_facts_of(queue.load) for queue in driver.sites.values()),
                items=tuple(items),
                items_left_out=left_out,
                imported=imported_from(self._program.resolve().parent),
            )
            write_manifest(self._folder, done)
        except (ContinuumError, OSError) as problem:
            log.warning("what the run read and wrote could not be kept: %s", problem)


def _look(connection: DriverConnection, names: Sequence[str]) -> Mapping[str, Facts]:
    try:
        return connection.wait(_look_at(LocatorClient(connection.backbone), names), ASK_TIMEOUT_S)
    except ContinuumError as problem:
        log.warning("checksums of objects are not known: %s", problem)
        return {}


async def _look_at(locator: LocatorClient, names: Sequence[str]) -> dict[str, Facts]:
    """Return what the index knows of objects (`s3://bucket/key`); without those that do not exist."""
    known: dict[str, Facts] = {}
    for first in range(0, len(names), MOST_LOCATED):
        batch = names[first : first + MOST_LOCATED]
        objects = tuple(_bucket_and_key(name) for name in batch)
        located: Any = await patiently(partial(locator.ask, Locate(objects=objects)))
        known |= {
            name: Facts(location.size_bytes, location.etag, location.sites)
            for name, location in zip(batch, located.locations, strict=True)
            if location.exists
        }
    return known


def _bucket_and_key(name: str) -> tuple[str, str]:
    bucket, _, key = name.removeprefix("s3://").partition("/")
    return bucket, key


def _facts_of(load: SiteLoad) -> SiteFacts:
    """Return what placement knew of a site, for the manifest."""
    return SiteFacts(
        name=load.name,
        computing_units=load.computing_units,
        memory_bytes=load.memory_bytes,
        architecture=load.architecture,
        software=tuple(sorted(load.software)),
    )
