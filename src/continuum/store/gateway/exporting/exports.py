"""The side that has the bytes: puts versions of its own stores into stores of other sites, when it is asked.

The bytes are copied as they are stored (sealed ones stay sealed; no key is needed) and read only from stores
of the own site, so that two sites never wait for each other. Who asked makes a replica of them, or removes
them: nothing that goes wrong here leaves anything behind that is not in the session of the one who asked. An
export that nobody asks about any more is given up.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Sequence

import msgspec

from continuum.backbone import Backbone, Subscription
from continuum.model.encryption import stored_size
from continuum.model.errors import ConflictError, InvalidInputError, NotFoundError, UnavailableError
from continuum.model.objects import Version
from continuum.store.gateway.exporting.requests import (
    ANSWER_S,
    EXPORT,
    Export,
    Progress,
    Wanted,
    format_subject,
)
from continuum.store.gateway.following import describe
from continuum.store.gateway.locations import Locations
from continuum.store.gateway.metrics import Counts
from continuum.store.gateway.peers import Peers
from continuum.store.gateway.piping import pipe
from continuum.store.gateway.reading import ReadStream, StreamOpener
from continuum.store.locator.messages import NoSuchKeyError
from continuum.store.stores.s3 import StoreClient

log = logging.getLogger(__name__)

AT_ONCE = 32
FORGOTTEN_S = 30.0  # whoever waits asks every few seconds
REMEMBERED_S = 30.0  # the answer may have been lost
EXPORT_S = 3600.0


class _Running:
    """An export under way, or lately over."""

    def __init__(self) -> None:
        self.task: asyncio.Task[str]
        self.stream: ReadStream | None = None
        self.asked_at = time.monotonic()

    @property
    def sent_bytes(self) -> int:
        return self.stream.sent_bytes if self.stream is not None else 0


class Exporter:
    """`serve` it on the backbone, `close` it."""

    def __init__(self, peers: Peers, locations: Locations, backbone: Backbone, counts: Counts) -> None:
        self._peers = peers
        self._locations = locations
        self._backbone = backbone
        self._counts = counts
        self._opener = StreamOpener(peers, locations, counts, may_bring=False)
        self._running: dict[tuple[str, str], _Running] = {}
        self._subscriptions: Sequence[Subscription] = ()
        self._name = secrets.token_hex(8)

    async def serve(self) -> None:
        """Answer from now on. Raises `BackboneUnavailableError`."""
        serve, site = self._backbone.serve, self._peers.own.store.site
        self._subscriptions = (
            await serve(format_subject(site, EXPORT, self._name), Export, self._answer),
            await serve(format_subject(site, EXPORT), Export, self._answer, queue="gateway"),
        )

    async def close(self) -> None:
        """Answer no more, and give up what is under way: another gateway of the site is asked for it."""
        for subscription in self._subscriptions:
            await subscription.unsubscribe()
        tasks = [running.task for running in self._running.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _answer(self, request: Export) -> Progress:
        place = (request.store, request.key)
        running = self._running.get(place)
        if running is None:
            _check(request)
            if len(self._running) >= AT_ONCE:
                raise UnavailableError("this gateway brings out as much as it can already")
            running = self._running[place] = _Running()
            running.task = asyncio.create_task(self._run(request, running))
        running.asked_at = time.monotonic()
        await asyncio.wait({running.task}, timeout=ANSWER_S)
        asyncio.get_running_loop().call_later(FORGOTTEN_S, self._look_after, place, running)
        if not running.task.done():
            return Progress(by=self._name, sent_bytes=running.sent_bytes)
        if running.task.cancelled():
            raise UnavailableError("the export was given up")
        return Progress(
            by=self._name, sent_bytes=running.sent_bytes, is_done=True, etag=running.task.result()
        )

    def _look_after(self, place: tuple[str, str], running: _Running) -> None:
        """Forget what is over; give up what nobody asks about."""
        if time.monotonic() < running.asked_at + FORGOTTEN_S * 0.9:
            return
        running.task.cancel()
        if self._running.get(place) is running:
            del self._running[place]

    async def _run(self, request: Export, running: _Running) -> str:
        outcome = "failed"
        try:
            async with asyncio.timeout(EXPORT_S):
                etag = await self._export(request, running)
            outcome = "made"
        except TimeoutError:
            raise UnavailableError(f"the export took longer than {EXPORT_S:.0f} s") from None
        finally:
            self._counts.count_export(outcome)
            if outcome != "made":  # asked again it is tried again
                self._running.pop((request.store, request.key), None)
        return etag

    async def _export(self, request: Export, running: _Running) -> str:
        version = await self._find(request.wanted)
        target = await self._find_target(request.store)
        length = stored_size(version)
        if length:
            running.stream, _ = await self._opener.open(version, 0, length)
        try:
            exchange = await target.begin("PUT", request.key, length=length)
        except BaseException:
            if running.stream is not None:
                running.stream.abort()
            raise
        headers = await pipe(running.stream, exchange)
        return headers.get("etag", "")

    async def _find(self, wanted: Wanted) -> Version:
        """Return the version with those replicas that lie at this site. Raises `NoSuchKeyError` if it was
        replaced or removed, `NotFoundError` if this site has no copy."""
        found = await find_wanted(wanted, self._locations)
        described = await describe(found, self._peers, self._locations)
        if described is None or described.version_id != wanted.version_id:
            raise NoSuchKeyError(f"{wanted.bucket}/{wanted.key} was changed in its store")
        peers, site = self._peers, self._peers.own.store.site
        await peers.know(found)
        own = tuple(replica for replica in described.replicas if peers.site_of(replica.store) == site)
        if not own:
            raise NotFoundError(f"{site} has no copy of {wanted.bucket}/{wanted.key}")
        return msgspec.structs.replace(described, replicas=own)

    async def _find_target(self, name: str) -> StoreClient:
        if self._peers.find(name) is None:
            await self._peers.refresh(at_most_every_s=1.0)
        target = self._peers.find(name)
        if target is None:
            raise NotFoundError(f"the store {name} is not known at {self._peers.own.store.site}")
        if target.store.site == self._peers.own.store.site or not self._peers.can_connect(name):
            raise ConflictError(f"{self._peers.own.store.site} cannot bring anything to the store {name}")
        return target


async def find_wanted(wanted: Wanted, locations: Locations) -> Version:
    """Return a version by its internal id. Raises `NoSuchKeyError` if it was replaced or removed."""
    found = await locations.look_up(wanted.bucket, wanted.key)
    if found.version_id != wanted.version_id:
        found = await locations.look_up(wanted.bucket, wanted.key, wanted.version_id)
    if found.version_id != wanted.version_id or found.is_delete_marker:
        raise NoSuchKeyError(f"{wanted.bucket}/{wanted.key} was replaced or removed")
    return found


def _check(request: Export) -> None:
    """Refuse keys that no session would make."""
    session, _, number = request.key.partition("/")
    if not (session.isalnum() and number.isalnum()):
        raise InvalidInputError("that is no physical key")
