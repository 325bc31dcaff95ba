"""When a write that was made apart meets one that its writer did not know of: who is current, who goes where.

Pure, and the same for everybody who asks: the later write becomes current, the other one is kept under a
name that says where and when it was written. A write that was to be made under a condition never takes the
place of one that contradicts the condition, and a deletion takes away only what its writer knew.
"""

from datetime import UTC, datetime
from enum import StrEnum

from continuum.model.objects import MAX_KEY_BYTES, Version

MAX_BUCKET_CHARACTERS = 63
_MARK = ".conflict-"


class Meeting(StrEnum):
    """What a write that comes later finds: nothing that it did not know of, something older, or something
    newer."""

    PLAIN = "plain"
    NEWER = "newer"
    OLDER = "older"


def decide_write(
    newest: Version | None, *, base: str, at: float, connected_until: float, is_conditional: bool
) -> Meeting:
    """Say how a write of the instant `at` stands to the newest version of its key.

    `base` is the version that the writer took for the newest. What is older than `connected_until` a write
    without conditions would have replaced anyway. A delete marker is never in the way.
    """
    if newest is None or newest.is_delete_marker or newest.version_id == base:
        return Meeting.PLAIN
    if is_conditional:
        return Meeting.OLDER
    if newest.modified_at <= connected_until:
        return Meeting.PLAIN
    return Meeting.NEWER if at > newest.modified_at else Meeting.OLDER


def may_delete(newest: Version, *, base: str, connected_until: float, is_conditional: bool) -> bool:
    """Whether a deletion that was made apart takes away the newest version of its key."""
    return newest.version_id == base or (not is_conditional and newest.modified_at <= connected_until)


def name_conflict(key: str, site: str, at: float, number: int = 1) -> str:
    """Return the key under which the other one of two writes is kept: `KEY.conflict-SITE-TIME`, with a
    number if that is taken. A key that would be too long is cut."""
    time = datetime.fromtimestamp(max(at, 0.0), UTC).strftime("%Y%m%dT%H%M%SZ")
    end = f"{_MARK}{site}-{time}" + (f"-{number}" if number > 1 else "")
    room = MAX_KEY_BYTES - len(end.encode())
    return key.encode()[:room].decode(errors="ignore") + end


def is_conflict_of(name: str, key: str) -> bool:
    """Whether `name` is one that a write of `key` was kept under."""
    stem, mark, _ = name.rpartition(_MARK)
    return bool(mark) and key.startswith(stem)


def name_aside(bucket: str, journal_id: str) -> str:
    """Return the bucket for what was written to a bucket that is gone."""
    end = f"-aside-{journal_id[:8]}"
    return bucket[: MAX_BUCKET_CHARACTERS - len(end)].rstrip(".-") + end
