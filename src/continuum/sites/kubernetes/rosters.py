"""Who works in a pool: what is known of its pods and what its scheduler says, put together. Pure.

A worker begins when its pod is made and works once the scheduler knows it; that it is lost is said once, with
what became of its pod (killed for memory, evicted, deleted), which is remembered for whoever asks why a task
failed. A pod that does not come up is given up after a while: sooner when the cluster has said why.
Instants are seconds of any one clock.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from continuum.sites.kubernetes.workers import PROFILE_LABEL
from continuum.workflow import Census, WorkerSeen

PATIENCE_S = 180.0  # an image may have to be pulled
STUCK_PATIENCE_S = 20.0  # the cluster says why, and might find room yet
SILENT_S = 20.0  # runs, but the scheduler does not know it any more
QUOTA_PAUSE_S = 15.0
MOST_REMEMBERED = 200
FIRST_CREATION_S = 3.0  # a guess, until one has appeared

_ENDED = frozenset({"Succeeded", "Failed"})
_STUCK = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "ErrImageNeverPull",
        "InvalidImageName",
        "CreateContainerConfigError",
        "CreateContainerError",
    }
)


class PodSeen(msgspec.Struct, frozen=True, kw_only=True):
    """A worker's pod: `ending` says how it ended, `trouble` why it does not come up; both may be empty."""

    name: str
    profile: str
    has_ended: bool = False
    is_leaving: bool = False
    ending: str = ""
    trouble: str = ""


class Member(msgspec.Struct, kw_only=True):
    """A worker from its beginning on."""

    name: str
    profile: str
    began_at: float
    is_made: bool = False
    is_measured: bool = True
    is_working: bool = False
    is_retiring: bool = False
    idle_since: float = 0.0
    stuck_since: float = 0.0
    silent_since: float = 0.0


class Changes(msgspec.Struct, kw_only=True):
    """What came of the members of one profile since it was last told."""

    not_started: int = 0
    lost: int = 0
    troubles: list[str] = []


