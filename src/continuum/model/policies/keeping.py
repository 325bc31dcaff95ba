"""For how long a copy that a read left is kept.

Fetching an object again costs transfer, keeping a copy costs storage. After `even_s` (T_even) both are
equal; keeping a copy for just that long after each read never costs more than twice what somebody who knows
the future would pay, read by read (the ski-rental rule). What was learnt of reads does better on average and
has no such bound. `combined` takes the shorter of both, and goes back towards T_even where that has lost or
could lose much: no object that is read whole costs more than three times its optimum (`_floor`), and no
single bet may bring the bucket at a site above twice its own (`Statistics.floor`). Many bets that are lost
at once may; then all go back to T_even until the bucket has recovered.

Costs here are counted in whole fetches of the object, so that sizes and prices cancel out.
"""

from collections import OrderedDict

import msgspec

from continuum.model.policies.amounts import DAY_S, HOUR_S, format_duration, parse_duration
from continuum.model.policies.documents import Admission, CacheRule, Effective, Keeping
from continuum.model.policies.histograms import (
    CLASSES,
    ENOUGH,
    Gaps,
    Sample,
    classify,
    count_ages,
    find_best_ttl,
)
from continuum.model.policies.prices import FOR_EVER

MAX_TRACKS = 20_000
REFRESH_S = 6 * HOUR_S
REFRESH_GROWTH = 1.25  # or as soon as so many times more reads were seen
MEMORY_S = 14 * DAY_S  # what was seen so long ago counts a third
CAUTION = 1.4  # 2 would bound every bet, and costs more on average than it saves
PRIOR_OBJECTS = 10.0  # how many objects of the bucket's own weigh as much as all that was seen elsewhere


class Lifetime(msgspec.Struct, frozen=True):
    """How long after this read a copy is to be kept (0: none is), and why."""

    ttl_s: float
    reason: str


class Track(msgspec.Struct):
    """What is known of one version at one site: its reads, whether a copy is kept until when, and what that
    has cost against the least that it could have (`least`: without a copy now, `least_with`: with one)."""

    read_at: float = 0.0
    size_bytes: int = 0
    reads: int = 0
    kept_until: float = 0.0
    spent: float = 0.0
    least: float = 0.0
    least_with: float = FOR_EVER

    def settle(self, now: float, even_s: float) -> float:
        """Pay the storage since the last read until `now`; return what it cost."""
        if not self.reads or even_s <= 0:
            return 0.0
        rent = max(min(now, self.kept_until) - self.read_at, 0.0) / even_s
        self.spent += rent
        self.least_with += (now - self.read_at) / even_s
        return rent

    def take_read(self, now: float, fraction: float, even_s: float) -> float:
        """A read of so much of the object; return what it cost: storage until now, and transfer."""
        cost = self.settle(now, even_s)
        if now >= self.kept_until:
            self.spent += fraction
            cost += fraction
        self.least += fraction
        if fraction >= 1.0:
            self.least_with = min(self.least_with, self.least)
        self.least = min(self.least, self.least_with)
        self.reads += 1
        self.read_at = now
        return cost


class Pool:
    """What was seen of all buckets of a site together, which is believed of a bucket not known well yet."""

    def __init__(self) -> None:
        self._parts: dict[int, list[Sample]] = {}
        self._sums = [Sample() for _ in range(CLASSES)]

    def put(self, who: int, samples: list[Sample]) -> None:
        """Replace what one bucket contributes."""
        for total, old in zip(self._sums, self._parts.get(who, ()), strict=False):
            total.add(old, -1.0)
        for total, new in zip(self._sums, samples, strict=True):
            total.add(new)
        self._parts[who] = samples

    def drop(self, who: int) -> None:
        """Forget what one bucket contributed."""
        for total, old in zip(self._sums, self._parts.pop(who, ()), strict=False):
            total.add(old, -1.0)

    def blend(self, number: int, sample: Sample) -> Sample:
        """Return a sample of a class with what others have seen, which counts as much as a few objects."""
        total = self._sums[number]
        size = total.size
        if size < ENOUGH:
            return sample
        blended = Sample()
        blended.add(sample)
        blended.add(total, PRIOR_OBJECTS / size)
        return blended


