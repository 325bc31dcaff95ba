"""Objects: found, published, deleted, listed."""

import msgspec

from continuum.model.objects import Replica, Version
from continuum.store.locator.messages.notifications import Origin


class LookUp(msgspec.Struct, frozen=True, kw_only=True):
    """Answer: `Version` with its replicas. Cacheable under the session's lease if `session_id` is given.

    `version_id` empty means the newest one, which may be a delete marker; `null` is the version that was
    written without versioning.
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
    origin: Origin = Origin()


class Retention(msgspec.Struct, frozen=True, kw_only=True):
    """`GOVERNANCE` or `COMPLIANCE` until an instant; an empty mode for none."""

    mode: str = ""
    until: float = 0.0


class Delete(msgspec.Struct, frozen=True, kw_only=True):
    """Delete objects of one bucket. Answer: `Deleted`. A missing object is no error, as in S3.

    `owner` is who deletes: delete markers are theirs.
    """

    session_id: str
    bucket: str
    objects: tuple["DeleteItem", ...]
    owner: str = ""
    origin: Origin = Origin()


class DeleteItem(msgspec.Struct, frozen=True, kw_only=True):
    """`if_match` as in `Commit` (`*` for any).

    Where versions are kept, a deletion without `version_id` publishes a delete marker whose version id is
    `marker_id`, the caller's choice; with one it removes that version for good, unless it is locked.
    `bypass_governance`: who asks may break a lock in governance mode.
    """

    key: str
    version_id: str = ""
    if_match: str = ""
    marker_id: str = ""
    bypass_governance: bool = False


class DeleteResult(msgspec.Struct, frozen=True, kw_only=True):
    """`error_code` empty: deleted, or not there.

    `version_id` is what was removed for good, as clients see it; `marker_id` the delete marker that was
    published; `is_delete_marker`: what was published or removed is one.
    """

    key: str
    version_id: str = ""
    marker_id: str = ""
    is_delete_marker: bool = False
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


class ChangeObject(msgspec.Struct, frozen=True, kw_only=True):
    """Change a version's attributes; the other fields stay. Answer: `Version` as it is now.

    `version_id` as in `LookUp`. A retention that holds may be extended, and in governance mode shortened or
    removed with `bypass_governance`; else `ObjectLockedError`.
    """

    session_id: str = ""
    bucket: str
    key: str
    version_id: str = ""
    tags: dict[str, str] | None = None
    acl: bytes | None = None
    retention: Retention | None = None
    legal_hold: bool | None = None
    bypass_governance: bool = False
    origin: Origin = Origin()


class ListVersions(msgspec.Struct, frozen=True, kw_only=True):
    """A page of all versions and delete markers of a bucket by (key, newest first). Answer: `VersionPage`.

    Goes on after the version `version_id_marker` of `key_marker`, or after all versions of `key_marker`.
    """

    bucket: str
    prefix: str = ""
    delimiter: str = ""
    key_marker: str = ""
    version_id_marker: str = ""
    max_keys: int = 1000


class VersionEntry(msgspec.Struct, frozen=True, array_like=True):
    """A line of a list of versions; `version_id` is the one that clients see."""

    key: str
    version_id: str
    is_latest: bool
    is_delete_marker: bool
    etag: str
    size_bytes: int
    modified_at: float
    owner: str
    checksum_algorithm: str = ""
    checksum_type: str = ""


class VersionPage(msgspec.Struct, frozen=True, kw_only=True):
    """`is_truncated` tells whether more follow after the two markers."""

    entries: tuple[VersionEntry, ...]
    common_prefixes: tuple[str, ...]
    is_truncated: bool = False
    next_key_marker: str = ""
    next_version_id_marker: str = ""


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
    owner: str = ""


class ObjectPage(msgspec.Struct, frozen=True, kw_only=True):
    """`next_after` is what to pass as `after` for the next page; empty if this is the last one."""

    entries: tuple[ObjectEntry, ...]
    common_prefixes: tuple[str, ...]
    next_after: str = ""
