"""Data of a run between this site and the global store, through the site's gateway.

A datum that many tasks want is fetched once. What is fetched stays for the run, until room is needed:
then it is fetched again. What a run publishes for itself (below `RunSpec.objects`) is removed again when
it is dropped and when the run ends; what a user named stays.
"""

import asyncio
import logging
import os
import shutil
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from continuum.model.errors import ContinuumError, NotFoundError, UnavailableError
from continuum.model.sites import Transfer
from continuum.store import ObjectClient
from continuum.workflow.completing import complete_objects, stage_object
from continuum.workflow.folders import RunFolder
from continuum.workflow.messages import ObjectName, Staged

log = logging.getLogger(__name__)

TRANSFERS_AT_ONCE = 8
CLOSE_TIMEOUT_S = 10.0
SHELF = "@shelf"  # no bucket has this name


class Fetched(msgspec.Struct, frozen=True):
    """What fetching a datum took. `transfer`: how it came from another site, if it did."""

    size_bytes: int = 0
    transfer: Transfer | None = None

    @property
    def moved_bytes(self) -> int:
        """How much came from another site."""
        return self.transfer.size_bytes if self.transfer is not None else 0


class Transfers:
    """Fetches and publishes the data of one run. Belongs to one event loop.

    `shelf` is a folder of the driver's own for what outlives a local run: "objects" of the bucket `SHELF`.
    """

    def __init__(
        self,
        site: str,
        folder: RunFolder,
        objects: ObjectClient | None,
        home: ObjectName,
        *,
        shelf: Path | None = None,
    ) -> None:
        self._shelf = shelf
        self._site = site
        self._folder = folder
        self._objects = objects
        self._home = home
        self._running: dict[str, asyncio.Task[Fetched]] = {}
        self._published: dict[str, ObjectName] = {}  # by us, for the run alone
        self._is_closed = False
        self._staged: dict[str, Staged] = {}  # by us; not known to be complete
        self._staging: set[asyncio.Task[Any]] = set()
        self._slots = asyncio.Semaphore(TRANSFERS_AT_ONCE)

    async def fetch(self, datum: str, name: ObjectName) -> Fetched:
        """Bring an object here as a datum. Raises `ContinuumError`."""
        if self._folder.find(datum) is not None:
            return Fetched()
        running = self._running.get(datum)
        if running is None:
            running = self._running[datum] = asyncio.ensure_future(self._fetch(datum, name))
            running.add_done_callback(lambda _: self._running.pop(datum, None))
            return await asyncio.shield(running)
        await asyncio.shield(running)
        return Fetched()  # counted where it was started

    async def _fetch(self, datum: str, name: ObjectName) -> Fetched:
        path = self._folder.new_file()
        if self._shelf is not None and name.bucket == SHELF:
            return Fetched(await asyncio.to_thread(_take_down, self._shelf / name.key, self._folder, datum))
        objects = self._client()
        async with self._slots:
            began_at = time.monotonic()
            try:
                info = await objects.get_to_file(name.bucket, name.key, path)
                size_bytes = self._folder.adopt(datum, path)
            except OSError as problem:
                raise UnavailableError(f"{datum} cannot be kept here: {problem.strerror}") from problem
            finally:
                path.unlink(missing_ok=True)
        if not info.source_site or info.source_site == self._site:
            return Fetched(size_bytes)
        return Fetched(size_bytes, Transfer(info.source_site, size_bytes, began_at, time.monotonic()))

    async def publish(self, datum: str, name: ObjectName) -> None:
        """Put a datum that lies here into the global store. Raises `ContinuumError`."""
        path = self._folder.find(datum)
        if path is None:
            raise NotFoundError(f"{datum} is not at this site")
        async with self._slots:
            try:
                if self._shelf is not None and name.bucket == SHELF:
                    await asyncio.to_thread(_shelve, Path(path), self._shelf / name.key)
                    return
                await put_object(self._client(), name, Path(path))
            except OSError as problem:
                raise UnavailableError(f"{datum} cannot be read here: {problem.strerror}") from problem
        if self._is_ours(name):
            self._published[datum] = name

    async def stage(self, datum: str, name: ObjectName) -> Staged:
        """Bring a datum that lies here into the store, to become the object `name`. Raises
        `ContinuumError`."""
        path = self._folder.find(datum)
        if path is None or self._is_closed:
            raise NotFoundError(f"{datum} is not at this site")
        task = asyncio.current_task()
        assert task is not None  # a coroutine runs in one  # noqa: S101
        self._staging.add(task)
        try:
            async with self._slots:
                staged = await stage_object(self._client(), name, Path(path))
        except OSError as problem:
            raise UnavailableError(f"{datum} cannot be read here: {problem.strerror}") from problem
        finally:
            self._staging.discard(task)
        self._staged[staged.upload_id] = staged
        return staged

    async def complete(self, staged: Sequence[Staged]) -> None:
        """Let what was staged, here or elsewhere, be objects. Raises `ContinuumError`."""
        await complete_objects(self._client(), staged)

    async def unstage(self, staged: Iterable[Staged], *, is_complete: bool) -> None:
        """What was staged here is complete, or is to be removed."""
        for each in staged:
            known = self._staged.pop(each.upload_id, None)
            if known is not None and not is_complete:
                async with self._slots:
                    await self._client().abort(each.name.bucket, each.name.key, each.upload_id)

    async def read(self, name: ObjectName) -> bytes:
        """Return the bytes of an object."""
        if self._shelf is not None and name.bucket == SHELF:
            return await asyncio.to_thread(_look_up, self._shelf / name.key)
        return await self._client().get(name.bucket, name.key)

    @property
    def has_published(self) -> bool:
        """Whether there is anything that `unpublish` could remove."""
        return bool(self._published)

    async def unpublish(self, data: Iterable[str]) -> None:
        """Remove from the global store what was published there for the run alone."""
        names = [name for datum in data if (name := self._published.pop(datum, None)) is not None]
        for name in names:
            async with self._slots:
                await self._client().delete(name.bucket, name.key)

    async def close(self) -> None:
        """Stop, and remove all that was published for the run alone, or staged and not completed."""
        self._is_closed = True
        for running in (*self._running.values(), *self._staging):
            running.cancel()
        if self._staging:
            await asyncio.wait(self._staging, timeout=CLOSE_TIMEOUT_S)  # they remove what they have begun
        try:
            await self.unstage(list(self._staged.values()), is_complete=False)
            await self.unpublish(list(self._published))
        except ContinuumError as problem:
            log.warning("objects of the run %s stay in the store: %s", self._home.key, problem)

    def _client(self) -> ObjectClient:
        if self._objects is None:
            raise UnavailableError(
                "this run has no gateway to the global store",
                hint="start the continuum with `continuum up` and run without --local",
            )
        return self._objects

    def _is_ours(self, name: ObjectName) -> bool:
        return name.bucket == self._home.bucket and name.key.startswith(self._home.key)


async def put_object(objects: ObjectClient, name: ObjectName, content: bytes | Path) -> None:
    """Write an object, and make its bucket if it is missing. Raises `ContinuumError`."""
    try:
        await objects.put(name.bucket, name.key, content)
    except NotFoundError as problem:
        if problem.code != "NoSuchBucket":
            raise
        await objects.ensure_bucket(name.bucket)
        await objects.put(name.bucket, name.key, content)


def _shelve(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}")
    shutil.copyfile(source, temporary)
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    temporary.replace(target)


def _take_down(source: Path, folder: RunFolder, datum: str) -> int:
    try:
        return folder.link(datum, source)
    except OSError as problem:
        raise UnavailableError(f"{datum} is not kept any more: {problem.strerror}") from problem


def _look_up(source: Path) -> bytes:
    try:
        return source.read_bytes()
    except OSError as problem:
        raise UnavailableError(f"{source} is not kept any more: {problem.strerror}") from problem
