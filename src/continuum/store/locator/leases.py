"""Who holds what: the table behind "what a gateway looked up it may serve from its memory".

Pure: no clock, no waiting, no sending; instants are the caller's monotonic seconds. `invalidating` acts on
it.

A session holds a *thing* once it has asked for it: a key (`(bucket, key)`), a bucket (`(bucket, "")`) or a
user (`("", access_key)`). Every holding has a number that grows: an acknowledgement releases what was held
when its `Invalidate` was sent, never what was asked for since.

A session lives until it is ended here. Its lease running out does not end it by itself: as long as nothing
changed that it holds, a renewal that comes late is still good. It ends when a change can no longer wait for
it, or when it has been silent for long. Ended is final.

The table is bounded: what is above the bound is taken from the session that holds most, the oldest first,
and released when that session acknowledged that it forgot.
"""

from collections.abc import Iterable

Thing = tuple[str, str]
SHED = 1024  # how many things are shed at once: one message


class _Session:
    """A live session; `held` has the number of each holding, the oldest first."""

    __slots__ = ("expires_at", "held", "is_condemned", "site")

    def __init__(self, site: str, expires_at: float) -> None:
        self.site = site
        self.expires_at = expires_at
        self.is_condemned = False
        self.held: dict[Thing, int] = {}


class Leases:
    """The table of live sessions and what they hold."""

    def __init__(self, *, lease_s: float, max_held: int) -> None:
        self._lease_s = lease_s
        self._max_held = max_held
        self._sessions: dict[str, _Session] = {}
        self._ended: set[str] = set()
        self._holders: dict[Thing, tuple[str, ...]] = {}
        self._count = 0
        self._number = 0

    @property
    def held_count(self) -> int:
        """How many holdings there are in all."""
        return self._count

    @property
    def session_ids(self) -> tuple[str, ...]:
        """The live sessions."""
        return tuple(self._sessions)

    def open(self, session_id: str, site: str, now: float) -> None:
        """Begin a session with a full lease."""
        self._sessions[session_id] = _Session(site, now + self._lease_s)

    def renew(self, session_id: str, now: float) -> bool:
        """Extend the lease; False if the session has ended or will not be extended any more."""
        session = self._sessions.get(session_id)
        if session is None or session.is_condemned:
            return False
        session.expires_at = now + self._lease_s
        return True

    def condemn(self, session_id: str) -> None:
        """Refuse to extend this lease from now on: the session does not answer what it must."""
        session = self._sessions.get(session_id)
        if session is not None:
            session.is_condemned = True

    def is_live(self, session_id: str) -> bool:
        """Whether the session goes on."""
        return session_id in self._sessions

    def find_expiry(self, session_id: str) -> float | None:
        """Return when the lease runs out, None if the session has ended."""
        session = self._sessions.get(session_id)
        return session.expires_at if session else None

    def list_silent(self, now: float, margin_s: float) -> tuple[str, ...]:
        """Return the sessions whose lease ran out more than `margin_s` ago."""
        return tuple(
            session_id
            for session_id, session in self._sessions.items()
            if session.expires_at + margin_s < now
        )

    def end(self, session_id: str) -> bool:
        """End a session for good, and with it all it holds. False if it had ended already."""
        session = self._sessions.pop(session_id, None)
        if session is None:
            return False
        for thing in session.held:
            self._drop_holder(thing, session_id)
        self._count -= len(session.held)
        self._ended.add(session_id)
        return True

    def has_ended(self, session_id: str) -> bool:
        """Whether a session ended here and was not forgotten yet."""
        return session_id in self._ended

    def drop_all(self) -> None:
        """Have no session any more; those that were may go on elsewhere. To be done when no lease holds."""
        self._sessions.clear()
        self._holders.clear()
        self._count = 0

    def list_ended(self) -> tuple[str, ...]:
        """Return the sessions that ended here and were not forgotten yet."""
        return tuple(self._ended)

    def forget(self, session_id: str) -> None:
        """Forget an ended session: the index knows of it."""
        self._ended.discard(session_id)

    def hold(self, session_id: str, thing: Thing) -> None:
        """Note that a live session asks for `thing`. Must come before the index is read for the answer."""
        session = self._sessions[session_id]
        self._number += 1
        if session.held.pop(thing, None) is None:
            self._count += 1
            self._holders[thing] = (*self._holders.get(thing, ()), session_id)
        session.held[thing] = self._number

    def find_holders(
        self, things: Iterable[Thing], *, but: str = "", beside: str = ""
    ) -> dict[str, dict[Thing, int]]:
        """Return, by session, which of `things` it holds and the number of each holding.

        `but` is left out; `beside` restricts to the sessions of that session's site.
        """
        found: dict[str, dict[Thing, int]] = {}
        neighbour = self._sessions.get(beside)
        for thing in things:
            for session_id in self._holders.get(thing, ()):
                session = self._sessions[session_id]
                if session_id != but and (neighbour is None or session.site == neighbour.site):
                    found.setdefault(session_id, {})[thing] = session.held[thing]
        return found

    def find_excess(self) -> tuple[str, dict[Thing, int]] | None:
        """Return what to shed, a session and its oldest holdings; None while the table is within bounds."""
        if self._count <= self._max_held:
            return None
        session_id = max(self._sessions, key=lambda name: len(self._sessions[name].held))
        held = self._sessions[session_id].held
        return session_id, {thing: held[thing] for thing, _ in zip(held, range(SHED), strict=False)}

    def release(self, session_id: str, holdings: dict[Thing, int]) -> None:
        """Forget holdings that the session acknowledged to have forgotten, unless it asked again since."""
        session = self._sessions.get(session_id)
        if session is None:
            return
        for thing, number in holdings.items():
            if session.held.get(thing) == number:
                del session.held[thing]
                self._count -= 1
                self._drop_holder(thing, session_id)

    def _drop_holder(self, thing: Thing, session_id: str) -> None:
        left = tuple(holder for holder in self._holders[thing] if holder != session_id)
        if left:
            self._holders[thing] = left
        else:
            del self._holders[thing]
