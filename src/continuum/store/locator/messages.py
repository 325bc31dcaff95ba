"""What gateways, agents and drivers ask of the locator, and what it answers.

Every request travels on the subject `locator.<verb>` that `SUBJECTS` gives for its type. All may be repeated
safely: a commit carries its own version id, and committing the same version twice gives the same answer.

Sessions and leases. A gateway process opens a session and renews it. While its lease holds (counted from the
moment the gateway *sent* the renewal) everything it looked up may be served from its memory, because before a
change is acknowledged to its writer, the locator has told every other session that looked the key up
(`Invalidate`, acknowledged) or has waited until that session's lease ran out. This makes reads strongly
consistent at no round trip (Gray and Cheriton, "Leases", SOSP 1989).

The gateway's part of that promise: an answer is not kept, nor given to a reader who came later, if an
`Invalidate` of the same thing arrived while it was asked for, and the same goes for what it commits itself;
and everything is forgotten, also what is just being asked for, when the session ends or `hub_epoch` changes.

A session that stays silent ends: its commits are refused (`SessionEndedError`), and what it left in its store
under its own prefix of physical keys is removed by the collector.
"""

import msgspec

from continuum.model.errors import AccessDeniedError, ConflictError, NotFoundError
from continuum.model.objects import Bucket, Replica, Store, User, Version


class NoSuchBucketError(NotFoundError):
    """There is no such bucket."""

    code = "NoSuchBucket"


class NoSuchKeyError(NotFoundError):
    """There is no such object, or no such version of it."""

    code = "NoSuchKey"


class NoSuchUploadError(NotFoundError):
    """There is no such multipart upload: it was completed or aborted, or never begun."""

    code = "NoSuchUpload"


class NoSuchUserError(NotFoundError):
    """No user has this name or this access key."""

    code = "NoSuchUser"


class BucketExistsError(ConflictError):
    """The bucket exists. `owned_by_you` tells S3's two cases apart by code."""

    code = "BucketAlreadyExists"


class BucketOwnedByYouError(ConflictError):
    """The bucket exists and belongs to who asks."""

    code = "BucketAlreadyOwnedByYou"


class BucketNotEmptyError(ConflictError):
    """The bucket holds objects or uploads."""

    code = "BucketNotEmpty"


class PreconditionFailedError(ConflictError):
    """`If-Match` or `If-None-Match` did not hold in the transaction that would have published the version."""

    code = "PreconditionFailed"


class SessionEndedError(AccessDeniedError):
    """The session's lease ran out; open a new one."""

    code = "SessionEnded"


class Empty(msgspec.Struct, frozen=True):
    """Nothing to say."""


# ---- sessions ----


class OpenSession(msgspec.Struct, frozen=True, kw_only=True):
    """A gateway process introduces itself and the store of its site."""

    site: str
    gateway: str
    store: Store


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """`session_id` is unguessable and is the prefix of all physical keys that the session writes."""

    session_id: str
    lease_s: float
    hub_epoch: str


class RenewSession(msgspec.Struct, frozen=True, kw_only=True):
    """Sent every `lease_s / 3`.

    Answer: `Session`; a different `hub_epoch` means: forget everything cached.
    """

    session_id: str


class CloseSession(msgspec.Struct, frozen=True, kw_only=True):
    """A clean goodbye: nothing of this session is in flight any more."""

    session_id: str


class Invalidate(msgspec.Struct, frozen=True, kw_only=True):
    """Locator to gateway, on `gateway.<session_id>.invalidate`, acknowledged with `Empty`: forget these.

    `keys` are (bucket, key) pairs; a pair with an empty key means the whole bucket and its attributes;
    `users` are access keys.
    """

    keys: tuple[tuple[str, str], ...] = ()
    users: tuple[str, ...] = ()


class ListStores(msgspec.Struct, frozen=True, kw_only=True):
    """Answer: `Stores`."""

    session_id: str


class Stores(msgspec.Struct, frozen=True, kw_only=True):
    """All stores of the continuum, as peers reach them."""

    stores: tuple[Store, ...]


# ---- users ----


class FindUser(msgspec.Struct, frozen=True, kw_only=True):
    """Answer: `User`, or `NoSuchUserError`. Cacheable under the session's lease."""

    session_id: str
    access_key: str


class CreateUser(msgspec.Struct, frozen=True, kw_only=True):
    """Answer: `User` with fresh keys. Conflict if the name is taken."""

    name: str
    role: str


class ListUsers(msgspec.Struct, frozen=True, kw_only=True):
    """Answer: `Users`, without secrets (empty strings)."""


class Users(msgspec.Struct, frozen=True, kw_only=True):
    """Users in the order of their names."""

    users: tuple[User, ...]


class DeleteUser(msgspec.Struct, frozen=True, kw_only=True):
    """Answer: `Empty` once no gateway accepts the user's keys any more."""

    name: str


