"""Objects: found, published, deleted, listed."""

import msgspec

from continuum.model.objects import Replica, Version


class LookUp(msgspec.Struct, frozen=True, kw_only=True):
    """Answer: `Version` with its replicas. Cacheable under the session's lease if `session_id` is given.

    `version_id` empty means the current one; `null` is the id of the only version in a bucket without
    versioning.
    """

    session_id: str = ""
    bucket: str
    key: str
    version_id: str = ""


class Locate(msgspec.Struct, frozen=True, kw_only=True):
    """Where are these objects, for placement. Answer: `Located`, in the same order."""

    objects: tuple[tuple[str, str], ...]


class Location(msgspec.Struct, frozen=True, kw_only=True):
    """`exists` false: no such object. `sites` hold a replica."""

    exists: bool
    etag: str = ""
    size_bytes: int = 0
    sites: tuple[str, ...] = ()


class Located(msgspec.Struct, frozen=True, kw_only=True):
    """Locations in the order of the question."""

    locations: tuple[Location, ...]


class Commit(msgspec.Struct, frozen=True, kw_only=True):
    """Publish a version whose bytes are in place; exactly one replica. Answer: `Version` as published.

    `if_none_match` true: only if the key has no object (`If-None-Match: *`). `if_match` not empty: only if
    the current ETag is this one; a missing object then is `NoSuchKeyError`. `upload_id` not empty: the
    version completes this upload, which ends with it.

    `modified_at` and the replica's `created_at` are set by the locator: there is one clock, and a version is
    later than the one that it replaces. The physical key begins with `session_id/` unless it is the upload's.
    """

    session_id: str
    version: Version
    if_none_match: bool = False
    if_match: str = ""
    upload_id: str = ""


class Delete(msgspec.Struct, frozen=True, kw_only=True):
    """Delete objects of one bucket. Answer: `Deleted`. A missing object is no error, as in S3."""

    session_id: str
    bucket: str
    objects: tuple["DeleteItem", ...]


class DeleteItem(msgspec.Struct, frozen=True, kw_only=True):
    """`if_match` as in `Commit` (`*` for any)."""

    key: str
    version_id: str = ""
    if_match: str = ""


class DeleteResult(msgspec.Struct, frozen=True, kw_only=True):
    """`error_code` empty: deleted, or not there."""

    key: str
    error_code: str = ""
    message: str = ""


class Deleted(msgspec.Struct, frozen=True, kw_only=True):
    """One result for every item, in the same order."""

    results: tuple[DeleteResult, ...]


class AddReplica(msgspec.Struct, frozen=True, kw_only=True):
    """A further copy of a version is in place.

    Answer: `Empty`; `NoSuchKeyError` if the version is gone meanwhile.

    If the store has a replica of this version already the answer is a `ConflictError` and the new bytes are
    the caller's to remove.
    """

    session_id: str
    bucket: str
    key: str
    version_id: str
    etag: str
    replica: Replica


class ListObjects(msgspec.Struct, frozen=True, kw_only=True):
    """A page of a bucket in the order of the keys' UTF-8 bytes. Answer: `ObjectPage`.

    `after` is exclusive: keys greater than it. If it ends a common prefix (it starts with `prefix` and ends
    with `delimiter`), all keys under it are skipped as well.
    """

    bucket: str
    prefix: str = ""
    delimiter: str = ""
    after: str = ""
    max_keys: int = 1000


class ObjectEntry(msgspec.Struct, frozen=True, array_like=True):
    """A line of a list. `checksum_algorithm` is S3's upper-case name or empty."""

    key: str
    etag: str
    size_bytes: int
    modified_at: float
    version_id: str
    checksum_algorithm: str = ""
    checksum_type: str = ""


class ObjectPage(msgspec.Struct, frozen=True, kw_only=True):
    """`next_after` is what to pass as `after` for the next page; empty if this is the last one."""

    entries: tuple[ObjectEntry, ...]
    common_prefixes: tuple[str, ...]
    next_after: str = ""
