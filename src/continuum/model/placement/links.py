"""The network between sites: as declared, as measured by what transfers took, and what is on its way now.

A link is measured by its last transfers. Bandwidth: the bytes of the large ones over the time in which at
least one of them was under way, so that transfers which compete are not taken for a slow link. Latency: the
median time of the small ones, less what gateways and stores take anyway. Both replace what was declared as
soon as there is one such transfer, and follow a change within `REMEMBERED` of them.

Not told apart: a slow link and a slow store behind it. Placement does not need to know which it is.
"""

from collections import deque
from collections.abc import Iterable, Sequence

import msgspec

from continuum.model.sites import Link, Transfer

# Beyond latency and bandwidth: one object through gateway and store and back takes this long where a site and
# its store share a machine (measured on an embedded continuum); twice that if it must first be put there.
OBJECT_S = 0.008
DEFAULT_LINK = Link(source="", target="", bandwidth_bytes_per_s=1e9, latency_s=0.0002)
REMEMBERED = 12
LARGE_BYTES = 256 * 1024
SMALL_BYTES = 32 * 1024
_LEAST_S = 1e-6


class Move(msgspec.Struct, frozen=True, array_like=True):
    """What a placed task needs from elsewhere."""

    datum: str
    source: str
    size_bytes: int


class Links:
    """The links of a continuum; what is not described is taken to be like an embedded continuum's."""

    def __init__(self, links: Iterable[Link] = ()) -> None:
        self._links = {(link.source, link.target): link for link in links}
        self._samples: dict[tuple[str, str], deque[Transfer]] = {}
        self._pending: dict[tuple[str, str], int] = {}
        self._coming: dict[tuple[str, str], int] = {}
        self._moves: dict[int | str, tuple[str, Sequence[Move]]] = {}

    def between(self, source: str, target: str) -> Link:
        """Return the link from one site to another."""
        return self._links.get((source, target), DEFAULT_LINK)

    # ---- what is on its way ----

    def begin(self, task_id: int | str, site: str, moves: Sequence[Move]) -> None:
        """A task was placed: this is going to move to its site. What is pushed has an id of its own."""
        self.end(task_id)
        self._moves[task_id] = (site, moves)
        for move in moves:
            coming = (move.datum, site)
            count = self._coming.get(coming, 0)
            self._coming[coming] = count + 1
            if not count:
                link = (move.source, site)
                self._pending[link] = self._pending.get(link, 0) + move.size_bytes

    def end(self, task_id: int | str) -> None:
        """What a task needs is there, or is not needed any more."""
        if not self._moves or (found := self._moves.pop(task_id, None)) is None:
            return
        site, moves = found
        for move in moves:
            coming = (move.datum, site)
            count = self._coming.pop(coming, 0) - 1
            if count > 0:
                self._coming[coming] = count
            else:
                link = (move.source, site)
                rest = self._pending.pop(link, 0) - move.size_bytes
                if rest > 0:
                    self._pending[link] = rest

    def forget(self, site: str) -> None:
        """A site is gone: nothing is on its way there."""
        for task_id in [task_id for task_id, (target, _) in self._moves.items() if target == site]:
            self.end(task_id)

    def is_coming(self, datum: str, site: str) -> bool:
        """Whether a datum is on its way to a site."""
        return (datum, site) in self._coming

    def wait_s(self, source: str, target: str) -> float:
        """Return how long the link is busy with what is on its way."""
        pending = self._pending.get((source, target))
        return pending / self.between(source, target).bandwidth_bytes_per_s if pending else 0.0

    def arrival_s(self, source: str, target: str, size_bytes: int) -> float:
        """Return when so many bytes would be there, behind what is on its way."""
        key = (source, target)
        link = self._links.get(key, DEFAULT_LINK)
        ahead = self._pending.get(key, 0) if self._pending else 0
        return link.latency_s + (ahead + size_bytes) / link.bandwidth_bytes_per_s

    # ---- what transfers took ----

    def learn(self, target: str, transfers: Sequence[Transfer]) -> None:
        """Note transfers that ended at a site."""
        touched = set()
        for transfer in transfers:
            key = (transfer.source, target)
            self._samples.setdefault(key, deque(maxlen=REMEMBERED)).append(transfer)
            touched.add(key)
        for key in touched:
            self._links[key] = estimate_link(self._declared(key), self._samples[key])

    def _declared(self, key: tuple[str, str]) -> Link:
        known = self._links.get(key)
        return known or msgspec.structs.replace(DEFAULT_LINK, source=key[0], target=key[1])

    def described(self) -> list[Link]:
        """Return all links of which anything is known."""
        return [*self._links.values()]

    def measured(self) -> list[Link]:
        """Return the links that were measured, for keeping."""
        return [self._links[key] for key in sorted(self._samples)]


def estimate_link(known: Link, samples: Iterable[Transfer]) -> Link:
    """Return `known` with what the transfers say of it."""
    kept = list(samples)
    small = [each.ended_at - each.began_at for each in kept if each.size_bytes <= SMALL_BYTES]
    latency_s = max(0.0, _median(small) - OBJECT_S) if small else known.latency_s
    large = [each for each in kept if each.size_bytes >= LARGE_BYTES]
    bandwidth = known.bandwidth_bytes_per_s
    if large:
        bandwidth = sum(each.size_bytes for each in large) / _busy_s(large, latency_s)
    return msgspec.structs.replace(known, latency_s=latency_s, bandwidth_bytes_per_s=bandwidth)


def _busy_s(transfers: Sequence[Transfer], latency_s: float) -> float:
    """Return for how long at least one of them was moving bytes."""
    busy_s, until = 0.0, float("-inf")
    for each in sorted(transfers, key=lambda transfer: transfer.began_at):
        begin = max(min(each.began_at + latency_s, each.ended_at), until)
        if each.ended_at > begin:
            busy_s += each.ended_at - begin
            until = each.ended_at
    return max(busy_s, _LEAST_S)


def _median(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2]