# ---- buckets ----


class CreateBucket(msgspec.Struct, frozen=True, kw_only=True):
    """Answer: `Bucket`."""

    name: str
    owner: str
    home: str


class GetBucket(msgspec.Struct, frozen=True, kw_only=True):
    """Answer: `Bucket`. Cacheable under the session's lease if `session_id` is given."""

    session_id: str = ""
    name: str


class ListBuckets(msgspec.Struct, frozen=True, kw_only=True):
    """Answer: `Buckets`; of one owner, or of all if `owner` is empty."""

    owner: str = ""


class Buckets(msgspec.Struct, frozen=True, kw_only=True):
    """Buckets in the order of their names."""

    buckets: tuple[Bucket, ...]


class DeleteBucket(msgspec.Struct, frozen=True, kw_only=True):
    """Answer: `Empty`."""

    session_id: str = ""
    name: str


# ---- objects ----


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


# ---- multipart uploads ----


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """A multipart upload.

    Its parts go to one store, under the store's own upload id, until it is completed or aborted.
    """

    upload_id: str
    bucket: str
    key: str
    initiator: str
    created_at: float
    store: str
    physical_bucket: str
    physical_key: str
    store_upload_id: str
    headers: dict[str, str] = {}
    metadata: dict[str, str] = {}
    checksum_algorithm: str = ""
    checksum_type: str = ""


class CreateUpload(msgspec.Struct, frozen=True, kw_only=True):
    """Answer: `Upload`.

    The id is the caller's choice, unguessable. An upload outlives the session that began it.
    """

    session_id: str
    upload: Upload


class GetUpload(msgspec.Struct, frozen=True, kw_only=True):
    """Answer: `Upload`, or `NoSuchUploadError`."""

    bucket: str
    key: str
    upload_id: str


class AbortUpload(msgspec.Struct, frozen=True, kw_only=True):
    """Answer: `Empty`. The caller then aborts it at the store; if it cannot, the collector does."""

    session_id: str
    bucket: str
    key: str
    upload_id: str


class ListUploads(msgspec.Struct, frozen=True, kw_only=True):
    """A page of a bucket's uploads by (key, upload id). Answer: `UploadPage`."""

    bucket: str
    prefix: str = ""
    delimiter: str = ""
    key_marker: str = ""
    upload_id_marker: str = ""
    max_uploads: int = 1000


class UploadPage(msgspec.Struct, frozen=True, kw_only=True):
    """`is_truncated` tells whether more follow after the two markers."""

    uploads: tuple[Upload, ...]
    common_prefixes: tuple[str, ...]
    is_truncated: bool = False
    next_key_marker: str = ""
    next_upload_id_marker: str = ""


# ---- garbage: what lies in a store and nothing points at any more ----


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


SUBJECTS: dict[type, str] = {
    OpenSession: "locator.open_session",
    RenewSession: "locator.renew_session",
    CloseSession: "locator.close_session",
    ListStores: "locator.list_stores",
    FindUser: "locator.find_user",
    CreateUser: "locator.create_user",
    ListUsers: "locator.list_users",
    DeleteUser: "locator.delete_user",
    CreateBucket: "locator.create_bucket",
    GetBucket: "locator.get_bucket",
    ListBuckets: "locator.list_buckets",
    DeleteBucket: "locator.delete_bucket",
    LookUp: "locator.look_up",
    Locate: "locator.locate",
    Commit: "locator.commit",
    Delete: "locator.delete",
    AddReplica: "locator.add_replica",
    ListObjects: "locator.list_objects",
    CreateUpload: "locator.create_upload",
    GetUpload: "locator.get_upload",
    AbortUpload: "locator.abort_upload",
    ListUploads: "locator.list_uploads",
    ClaimGarbage: "locator.claim_garbage",
    FilterOrphans: "locator.filter_orphans",
    ReportGarbage: "locator.report_garbage",
    DiscardObject: "locator.discard_object",
}

ANSWERS: dict[type, type] = {
    OpenSession: Session,
    RenewSession: Session,
    CloseSession: Empty,
    ListStores: Stores,
    FindUser: User,
    CreateUser: User,
    ListUsers: Users,
    DeleteUser: Empty,
    CreateBucket: Bucket,
    GetBucket: Bucket,
    ListBuckets: Buckets,
    DeleteBucket: Empty,
    LookUp: Version,
    Locate: Located,
    Commit: Version,
    Delete: Deleted,
    AddReplica: Empty,
    ListObjects: ObjectPage,
    CreateUpload: Upload,
    GetUpload: Upload,
    AbortUpload: Empty,
    ListUploads: UploadPage,
    ClaimGarbage: Garbage,
    FilterOrphans: Orphans,
    ReportGarbage: Empty,
    DiscardObject: Empty,
}
