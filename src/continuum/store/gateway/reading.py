"""Reading a version's bytes from whichever store has them.

The own site's replica is tried first. A store that is down or has lost the object is passed over for the
next one, as long as nothing was sent to the client. If a store fails in the middle of a body the rest is
read as a range from another replica (versions are immutable, so the bytes are the same); without one the
reply fails and the client's connection is cut. Stores that only their own site can connect to are not tried
from elsewhere: if no other has the bytes, that site is asked to bring them out (`exporting`).
"""

import asyncio
import contextlib
import logging
import time

from continuum.model.encryption import stored_size
from continuum.model.errors import ContinuumError, UnavailableError
from continuum.model.objects import Replica, Version
from continuum.model.policies import order_replicas
from continuum.store.gateway.bodies import ClientGoneError
from continuum.store.gateway.following import follow
from continuum.store.gateway.locations import Locations
from continuum.store.gateway.metrics import Counts
from continuum.store.gateway.peers import Peers
from continuum.store.locator.messages import NoSuchKeyError
from continuum.store.stores.exchanges import Exchange, Sink, StoreProtocolError
from continuum.store.stores.s3 import StoreReplyError

log = logging.getLogger(__name__)

_CHANGED = frozenset({404, 412, 416})  # what a store says when the object is not the one that is known


class UnreadableError(UnavailableError):
    """None of the replicas that are known gives the bytes: their stores are down, or the version was
    replaced since it was looked up, or it has further replicas by now."""


class ReplicaSource:
    """Replicas of one version, and the part of it that is wanted: `length` bytes from `start`, as they are
    stored (for an encrypted version: sealed).

    `brought_from`: the site that brought the bytes out for this read; empty if none had to. Each store is
    tried once. When those that are known are used up the locator is asked once more: others
    may have been made since.
    """

    __slots__ = (
        "_asked_again",
        "_locations",
        "_may_bring",
        "_peers",
        "_tried",
        "brought_from",
        "length",
        "start",
        "version",
    )

    def __init__(
        self,
        version: Version,
        peers: Peers,
        locations: Locations,
        *,
        start: int,
        length: int,
        may_bring: bool = True,
    ) -> None:
        self.version = version
        self.start = start
        self.length = length
        self._peers = peers
        self._locations = locations
        self._tried: set[str] = set()
        self._asked_again = False
        self._may_bring = may_bring
        self.brought_from = ""

    async def open(self, offset: int = 0) -> tuple[Exchange, Replica]:
        """Open the first replica that answers, `offset` bytes into the wanted part. Raises
        `UnreadableError`."""
        found = await self._try_all(offset)
        if found is None and await self._ask_again():
            found = await self._try_all(offset)
        if found is None and await self._bring():
            found = await self._try_all(offset)
        if found is None:
            raise UnreadableError("No store that holds the object can be reached now.")
        return found

    async def _ask_again(self) -> bool:
        """Whether the same version has replicas that were not known."""
        if self._asked_again:
            return False
        self._asked_again = True
        version = self.version
        self._locations.forget(version.bucket, version.key)
        try:
            current = await self._locations.look_up(version.bucket, version.key)
            if current.version_id != version.version_id and not version.is_null:  # an older one is read
                current = await self._locations.look_up(version.bucket, version.key, version.version_id)
        except ContinuumError:
            return False
        if current.version_id != version.version_id:
            return False
        self.version = current
        return current.replicas != version.replicas

    async def _bring(self) -> bool:
        """Whether the version was brought to where it can be read, out of a site that is out of reach."""
        if not self._may_bring:
            return False
        self._may_bring = False
        try:
            brought = await self._peers.bring(self.version)
        except NoSuchKeyError as problem:
            self._locations.forget(self.version.bucket, self.version.key)
            raise UnreadableError("The object was replaced or removed.") from problem
        except ContinuumError as problem:
            raise UnreadableError(problem.message, hint=problem.hint) from problem
        if brought is not None:
            self.brought_from = self._find_closed_site()
            self.version = brought
        return brought is not None

    def _find_closed_site(self) -> str:
        """The site that had to bring the version out."""
        closed = (each.store for each in self.version.replicas if not self._peers.can_connect(each.store))
        return next(map(self._peers.site_of, closed), "")

    async def _try_all(self, offset: int) -> tuple[Exchange, Replica] | None:
        peers, version = self._peers, self.version
        await peers.know(version)
        for replica in self._order(version):
            if replica.store in self._tried:
                continue
            self._tried.add(replica.store)
            try:
                return await self._open(replica, offset), replica
            except ContinuumError as problem:
                log.warning("cannot read from %s: %s", replica.store, problem.message)
                if replica.etag and isinstance(problem, StoreReplyError) and problem.status in _CHANGED:
                    await self._look_again(replica)
                    if not offset:
                        raise UnreadableError("The object was changed in its store.") from problem
        return None

    async def _look_again(self, replica: Replica) -> None:
        """Others changed an attached object: let the index follow."""
        with contextlib.suppress(ContinuumError):
            await follow(self.version, replica, self._peers, self._locations)

    def _order(self, version: Version) -> tuple[Replica, ...]:
        peers = self._peers
        own = peers.own.store.name
        ordered = order_replicas(version, own, peers.unavailable(), peers.known, peers.rank(version))
        return tuple(replica for replica in ordered if peers.can_connect(replica.store))

    async def _open(self, replica: Replica, offset: int) -> Exchange:
        client = self._peers.find(replica.store)
        if client is None:
            raise UnreadableError(f"{replica.store} is not known here")
        whole = offset == 0 and self.length == stored_size(self.version)
        first, last = self.start + offset, self.start + self.length - 1
        started_at = time.monotonic()
        exchange = await client.get(
            replica.key,
            bucket=replica.bucket,
            byte_range="" if whole else f"bytes={first}-{last}",
            if_match=replica.etag,
        )
        if exchange.length != self.length - offset:
            exchange.abort()
            raise StoreProtocolError(f"{replica.store} has {exchange.length} bytes of {self.length - offset}")
        self._peers.speeds.note_reply(replica.store, started_at)
        return exchange


