"""Bulk transfers: what is named, what is chosen, what has changed, into which parts it is cut.

Pure. Keys are relative to the place that a transfer begins or ends at, so that those of both ends can be
compared. Whether an object must be sent again is decided as `aws s3 sync` and `rclone copy` do: another
size, or the source is newer; equal ETags settle it at once. Not promised: that an object which was changed
at the target alone, to the same size and later, is noticed without comparing content.
"""

import re
from collections.abc import Iterable
from enum import StrEnum
from fnmatch import translate
from functools import cached_property

import msgspec

from continuum.model.errors import InvalidInputError

MIB = 1024 * 1024
PART_BYTES = 16 * MIB
MIN_PART_BYTES = 5 * MIB  # S3's least, but for the last part
MAX_PART_BYTES = 5 * 1024 * MIB
MAX_PARTS = 10_000
MULTIPART_ABOVE_BYTES = 32 * MIB
_CLOCK_TOLERANCE_S = 2.0  # S3's lists are precise to the second, and clocks differ

_MD5_HEX = re.compile(r"[0-9a-f]{32}")
_STORE_ADDRESS = re.compile(
    r"([A-Za-z0-9][A-Za-z0-9._-]*):([a-z0-9A-Z][A-Za-z0-9._-]{1,62})(?:/(.*))?", re.DOTALL
)
_FILE_ADDRESS = re.compile(r"file:(?://(?:localhost)?)?(/(?!/).*)", re.DOTALL)
_PERCENT = re.compile(rb"%([0-9A-Fa-f]{2})")
_RATE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([kKmMgG]?)(?:i?[bB])?(?:/s)?")
_RATE_UNITS = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3}


class Verb(StrEnum):
    """What a transfer does: `copy` leaves the source, `move` removes it, `sync` may delete at the target."""

    COPY = "copy"
    MOVE = "move"
    SYNC = "sync"


# ---- places ----


class PlaceKind(StrEnum):
    """Where a place is."""

    NAME_SPACE = "name space"
    STORE = "store"
    FOLDER = "folder"


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """One end of a transfer, as it was named.

    `store` names another store. `prefix` is what keys begin with, or, for a folder, empty; `path` is the
    folder or the file.
    """

    kind: PlaceKind
    store: str = ""
    bucket: str = ""
    prefix: str = ""
    path: str = ""

    def __str__(self) -> str:
        if self.kind is PlaceKind.FOLDER:
            return f"file://{self.path}"
        head = "s3://" if self.kind is PlaceKind.NAME_SPACE else f"{self.store}:"
        return f"{head}{self.bucket}/{self.prefix}" if self.prefix else f"{head}{self.bucket}"


def parse_place(text: str) -> Place:
    """Parse `s3://BUCKET[/PREFIX]`, `STORE:BUCKET[/PREFIX]` or `file:///PATH`. Raises `InvalidInputError`."""
    if text.startswith("s3://"):
        bucket, _, prefix = text.removeprefix("s3://").partition("/")
        if bucket:
            return Place(kind=PlaceKind.NAME_SPACE, bucket=bucket, prefix=prefix)
    elif found := _FILE_ADDRESS.fullmatch(text):
        return Place(kind=PlaceKind.FOLDER, path=_decode_percents(found[1]))
    elif not text.startswith("file:") and (found := _STORE_ADDRESS.fullmatch(text)):
        store, bucket, prefix = found.groups()
        return Place(kind=PlaceKind.STORE, store=store, bucket=bucket, prefix=prefix or "")
    raise InvalidInputError(
        f"{text!r} is no place to copy from or to",
        hint="s3://BUCKET[/PREFIX] of the name space, STORE:BUCKET[/PREFIX] of another store, or file:///PATH",
    )


def _decode_percents(text: str) -> str:
    raw = _PERCENT.sub(lambda found: bytes([int(found[1], 16)]), text.encode("utf-8", "surrogateescape"))
    return raw.decode("utf-8", "surrogateescape")


# ---- what is there, and what of it is chosen ----


class Line(msgspec.Struct, frozen=True, array_like=True):
    """An object or a file in a list. `etag` is empty where there is none (files)."""

    key: str
    size_bytes: int
    modified_at: float
    etag: str = ""


