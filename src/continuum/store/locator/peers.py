"""Several equal hubs over one database: hubs are to each other what gateways are to a hub.

The promise of `invalidating` has to hold over all hubs: once a change is acknowledged, no session of any hub
serves what was before it. Why it holds:

1. Every hub has a lease, in a row of the database and by the database's clock, renewed three times per lease.
   It extends leases of sessions never beyond its own (`bound`), which it counts from before it asked.
2. Hubs register under the writers' lock, and every writing transaction reads, behind that lock, who is
   registered. So a hub that this transaction does not see began to read after it was committed.
3. After a change is durable here, each hub that was seen is told (`ForgetThings`) and the change is
   acknowledged when all have answered that their own sessions forgot, or their lease ran out in the database.
4. A hub that cannot be reached but goes on renewing is *condemned*: its renewals are refused from then on.
5. A hub whose lease ran out, or that was condemned, waits for its end and begins anew, under a new epoch and
   without any session: to sessions that is as if it had died.

A session belongs to one hub; requests that carry it go to that hub's own subjects. When its hub is gone, the
session's next renewal is answered by any other, which takes it over: the session goes on, what it wrote
counts, what it remembers is forgotten (it sees another epoch). Sessions that nobody takes over are ended.

What must be done once (cleaning up, lifecycles, events, eviction) is done by the hub that has been there
longest of those whose lease holds; it stops in time when its own cannot be renewed.

SQLite has one hub, `Alone`, to whom all of this costs nothing.
"""

import asyncio
import contextlib
import logging
import math
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Protocol

import msgspec

from continuum.backbone import Backbone, Subscription
from continuum.model.errors import ContinuumError, UnavailableError
from continuum.store.locator.database import Connection, IndexUnavailableError
from continuum.store.locator.index import hubs
from continuum.store.locator.invalidating import ATTEMPT_S, MESSAGE_THINGS, PAUSE_S, SLACK, Outbox
from continuum.store.locator.leases import Thing
from continuum.store.locator.messages.hubs import ForgetThings, Forgotten

log = logging.getLogger(__name__)

ANSWER_S = 0.8 * ATTEMPT_S  # a hub that is still seeing to it says so before it is taken for silent
MAX_SEEING_TO = 10_000
Tell = Callable[[Iterable[Thing]], Awaitable[None]]


class Standing(Protocol):
    """How this hub stands among others: what its duties ask."""

    is_alone: bool
    epoch: str

    @property
    def is_on_duty(self) -> bool:
        """Whether what must be done once is to be done here."""


class Alone:
    """No other hub: the database is this one's."""

    epoch = ""
    others: tuple[str, ...] = ()
    is_alone = True
    is_on_duty = True

    def bound(self, lease_s: float) -> float:
        """Return how long a session's lease may be."""
        return lease_s

    def look(self, connection: Connection) -> None:
        """See who else is there."""

    async def tell(self, things: Iterable[Thing]) -> None:
        """Have the sessions of other hubs forget."""

    def mention(self, things: Iterable[Thing]) -> None:
        """The same, and nobody waits."""


