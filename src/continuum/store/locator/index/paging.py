"""Pages of a list, in the order of the keys' UTF-8 bytes, with prefix, delimiter and skip-scan.

A list is read in small fetches from a position on (keyset paging), never from the beginning and never by
pattern, so a page costs the same at any depth. When a key rolls up into a common prefix, the scan continues
behind everything with that prefix: a bucket with a million keys under ten prefixes is listed in ten steps.

Python compares strings by code point, which is the order of their UTF-8 bytes. Pure: fetching is passed in.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

MAX_PAGE = 1000
# Greater than every key: those are at most 1,024 bytes, so 256 characters of four bytes.
END = "\U0010ffff" * 257
NEXT = "\x01"  # keys never hold NUL, so `key + NEXT` is the first text that may come after `key`
FIRST_SURROGATE, AFTER_SURROGATES = 0xD800, 0xE000  # what is between is no character
SMALLEST_FETCH = 4
FIRST_FETCH = 64

Row = Sequence[Any]
Position = tuple[str, str]
Fetch = Callable[[Position, int], Sequence[Row]]
Follow = Callable[[Row], Position]


class Page(msgspec.Struct, frozen=True):
    """`rows` and `common_prefixes`; `last` is the greatest of their keys, with the second column of a row."""

    rows: tuple[Row, ...]
    common_prefixes: tuple[str, ...]
    is_truncated: bool
    last: Position


def first_after(key: str) -> str:
    """Return the first text that may come after `key`."""
    return key + NEXT


def end_of_prefix(prefix: str) -> str:
    """Return the first text behind all that begin with `prefix`."""
    stem = prefix.rstrip("\U0010ffff")
    if not stem:
        return END
    following = ord(stem[-1]) + 1
    if following == FIRST_SURROGATE:
        following = AFTER_SURROGATES
    return stem[:-1] + chr(following)


def find_common_prefix(key: str, prefix: str, delimiter: str) -> str:
    """Return what `key` rolls up into: `prefix` up to and with the next delimiter; empty if it doesn't."""
    if not delimiter:
        return ""
    found = key.find(delimiter, len(prefix))
    return key[: found + len(delimiter)] if found >= 0 else ""


def choose_start(prefix: str, delimiter: str, after: str) -> str:
    """Return where a list begins whose earlier pages ended with `after` (empty: the first page)."""
    if not after:
        return prefix
    is_rolled_up = after.startswith(prefix) and find_common_prefix(after, prefix, delimiter) == after
    return max(prefix, end_of_prefix(after) if is_rolled_up else first_after(after))


def collect(
    fetch: Fetch, follow: Follow, *, prefix: str, delimiter: str, start: Position, limit: int
) -> Page:
    """Return up to `limit` rows and common prefixes from `start` on.

    `fetch(position, count)` returns up to `count` rows from `position` (inclusive), in order and with
    `prefix`; a row begins with its key. `follow(row)` is the position behind a row.
    """
    rows: list[Row] = []
    prefixes: list[str] = []
    last = start
    position = start
    count = min(FIRST_FETCH, limit + 1) if delimiter else limit + 1
    while limit:
        fetched = fetch(position, count)
        behind = ""  # the end of the common prefix that the scan is in
        for row in fetched:
            if row[0] < behind:
                continue
            if len(rows) + len(prefixes) == limit:
                return Page(tuple(rows), tuple(prefixes), True, last)
            rolled_up = find_common_prefix(row[0], prefix, delimiter)
            if rolled_up:
                prefixes.append(rolled_up)
                behind = end_of_prefix(rolled_up)
                last = (rolled_up, "")
            else:
                rows.append(row)
                last = (row[0], row[1])
        if len(fetched) < count:
            break
        is_inside = fetched[-1][0] < behind
        position = (behind, "") if is_inside else follow(fetched[-1])
        count = max(SMALLEST_FETCH, count // 2) if is_inside else min(2 * count, limit + 1)
    return Page(tuple(rows), tuple(prefixes), False, last)
