"""How S3 writes text and instants: XML escaping, ISO 8601 with milliseconds, HTTP dates."""

import re
import time
from functools import lru_cache

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\ufffe\uffff]")
_SPECIAL = re.compile('[&<>"\x00-\x08\x0b-\x1f\ufffe\uffff]')
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_NOT_IN_HEADERS = re.compile("[\x00-\x1f\x7f]")


def format_header(text: str) -> str | None:
    """Return text as it is in a header, its bytes as Latin-1; None if it could end the header."""
    return None if _NOT_IN_HEADERS.search(text) else text.encode().decode("latin-1")


def escape_text(text: str) -> str:
    """Escape text for an element. What XML 1.0 cannot hold, and carriage returns, become references."""
    if not _SPECIAL.search(text):
        return text
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
    return _CONTROL.sub(_reference, text)


def _reference(match: re.Match[str]) -> str:
    return f"&#x{ord(match.group()):X};"


def format_iso8601(at: float) -> str:
    """Format seconds since the epoch as S3 does in documents: `2026-11-23T09:12:27.250Z`."""
    second, milliseconds = divmod(round(at * 1000), 1000)
    return f"{_format_second(second)}.{milliseconds:03d}Z"


@lru_cache(maxsize=4096)
def _format_second(second: int) -> str:
    year, month, day, hour, minute, seconds, *_ = time.gmtime(second)
    return f"{year:04d}-{month:02d}-{day:02d}T{hour:02d}:{minute:02d}:{seconds:02d}"


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
