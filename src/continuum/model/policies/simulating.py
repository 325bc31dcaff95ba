"""What policies would have cost over a trace of requests, against somebody who knows the future.

Every object is written at one site and that copy counts for nothing, since every policy keeps one. What
counts is what a policy decides: transfer to other sites and storage of copies there. The optimum is taken
per version and site over all ways to keep or drop the copy that a whole read leaves (dynamic programming
over "has a copy" and "has none"); a range makes no copy but is served by one. Every site fetches from a
copy that the placement keeps. Storage is paid until the copy goes, the version ends or the trace does.
Deletions and overwrites take effect at once. The future beyond the trace is not counted for anybody.

The decisions are made by the same functions that gateways and the locator use.
"""

from collections.abc import Callable, Iterable, Mapping

import msgspec

from continuum.model.policies.amounts import GB
from continuum.model.policies.documents import CacheRule, Effective
from continuum.model.policies.keeping import Pool, Statistics, Track, choose_lifetime, extend
from continuum.model.policies.placing import matches, plan_placement
from continuum.model.policies.prices import Prices

MAX_TRACKS = 1_000_000  # of one bucket at one site: a simulation forgets none of its copies
READS = frozenset({"GET"})
WRITES = frozenset({"PUT", "COPY"})
ENDS = frozenset({"DELETE"})


class Request(msgspec.Struct, frozen=True, array_like=True):
    """A line of a trace. `size_bytes` is the object's, `range_bytes` how much was read of it (0: all)."""

    at: float
    operation: str
    bucket: str
    key: str
    size_bytes: int
    range_bytes: int
    site: str


class Cost(msgspec.Struct):
    """What a policy paid, and the least that was possible."""

    transfer_eur: float = 0.0
    storage_eur: float = 0.0
    optimum_eur: float = 0.0

    @property
    def total_eur(self) -> float:
        """Transfer and storage."""
        return self.transfer_eur + self.storage_eur

    def add(self, other: "Cost") -> None:
        """Add another's amounts."""
        self.transfer_eur += other.transfer_eur
        self.storage_eur += other.storage_eur
        self.optimum_eur += other.optimum_eur


class Outcome(msgspec.Struct):
    """Costs per bucket and per object, and how many reads were served from the own site."""

    buckets: dict[str, Cost] = {}
    objects: dict[tuple[str, str], Cost] = {}
    reads: int = 0
    local_reads: int = 0


class _Copy(msgspec.Struct):
    """A version at a site that has no copy by placement."""

    track: Track
    even_s: float
    fetch_eur: float  # of the whole object
    optimum: Track
    optimum_even_s: float
    optimum_fetch_eur: float


class _Version(msgspec.Struct):
    """A version that lives."""

    version_id: str
    bucket: str
    key: str
    gb: float
    size_bytes: int
    born_at: float
    written_at: str
    policy: Effective
    placed: tuple[str, ...]
    copies: dict[str, _Copy] = {}


Resolve = Callable[[str, str], Effective]
"""Return what holds for a bucket and a key."""


