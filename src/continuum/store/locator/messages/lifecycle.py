"""Asking for what lifecycle rules do now, or would do at some instant."""

import msgspec


class RunLifecycle(msgspec.Struct, frozen=True, kw_only=True):
    """Follow the rules of a bucket for a while, beginning at `cursor` (empty: at the beginning).

    Answer: `LifecycleStep`; ask again with its cursor until that is empty. `now` is the instant to go by (0:
    this one); locks are compared with the true one. `is_dry`: only tell.
    """

    bucket: str
    now: float = 0.0
    is_dry: bool = False
    cursor: bytes = b""


class LifecycleCounts(msgspec.Struct, frozen=True, kw_only=True):
    """What was looked at and done. `locked` versions are due, and kept because a lock holds them."""

    versions: int = 0
    uploads: int = 0
    expired: int = 0
    removed: int = 0
    removed_markers: int = 0
    aborted: int = 0
    locked: int = 0


class LifecycleLine(msgspec.Struct, frozen=True, array_like=True):
    """One thing that was done, or would be. `action` is `expire`, `remove`, `remove marker` or `abort`."""

    action: str
    key: str
    version_id: str
    rule_id: str


class LifecycleStep(msgspec.Struct, frozen=True, kw_only=True):
    """`cursor` empty: that was all. `lines` are those of this step."""

    counts: LifecycleCounts
    lines: tuple[LifecycleLine, ...] = ()
    cursor: bytes = b""
