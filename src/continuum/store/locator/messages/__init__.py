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

from continuum.model.objects import Bucket, User, Version
from continuum.store.locator.messages.buckets import (
    Buckets,
    CreateBucket,
    DeleteBucket,
    GetBucket,
    ListBuckets,
)
from continuum.store.locator.messages.errors import (
    BucketExistsError,
    BucketNotEmptyError,
    BucketOwnedByYouError,
    NoSuchBucketError,
    NoSuchKeyError,
    NoSuchUploadError,
    NoSuchUserError,
    PreconditionFailedError,
    SessionEndedError,
)
from continuum.store.locator.messages.garbage import (
    ClaimGarbage,
    DiscardObject,
    FilterOrphans,
    Garbage,
    GarbageItem,
    Orphans,
    ReportGarbage,
)
from continuum.store.locator.messages.objects import (
    AddReplica,
    Commit,
    Delete,
    Deleted,
    DeleteItem,
    DeleteResult,
    ListObjects,
    Locate,
    Located,
    Location,
    LookUp,
    ObjectEntry,
    ObjectPage,
)
from continuum.store.locator.messages.sessions import (
    CloseSession,
    Empty,
    Invalidate,
    ListStores,
    OpenSession,
    RenewSession,
    Session,
    Stores,
)
from continuum.store.locator.messages.uploads import (
    AbortUpload,
    CreateUpload,
    GetUpload,
    ListUploads,
    Upload,
    UploadPage,
)
from continuum.store.locator.messages.users import (
    CreateUser,
    DeleteUser,
    FindUser,
    ListUsers,
    Users,
)

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

__all__ = [
    "ANSWERS",
    "SUBJECTS",
    "AbortUpload",
    "AddReplica",
    "BucketExistsError",
    "BucketNotEmptyError",
    "BucketOwnedByYouError",
    "Buckets",
    "ClaimGarbage",
    "CloseSession",
    "Commit",
    "CreateBucket",
    "CreateUpload",
    "CreateUser",
    "Delete",
    "DeleteBucket",
    "DeleteItem",
    "DeleteResult",
    "DeleteUser",
    "Deleted",
    "DiscardObject",
    "Empty",
    "FilterOrphans",
    "FindUser",
    "Garbage",
    "GarbageItem",
    "GetBucket",
    "GetUpload",
    "Invalidate",
    "ListBuckets",
    "ListObjects",
    "ListStores",
    "ListUploads",
    "ListUsers",
    "Locate",
    "Located",
    "Location",
    "LookUp",
    "NoSuchBucketError",
    "NoSuchKeyError",
    "NoSuchUploadError",
    "NoSuchUserError",
    "ObjectEntry",
    "ObjectPage",
    "OpenSession",
    "Orphans",
    "PreconditionFailedError",
    "RenewSession",
    "ReportGarbage",
    "Session",
    "SessionEndedError",
    "Stores",
    "Upload",
    "UploadPage",
    "Users",
]
