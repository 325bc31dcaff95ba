"""Traces as files: CSV with a header, or one JSON object per line.

Columns: `time` (seconds, or ISO 8601 with a zone), `op` (GET, HEAD, PUT, COPY, DELETE; S3's own names such as
REST.GET.OBJECT and GetObject as well), `bucket`, `key`, `size` (bytes of the object), `range` (how many bytes
were read, or `bytes=first-last`; empty for all) and `site`. What is wrong is refused with its line.
"""

import csv
import datetime as dt
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO

import msgspec

from continuum.model.errors import InvalidInputError
from continuum.model.policies.simulating import Request

COLUMNS = ("time", "op", "bucket", "key", "size", "range", "site")
MAX_LINE_CHARACTERS = 16_384

_RANGE = re.compile(r"(?:bytes=)?(\d{1,15})-(\d{1,15})")
_OPERATIONS = {
    f"{prefix}{name}{suffix}": name
    for name in ("GET", "HEAD", "PUT", "COPY", "DELETE")
    for prefix, suffix in (("", ""), ("REST.", ".OBJECT"), ("", "OBJECT"))
}


def read_trace(path: Path) -> Iterator[Request]:
    """Read a trace, sorted by time. Raises `InvalidInputError` that names the line."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            requests = list(_read(file, is_json=path.suffix in {".jsonl", ".ndjson", ".json"}))
    except (OSError, UnicodeError, csv.Error) as problem:
        raise InvalidInputError(f"cannot read the trace {path}: {problem}") from problem
    if not requests:
        raise InvalidInputError(f"the trace {path} is empty")
    requests.sort(key=lambda request: request.at)
    return iter(requests)


def format_request(request: Request) -> tuple[str, ...]:
    """Return a request as the cells of a line."""
    part = str(request.range_bytes) if request.range_bytes else ""
    return (
        f"{request.at:.3f}",
        request.operation,
        request.bucket,
        request.key,
        str(request.size_bytes),
        part,
        request.site,
    )


def _read(file: TextIO, *, is_json: bool) -> Iterator[Request]:
    rows: Iterable[Any] = (
        (_decode(line) for line in file if line.strip()) if is_json else csv.DictReader(file)
    )
    for number, row in enumerate(rows, start=1 if is_json else 2):
        try:
            yield _parse(row)
        except (KeyError, ValueError, TypeError, AttributeError) as problem:
            raise InvalidInputError(
                f"line {number} of the trace is wrong: {problem}", hint=f"columns: {', '.join(COLUMNS)}"
            ) from problem


def _decode(line: str) -> Any:
    if len(line) > MAX_LINE_CHARACTERS:
        raise InvalidInputError("a line of the trace is too long")
    try:
        return msgspec.json.decode(line)
    except msgspec.DecodeError as problem:
        raise InvalidInputError(f"a line of the trace is no JSON: {problem}") from problem


def _parse(row: Any) -> Request:
    operation = _OPERATIONS.get(str(row["op"]).upper())
    if operation is None:
        raise ValueError(f"there is no operation {str(row['op'])[:40]!r}")
    size_bytes = int(row.get("size") or 0)
    if size_bytes < 0 or not row["bucket"] or not row["key"] or not row["site"]:
        raise ValueError("a size is not negative; bucket, key and site are not empty")
    return Request(
        _parse_time(str(row["time"])),
        operation,
        str(row["bucket"]),
        str(row["key"]),
        size_bytes,
        _parse_range(str(row.get("range") or "")),
        str(row["site"]),
    )


def _parse_time(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        at = dt.datetime.fromisoformat(text)
        if at.tzinfo is None:
            raise ValueError(f"the time {text!r} has no zone") from None
        return at.timestamp()


def _parse_range(text: str) -> int:
    if not text:
        return 0
    found = _RANGE.fullmatch(text)
    length = int(found[2]) - int(found[1]) + 1 if found else int(text)
    if length < 0:
        raise ValueError(f"the range {text!r} is empty")
    return length
