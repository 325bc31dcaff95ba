"""The tables of the locator, as they are after the last migration.

What is unique is said to the database, so that no program error can break it: one current version per key,
one replica per version and store, one owner for every physical key. Keys compare by their UTF-8 bytes: that
is SQLite's own order for text, and collation "C" in PostgreSQL.

A version that was replaced or deleted stays as a tombstone (`ended_at`) for a while, so that a commit that
is repeated after its answer was lost finds what became of it. Instants are seconds since the epoch. Flags
are integers. Secrets are sealed (see `sealing`). Nothing here is read or written outside `index`.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects import postgresql

# Names for constraints, so that a migration can speak of them in any database.
NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

ByteOrderedText = Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
Number = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts up by itself in INTEGER keys only

metadata = MetaData(naming_convention=NAMING)

# One row for every start of a locator over this database: leases from before may still be out.
starts = Table(
    "starts",
    metadata,
    Column("number", Number, primary_key=True),
    Column("epoch", Text, nullable=False),
    Column("started_at", Double, nullable=False),
    Column("lease_s", Double, nullable=False),
)

# The hubs that serve this database; none of SQLite, which one hub has for itself. `expires_at` is by the
# database's clock.
hubs = Table(
    "hubs",
    metadata,
    Column("epoch", Text, primary_key=True),
    Column("started_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("is_condemned", Integer, nullable=False),
)

users = Table(
    "users",
    metadata,
    Column("name", ByteOrderedText, primary_key=True),
    Column("access_key", Text, nullable=False, unique=True),
    Column("sealed_secret_key", LargeBinary, nullable=False),
    Column("role", Text, nullable=False),
    Column("created_at", Double, nullable=False),
)

# Further keys of users; `expires_at` is 0 for lasting ones. A temporary one has the hash of its session token
# and maybe a policy that narrows it.
keys = Table(
    "keys",
    metadata,
    Column("access_key", Text, primary_key=True),
    Column("user", ByteOrderedText, ForeignKey("users.name"), nullable=False),
    Column("sealed_secret_key", LargeBinary, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("token_sha256", Text, nullable=False),
    Column("policy", LargeBinary),
    Index(None, "user", "expires_at", "created_at", "access_key"),
    Index(None, "expires_at"),
)

stores = Table(
    "stores",
    metadata,
    Column("name", ByteOrderedText, primary_key=True),
    Column("site", Text, nullable=False),
    Column("endpoint", Text, nullable=False),
    Column("region", Text, nullable=False),
    Column("bucket", Text, nullable=False),
    Column("access_key", Text, nullable=False),
    Column("sealed_secret_key", LargeBinary, nullable=False),
    Column("ca_pem", Text, nullable=False),
    Column("addressing", Text, nullable=False, server_default=text("'path'")),
    Column("capacity_bytes", BigInteger, nullable=False, server_default=text("0")),
    Column("is_added", Integer, nullable=False, server_default=text("0")),
    Column("reach", Text, nullable=False, server_default=text("'any'")),
)

sessions = Table(
    "sessions",
    metadata,
    Column("session_id", Text, primary_key=True),
    Column("site", Text, nullable=False),
    Column("gateway", Text, nullable=False),
    Column("store", ByteOrderedText, ForeignKey("stores.name"), nullable=False),
    Column("opened_at", Double, nullable=False),
    Column("ended_at", Double, index=True),
    Column("hub", Text, nullable=False, server_default=text("''")),  # the epoch of its hub; empty: any
)

buckets = Table(
    "buckets",
    metadata,
    Column("name", ByteOrderedText, primary_key=True),
    Column("owner", ByteOrderedText, nullable=False),
    Column("home", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("versioning", Text, nullable=False, server_default=text("''")),
    Column("settings", LargeBinary),
    Index(None, "owner", "name"),
)

versions = Table(
    "versions",
    metadata,
    Column("number", Number, primary_key=True),
    Column("version_id", Text, nullable=False, unique=True),
    # Not a foreign key: a tombstone may outlive its bucket.
    Column("bucket", ByteOrderedText, nullable=False),
    Column("key", ByteOrderedText, nullable=False),
    Column("etag", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("modified_at", Double, nullable=False),
    Column("checksum_algorithm", Text, nullable=False),
    Column("checksum_type", Text, nullable=False),
    Column("details", LargeBinary, nullable=False),
    Column("ended_at", Double),
    Column("owner", Text, nullable=False, server_default=text("''")),
    Column("is_null", Integer, nullable=False, server_default=text("1")),
    Column("is_delete_marker", Integer, nullable=False, server_default=text("0")),
    Column("attributes", LargeBinary),
)
# The history of a key: its live versions, the newest first.
Index(
    "ix_versions_history",
    versions.c.bucket,
    versions.c.key,
    versions.c.number.desc(),
    sqlite_where=text("ended_at IS NULL"),
    postgresql_where=text("ended_at IS NULL"),
)
Index(
    "ix_versions_ended_at",
    versions.c.ended_at,
    sqlite_where=text("ended_at IS NOT NULL"),
    postgresql_where=text("ended_at IS NOT NULL"),
)

# The name space: one row per key whose newest version is not a delete marker, in the order of listing.
objects = Table(
    "objects",
    metadata,
    Column("bucket", ByteOrderedText, ForeignKey("buckets.name"), primary_key=True),
    Column("key", ByteOrderedText, primary_key=True),
    Column("version", Number, ForeignKey("versions.number"), nullable=False, unique=True),
    sqlite_with_rowid=False,
)

replicas = Table(
    "replicas",
    metadata,
    Column("version", Number, ForeignKey("versions.number"), primary_key=True),
    Column("store", ByteOrderedText, ForeignKey("stores.name"), primary_key=True),
    Column("physical_bucket", Text, nullable=False),
    Column("physical_key", ByteOrderedText, nullable=False),
    Column("created_at", Double, nullable=False),
    # Of a replica in an attached bucket: the store's ETag; others may change it, and it is never garbage.
    Column("etag", Text, nullable=False, server_default=text("''")),
    # When a verification found that these bytes are not the version's; they are never served.
    Column("bad_at", Double),
    Column("expires_at", Double),  # of cached copies: when they may go
    UniqueConstraint("store", "physical_bucket", "physical_key"),
    sqlite_with_rowid=False,
)
Index(
    "ix_replicas_expiry",
    replicas.c.store,
    replicas.c.expires_at,
    sqlite_where=text("expires_at IS NOT NULL"),
    postgresql_where=text("expires_at IS NOT NULL"),
)

uploads = Table(
    "uploads",
    metadata,
    Column("upload_id", Text, primary_key=True),
    Column("bucket", ByteOrderedText, ForeignKey("buckets.name"), nullable=False),
    Column("key", ByteOrderedText, nullable=False),
    Column("initiator", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("touched_at", Double, nullable=False, index=True),
    Column("store", ByteOrderedText, ForeignKey("stores.name"), nullable=False),
    Column("physical_bucket", Text, nullable=False),
    Column("physical_key", ByteOrderedText, nullable=False),
    Column("store_upload_id", Text, nullable=False),
    Column("details", LargeBinary, nullable=False),
    Index(None, "bucket", "key", "upload_id"),
    UniqueConstraint("store", "physical_bucket", "physical_key"),
)

# What lies in a store and nothing points at. `due_at` is when it may go, and after a claim when it is
# offered again.
garbage = Table(
    "garbage",
    metadata,
    Column("number", Number, primary_key=True),
    Column("store", ByteOrderedText, ForeignKey("stores.name"), nullable=False),
    Column("physical_bucket", Text, nullable=False),
    Column("physical_key", ByteOrderedText, nullable=False),
    Column("store_upload_id", Text, nullable=False),
    Column("is_prefix", Integer, nullable=False),
    Column("due_at", Double, nullable=False),
    UniqueConstraint(
        "store",
        "physical_bucket",
        "physical_key",
        "store_upload_id",
        "is_prefix",
        name="uq_garbage_item",  # PostgreSQL cuts names at 63 characters
    ),
    Index(None, "store", "due_at"),
    sqlite_autoincrement=True,  # a number is never used twice: a late report must not end another item
)

# Long work in a store, where it stands. `due_at` is when it is offered (again) to the gateways of its site.
jobs = Table(
    "jobs",
    metadata,
    Column("number", Number, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("store", ByteOrderedText, ForeignKey("stores.name"), nullable=False),
    Column("bucket", ByteOrderedText, nullable=False),
    Column("state", Text, nullable=False),
    Column("cursor", ByteOrderedText, nullable=False),
    Column("due_at", Double, nullable=False),
    Column("details", LargeBinary, nullable=False),
    UniqueConstraint("kind", "store", "bucket", name="uq_jobs_kind"),
    Index(None, "store", "due_at"),
    sqlite_autoincrement=True,
)

# Objects of attached buckets whose state is to be brought to their own names. A new write of the same object
# is a new row with a new number, so that a late report ends nothing else.
write_backs = Table(
    "write_backs",
    metadata,
    Column("number", Number, primary_key=True),
    Column("store", ByteOrderedText, ForeignKey("stores.name"), nullable=False),
    Column("bucket", ByteOrderedText, nullable=False),
    Column("key", ByteOrderedText, nullable=False),
    Column("due_at", Double, nullable=False),
    Column("done_at", Double),
    Column("problem", Text, nullable=False),
    UniqueConstraint("bucket", "key"),
    Index(None, "store", "due_at"),
    Index(None, "done_at"),
    sqlite_autoincrement=True,
)

# Where the lifecycle rules of a bucket were last followed to. Not a foreign key: a leftover does no harm.
lifecycle_runs = Table(
    "lifecycle_runs",
    metadata,
    Column("bucket", ByteOrderedText, primary_key=True),
    Column("begun_at", Double, nullable=False),
    Column("finished_at", Double, nullable=False),
    Column("cursor", LargeBinary, nullable=False),
    Column("counts", LargeBinary, nullable=False),
)

# Who may be told of events.
targets = Table(
    "targets",
    metadata,
    Column("name", ByteOrderedText, primary_key=True),
    Column("address", Text, nullable=False),
    Column("ca_pem", Text, nullable=False),
    Column("is_acknowledged", Integer, nullable=False),
    Column("sealed_secret", LargeBinary, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("delivered", BigInteger, nullable=False),
    Column("dead", BigInteger, nullable=False),
    Column("last_error", Text, nullable=False),
)

# Events that were not told yet. No foreign keys: an event outlives its bucket.
outbox = Table(
    "outbox",
    metadata,
    Column("number", Number, primary_key=True),
    Column("target", ByteOrderedText, nullable=False),
    Column("bucket", ByteOrderedText, nullable=False),
    Column("key", ByteOrderedText, nullable=False),
    Column("event", LargeBinary, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("due_at", Double, nullable=False),
    Column("attempts", Integer, nullable=False),
    Index(None, "target", "due_at", "number"),
    Index(None, "target", "bucket", "key", "number"),
    sqlite_autoincrement=True,  # numbers order the events of a key, also after all before were told
)

# Copies that a policy asks for and that are not made yet. Not foreign keys: a version may end meanwhile.
copies = Table(
    "copies",
    metadata,
    Column("number", Number, primary_key=True),
    Column("version_id", Text, nullable=False),
    Column("bucket", ByteOrderedText, nullable=False),
    Column("store", ByteOrderedText, ForeignKey("stores.name"), nullable=False),
    Column("created_at", Double, nullable=False),
    Column("due_at", Double, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("problem", Text, nullable=False),
    UniqueConstraint("version_id", "store"),
    Index(None, "store", "due_at"),
    Index(None, "bucket", "store"),
    sqlite_autoincrement=True,
)

# How much is in buckets. Triggers keep it, so that nobody can forget to (step 0011).
counts = Table(
    "counts",
    metadata,
    Column("bucket", ByteOrderedText, primary_key=True),
    Column("objects", BigInteger, nullable=False),
    Column("object_bytes", BigInteger, nullable=False),
    Column("versions", BigInteger, nullable=False),
    Column("version_bytes", BigInteger, nullable=False),
)

# What is set for the whole continuum, by name.
documents = Table(
    "documents",
    metadata,
    Column("name", ByteOrderedText, primary_key=True),
    Column("document", LargeBinary, nullable=False),
)

# What gateways wrote while they could not reach the locator: how far it was brought in. No foreign keys: what
# was told stays to be read.
journals = Table(
    "journals",
    metadata,
    Column("journal_id", Text, primary_key=True),
    Column("gateway", Text, nullable=False),
    Column("site", Text, nullable=False),
    Column("store", ByteOrderedText, nullable=False),
    Column("opened_at", Double, nullable=False),
    Column("replayed", BigInteger, nullable=False),
    Column("waiting", BigInteger, nullable=False),
    Column("oldest_at", Double, nullable=False),
    Column("reported_at", Double, nullable=False, index=True),
    Column("finished_at", Double),
)

# Journalled changes that met changes which their gateway did not know of.
conflicts = Table(
    "conflicts",
    metadata,
    Column("number", Number, primary_key=True),
    Column("bucket", ByteOrderedText, nullable=False),
    Column("key", ByteOrderedText, nullable=False),
    Column("gateway", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("kept_as", ByteOrderedText, nullable=False),
    Column("written_at", Double, nullable=False),
    Column("noted_at", Double, nullable=False),
    Column("problem", Text, nullable=False),
    Index(None, "bucket", "number"),
)