class Simulation:
    """`feed` requests in the order of time, then `finish`."""

    def __init__(
        self, resolve: Resolve, prices: Prices, sites: Mapping[str, Mapping[str, str]], *, home: str = ""
    ) -> None:
        self._resolve = resolve
        self._prices = prices
        self._sites = sites
        self._home = home or next(iter(sites), "")
        self._versions: dict[tuple[str, str], _Version] = {}
        self._statistics: dict[tuple[str, str], Statistics] = {}
        self._pools: dict[str, Pool] = {}
        self._count = 0
        self._now = 0.0
        self.outcome = Outcome()

    def run(self, requests: Iterable[Request]) -> Outcome:
        """Feed all and finish."""
        for request in requests:
            self.feed(request)
        return self.finish()

    def feed(self, request: Request) -> None:
        """Take one request. Reads of what the trace never wrote find it at the home site."""
        self._now = max(self._now, request.at)
        if request.operation in WRITES:
            self._write(request, request.site)
        elif request.operation in ENDS:
            self._end(self._versions.pop((request.bucket, request.key), None))
        elif request.operation in READS:
            self._read(request)

    def finish(self) -> Outcome:
        """The trace is over: settle what still lives."""
        for version in self._versions.values():
            self._end(version)
        self._versions.clear()
        return self.outcome

    # ---- what happens ----

    def _write(self, request: Request, site: str) -> _Version:
        place = (request.bucket, request.key)
        self._end(self._versions.get(place))
        self._count += 1
        policy = self._resolve(*place)
        placement = plan_placement(
            policy, written_at=site, home=self._home, sites=self._sites, prices=self._prices
        )
        version = _Version(
            version_id=str(self._count),
            bucket=request.bucket,
            key=request.key,
            gb=request.size_bytes / GB,
            size_bytes=request.size_bytes,
            born_at=self._now,
            written_at=site,
            policy=policy,
            placed=placement.sites or (site,),
            copies={},
        )
        self._versions[place] = version
        transfer = sum(self._prices.transfer_from(site, target) for target in version.placed)
        self._pay(version, transfer_eur=transfer * version.gb)
        return version

    def _read(self, request: Request) -> None:
        version = self._versions.get((request.bucket, request.key))
        if version is None:
            version = self._write(request, self._home)
        self.outcome.reads += 1
        site = request.site
        if site in version.placed:
            self.outcome.local_reads += 1
            if site != version.written_at:
                self._read_optimally(version, site, request)
            return
        copy = self._copy(version, site)
        fraction = _fraction(request, version)
        if copy.track.kept_until > self._now:
            self.outcome.local_reads += 1
        self._take(version, site, copy, fraction)
        self._read_optimally(version, site, request)

    def _take(self, version: _Version, site: str, copy: _Copy, fraction: float) -> None:
        statistics = self._find_statistics(version.bucket, site)
        before = copy.track
        is_kept, held_s = before.kept_until > self._now, _held(before, self._now)
        track = statistics.take_read(
            version.version_id, self._now, fraction, copy.even_s, size_bytes=version.size_bytes
        )
        copy.track = track
        self._pay(
            version,
            transfer_eur=0.0 if is_kept else fraction * copy.fetch_eur,
            storage_eur=held_s * self._prices.storage_eur_per_gb_s(site) * version.gb,
        )
        lifetime = choose_lifetime(
            version.policy,
            find_cache(version.policy, self._sites.get(site, {"site": site})),
            track,
            statistics,
            now=self._now,
            even_s=copy.even_s,
        )
        if is_kept or fraction >= 1.0:
            track.kept_until = extend(track.kept_until, self._now, lifetime.ttl_s, fraction)

    def _find_statistics(self, bucket: str, site: str) -> Statistics:
        found = self._statistics.get((bucket, site))
        if found is None:
            pool = self._pools.setdefault(site, Pool())
            found = self._statistics[bucket, site] = Statistics(max_tracks=MAX_TRACKS, pool=pool)
        return found

    def _read_optimally(self, version: _Version, site: str, request: Request) -> None:
        copy = self._copy(version, site)
        before = copy.optimum.least
        copy.optimum.take_read(self._now, _fraction(request, version), copy.optimum_even_s)
        saved = (copy.optimum.least - before) * copy.optimum_fetch_eur
        self._pay(version, optimum_eur=saved)

    def _end(self, version: _Version | None) -> None:
        if version is None:
            return
        for site, copy in version.copies.items():
            held_s = _held(copy.track, self._now)
            self._pay(version, storage_eur=held_s * self._prices.storage_eur_per_gb_s(site) * version.gb)
            statistics = self._statistics.get((version.bucket, site))
            if statistics is not None:
                statistics.end(version.version_id, self._now, copy.even_s)
        free = version.written_at if version.written_at in version.placed else version.placed[0]
        for site in version.placed:
            if site != free:
                kept = (self._now - version.born_at) * self._prices.storage_eur_per_gb_s(site) * version.gb
                self._pay(version, storage_eur=kept)

    def _copy(self, version: _Version, site: str) -> _Copy:
        copy = version.copies.get(site)
        if copy is None:
            copy = version.copies[site] = _Copy(
                track=Track(),
                even_s=self._prices.even_s(version.placed, site),
                fetch_eur=self._prices.fetch_from(version.placed, site) * version.gb,
                optimum=Track(),
                optimum_even_s=self._prices.even_s([version.written_at], site),
                optimum_fetch_eur=self._prices.transfer_from(version.written_at, site) * version.gb,
            )
        return copy

    def _pay(
        self,
        version: _Version,
        *,
        transfer_eur: float = 0.0,
        storage_eur: float = 0.0,
        optimum_eur: float = 0.0,
    ) -> None:
        cost = Cost(transfer_eur, storage_eur, optimum_eur)
        self.outcome.buckets.setdefault(version.bucket, Cost()).add(cost)
        self.outcome.objects.setdefault((version.bucket, version.key), Cost()).add(cost)


def find_cache(policy: Effective, attributes: Mapping[str, str]) -> CacheRule | None:
    """Return the policy's rule for caches at a site with these attributes."""
    return next((rule for rule in policy.cache if matches(rule.where, attributes)), None)


def _fraction(request: Request, version: _Version) -> float:
    if not request.range_bytes or not version.size_bytes:
        return 1.0
    return min(request.range_bytes / version.size_bytes, 1.0)


def _held(track: Track, now: float) -> float:
    """For how long since the last read a copy was there."""
    return max(min(now, track.kept_until) - track.read_at, 0.0) if track.reads else 0.0


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """A policy's cost against the optimum. Ratios are over the buckets or objects that had one to pay."""

    policy: str
    total_eur: float
    transfer_eur: float
    storage_eur: float
    optimum_eur: float
    ratio: float
    bucket_mean: float
    bucket_median: float
    bucket_max: float
    object_mean: float
    object_max: float
    local_reads: float
    needless_eur: float  # paid for buckets whose optimum is nothing


def summarise(name: str, outcome: Outcome) -> Summary:
    """Return the figures of a finished simulation."""
    buckets, objects = _ratios(outcome.buckets.values()), _ratios(outcome.objects.values())
    costs = list(outcome.buckets.values())
    total, optimum = sum(cost.total_eur for cost in costs), sum(cost.optimum_eur for cost in costs)
    return Summary(
        policy=name,
        total_eur=total,
        transfer_eur=sum(cost.transfer_eur for cost in costs),
        storage_eur=sum(cost.storage_eur for cost in costs),
        optimum_eur=optimum,
        ratio=total / optimum if optimum else 1.0,
        bucket_mean=_mean(buckets),
        bucket_median=buckets[len(buckets) // 2] if buckets else 1.0,
        bucket_max=max(buckets, default=1.0),
        object_mean=_mean(objects),
        object_max=max(objects, default=1.0),
        local_reads=outcome.local_reads / outcome.reads if outcome.reads else 0.0,
        needless_eur=sum(cost.total_eur for cost in costs if not cost.optimum_eur),
    )


def _ratios(costs: Iterable[Cost]) -> list[float]:
    return sorted(cost.total_eur / cost.optimum_eur for cost in costs if cost.optimum_eur > 0)


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else 1.0