class Statistics:
    """What was seen of the reads of one bucket at one site. Bounded: of the least recently read objects
    nothing is known."""

    def __init__(self, *, max_tracks: int = MAX_TRACKS, pool: Pool | None = None) -> None:
        self._max_tracks = max_tracks
        self._pool = pool or Pool()
        self._tracks: OrderedDict[str, Track] = OrderedDict()
        self._gaps = [Gaps() for _ in range(CLASSES)]
        self._best: list[float | None] = [None] * CLASSES
        self._refreshed_at = -FOR_EVER
        self._even_s = 0.0
        self._seen = 0
        self._seen_then = 0
        self._reserve = 0.0  # twice the optimum less what was spent, in bytes fetched

    def take_read(
        self, version_id: str, now: float, fraction: float, even_s: float, *, size_bytes: int
    ) -> Track:
        """Note a read; return the track of its version."""
        track = self._tracks.get(version_id)
        if track is None:
            track = self._tracks[version_id] = Track(size_bytes=size_bytes)
        elif track.reads:
            self._gaps[classify(track.reads)].add_read(now - track.read_at)
        self._tracks.move_to_end(version_id)
        self._seen += 1
        before, least_before = track.spent, track.least
        track.take_read(now, fraction, even_s)
        self._reserve += (2.0 * (track.least - least_before) - (track.spent - before)) * size_bytes
        if len(self._tracks) > self._max_tracks:
            self._tracks.popitem(last=False)
        return track

    def leave(self) -> None:
        """Take back what was contributed to the pool: the bucket is forgotten."""
        self._pool.drop(id(self))

    def find(self, version_id: str) -> Track | None:
        """Return what is known of a version."""
        return self._tracks.get(version_id)

    def end(self, version_id: str, now: float, even_s: float) -> None:
        """A version was deleted or replaced."""
        track = self._tracks.pop(version_id, None)
        if track is not None and track.reads:
            self._gaps[classify(track.reads)].add_end(now - track.read_at)
            self._reserve -= track.settle(now, even_s) * track.size_bytes

    def find_best(self, reads: int, now: float, even_s: float) -> float | None:
        """Return the best time to keep what was read so often; None if too little is known."""
        is_due = now >= self._refreshed_at + REFRESH_S or self._seen >= self._seen_then * REFRESH_GROWTH
        if is_due or even_s != self._even_s:
            self._refresh(now, even_s)
        return self._best[classify(reads)]

    def _refresh(self, now: float, even_s: float) -> None:
        if self._refreshed_at > -FOR_EVER:
            factor = 0.5 ** (max(now - self._refreshed_at, 0.0) / MEMORY_S)
            for gaps in self._gaps:
                gaps.fade(factor)
        self._refreshed_at, self._even_s, self._seen_then = now, even_s, self._seen
        ages: list[list[float]] = [[] for _ in range(CLASSES)]
        for track in self._tracks.values():
            ages[classify(track.reads)].append(now - track.read_at)
        samples = [
            Sample(list(gaps.reads), list(gaps.ends), count_ages(waiting))
            for gaps, waiting in zip(self._gaps, ages, strict=True)
        ]
        self._pool.put(id(self), samples)
        self._best = [
            find_best_ttl(self._pool.blend(number, sample), even_s) for number, sample in enumerate(samples)
        ]

    def floor(self, track: Track) -> float:
        """Return for what part of `even_s` a copy must be kept so that the bucket stays within twice its
        optimum even if this object is lost on: if it is read again just after its copy went."""
        return min(max(CAUTION - self._reserve / track.size_bytes, 0.0), 1.0) if track.size_bytes else 0.0


def choose_lifetime(
    policy: Effective,
    cache: CacheRule | None,
    track: Track,
    statistics: Statistics,
    *,
    now: float,
    even_s: float,
) -> Lifetime:
    """Return how long a copy is kept after the read that `track` has just taken.

    `cache` is the policy's rule for this site, if it has one; it comes first.
    """
    if cache is not None:
        return Lifetime(parse_duration(cache.ttl), f"a cached copy is kept for {cache.ttl} after a read")
    if not admits(policy.admission, track.reads) and policy.keeping is not Keeping.NONE:
        return Lifetime(0.0, "it was read for the first time here (second_hit)")
    if policy.keeping in {Keeping.HISTOGRAM, Keeping.COMBINED}:
        return _learn(policy.keeping, track, statistics, now=now, even_s=even_s)
    return {
        Keeping.NONE: Lifetime(0.0, "reads leave no copies"),
        Keeping.ALWAYS: Lifetime(FOR_EVER, "reads leave copies that stay"),
        Keeping.FIXED_TTL: Lifetime(parse_duration(policy.ttl), f"kept for {policy.ttl} after a read"),
        Keeping.T_EVEN: _even(even_s),
    }[policy.keeping]


def _learn(keeping: Keeping, track: Track, statistics: Statistics, *, now: float, even_s: float) -> Lifetime:
    best_s = statistics.find_best(track.reads, now, even_s)
    if best_s is None:
        return _even(even_s, "too few reads were seen yet: ")
    if keeping is Keeping.HISTOGRAM:
        return Lifetime(best_s, f"what is best for objects read {track.reads} times here")
    return _combine(min(best_s, even_s), even_s, track, statistics)


def _even(even_s: float, why: str = "") -> Lifetime:
    return Lifetime(even_s, f"{why}after {format_duration(even_s)} keeping costs as much as fetching")


def _combine(best_s: float, even_s: float, track: Track, statistics: Statistics) -> Lifetime:
    if (floor_s := statistics.floor(track) * even_s) > best_s:
        return Lifetime(floor_s, "copies of this bucket were dropped too early lately, or it weighs much")
    if (floor_s := _floor(track, even_s)) > best_s:
        return Lifetime(floor_s, "it was read again soon after its copy had gone")
    return Lifetime(best_s, f"what is best for objects read {track.reads} times here")


def _floor(track: Track, even_s: float) -> float:
    """Return how long a copy must be kept so that the object cannot cost more than three times its optimum.

    In whole fetches, with r = 3 least - spent after this read and t = ttl / even_s: if it is never read again
    t more is spent; if it is read just after it went, t + 1 more is spent and the optimum grows by t, and
    from then on T_even must be affordable, which needs r >= 1. So r + 3 t - t - 1 >= 1.
    """
    reserve = 3.0 * track.least - track.spent
    return even_s * min(max(1.0 - reserve / 2.0, 0.0), 1.0)


def admits(admission: Admission, reads: int) -> bool:
    """Whether a copy may be made at the read of this number."""
    return admission is Admission.FIRST or reads >= 2  # noqa: PLR2004 - the second hit


def extend(kept_until: float, now: float, ttl_s: float, fraction: float) -> float:
    """Return until when a copy is kept that was read: a whole read earns the whole lifetime, a range its
    share of it on top of what is left."""
    if fraction >= 1.0:
        return now + ttl_s
    return min(now + ttl_s, max(kept_until, now) + fraction * ttl_s)
