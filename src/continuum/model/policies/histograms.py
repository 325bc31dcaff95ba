"""How long it takes until an object is read again, learnt from the reads that were seen.

Gaps are counted in bins that grow by a third each (eight to the power of ten), apart for objects that were
read once, twice, three or four times, and more: what was read often is read again sooner. Objects that were
not read again are no evidence of "never": they count as survivors up to their age (Kaplan and Meier's product
limit), and those that were deleted or replaced leave the risk at that age. From the chance to survive and
the hazard in each bin follows the expected cost of every time to keep a copy; the cheapest wins.

All costs are in whole fetches, all times relative to `even_s`, so that sizes and prices do not matter here.
"""

import math
from collections.abc import Iterable

import msgspec

BINS_PER_DECADE = 8
DECADES = 8
BIN_COUNT = BINS_PER_DECADE * DECADES + 1
EDGES_S = tuple(10 ** (number / BINS_PER_DECADE) for number in range(BIN_COUNT))  # upper ends: 1 s … 3 years
CLASSES = 4
ENOUGH = 8.0  # with fewer observations nothing is concluded

_CLASS_OF = (0, 0, 1, 2, 2)


def classify(reads: int) -> int:
    """Return the class of an object that was read so often."""
    return _CLASS_OF[reads] if reads < len(_CLASS_OF) else CLASSES - 1


def find_bin(gap_s: float) -> int:
    """Return the bin of a gap."""
    if gap_s <= 1.0:
        return 0
    return min(math.ceil(math.log10(gap_s) * BINS_PER_DECADE), BIN_COUNT - 1)


class Gaps(msgspec.Struct):
    """Counts of one class: reads that came after so long, and ends (deleted, replaced) after so long."""

    reads: list[float] = msgspec.field(default_factory=lambda: [0.0] * BIN_COUNT)
    ends: list[float] = msgspec.field(default_factory=lambda: [0.0] * BIN_COUNT)

    def add_read(self, gap_s: float, weight: float = 1.0) -> None:
        """An object was read again after so long."""
        self.reads[find_bin(gap_s)] += weight

    def add_end(self, gap_s: float, weight: float = 1.0) -> None:
        """An object ended so long after it was last read."""
        self.ends[find_bin(gap_s)] += weight

    def fade(self, factor: float) -> None:
        """Let what was seen count less."""
        self.reads = [count * factor for count in self.reads]
        self.ends = [count * factor for count in self.ends]


class Sample(msgspec.Struct):
    """Counts of one class at an instant: `waiting` have not been read again since so long."""

    reads: list[float] = msgspec.field(default_factory=lambda: [0.0] * BIN_COUNT)
    ends: list[float] = msgspec.field(default_factory=lambda: [0.0] * BIN_COUNT)
    waiting: list[float] = msgspec.field(default_factory=lambda: [0.0] * BIN_COUNT)

    @property
    def size(self) -> float:
        """How many objects were seen."""
        return sum(self.reads) + sum(self.ends) + sum(self.waiting)

    def add(self, other: "Sample", factor: float = 1.0) -> None:
        """Add another sample's counts."""
        for mine, theirs in (
            (self.reads, other.reads),
            (self.ends, other.ends),
            (self.waiting, other.waiting),
        ):
            for number, count in enumerate(theirs):
                mine[number] += factor * count


def count_ages(ages_s: Iterable[float]) -> list[float]:
    """Return how many objects wait for their next read since so long."""
    counts = [0.0] * BIN_COUNT
    for age_s in ages_s:
        counts[find_bin(age_s)] += 1.0
    return counts


def find_best_ttl(sample: Sample, even_s: float) -> float | None:
    """Return how long it is best to keep a copy after a read, at most `even_s`; None if too little is known.

    0 means not at all.
    """
    risks, survivals, rates = _follow(sample)
    if not risks or risks[0] < ENOUGH or even_s <= 0:
        return None
    missed = sum(survival * rate for survival, rate in zip(survivals, rates, strict=True))
    best_s, best_cost, rent = 0.0, missed, 0.0
    lower_s = 0.0
    for number, upper_s in enumerate(EDGES_S):
        upper_s = min(upper_s, even_s)  # noqa: PLW2901 - the last bin is cut
        stays = survivals[number] * (1 - rates[number] / 2)
        rent += stays * (upper_s - lower_s) / even_s
        missed -= survivals[number] * rates[number]
        if rent + missed < best_cost:
            best_s, best_cost = upper_s, rent + missed
        if upper_s >= even_s:
            break
        lower_s = upper_s
    return best_s


def _follow(sample: Sample) -> tuple[list[float], list[float], list[float]]:
    """Return per bin how many were at risk, the chance to reach it, and the chance to be read in it."""
    leaving = list(map(sum, zip(sample.reads, sample.ends, sample.waiting, strict=True)))
    risks, left = [], sum(leaving)
    for count in leaving:
        risks.append(left)
        left -= count
    survivals, rates, survival = [], [], 1.0
    for number, risk in enumerate(risks):
        # Half of those who leave a bin unread were not at risk all through it; one more makes noise small.
        exposed = max(risk - sample.waiting[number] / 2, 0.0) + 1.0
        rate, end_rate = sample.reads[number] / exposed, sample.ends[number] / exposed
        survivals.append(survival)
        rates.append(rate)
        survival *= max(1.0 - rate - end_rate, 0.0)
    return risks, survivals, rates
