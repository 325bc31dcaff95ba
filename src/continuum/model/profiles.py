"""Which kind of worker a task gets, where a site can make several. Pure.

A worker must have all that the task needs. Of those that have, one without what the task does not need (a
GPU, say) goes before one with it, then what an hour of the task's share costs decides, then the smaller.
What is there already and idle is not asked: tasks wait for a worker of any profile that fits them, and only
who is made new is chosen here.
"""

from collections.abc import Callable, Sequence

import msgspec

from continuum.model.pools import PoolRequest, WorkerProfile
from continuum.model.scaling import ScalingLimits


class TaskNeeds(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a task must find in its worker."""

    units: int = 1
    memory_bytes: int = 0
    gpus: int = 0
    labels: tuple[tuple[str, str], ...] = ()


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """The profile for a task (None: no worker of any profile could hold it), and why."""

    profile: WorkerProfile | None
    reason: str


def why_not_fit(needs: TaskNeeds, profile: WorkerProfile) -> str:
    """Return what of `needs` a worker of this profile has not; empty: it has all."""
    if needs.units > profile.units:
        return f"needs {needs.units} computing units, has {profile.units}"
    if needs.memory_bytes > profile.memory_bytes:
        return f"needs {needs.memory_bytes / 1e9:g} GB of memory, has {profile.memory_bytes / 1e9:g}"
    if needs.gpus > profile.gpus:
        return f"needs {needs.gpus} GPUs, has {profile.gpus}"
    for name, value in needs.labels:
        if profile.labels.get(name, "").casefold() != value.casefold():
            return f"needs {name} {value}, has {profile.labels.get(name, 'nothing said about it')}"
    return ""


def choose_profile(needs: TaskNeeds, profiles: Sequence[WorkerProfile]) -> Choice:
    """Return the profile of a worker that is made for such a task."""
    fit = [each for each in profiles if not why_not_fit(needs, each)]
    if not fit:
        reasons = "; ".join(f"{each.name}: {why_not_fit(needs, each)}" for each in profiles)
        return Choice(profile=None, reason=reasons or "there is no profile")
    best = min(fit, key=lambda each: (each.gpus > needs.gpus, _price_of(needs, each), each.units, each.name))
    others = len(fit) - 1
    reason = f"the best of {others + 1} that fit" if others else "the only one that fits"
    return Choice(profile=best, reason=reason)


def apply_request(profiles: Sequence[WorkerProfile], request: PoolRequest) -> tuple[WorkerProfile, ...]:
    """Return the profiles that a run gets; empty if it asks for one that is not there."""
    chosen = [each for each in profiles if request.profile in {"", each.name}]
    changes = {
        "units": request.units,
        "memory_bytes": request.memory_bytes,
        "image": request.image,
    }
    said = {name: value for name, value in changes.items() if value}
    return tuple([msgspec.structs.replace(each, **said) for each in chosen])


class PoolOffer(msgspec.Struct, frozen=True, kw_only=True):
    """What a site could offer, with as many of the largest workers as it may have."""

    computing_units: int
    memory_bytes: int
    gpus: int
    largest_units: int
    labels: dict[str, str]


def offer_of(profiles: Sequence[WorkerProfile], limits: ScalingLimits) -> PoolOffer:
    """Return what placement may count on, also while no worker is there."""

    def together(amount_of: Callable[[WorkerProfile], int]) -> int:
        """The most of something that `limits.most` workers can have, the largest first."""
        left, found = limits.most, 0
        for profile in sorted(profiles, key=amount_of, reverse=True):
            count = min(left, profile.most or left)
            left, found = left - count, found + count * amount_of(profile)
        return found

    return PoolOffer(
        computing_units=together(lambda each: each.units),
        memory_bytes=together(lambda each: each.memory_bytes),
        gpus=together(lambda each: each.gpus),
        largest_units=max(each.units for each in profiles),
        labels={name: value for each in reversed(profiles) for name, value in each.labels.items()},
    )


def limits_of(request: PoolRequest, usual: ScalingLimits) -> ScalingLimits:
    """Return between what the workers of a run follow the queue; never more than `usual` allows."""
    idle_s = request.idle_s or usual.idle_s
    if not request.most:
        return msgspec.structs.replace(usual, idle_s=idle_s)
    asked = msgspec.structs.replace(usual, least=request.least, most=request.most, idle_s=idle_s)
    return asked.within(usual.most)


def _price_of(needs: TaskNeeds, profile: WorkerProfile) -> float:
    """What an hour of the task costs there, by the share of the worker that it fills."""
    share = max(1, needs.units) / profile.units
    if profile.memory_bytes:
        share = max(share, needs.memory_bytes / profile.memory_bytes)
    return profile.price_eur_per_h * share
