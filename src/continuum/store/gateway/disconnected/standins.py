"""What answers for buckets with `disconnected: accept` while the hub is away, and when.

It is on from the moment when the lease is lost until the hub is back *and* all that was written meanwhile is
replayed, so that whoever writes here reads here what they wrote. Then the same operations as always run over
the local index (`answering`), and every reply says so in a header. All other buckets, and all while the hub
is there, go the usual way at the cost of one look at a flag.

A gateway that starts while the hub is away serves what it has kept. A commit that the hub left unanswered is
taken over: its bytes are copied under the journal's prefix first, for the hub may end the session that they
lie under, and its version keeps its id, so that it is published once whatever the hub did with it.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from continuum.model.errors import ContinuumError
from continuum.model.objects import Bucket, User, Version
from continuum.store.errors import S3Error
from continuum.store.gateway.connections import Connection, Request
from continuum.store.gateway.disconnected import journals
from continuum.store.gateway.disconnected.answering import LocalLocations
from continuum.store.gateway.disconnected.changing import Writing
from continuum.store.gateway.disconnected.indexes import Clock, LocalIndex
from continuum.store.gateway.disconnected.journals import Standing
from continuum.store.gateway.disconnected.learning import Learner
from continuum.store.gateway.disconnected.replaying import Replayer
from continuum.store.gateway.locations import Locations
from continuum.store.gateway.origins import PREFLIGHT
from continuum.store.gateway.peers import Peers
from continuum.store.gateway.replies import Reply
from continuum.store.gateway.routes import route
from continuum.store.gateway.settings import GatewaySettings
from continuum.store.locator.index.replaying import place_of
from continuum.store.locator.messages import Commit, Stores
from continuum.store.locator.replaying import accepts

log = logging.getLogger(__name__)

HEADER = "x-continuum-disconnected"
LOOK_EVERY_S = 0.2
FINISH_AFTER_S = 5.0  # how long nobody wrote here before the journal is finished
_UNAVAILABLE = 503
_REPEATABLE = frozenset({"GET", "HEAD", "DELETE", PREFLIGHT})

Handle = Callable[[Request], Awaitable[Reply]]
Take = Callable[[Request, Connection], bool]


class Standin:
    """Stands in for the hub. `start` it, give it the two ways to `answer`, `handle` requests, `close` it."""

    def __init__(self, settings: GatewaySettings, folder: Path, locations: Locations) -> None:
        self._settings = settings
        self._clock = Clock()
        self._domain = settings.domain
        self._locations = locations
        self._index = LocalIndex(folder, settings.peer_store or settings.own_store, settings.gateway)
        self._learner = Learner(self._index, locations, scan_every_s=settings.limits.learn_every_s)
        self._replayer = Replayer(folder, self._index, locations)
        self.local = LocalLocations(self._index, locations, self._writing(""), self.note_change)
        self.standing = Standing()
        self._peers: Peers | None = None
        self._usual: Handle
        self._meanwhile: Handle
        self._task: asyncio.Task[None] | None = None
        self._refreshed_at = 0.0
        self._running = 0
        self._changes = 0
        self._written: set[tuple[str, str]] = set()  # keys that wait to be replayed, and maybe others
        self._is_used = True  # until it is known that nothing is to be finished
        self._ran_at = 0.0

    # ---- life ----

    async def load(self) -> bool:
        """Take up what was kept before; whether there is anything to serve without the hub."""
        if not self._index.exists:
            return False
        await self._open()
        return bool(self._learner.buckets)

    async def _open(self) -> None:
        if self._index.is_open:
            return
        await self._index.open()
        self._clock = await self._learner.load()
        await self._take_journal()
        self.local.users = self._learner.users
        self.standing = await self._index.scan(journals.measure)
        for entry in await self._index.scan(journals.list_entries, self.standing.waiting):
            self._written.update([place_of(entry.record)] if entry.record is not None else [])
        if self.standing.waiting:
            log.warning("%d changes wait to be replayed", self.standing.waiting)

    def _writing(self, journal_id: str) -> Writing:
        limit = self._settings.limits.journal_records
        return Writing(journal_id=journal_id, clock=self._clock, max_records=limit)

    async def _take_journal(self) -> None:
        self.local.writing = self._writing(await self._index.open_journal(self._clock.now()))

    async def start(self, peers: Peers, usual: Handle, meanwhile: Handle) -> None:
        """Begin: `usual` answers as always, `meanwhile` over the local index."""
        self._peers, self._usual, self._meanwhile = peers, usual, meanwhile
        if self._learner.stores:
            await peers.learn(Stores(stores=self._learner.stores))
        self._locations.standin = self
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Write what was learned, and end."""
        self._locations.standin = None
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._index.is_open:
            with contextlib.suppress(ContinuumError):
                await self._learner.flush_alone(self._written)
        self._replayer.close()
        await self._index.close()

    # ---- requests ----

    @property
    def is_on(self) -> bool:
        """Whether buckets that accept writes without the hub are served from here."""
        return self.standing.waiting > 0 or not self._locations.has_lease

    def accepts(self, bucket: str) -> bool:
        """Whether a bucket accepts writes without the hub."""
        return bucket in self._learner.buckets

    async def handle(self, request: Request) -> Reply:
        """Answer a request."""
        if self.is_on and self._is_for_here(request):
            return await self._answer(request)
        reply = await self._usual(request)
        is_repeatable = reply.status == _UNAVAILABLE and request.method in _REPEATABLE
        if is_repeatable and self.is_on and self._is_for_here(request):  # the hub went away in the middle
            return await self._answer(request)
        return reply

    def unless_needed(self, take: Take) -> Take:
        """Return a short way that is not taken while something waits to be replayed."""

        def shorten(request: Request, connection: Connection) -> bool:
            return not self.standing.waiting and take(request, connection)

        return shorten

    def _is_for_here(self, request: Request) -> bool:
        if not self._learner.buckets:
            return False
        method, query = request.method, request.raw_query
        if method == PREFLIGHT:
            method, query = "GET", b""
        try:
            routed = route(method, request.raw_path, query, request.headers, domain=self._domain)
        except S3Error:
            return False
        return routed.bucket in self._learner.buckets

    async def _answer(self, request: Request) -> Reply:
        self._running += 1
        try:
            with contextlib.suppress(ContinuumError):
                await self._learner.flush_alone(self._written)
            reply = await self._meanwhile(request)
        finally:
            self._running -= 1
            self._ran_at = time.monotonic()
        reply.headers = {**reply.headers, HEADER: self._describe_age()}
        return reply

    def _describe_age(self) -> str:
        """Since when what is known here may be old."""
        since = datetime.fromtimestamp(self._clock.connected_until, UTC)
        return since.strftime("%Y-%m-%dT%H:%M:%SZ")

    def describe(self) -> dict[str, Any]:
        """Return what the page about the gateway's health says of this."""
        on = self.is_on and bool(self._learner.buckets)
        return {
            "buckets": len(self._learner.buckets) if on else 0,
            "known_until": self._clock.connected_until,
            "waiting": self.standing.waiting,
            "waiting_since": self.standing.oldest_at,
            "refused": self.standing.refused,
        }

    async def take_over(self, request: Commit) -> Version | None:
        """Publish here what the hub did not answer; None if its bucket does not allow that."""
        if not self.is_on or request.version.bucket not in self._learner.buckets or self._peers is None:
            return None
        try:
            return await self._take_over(request, self._peers)
        except (ContinuumError, S3Error) as problem:  # nobody knows what the hub did with it
            log.warning("cannot take over a commit from the hub: %s", problem)
            return None

    async def _take_over(self, request: Commit, peers: Peers) -> Version:
        version = request.version
        if not request.upload_id:
            own, replica = peers.own, version.replicas[0]
            physical = self.local.make_physical_key()
            await own.copy(physical.key, source_bucket=replica.bucket, source_key=replica.key)
            moved = msgspec.structs.replace(replica, key=physical.key)
            version = msgspec.structs.replace(version, replicas=(moved,))
        taken = msgspec.structs.replace(request, session_id=self.local.session_id, version=version)
        log.info("took over the commit of %s/%s from the hub", version.bucket, version.key)
        return await self.local.publish(taken)

    # ---- what the usual way tells ----

    def learn(self, answer: Version | Bucket | User) -> None:
        """The locator said this."""
        self._learner.learn(answer)
        if isinstance(answer, Bucket) and answer.name not in self._learner.buckets and accepts(answer):
            self._refreshed_at = 0.0

    def doubt(
        self, keys: Iterable[tuple[str, str]], users: Iterable[str] = (), *, is_deletion: bool = False
    ) -> None:
        """These changed, or are about to."""
        self._learner.doubt(keys, users, is_deletion=is_deletion)

    # ---- in the background ----

    async def _run(self) -> None:
        told = ""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                await self._look()
                told = ""
            except ContinuumError as problem:
                if str(problem) != told:
                    told = str(problem)
                    say = log.warning if self.standing.waiting else log.info
                    say("what is known without the hub is brought up to date later: %s", told)
            except Exception:
                log.exception("looking after what is known without the hub failed")

    async def _look(self) -> None:
        if self._index.is_open:
            await self._measure()
        if not self._locations.has_lease or not self._locations.session_id:
            return
        while self.standing.waiting:
            await self._replay()
        self._written.clear()
        self._clock = self._find_clock()
        if self._index.is_open:
            await self._finish()
            await self._take_journal()
            await self._learner.flush()
        if time.monotonic() >= self._refreshed_at + self._settings.limits.learn_every_s:
            await self._refresh()
            self._refreshed_at = time.monotonic()

    def _find_clock(self) -> Clock:
        """Return what is known of the hub's clock; as long as it may agree with the own one it does."""
        heard = self._locations.heard
        least_s, most_s = heard.now - heard.answered_at, heard.now - heard.asked_at
        return Clock(offset_s=max(least_s, min(0.0, most_s)), connected_until=heard.now)

    def note_change(self, keys: Iterable[tuple[str, str]]) -> None:
        """Something about these keys was written to the journal."""
        self._changes += 1
        self._written.update(keys)
        self._is_used = True
        self.standing = msgspec.structs.replace(self.standing, waiting=self.standing.waiting + 1)

    async def _measure(self) -> None:
        """Look how much waits; what is written while that is read is not overlooked."""
        before = -1
        while before != self._changes:
            before = self._changes
            found = await self._index.scan(journals.measure)
        self.standing = found

    async def _replay(self) -> None:
        records = await self._replayer.replay(self.standing)
        await self._measure()
        self._learner.doubt({place_of(record) for record in records})
        if not records and self.standing.waiting:  # another process replays
            await asyncio.sleep(LOOK_EVERY_S)
            await self._measure()

    async def _finish(self) -> None:
        idle = not self._running and time.monotonic() > self._ran_at + FINISH_AFTER_S
        if self._is_used and idle:
            self._is_used = not await self._replayer.finish(self.local.session_id, self._clock.now())

    async def _refresh(self) -> None:
        accepting = await self._learner.find_accepting()
        if not accepting.buckets and not self._index.is_open:
            return
        await self._open()
        await self._learner.refresh(accepting, self._find_clock())
        self.local.users = self._learner.users
