"""Traces with the shape that was published of a large object store.

The IBM traces at SNIA (2019; 98 buckets, one week, 1.7 e9 requests) as summarised by Sky Store's artefact:
HEAD 58 %, GET 24.6 %, DELETE 8.8 %, PUT 6.9 %, COPY 1.6 % of requests; 81 % of objects up to 1 MB, 15 % up
to 10 MB, 2.7 % up to 100 MB; 55 % of objects are never read, 29 % once, 15 % two to ten times; 30 % of GETs
have a range, and in 27 of 98 buckets more than half.

What was not published is invented here: gaps between reads are log-normal with a median of their own per
bucket (ten minutes to five days), readers are mostly at one site per bucket, and objects that are read more
are read faster. The same seed gives the same trace.
"""

import math
import random
from collections.abc import Iterator

import msgspec

from continuum.model.errors import InvalidInputError
from continuum.model.policies.amounts import DAY_S
from continuum.model.policies.simulating import Request

SHARES = {"HEAD": 0.580, "GET": 0.246, "DELETE": 0.088, "PUT": 0.069, "COPY": 0.016}
_WRITES = SHARES["PUT"] + SHARES["COPY"]
_SIZES = ((0.81, 1e2, 1e6), (0.15, 1e6, 1e7), (0.027, 1e7, 1e8), (0.013, 1e8, 1e9))
_READS = ((0.55, 0, 0), (0.29, 1, 1), (0.15, 2, 10))
_RANGED_BUCKETS = 27 / 98
_RANGED_MEAN = 0.75  # of the GETs of such a bucket
MAX_READS = 3000
MAX_OBJECTS = 10_000_000


class TraceShape(msgspec.Struct, frozen=True, kw_only=True):
    """How large a trace is. `sites`: the first is where objects are written."""

    buckets: int = 98
    objects: int = 20_000
    days: float = 7.0
    sites: tuple[str, ...] = ("cloud", "edge")
    seed: int = 1


class _Habit(msgspec.Struct, frozen=True):
    """How the objects of a bucket are read."""

    name: str
    median_gap_s: float
    spread: float
    ranged: float
    reader: str
    weight: float


def generate(shape: TraceShape) -> list[Request]:
    """Return a trace in the order of time. Raises `InvalidInputError` for a shape that makes no sense."""
    if not 0 < shape.objects <= MAX_OBJECTS or shape.buckets < 1 or shape.days <= 0 or not shape.sites:
        raise InvalidInputError(f"a trace needs 1 to {MAX_OBJECTS} objects, a bucket, a site and some time")
    chance = random.Random(shape.seed)  # noqa: S311 - a simulation
    habits = [_make_habit(chance, number, shape.sites) for number in range(shape.buckets)]
    chosen = chance.choices(habits, [habit.weight for habit in habits], k=shape.objects)
    requests = [
        request
        for number, habit in enumerate(chosen)
        for request in _live(chance, habit, f"object-{number:08}", shape)
    ]
    requests += _delete_the_absent(chance, requests, habits, shape)
    requests.sort(key=lambda request: request.at)
    return requests


def _make_habit(chance: random.Random, number: int, sites: tuple[str, ...]) -> _Habit:
    is_ranged = chance.random() < _RANGED_BUCKETS
    rest = (0.30 - _RANGED_BUCKETS * _RANGED_MEAN) / (1 - _RANGED_BUCKETS)
    return _Habit(
        name=f"bucket-{number:03}",
        median_gap_s=math.exp(chance.uniform(math.log(600.0), math.log(5 * DAY_S))),
        spread=chance.uniform(1.0, 2.2),
        ranged=chance.uniform(0.5, 1.0) if is_ranged else chance.uniform(0.0, 2 * rest),
        reader=chance.choice(sites[1:] or sites),
        weight=chance.lognormvariate(0.0, 1.0),
    )


def _live(chance: random.Random, habit: _Habit, key: str, shape: TraceShape) -> Iterator[Request]:
    """The requests of one object: written, looked at, read, deleted."""
    span_s = shape.days * DAY_S
    born_at = chance.random() * span_s
    size_bytes = _choose_size(chance)
    write = "PUT" if chance.random() < SHARES["PUT"] / _WRITES else "COPY"
    yield Request(born_at, write, habit.name, key, size_bytes, 0, shape.sites[0])
    times = _choose_times(chance, habit, _choose_reads(chance), span_s - born_at)
    for time_s in times:
        site = habit.reader if chance.random() < 0.9 else chance.choice(shape.sites)  # noqa: PLR2004
        is_ranged = chance.random() < habit.ranged
        part = max(int(size_bytes * chance.random() ** 2), 1) if is_ranged else 0
        yield Request(born_at + time_s, "GET", habit.name, key, size_bytes, part, site)
    for _ in range(_poisson(chance, SHARES["HEAD"] / _WRITES)):
        at = born_at + chance.random() * (span_s - born_at)
        yield Request(at, "HEAD", habit.name, key, size_bytes, 0, habit.reader)
    last_s = times[-1] if times else 0.0
    gone_at = born_at + last_s + habit.median_gap_s * chance.lognormvariate(1.0, habit.spread)
    if gone_at < span_s:
        yield Request(gone_at, "DELETE", habit.name, key, size_bytes, 0, shape.sites[0])


def _choose_size(chance: random.Random) -> int:
    number = chance.choices(range(len(_SIZES)), [share for share, _, _ in _SIZES])[0]
    _, low, high = _SIZES[number]
    return int(math.exp(chance.uniform(math.log(low), math.log(high))))


def _choose_reads(chance: random.Random) -> int:
    draw = chance.random()
    for share, low, high in _READS:
        if draw < share:
            return low if low == high else min(low + int(chance.expovariate(0.45)), high)
        draw -= share
    # One object in a hundred: a Pareto tail whose mean makes up for the rest of the GETs.
    return min(int(38 * chance.paretovariate(1.05)), MAX_READS)


def _choose_times(chance: random.Random, habit: _Habit, reads: int, left_s: float) -> list[float]:
    """When an object is read after it was written; squeezed into what is left of the trace."""
    scale_s = habit.median_gap_s / max(reads / 4, 1.0)
    times, at = [], 0.0
    for _ in range(reads):
        at += scale_s * chance.lognormvariate(0.0, habit.spread)
        times.append(at)
    if times and times[-1] > left_s:
        squeeze = left_s * chance.uniform(0.5, 1.0) / times[-1]
        times = [time_s * squeeze for time_s in times]
    return times


def _poisson(chance: random.Random, mean: float) -> int:
    limit, product, count = math.exp(-mean), chance.random(), 0
    while product > limit:
        product *= chance.random()
        count += 1
    return count


def _delete_the_absent(
    chance: random.Random, requests: list[Request], habits: list[_Habit], shape: TraceShape
) -> list[Request]:
    """Deletions of keys that are not there, as many as are missing from the published share."""
    present = sum(request.operation == "DELETE" for request in requests)
    wanted = int(len(requests) * SHARES["DELETE"] / (1 - SHARES["DELETE"])) - present
    return [
        Request(
            chance.random() * shape.days * DAY_S, "DELETE", chance.choice(habits).name, f"absent-{number:08}",
            0, 0, shape.sites[0],
        )
        for number in range(max(wanted, 0))
    ]  # fmt: skip
