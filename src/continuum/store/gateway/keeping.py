"""What the policies say about reads at this gateway: which replica first, and which copies are kept how long.

Everything is decided from memory, without a word to the locator: the bucket's document comes with its lease,
the continuum's with each claim of copies. A read of a cached copy makes it live longer; that is said to the
locator in batches every few seconds. What was learnt of reads is this process's own and ends with it.
"""

import time
from collections import OrderedDict
from collections.abc import Mapping
from itertools import islice

from continuum.model.objects import Bucket, Replica, Setting, Version
from continuum.model.policies import Policy, decide_to_keep_copy
from continuum.model.policies.documents import (
    Admission,
    ContinuumPolicy,
    Effective,
    Keeping,
    Reading,
    read_bucket_policy,
    read_continuum_policy,
    resolve,
)
from continuum.model.policies.keeping import Pool, Statistics, Track, choose_lifetime, extend
from continuum.model.policies.prices import Prices, select_attributes
from continuum.model.policies.simulating import find_cache
from continuum.store.gateway.locations import Locations
from continuum.store.gateway.peers import Peers
from continuum.store.locator.messages import KeepCopies, KeptCopy

MAX_BUCKETS = 1000
TOLD_AT_ONCE = 1_000
MAX_TOUCHED = 100_000
LONGEST_S = 100 * 365 * 86_400.0  # "for ever", as a number that every database holds
SHORTEST_S = 30.0  # a copy that would go sooner than this is not made


class Keeper:
    """Asked at every read of a gateway that is not of a copy which the placement keeps here."""

    def __init__(self, peers: Peers, locations: Locations, policy: Policy) -> None:
        self._peers = peers
        self._own = peers.own.store
        self._locations = locations
        self._policy = policy
        self._document = b""
        self._continuum = ContinuumPolicy()
        self._prices = Prices()
        self._pool = Pool()
        self._statistics: OrderedDict[str, Statistics] = OrderedDict()
        self._touched: dict[str, float] = {}

    def set_continuum(self, document: bytes) -> None:
        """The continuum's policy as it is now."""
        if document != self._document:
            self._document = document
            self._continuum = read_continuum_policy(document)
            self._prices = self._continuum.full_prices()

    def find_policy(self, version: Version) -> Effective | None:
        """Return what holds for a version; None if no policy is set that is known."""
        bucket: Bucket | None = self._locations.recall_bucket(version.bucket)
        document = bucket.settings.get(Setting.PLACEMENT, b"") if bucket is not None else b""
        if not document and not self._document:
            return None
        keeping = Keeping.ALWAYS if self._policy is Policy.COPY_ON_READ else Keeping.NONE
        return resolve(
            read_bucket_policy(document),
            self._continuum,
            key=version.key,
            tags=version.attributes.tags,
            default=Effective(keeping=keeping),
        )

    def admits_at_once(self, version: Version) -> bool:
        """Whether what is read of a version for the first time may take the place of what was read before."""
        policy = self.find_policy(version)
        return policy is None or policy.admission is Admission.FIRST

    # ---- reads ----

    def take_read(self, version: Version, replica: Replica, length: int) -> float | None:
        """Note a read of `length` bytes from `replica`.

        Return until when a copy is to be kept here that this read should leave (0: for good), or None.
        """
        is_own = replica.store == self._own.name
        if is_own and not replica.expires_at:
            return None
        policy = self.find_policy(version)
        is_whole = length == version.size_bytes
        if policy is None:
            wanted = decide_to_keep_copy(
                self._policy, version, self._own.name, read_from=replica.store, whole_object=is_whole
            )
            return 0.0 if wanted else None
        return self._decide(policy, version, replica, length)

    def _decide(self, policy: Effective, version: Version, replica: Replica, length: int) -> float | None:
        now = time.time()
        even_s = self._find_even_s(version)
        fraction = length / version.size_bytes if version.size_bytes else 1.0
        statistics = self._find_statistics(version.bucket)
        track = statistics.find(version.version_id)
        if track is not None:
            track.kept_until = self._find_expiry(version)
        track = statistics.take_read(version.version_id, now, fraction, even_s, size_bytes=version.size_bytes)
        cache = find_cache(policy, self._find_attributes())
        ttl_s = choose_lifetime(policy, cache, track, statistics, now=now, even_s=even_s).ttl_s
        if replica.store == self._own.name:
            self._touch(version, track, extend(replica.expires_at, now, min(ttl_s, LONGEST_S), fraction))
            return None
        has_own = any(each.store == self._own.name for each in version.replicas)
        if fraction < 1.0 or ttl_s < SHORTEST_S or has_own or not version.size_bytes:
            return None
        track.kept_until = now + min(ttl_s, LONGEST_S)
        return track.kept_until

    def _touch(self, version: Version, track: Track, expires_at: float) -> None:
        track.kept_until = expires_at
        if len(self._touched) < MAX_TOUCHED:
            self._touched[version.version_id] = expires_at

    def _find_expiry(self, version: Version) -> float:
        """Until when the own store keeps its copy; 0 if it has none."""
        known = self._touched.get(version.version_id, 0.0)
        return max([known, *(each.expires_at for each in version.replicas if each.store == self._own.name)])

    def _find_even_s(self, version: Version) -> float:
        sources = {
            self._peers.site_of(each.store) for each in version.replicas if each.store != self._own.name
        }
        return self._prices.even_s(sources or {""}, self._own.site)

    def _find_attributes(self) -> dict[str, str]:
        return select_attributes(self._own.site, self._prices.sites, self._own.region)

    def _find_statistics(self, bucket: str) -> Statistics:
        found = self._statistics.get(bucket)
        if found is None:
            found = self._statistics[bucket] = Statistics(pool=self._pool)
            if len(self._statistics) > MAX_BUCKETS:
                _, gone = self._statistics.popitem(last=False)
                gone.leave()
        self._statistics.move_to_end(bucket)
        return found

    def collect_touched(self, session_id: str) -> KeepCopies | None:
        """Return what the locator is to be told of reads since the last time; None if nothing."""
        if not self._touched:
            return None
        some = tuple(islice(self._touched, TOLD_AT_ONCE))
        copies = tuple(KeptCopy(version_id, self._touched.pop(version_id)) for version_id in some)
        return KeepCopies(session_id=session_id, store=self._own.name, copies=copies)

    # ---- which replica first ----

    def rank(self, version: Version) -> Mapping[str, float]:
        """Return for each store of the version's replicas how good it is, the least the best; nothing if no
        policy is set."""
        policy = self.find_policy(version) if len(version.replicas) > 1 else None
        if policy is None:
            return {}
        names = [replica.store for replica in version.replicas]
        speeds = self._peers.speeds
        match policy.reading:
            case Reading.CLOSEST:
                return {name: speeds.latency_s.get(name, 0.0) for name in names}
            case Reading.FASTEST:
                return {name: speeds.find_seconds_per_byte(name) for name in names}
        site = self._own.site
        return {name: self._prices.transfer_from(self._peers.site_of(name), site) for name in names}
