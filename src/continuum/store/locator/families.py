"""Families of the locator's answers: what all of them work with, and tasks that go on beside them."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from continuum.store.locator import messages as m
from continuum.store.locator.changing import Changes
from continuum.store.locator.invalidating import Invalidator
from continuum.store.locator.leases import Leases, Thing
from continuum.store.locator.peers import Alone, Peers
from continuum.store.locator.reading import Reader
from continuum.store.locator.sealing import Sealer
from continuum.store.locator.settings import LocatorSettings
from continuum.store.locator.writing import Writer

Handlers = dict[type, Callable[[Any], Awaitable[Any]]]


class Workings(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of a locator that serves. `epoch` is that of this start; among several hubs that of `peers`
    counts."""

    settings: LocatorSettings
    reader: Reader
    writer: Writer
    sealer: Sealer
    leases: Leases
    invalidator: Invalidator
    changes: Changes
    peers: Alone | Peers
    clock: Callable[[], float]
    epoch: str


class Family:
    """Answers to requests about one subject; `handlers` tells what answers which request."""

    def __init__(self, workings: Workings) -> None:
        self._settings = workings.settings
        self._reader = workings.reader
        self._writer = workings.writer
        self._sealer = workings.sealer
        self._leases = workings.leases
        self._invalidator = workings.invalidator
        self._changes = workings.changes
        self._peers = workings.peers
        self._clock = workings.clock
        self._epoch = workings.epoch

    def handlers(self) -> Handlers:
        """Return what answers which request."""
        raise NotImplementedError

    def _require_live(self, session_id: str) -> None:
        if self._leases.is_live(session_id):
            return
        if self._peers.is_alone or self._leases.has_ended(session_id):
            raise session_ended()
        raise m.SessionElsewhereError("this hub does not have the session", hint="renew it first")

    def _hold(self, session_id: str, *things: Thing) -> None:
        """Note that who asks may keep the answer; before the index is read."""
        if not session_id:
            return
        self._require_live(session_id)
        for thing in things:
            self._leases.hold(session_id, thing)
        self._invalidator.shed()


class Duty:
    """A task that goes on from `start` to `stop`."""

    _task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start the task."""
        self._task = asyncio.ensure_future(self._run())

    async def stop(self) -> None:
        """End the task; what it was at is gone on with at the next start."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        raise NotImplementedError


def session_ended() -> m.SessionEndedError:
    """Return what is said to who comes with a session that has ended."""
    return m.SessionEndedError(
        "the session has ended", hint="open a new one; what was under way must be done again"
    )