class Peers:
    """The other hubs, and this one among them. `join`, then `start`; `stop`."""

    is_alone = False

    def __init__(
        self,
        connect: Callable[[], Connection],
        backbone: Backbone,
        *,
        lease_s: float,
        on_lapse: Callable[[], Awaitable[None]],
    ) -> None:
        self._connect = connect
        self._backbone = backbone
        self._lease_s = lease_s
        self._on_lapse = on_lapse
        self._connection: Connection | None = None
        self._using = asyncio.Lock()
        self._expires_at = 0.0
        self._seen: tuple[str, ...] = ()
        self._living: tuple[str, ...] = ()
        self._outboxes: dict[str, Outbox] = {}
        self._seeing_to: dict[str, asyncio.Task[None]] = {}
        self._subscription: Subscription | None = None
        self._task: asyncio.Task[None] | None = None
        self._tell_here: Tell
        self.epoch = ""

    # ---- being one of them ----

    async def join(self, tell_here: Tell) -> None:
        """Register under a new epoch, and hear the others. Raises `UnavailableError`."""
        self._tell_here = tell_here
        epoch = secrets.token_hex(8)
        self._subscription = await self._backbone.serve(f"hub.{epoch}.forget", ForgetThings, self._forget)
        sent_at = time.monotonic()
        self._living = await self._in_thread(lambda connection: _register(connection, epoch, self._lease_s))
        self.epoch = epoch
        self._extend(sent_at)

    def start(self) -> None:
        """Renew from now on."""
        self._task = asyncio.ensure_future(self._run())

    async def stop(self) -> None:
        """Leave; the sessions here have closed or will be taken over."""
        tasks = [task for task in (self._task, *self._seeing_to.values()) if task is not None]
        tasks += [outbox.task for outbox in self._outboxes.values() if outbox.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._subscription is not None:
            await self._subscription.unsubscribe()
        # Its row stays until its lease has run out: sessions may go on serving what they know until then.
        if self._connection is not None:
            await asyncio.to_thread(self._connection.close)
            self._connection = None

    async def withdraw(self) -> None:
        """Wait until no lease from here holds any more, and be nobody."""
        if self._subscription is not None:
            await self._subscription.unsubscribe()
        await asyncio.sleep(max(0.0, self._expires_at - time.monotonic()))

    def bound(self, lease_s: float) -> float:
        """Return how long a session's lease may be. Raises `UnavailableError` when this hub's own is over."""
        bounded_s = min(lease_s, self._expires_at - time.monotonic())
        if bounded_s <= 0:
            raise UnavailableError("this hub has lost touch with its database", hint="another may have it")
        return bounded_s

    @property
    def is_on_duty(self) -> bool:
        """Whether what must be done once is to be done here."""
        return self._living[:1] == (self.epoch,) and time.monotonic() < self._expires_at

    @property
    def others(self) -> tuple[str, ...]:
        """The other hubs, as of lately."""
        return tuple(epoch for epoch in self._living if epoch != self.epoch)

    def _extend(self, sent_at: float) -> None:
        self._expires_at = sent_at + self._lease_s / SLACK

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._lease_s / 3)
            try:
                await self._renew()
            except UnavailableError as problem:
                log.warning("the hub's own lease was not renewed: %s", problem)
            except Exception:
                log.exception("renewing the hub's own lease failed")

    async def _renew(self) -> None:
        is_over = time.monotonic() >= self._expires_at
        if not is_over and self._backbone.is_connected:
            sent_at = time.monotonic()
            is_renewed, living = await self._in_thread(
                lambda connection: _renew(connection, self.epoch, self._lease_s)
            )
            is_over = not is_renewed or time.monotonic() >= self._expires_at
            if not is_over:
                self._extend(sent_at)
                self._living = living
        if is_over and self._backbone.is_connected:
            log.warning("the hub's own lease ran out: it begins anew")
            self._living = ()
            await self._on_lapse()

    async def _in_thread(self, work: Callable[[Connection], Any]) -> Any:
        """Do something with the connection that is for this alone; after an error it is made anew."""
        async with self._using:
            return await asyncio.to_thread(self._do, work)

    def _do(self, work: Callable[[Connection], Any]) -> Any:
        if self._connection is None:
            self._connection = self._connect()
        try:
            return work(self._connection)
        except IndexUnavailableError:
            self._connection.close()
            self._connection = None
            raise

    # ---- telling them ----

    def look(self, connection: Connection) -> None:
        """See who is registered, in a writing transaction, behind its lock; called by the writer's thread."""
        self._seen = hubs.list_living(connection)

    async def tell(self, things: Iterable[Thing]) -> None:
        """Return once no session of another hub serves what was known of `things` before the last `look`."""
        others = [epoch for epoch in self._seen if epoch != self.epoch]
        if others:
            held = dict.fromkeys(things, 0)
            await asyncio.gather(*(asyncio.shield(self._outbox(epoch).put(held)) for epoch in others))

    def mention(self, things: Iterable[Thing]) -> None:
        """Tell, and nobody waits."""
        for epoch in self._seen:
            if epoch != self.epoch:
                self._outbox(epoch).put(dict.fromkeys(things, 0))

    def _outbox(self, epoch: str) -> Outbox:
        outbox = self._outboxes.get(epoch)
        if outbox is None:
            outbox = self._outboxes[epoch] = Outbox(
                lambda held: self._deliver(epoch, tuple(held)), lambda: self._outboxes.pop(epoch, None)
            )
        return outbox

    async def _deliver(self, epoch: str, things: tuple[Thing, ...]) -> None:
        for start in range(0, len(things), MESSAGE_THINGS):
            message = ForgetThings(number=secrets.token_hex(8), things=things[start : start + MESSAGE_THINGS])
            await self._insist(epoch, message)

    async def _insist(self, epoch: str, message: ForgetThings) -> None:
        """Bring it home, whatever it takes: done there, or that hub's lease is over."""
        condemned_at = math.inf
        heard_at = time.monotonic()
        while True:
            try:
                told = await self._backbone.request(
                    f"hub.{epoch}.forget", message, Forgotten, timeout_s=ATTEMPT_S
                )
                if told.is_done:
                    return
                heard_at = time.monotonic()
                continue
            except (ContinuumError, msgspec.MsgspecError) as problem:
                log.info("the hub %.8s… did not answer: %s", epoch, problem)
            is_silent = time.monotonic() - heard_at > self._lease_s and math.isinf(condemned_at)
            if is_silent:
                condemned_at = time.monotonic()
                log.warning("the hub %.8s… is silent and may not go on", epoch)
            with contextlib.suppress(UnavailableError):
                if not await self._in_thread(lambda connection: _probe(connection, epoch, condemn=is_silent)):  # noqa: B023
                    return
            await asyncio.sleep(PAUSE_S)

    # ---- being told ----

    async def _forget(self, message: ForgetThings) -> Forgotten:
        task = self._seeing_to.get(message.number)
        if task is None:
            if len(self._seeing_to) >= MAX_SEEING_TO:
                raise UnavailableError("too much to forget at once")
            task = self._seeing_to[message.number] = asyncio.ensure_future(self._see_to(message))
        await asyncio.wait({task}, timeout=ANSWER_S)
        return Forgotten(is_done=task.done() and not task.cancelled() and task.exception() is None)

    async def _see_to(self, message: ForgetThings) -> None:
        try:
            await self._tell_here(message.things)
        finally:
            # If the answer is lost it is asked again, and done again: at once, nobody holds it any more.
            self._seeing_to.pop(message.number, None)


def _register(connection: Connection, epoch: str, lease_s: float) -> tuple[str, ...]:
    with connection.writing():
        hubs.register(connection, epoch, lease_s=lease_s)
        return hubs.list_living(connection)


def _renew(connection: Connection, epoch: str, lease_s: float) -> tuple[bool, tuple[str, ...]]:
    return hubs.renew(connection, epoch, lease_s=lease_s), hubs.list_living(connection)


def _probe(connection: Connection, epoch: str, *, condemn: bool) -> bool:
    """Whether the lease of a hub holds; if it is to be condemned, it will not for long."""
    if condemn:
        hubs.condemn(connection, epoch)
    return hubs.is_living(connection, epoch)
