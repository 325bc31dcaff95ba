"""Buckets that are attached where they are: indexed, followed, let go."""

import msgspec

from continuum.model.objects import Version
from continuum.store.locator.messages.jobs import ReportJob


class AttachBucket(msgspec.Struct, frozen=True, kw_only=True):
    """Make a bucket of what is in a physical one. Answer: `Job`, the scan that indexes it.

    Said again for the same place it gives the scan as it stands.
    """

    name: str
    owner: str
    store: str
    bucket: str
    prefix: str = ""
    rescan_every_s: float = 3600.0


class DetachBucket(msgspec.Struct, frozen=True, kw_only=True):
    """Let an attached bucket go, a step at a time; every byte stays at its own name. Answer: `Detaching`.

    `drop_history`: also if old versions, which have no names of their own, go with it.
    """

    name: str
    drop_history: bool = False


class Detaching(msgspec.Struct, frozen=True, kw_only=True):
    """`waiting` writes are still to be brought to their own names (`problem`: why one of them is not);
    `removed` versions went from the index in this step."""

    waiting: int = 0
    problem: str = ""
    removed: int = 0
    is_done: bool = False


class DescribeAttachments(msgspec.Struct, frozen=True):
    """Answer: `Attachments`."""


class AttachmentState(msgspec.Struct, frozen=True, kw_only=True):
    """An attached bucket, its last scan, and how many writes wait for their own names."""

    name: str
    store: str
    bucket: str
    prefix: str
    rescan_every_s: float
    attached_at: float
    is_detaching: bool
    waiting: int
    job_id: int
    scan_state: str
    scanned_at: float
    objects: int


class Attachments(msgspec.Struct, frozen=True, kw_only=True):
    """In the order of their names."""

    attachments: tuple[AttachmentState, ...]


class FoundObject(msgspec.Struct, frozen=True, array_like=True):
    """An object as a store's list has it; `key` is that of the name space."""

    key: str
    etag: str
    size_bytes: int
    modified_at: float


class ApplyPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of a scan, listed at or after `listed_at` (the locator's clock); `gone` are keys that the index
    has and the store has no more. Answer: `JobStep`. The step is noted in the same transaction."""

    bucket: str
    entries: tuple[FoundObject, ...]
    gone: tuple[str, ...]
    listed_at: float
    step: ReportJob


class FollowObject(msgspec.Struct, frozen=True, kw_only=True):
    """A gateway asked the store itself for one attached object. `found` None: it is not there.

    `known_etag` is what the index had. Answer: `Followed`.
    """

    session_id: str
    bucket: str
    key: str
    known_etag: str
    found: FoundObject | None
    headers: dict[str, str] = {}
    metadata: dict[str, str] = {}


class Followed(msgspec.Struct, frozen=True, kw_only=True):
    """The current version as it is now; None if there is none."""

    version: Version | None
