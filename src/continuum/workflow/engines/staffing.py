"""How many worker processes the runs of one site have: they follow the queue between limits.

A `Staff` belongs to a site and counts; each engine is a `Member` of it, asks before it starts a process and
tells when one is gone. What an engine wants `model.scaling` decides, from its queue; starting a process takes
milliseconds, so it is asked every few of these while something waits. No more than the limits allow are there
at once, whatever the number of runs. When there is no room left, who has fewest goes first: who has more lets
idle ones go at once, and those at work when they are done.

The least number counts for each run, while it lasts: processes belong to runs.
"""

import contextlib
import threading
from collections.abc import Sequence
from pathlib import Path

from continuum.model.scaling import Demand, ScalingDecision, ScalingLimits, Workforce, decide_scaling

FIRST_CREATION_S = 0.02  # until one was seen to appear
_NEWEST_COUNTS = 0.3


class Staff:
    """The worker processes of one site."""

    def __init__(self, limits: ScalingLimits) -> None:
        self.limits = limits
        self.creation_s = FIRST_CREATION_S
        self._members: list[Member] = []
        self._lock = threading.Lock()

    @property
    def workers(self) -> int:
        """How many there are."""
        return sum(member.workers for member in self._members)

    def join(self) -> "Member":
        """Return the part of one more engine."""
        member = Member(self)
        with self._lock:
            self._members = [*self._members, member]
        return member

    def leave(self, member: "Member") -> None:
        """An engine has ended."""
        with self._lock:
            self._members = [each for each in self._members if each is not member]

    def try_hire(self, member: "Member") -> bool:
        """Count one more process of a member, if there is room and nobody waits who has fewer."""
        with self._lock:
            poorer = any(each.is_waiting and each.workers < member.workers for each in self._members)
            if self.workers >= self.limits.most or poorer:
                member.is_waiting = True
                return False
            member.is_waiting = False
            member.workers += 1
            return True

    def should_yield(self, member: "Member") -> bool:
        """Tell whether somebody waits who has at least two fewer, or none."""
        if len(self._members) == 1 or not member.workers:
            return False
        rivals = [each for each in self._members if each.is_waiting and each is not member]
        return any(each.workers + 1 < member.workers or not each.workers for each in rivals)

    def appeared(self, took_s: float) -> None:
        """A process took so long to begin."""
        self.creation_s += _NEWEST_COUNTS * (max(0.0, took_s) - self.creation_s)


class Member:
    """What one engine has of a staff. Guarded by the engine's lock, except for counting."""

    __slots__ = ("_staff", "_waiting_since", "allowed", "is_waiting", "workers")

    def __init__(self, staff: Staff) -> None:
        self._staff = staff
        self._waiting_since = 0.0
        self.allowed = 0  # processes, as decided last
        self.workers = 0
        self.is_waiting = False

    def try_hire(self) -> bool:
        """Count one more process, if it was decided on and there is room."""
        return self.workers < self.allowed and self._staff.try_hire(self)

    def try_start(self) -> bool:
        """The same for a process that is made for one task, and so is always wanted."""
        return self._staff.try_hire(self)

    def left(self) -> None:
        """A process is gone, or about to go."""
        self.workers -= 1

    def appeared(self, took_s: float) -> None:
        """A process took so long to begin."""
        self._staff.appeared(took_s)

    def should_yield(self) -> bool:
        """Tell whether others are to have processes of ours."""
        return self._staff.should_yield(self)

    def stop_waiting(self) -> None:
        """Nothing is queued any more."""
        self.is_waiting = False
        self._waiting_since = 0.0

    def decide(
        self, ready: Sequence[Demand], waiting: int, idle_since: Sequence[float], now: float
    ) -> ScalingDecision:
        """Return what to do now; remembers how many there may be. `waiting` tasks have no worker."""
        staff = self._staff
        if not waiting:
            self.stop_waiting()
        elif not self._waiting_since:
            self._waiting_since = now
        room = max(0, staff.limits.most - staff.workers)
        force = Workforce(
            workers=self.workers,
            starting=0,
            units_per_worker=1,
            creation_s=staff.creation_s,
            ready=ready,
            idle_for_s=[now - since for since in idle_since],
            waited_s=now - self._waiting_since if self._waiting_since else 0.0,
        )
        if idle_since and self.should_yield():
            decision = ScalingDecision(change=-len(idle_since), reason="another run waits for a worker")
        else:
            decision = decide_scaling(staff.limits.within(self.workers + room), force)
        if waiting and not room:
            self.is_waiting = True
        self.allowed = self.workers + decision.change
        return decision

    def next_look_s(self, idle_since: Sequence[float], now: float) -> float:
        """Return when an idle process may have to go; below 0: none will."""
        limits = self._staff.limits
        if self.workers <= limits.least or not idle_since:
            return -1.0
        return max(0.01, min(idle_since) + limits.idle_s - now)

    def leave(self) -> None:
        """The engine has ended, and with it all its processes."""
        self.workers = self.allowed = 0
        self.is_waiting = False
        self._staff.leave(self)


def note_workers(log_file: Path, before: int, now: int, reason: str) -> None:
    """Write a change into the log of a run."""
    with contextlib.suppress(OSError), log_file.open("ab") as opened:
        opened.write(f"[workers] {before} -> {now}: {reason}\n".encode())
