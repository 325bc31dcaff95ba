"""Telling sessions to forget, before a change is acknowledged: the other half of the leases.

The promise: once a change is acknowledged, no session serves what was before it. Why it holds:

1. A look-up is noted as held (`Leases.hold`) *before* the index is read for it.
2. A change first is durable in the index, *then* the holders are collected, and it is acknowledged when each
   of them (but the writer's own session) has acknowledged `Invalidate` or can serve nothing any more.
3. So take a look-up that read the index before the change was in it: it was noted before that, and the change
   collects after that, so it is among those told. One that read later has seen the change.
4. A holding is released only by the acknowledgement of an `Invalidate` that was sent after it was noted;
   asking again gives it a new number. So a second change, made while the first one's `Invalidate` is under
   way, still finds the holder and waits for it as well.
5. Messages cross: an `Invalidate` may reach a gateway before the answer of a look-up that it concerns. The
   gateway's side of the rule (in `messages`) is that an answer is not kept, nor given to a reader that began
   later, if an `Invalidate` of its key came while it was under way. The same goes for its own commits.
6. A session that does not acknowledge is asked again. After one lease its renewals are refused, so that after
   at most another one its lease has run out by the clock here, which started later than the gateway's own.
   Then it is ended: it must open a new session, which begins with an empty memory.
7. After a restart over SQLite the table is empty, but leases may be out from before: until they have run out
   no change is acknowledged, whatever it changes. Sessions go on, and forget all they know when they see the
   new epoch.
8. The sessions of other hubs over the same database are seen to by those (`peers`), asked at the same time.

What is not promised here: while a change is under way, one reader may see it and a later one, elsewhere, not
yet. Within one hub `changing` sees to that: answers that may show a change wait until it is over.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol

import msgspec

from continuum.backbone import Backbone
from continuum.model.errors import ContinuumError
from continuum.store.locator.leases import Leases, Thing
from continuum.store.locator.messages import Empty, Invalidate

log = logging.getLogger(__name__)

Clock = Callable[[], float]


class Others(Protocol):
    """The other hubs."""

    is_alone: bool

    async def tell(self, things: Iterable[Thing]) -> None:
        """Have their sessions forget."""

    def mention(self, things: Iterable[Thing]) -> None:
        """The same, and nobody waits."""


Send = Callable[[str, Invalidate, float], Awaitable[None]]
"""Deliver to a session within so many seconds; raises `ContinuumError` if it was not acknowledged."""

ATTEMPT_S = 0.5
PAUSE_S = 0.05
MESSAGE_THINGS = 256  # keys are up to 1 KiB, so a message stays well below what NATS carries
SLACK = 1.02  # clocks of two machines may differ in speed; two percent is far beyond any that works


def send_over(backbone: Backbone) -> Send:
    """Return how an `Invalidate` travels over the backbone."""

    async def send(session_id: str, message: Invalidate, timeout_s: float) -> None:
        await backbone.request(f"gateway.{session_id}.invalidate", message, Empty, timeout_s=timeout_s)

    return send


class Invalidator:
    """Makes sessions forget. One message at a time goes to a session; what comes meanwhile is the next."""

    def __init__(
        self,
        leases: Leases,
        send: Send,
        clock: Clock,
        *,
        lease_s: float,
        old_leases_s: float,
        others: Others | None = None,
    ) -> None:
        self._others = None if others is None or others.is_alone else others
        self._leases = leases
        self._send = send
        self._clock = clock
        self._lease_s = lease_s * SLACK
        self._old_leases_end_at = clock() + old_leases_s * SLACK
        self._outboxes: dict[str, Outbox] = {}
        self._shedding: asyncio.Task[None] | None = None

    async def tell(self, things: Iterable[Thing], *, but: str = "") -> None:
        """Return once no session (but `but`) of any hub serves what was known of `things` before now."""
        if self._others is None:
            await self.tell_here(things, but=but)
        else:
            things = tuple(things)
            await asyncio.gather(self.tell_here(things, but=but), self._others.tell(things))

    async def tell_here(self, things: Iterable[Thing], *, but: str = "") -> None:
        """Return once no session (but `but`) of this hub serves what was known of `things` before now."""
        holders = self._leases.find_holders(things, but=but)
        if holders:
            said = [self._outbox(name).put(held) for name, held in holders.items()]
            await asyncio.gather(*map(asyncio.shield, said))
        if self._clock() < self._old_leases_end_at:
            await asyncio.sleep(self._old_leases_end_at - self._clock())

    def hint(self, session_id: str, thing: Thing) -> None:
        """Tell the other sessions of the same site that there is something better to know; nobody waits."""
        for name, held in self._leases.find_holders([thing], but=session_id, beside=session_id).items():
            self._outbox(name).put(held)
        if self._others is not None:
            self._others.mention([thing])

    def shed(self) -> None:
        """See to it that the table comes back within its bound."""
        if self._shedding is None or self._shedding.done():
            self._shedding = asyncio.ensure_future(self._shed())

    async def _shed(self) -> None:
        while excess := self._leases.find_excess():
            session_id, held = excess
            await asyncio.shield(self._outbox(session_id).put(held))

    def _outbox(self, session_id: str) -> "Outbox":
        outbox = self._outboxes.get(session_id)
        if outbox is None:
            outbox = Outbox(
                lambda held: self._deliver(session_id, held), lambda: self._outboxes.pop(session_id, None)
            )
            self._outboxes[session_id] = outbox
        return outbox

    async def _deliver(self, session_id: str, held: dict[Thing, int]) -> None:
        """Bring it home, whatever it takes: acknowledged, or the session is no more."""
        give_up_at = self._clock() + self._lease_s
        things = list(held)
        for start in range(0, len(things), MESSAGE_THINGS):
            some = {thing: held[thing] for thing in things[start : start + MESSAGE_THINGS]}
            await self._insist(session_id, some, give_up_at)

    async def _insist(self, session_id: str, held: dict[Thing, int], give_up_at: float) -> None:
        while True:
            if await self._attempt(session_id, held, give_up_at):
                return
            await asyncio.sleep(PAUSE_S)

    async def _attempt(self, session_id: str, held: dict[Thing, int], give_up_at: float) -> bool:
        """Whether nothing is left to wait for."""
        expires_at = self._leases.find_expiry(session_id)
        if expires_at is None:
            return True
        now = self._clock()
        if now >= give_up_at:
            self._leases.condemn(session_id)
        if now >= expires_at + self._lease_s * (SLACK - 1):
            log.warning("session %.8s… did not answer and its lease ran out: ended", session_id)
            self._leases.end(session_id)
            return True
        try:
            await self._send(session_id, _message(held), ATTEMPT_S)
        except (ContinuumError, msgspec.MsgspecError) as problem:
            log.info("session %.8s… did not acknowledge: %s", session_id, problem)
            return False
        self._leases.release(session_id, held)
        return True

    async def close(self) -> None:
        """Stop telling; whoever waits is cancelled."""
        tasks = [outbox.task for outbox in self._outboxes.values() if outbox.task]
        if self._shedding is not None:
            tasks.append(self._shedding)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Outbox:
    """What is to be said to one session: one message under way, one that gathers. It goes when it is idle."""

    def __init__(
        self, deliver: Callable[[dict[Thing, int]], Awaitable[None]], on_idle: Callable[[], object]
    ) -> None:
        self._deliver = deliver
        self._on_idle = on_idle
        self._gathered: dict[Thing, int] = {}
        self._said: asyncio.Future[None] | None = None
        self.task: asyncio.Task[None] | None = None

    def put(self, held: dict[Thing, int]) -> "asyncio.Future[None]":
        """Return what is done once this has been said and acknowledged, or need not be said any more."""
        self._gathered.update(held)
        if self._said is None:
            self._said = asyncio.get_running_loop().create_future()
        if self.task is None:
            self.task = asyncio.ensure_future(self._run())
        return self._said

    async def _run(self) -> None:
        while self._said is not None:
            held, said = self._gathered, self._said
            self._gathered, self._said = {}, None
            try:
                await self._deliver(held)
            except asyncio.CancelledError:
                said.cancel()
                raise
            except Exception as problem:  # noqa: BLE001 - it goes to who waits
                said.set_exception(problem)
            else:
                said.set_result(None)
        self._on_idle()


def _message(held: dict[Thing, int]) -> Invalidate:
    return Invalidate(
        keys=tuple(thing for thing in held if thing[0]),
        users=tuple(key for bucket, key in held if not bucket),
    )