class Roster:
    """The workers of one pool."""

    def __init__(self) -> None:
        self.creation_s: dict[str, float] = {}
        self._members: dict[str, Member] = {}
        self._changes: dict[str, Changes] = {}
        self._endings: OrderedDict[str, str] = OrderedDict()
        self._refused_at: dict[str, tuple[float, int]] = {}  # by profile: when, and how many there were
        self._told: set[tuple[str, str]] = set()
        self._last_number = 0

    # ---- what its owner does ----

    def next_number(self) -> int:
        """Return a number that no worker has had."""
        self._last_number += 1
        return self._last_number

    def add(self, name: str, profile: str, now: float, *, is_measured: bool = True) -> None:
        """A pod of this name is going to be made; one that waits for its scheduler is not measured."""
        self._members[name] = Member(name=name, profile=profile, began_at=now, is_measured=is_measured)

    def adopt(self, pods: Iterable[PodSeen], now: float) -> None:
        """Take over workers that were there before."""
        for pod in pods:
            number = pod.name.rpartition("-")[2]
            self._last_number = max(self._last_number, int(number) if number.isdecimal() else 0)
            if not pod.has_ended and not pod.is_leaving:
                self._members[pod.name] = Member(
                    name=pod.name, profile=pod.profile, began_at=now, is_made=True, is_measured=False
                )

    def made(self, name: str) -> None:
        """Its pod is made."""
        if (member := self._members.get(name)) is not None:
            member.is_made = True

    def refused(self, name: str, reason: str, now: float, *, is_quota: bool) -> None:
        """Its pod cannot be made; `is_quota`: for now there may be no more than there are."""
        member = self._members.pop(name, None)
        if member is None:
            return
        if is_quota:
            count = sum(each.profile == member.profile for each in self._members.values())
            self._refused_at[member.profile] = (now, count)
        else:
            self._of(member.profile).not_started += 1
        self._tell(member.profile, reason, key="quota" if is_quota else "")

    def retire(self, names: Iterable[str]) -> None:
        """These go; that they do is no loss."""
        for name in names:
            if (member := self._members.get(name)) is not None:
                member.is_retiring = True

    # ---- what is seen ----

    def see(self, pods: Sequence[PodSeen], workers: Sequence[WorkerSeen] | None, now: float) -> list[str]:
        """Note pods and what the scheduler says (None: it does not answer); return pods to delete."""
        there = {pod.name: pod for pod in pods}
        known = None if workers is None else {worker.name: worker for worker in workers}
        going = [pod.name for pod in pods if pod.has_ended and not pod.is_leaving]
        for member in list(self._members.values()):
            if known is not None:
                self._note_work(member, known.get(member.name), now)
            pod = there.get(member.name)
            if (pod is None and member.is_made) or (pod is not None and pod.has_ended):
                self._note_end(member, pod)
            elif pod is not None and self._should_give_up(member, pod, now):
                going.append(member.name)
        return going

    def _note_work(self, member: Member, seen: WorkerSeen | None, now: float) -> None:
        if seen is None:
            if member.is_working and not member.silent_since:
                member.silent_since = now
            member.idle_since = 0.0
            return
        member.silent_since = 0.0
        if not member.is_working:
            member.is_working, member.is_made = True, True
            if member.is_measured:
                self.creation_s[member.profile] = now - member.began_at
        if not seen.is_idle:
            member.idle_since = 0.0
        elif not member.idle_since:
            member.idle_since = now

    def _note_end(self, member: Member, pod: PodSeen | None) -> None:
        del self._members[member.name]
        ending = pod.ending if pod is not None and pod.ending else "its pod was deleted"
        self._remember(member.name, f"worker {member.name} of profile {member.profile}: {ending}")
        if member.is_retiring:
            return
        changes = self._of(member.profile)
        if member.is_working:
            changes.lost += 1
        else:
            changes.not_started += 1
        self._tell(member.profile, self._endings[member.name])

    def _should_give_up(self, member: Member, pod: PodSeen, now: float) -> bool:
        if member.silent_since:
            return now - member.silent_since > SILENT_S
        if member.is_working:
            return False
        if not pod.trouble:
            member.stuck_since = 0.0
        elif not member.stuck_since:
            member.stuck_since = now
        is_stuck = bool(member.stuck_since) and now - member.stuck_since > STUCK_PATIENCE_S
        if not is_stuck and now - member.began_at <= PATIENCE_S:
            return False
        member.is_retiring = True
        self._of(member.profile).not_started += 1
        waited_s = now - member.began_at
        trouble = pod.trouble or "it runs, but the scheduler has not heard of it"
        self._tell(
            member.profile, f"no worker of profile {member.profile} came within {waited_s:.0f} s: {trouble}"
        )
        return True

    # ---- what is asked ----

    def count(self, profile: str, now: float) -> Census:
        """Return how many workers of a profile there are; what went is told once."""
        members = [each for each in self._members.values() if each.profile == profile]
        active = [each for each in members if not each.is_retiring]
        working = [each for each in active if each.is_working and not each.silent_since]
        changes = self._changes.pop(profile, Changes())
        refused_at, most = self._refused_at.get(profile, (0.0, 0))
        is_refused = profile in self._refused_at and now - refused_at < QUOTA_PAUSE_S
        return Census(
            workers=len(working),
            starting=sum(not each.is_working for each in active),
            not_started=changes.not_started,
            lost=changes.lost,
            idle_for_s=tuple(
                sorted((now - each.idle_since for each in working if each.idle_since), reverse=True)
            ),
            ceiling=min(most, len(active)) if is_refused else None,
            troubles=tuple(changes.troubles),
        )

    def idle(self, profile: str, count: int) -> list[str]:
        """Return the workers of a profile that have been idle longest."""
        idle = [
            each
            for each in self._members.values()
            if each.profile == profile and each.idle_since and not each.is_retiring
        ]
        return [each.name for each in sorted(idle, key=lambda each: each.idle_since)[:count]]

    @property
    def total(self) -> int:
        """How many there are, or will be in a moment."""
        return sum(not each.is_retiring for each in self._members.values())

    @property
    def working(self) -> int:
        """How many work."""
        return sum(each.is_working for each in self._members.values())

    @property
    def is_settled(self) -> bool:
        """Whether nobody is starting or leaving."""
        return all(each.is_working and not each.is_retiring for each in self._members.values())

    def ending_of(self, name: str) -> str:
        """Return what became of a worker; empty: it is there, or nobody knows."""
        return self._endings.get(name, "")

    def _of(self, profile: str) -> Changes:
        return self._changes.setdefault(profile, Changes())

    def _tell(self, profile: str, trouble: str, key: str = "") -> None:
        """Say something to the user, unless it (or something else of that key) was said."""
        if (profile, key or trouble) not in self._told:
            self._told.add((profile, key or trouble))
            self._of(profile).troubles.append(trouble)

    def _remember(self, name: str, ending: str) -> None:
        self._endings[name] = ending
        if len(self._endings) > MOST_REMEMBERED:
            self._endings.popitem(last=False)


def parse_pod(manifest: Mapping[str, Any]) -> PodSeen:
    """Return what matters of a pod as the API server has it."""
    metadata, status = manifest["metadata"], manifest.get("status", {})
    has_ended = status.get("phase") in _ENDED
    return PodSeen(
        name=metadata["name"],
        profile=metadata.get("labels", {}).get(PROFILE_LABEL, ""),
        has_ended=has_ended,
        is_leaving="deletionTimestamp" in metadata,
        ending=_ending_of(manifest) if has_ended else "",
        trouble="" if has_ended else _trouble_of(status),
    )


def _ending_of(manifest: Mapping[str, Any]) -> str:
    status = manifest["status"]
    if status.get("reason"):
        return f"its pod ended: {status['reason']}: {status.get('message', '')}".rstrip(": ")
    for container in status.get("containerStatuses", ()):
        ended = container.get("state", {}).get("terminated", {})
        if ended.get("reason") == "OOMKilled":
            return f"it was killed for memory (limit {_limit_of(manifest)})"
        if ended.get("exitCode"):
            return f"its pod ended: {ended.get('reason', 'Error')}, exit status {ended['exitCode']}"
    return "its pod ended"


def _limit_of(manifest: Mapping[str, Any]) -> str:
    limits = manifest["spec"]["containers"][0].get("resources", {}).get("limits", {})
    said = str(limits.get("memory", "?"))
    return f"{int(said) / 1e9:.2g} GB" if said.isdecimal() else said


def _trouble_of(status: Mapping[str, Any]) -> str:
    for condition in status.get("conditions", ()):
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return f"no machine takes it: {condition.get('message', condition.get('reason', ''))}"
    for container in status.get("containerStatuses", ()):
        waiting = container.get("state", {}).get("waiting", {})
        if waiting.get("reason") in _STUCK:
            return f"{waiting['reason']}: {waiting.get('message', '')}".rstrip(": ")
    return ""
