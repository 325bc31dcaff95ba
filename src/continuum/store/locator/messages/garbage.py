"""What lies in a store and nothing points at any more."""

import msgspec


class ClaimGarbage(msgspec.Struct, frozen=True, kw_only=True):
    """A gateway asks for work on its own store.

    Answer: `Garbage`. What is claimed is leased for a minute, then offered again.
    """

    session_id: str
    store: str
    limit: int = 1000


class GarbageItem(msgspec.Struct, frozen=True, kw_only=True):
    """`store_upload_id` not empty: abort this upload; else delete this object.

    `is_prefix`: list it and ask `FilterOrphans` first.
    """

    item_id: int
    bucket: str
    key: str
    store_upload_id: str = ""
    is_prefix: bool = False


class Garbage(msgspec.Struct, frozen=True, kw_only=True):
    """What to remove now."""

    items: tuple[GarbageItem, ...]


class FilterOrphans(msgspec.Struct, frozen=True, kw_only=True):
    """Which of these physical keys (of an ended session) does no replica and no upload point at? Answer:
    `Orphans`.
    """

    store: str
    bucket: str
    keys: tuple[str, ...]


class Orphans(msgspec.Struct, frozen=True, kw_only=True):
    """Safe to delete: their session has ended, so nothing can come to point at them."""

    keys: tuple[str, ...]


class ReportGarbage(msgspec.Struct, frozen=True, kw_only=True):
    """These items are gone from the store. Answer: `Empty`."""

    session_id: str
    item_ids: tuple[int, ...]


class DiscardObject(msgspec.Struct, frozen=True, kw_only=True):
    """A gateway could not remove bytes that it wrote and did not commit: let the collector.

    Answer: `Empty`.
    """

    session_id: str
    store: str
    bucket: str
    key: str
    store_upload_id: str = ""