class Filters(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """Which keys take part: those that any `include` matches (none given: all) and no `exclude` does.

    Patterns are those of a shell; `*` goes over `/` as well.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    @cached_property
    def _included(self) -> re.Pattern[str] | None:
        return _compile(self.include)

    @cached_property
    def _excluded(self) -> re.Pattern[str] | None:
        return _compile(self.exclude)

    def matches(self, key: str) -> bool:
        """Whether `key` takes part."""
        if self._excluded is not None and self._excluded.match(key):
            return False
        return self._included is None or self._included.match(key) is not None


def _compile(patterns: Iterable[str]) -> re.Pattern[str] | None:
    joined = "|".join(translate(pattern) for pattern in patterns)
    return re.compile(joined) if joined else None


class Reason(StrEnum):
    """Why an object is sent, or that it is not."""

    MISSING = "missing"
    SIZE = "another size"
    NEWER = "newer"
    CONTENT = "other content"
    ASKED = "asked for"
    UNSURE = "to be compared by content"
    SAME = "the same"


def is_md5(etag: str) -> bool:
    """Whether an ETag has the form of the MD5 of the bytes (encrypted objects may have the form alone)."""
    return _MD5_HEX.fullmatch(etag) is not None


def compare(source: Line, target: Line | None, *, by_content: bool = False, strictly: bool = False) -> Reason:
    """Decide whether `source` must be sent, and why.

    `by_content`: times do not count; what ETags cannot settle is `UNSURE`. `strictly`: the same are only
    those with equal ETags, which is what a source may be removed for.
    """
    if target is None:
        return Reason.MISSING
    if source.size_bytes != target.size_bytes:
        return Reason.SIZE
    if source.etag and source.etag == target.etag:
        return Reason.SAME
    if by_content:
        return Reason.UNSURE
    return Reason.CONTENT if strictly else _compare_times(source, target)


def _compare_times(source: Line, target: Line) -> Reason:
    if source.modified_at > target.modified_at:
        return Reason.NEWER
    differ = is_md5(source.etag) and is_md5(target.etag)
    if differ and source.modified_at + _CLOCK_TOLERANCE_S > target.modified_at:
        return Reason.CONTENT
    return Reason.SAME


# ---- parts ----


class Part(msgspec.Struct, frozen=True, array_like=True):
    """A part of a large object: `length` bytes from `start`."""

    number: int
    start: int
    length: int


def choose_part_bytes(size_bytes: int, like_bytes: int = 0) -> int:
    """Return the size of the parts of an object.

    `like_bytes` is the source's own part size, if it has one that can be used: then both ends get the same
    ETag, which verifies the whole way.
    """
    if like_bytes and _can_cut(size_bytes, like_bytes):
        return like_bytes
    part_bytes = PART_BYTES
    while size_bytes > part_bytes * MAX_PARTS:
        part_bytes *= 2
    return part_bytes


def _can_cut(size_bytes: int, part_bytes: int) -> bool:
    return (
        MIN_PART_BYTES <= part_bytes <= min(MAX_PART_BYTES, 256 * MIB)
        and size_bytes <= part_bytes * MAX_PARTS
    )


def plan_parts(size_bytes: int, part_bytes: int) -> tuple[Part, ...]:
    """Cut an object into parts; only the last may be shorter."""
    return tuple(
        Part(number, start, min(part_bytes, size_bytes - start))
        for number, start in enumerate(range(0, size_bytes, part_bytes), start=1)
    )


# ---- lanes and pace ----

FIRST_LANES = 16
MAX_LANES = 64
_BETTER = 1.08
_WORSE = 0.7


class Lanes(msgspec.Struct, frozen=True):
    """How many pieces are under way at once, and the best rate (bytes/s) seen with how many."""

    count: int = FIRST_LANES
    best_rate: float = 0.0
    best_count: int = FIRST_LANES
    limit: int = MAX_LANES


def decide_lanes(lanes: Lanes, rate: float, failures: int) -> Lanes:
    """Return how many lanes to go on with, after a while at `rate` with `failures` that ask to slow down.

    More as long as that makes it faster; fewer when a store refuses or nothing is gained.
    """
    if failures:
        return msgspec.structs.replace(lanes, count=max(lanes.count // 2, 1), best_rate=0.0)
    if rate > lanes.best_rate * _BETTER:
        more = min(lanes.count * 3 // 2 + 1, lanes.limit)
        return msgspec.structs.replace(lanes, count=more, best_rate=rate, best_count=lanes.count)
    if rate < lanes.best_rate * _WORSE:  # the link itself changed: what was best says nothing any more
        return msgspec.structs.replace(lanes, best_rate=rate, best_count=lanes.count)
    return msgspec.structs.replace(lanes, count=lanes.best_count)


def parse_rate(text: str) -> float:
    """Return bytes per second of `50M`, `1.5G`, `800k` or `100000`. Raises `InvalidInputError`."""
    found = _RATE.fullmatch(text.strip())
    rate = float(found[1]) * _RATE_UNITS[found[2].lower()] if found else 0.0
    if rate <= 0:
        raise InvalidInputError(
            f"{text!r} is no bandwidth", hint="bytes per second with k, M or G, such as 50M"
        )
    return rate
