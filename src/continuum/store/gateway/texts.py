"""How S3 writes text and instants: XML escaping, ISO 8601 with milliseconds, HTTP dates."""

import re
import time
from functools import lru_cache

_SPECIAL = re.compile('[&<>"\x00-\x08\x0b\x0c\x0d\x0e-\x1f\ufffe\uffff]')
_NAMED = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def escape_text(text: str) -> str:
    """Escape text for an element. What XML 1.0 cannot hold, and carriage returns, become numeric
    references."""
    return _SPECIAL.sub(_reference, text) if _SPECIAL.search(text) else text


def _reference(match: re.Match[str]) -> str:
    character = match.group()
    return _NAMED.get(character) or f"&#x{ord(character):X};"


def format_iso8601(at: float) -> str:
    """Format seconds since the epoch as S3 does in documents: `2026-11-23T09:12:27.250Z`."""
    seconds, milliseconds = divmod(round(at * 1000), 1000)
    days, seconds = divmod(seconds, 86400)
    minutes, seconds = divmod(seconds, 60)
    return f"{_format_day(days)}T{minutes // 60:02d}:{minutes % 60:02d}:{seconds:02d}.{milliseconds:03d}Z"


@lru_cache(maxsize=512)
def _format_day(days: int) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(days * 86400))


@lru_cache(maxsize=4096)
def _format_http_second(second: int) -> str:
    year, month, day, hour, minute, seconds, weekday, *_ = time.gmtime(second)
    return (
        f"{_DAYS[weekday]}, {day:02d} {_MONTHS[month - 1]} {year:04d} {hour:02d}:{minute:02d}:{seconds:02d} "
        "GMT"
    )


def format_http_date(at: float) -> str:
    """Format seconds since the epoch as HTTP does: `Mon, 23 Nov 2026 09:12:27 GMT` (RFC 9110, 5.6.7);
    fractions are cut off."""
    return _format_http_second(int(at // 1))