class ReadStream:
    """A body that is read from one replica after another until it is whole. Itself the source of a reply.

    `copy` is a further sink that sees the same bytes and can slow nothing down.
    """

    def __init__(
        self, source: ReplicaSource, exchange: Exchange, replica: Replica, peers: Peers, counts: Counts
    ) -> None:
        self._source = source
        self._exchange: Exchange | None = exchange
        self._replica = replica
        self._peers = peers
        self._counts = counts
        self._sink: Sink | None = None
        self._sent = 0
        self._paused = False
        self._aborted = False
        self._going_on: asyncio.Task[None] | None = None
        self._started_at = time.monotonic()
        self._passed = 0
        self.copy: Sink | None = None

    @property
    def sent_bytes(self) -> int:
        """How many bytes went on to the sink."""
        return self._sent

    # ---- as a source ----

    def take_first(self) -> bytes:
        """Return what is there already."""
        if self._exchange is None:
            return b""
        first = self._exchange.take_first()
        self._count(first)
        return first

    def start(self, sink: Sink) -> None:
        """Push the rest into `sink`."""
        self._sink = sink
        if self._exchange is not None:
            self._exchange.start(self)

    def pause(self) -> None:
        """Give no more for now."""
        self._paused = True
        if self._exchange is not None:
            self._exchange.pause()

    def resume(self) -> None:
        """Go on."""
        self._paused = False
        if self._exchange is not None:
            self._exchange.resume()

    def abort(self) -> None:
        """Nobody wants the rest."""
        self._aborted = True
        self._give_up_copy(ClientGoneError("the client closed the connection"))
        if self._exchange is not None:
            self._exchange.abort()
        if self._going_on is not None:
            self._going_on.cancel()

    def reject(self, good_bytes: int, problem: Exception) -> None:
        """What came after the first `good_bytes` is not what was stored: read it from another replica."""
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.abort()
        self._sent = good_bytes
        self._give_up_copy(problem)
        if not self._aborted:
            self._going_on = asyncio.ensure_future(self._go_on(problem))

    # ---- as the sink of an exchange ----

    def feed(self, data: bytes) -> None:
        """Pass on what a store gave."""
        if self._exchange is None:
            return  # rejected: the rest of what it had
        self._count(data)
        if self._sink is not None:
            self._sink.feed(data)

    def end(self) -> None:
        """The body is whole."""
        if self._exchange is None:
            return
        self._peers.speeds.note_body(self._replica.store, self._passed, self._started_at)
        copy, self.copy = self.copy, None
        if copy is not None:
            copy.end()
        if self._sink is not None:
            self._sink.end()

    def fail(self, problem: Exception) -> None:
        """A store failed in the middle: go on with another."""
        self._exchange = None
        if self._aborted:
            return
        log.warning("%s failed in the middle of a body: %s", self._replica.store, problem)
        self._going_on = asyncio.ensure_future(self._go_on(problem))

    async def _go_on(self, problem: Exception) -> None:
        try:
            exchange, self._replica = await self._source.open(self._sent)
        except ContinuumError:
            self._give_up_copy(problem)
            if self._sink is not None:
                self._sink.fail(problem)
            return
        self._counts.failovers += 1
        self._started_at, self._passed = time.monotonic(), 0
        self._exchange = exchange
        exchange.start(self)
        if self._paused:
            exchange.pause()

    def _give_up_copy(self, problem: Exception) -> None:
        copy, self.copy = self.copy, None
        if copy is not None:
            copy.fail(problem)

    def _count(self, data: bytes) -> None:
        """Note that bytes pass by, and show them to the copy that is being made."""
        self._sent += len(data)
        self._passed += len(data)
        if self.copy is not None and data:
            self.copy.feed(data)
        self._counts.count_read(self._peers.site_of(self._replica.store), len(data))


class StreamOpener:
    """Opens bodies of versions, as they are stored."""

    def __init__(self, peers: Peers, locations: Locations, counts: Counts, *, may_bring: bool = True) -> None:
        self._peers = peers
        self._locations = locations
        self._counts = counts
        self._may_bring = may_bring

    async def open(self, version: Version, start: int, length: int) -> tuple[ReadStream, str]:
        """Return a part of a version's stored bytes, and the site that it comes from first. Raises
        `ContinuumError`."""
        source = ReplicaSource(
            version, self._peers, self._locations, start=start, length=length, may_bring=self._may_bring
        )
        exchange, replica = await source.open()
        stream = ReadStream(source, exchange, replica, self._peers, self._counts)
        return stream, source.brought_from or self._peers.site_of(replica.store)

    async def open_whole(self, version: Version) -> ReadStream | None:
        """Return all stored bytes of a version; None if there are none. Raises `ContinuumError`."""
        length = stored_size(version)
        return (await self.open(version, 0, length))[0] if length else None
