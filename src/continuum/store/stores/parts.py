"""Pages of an upload's parts in S3's order, whatever order a store lists them in.

SeaweedFS lists parts by the names of their files, in which part 10,000 comes before part 1,000: as the last
of a page it makes whoever goes on after it miss nine thousand parts, and a page that begins behind part 1,000
lacks it. So it is taken out of pages that others follow, and asked for by itself at the end.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

LAST = 10_000
"""The highest number that a part may have."""

_FIRST_MISPLACED = 1000
_REPEATED = 10  # how often a part that was sent again may be listed beside itself


class Numbered(Protocol):
    """A part, as far as its place goes."""

    @property
    def number(self) -> int:
        """Its number, from 1 on."""


Part = TypeVar("Part", bound=Numbered)
Fetch = Callable[[int, int], Awaitable[tuple[Sequence[Part], bool]]]


async def read_parts_page(fetch: Fetch[Part], after: int, max_parts: int) -> tuple[tuple[Part, ...], bool]:
    """Return a page of the parts after number `after`, in order, and whether more follow. `fetch` asks the
    store for a page as it has it: after which number, how many at most."""
    parts, more = await fetch(after, max_parts)
    if more and all(part.number == LAST for part in parts):
        parts, more = await fetch(after, max_parts + len(parts))
    others = [part for part in parts if part.number != LAST]
    if more:
        return tuple(others), True
    last = [part for part in parts if part.number == LAST]
    if not last and _FIRST_MISPLACED <= after < LAST - 1:
        last = list((await fetch(LAST - 1, _REPEATED))[0])
    every = others + last
    return tuple(every[:max_parts]), len(every) > max_parts
