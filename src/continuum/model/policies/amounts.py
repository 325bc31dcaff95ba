"""Durations and sizes as people write them: `7d`, `12h`, `90s`, `100GB`, `64MiB`."""

import re

from continuum.model.errors import InvalidInputError

HOUR_S = 3600.0
DAY_S = 86_400.0
MONTH_S = 30 * DAY_S  # what stores bill as a month
GB = 1e9

_UNITS_S = {"s": 1.0, "m": 60.0, "h": HOUR_S, "d": DAY_S, "w": 7 * DAY_S}
_STEP = 1000.0
_SIZE_UNITS = ("kB", "MB", "GB", "TB", "PB")
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}
_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)\s*([smhdw])")
_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,6})?)\s*([kmgtp]?)(i?)b?", re.IGNORECASE)


def parse_duration(text: str) -> float:
    """Return the seconds that `text` means, such as `90s`, `12h` or `7d`. Raises `InvalidInputError`."""
    found = _DURATION.fullmatch(text.strip())
    if not found:
        raise InvalidInputError(f"{text[:40]!r} is no duration", hint="for example 90s, 15m, 12h, 7d or 2w")
    return float(found[1]) * _UNITS_S[found[2]]


def parse_size(text: str) -> int:
    """Return the bytes that `text` means, such as `100GB` or `64MiB`. Raises `InvalidInputError`."""
    found = _SIZE.fullmatch(text.strip())
    if not found:
        raise InvalidInputError(f"{text[:40]!r} is no size", hint="for example 512MiB, 100GB or 2TB")
    base = 1024 if found[3] else 1000
    return int(float(found[1]) * base ** _POWERS[found[2].lower()])


def format_duration(seconds: float) -> str:
    """Write a duration in the largest unit that fits it, such as `1.5 d`."""
    if seconds == float("inf"):
        return "for ever"
    for unit, size_s in (("d", DAY_S), ("h", HOUR_S), ("min", 60.0)):
        if seconds >= size_s:
            return f"{seconds / size_s:.3g} {unit}"
    return f"{seconds:.3g} s"


def format_size(size_bytes: float) -> str:
    """Write a size in the unit that fits it, such as `1.5 GB`."""
    if size_bytes < _STEP:
        return f"{size_bytes:.0f} B"
    for unit in _SIZE_UNITS[:-1]:
        size_bytes /= _STEP
        if size_bytes < _STEP:
            return f"{size_bytes:.1f} {unit}"
    return f"{size_bytes / _STEP:.1f} {_SIZE_UNITS[-1]}"
