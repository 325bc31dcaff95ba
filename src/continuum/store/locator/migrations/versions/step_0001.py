"""Lay the first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

BYTE_ORDERED_TEXT = sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql")
NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Apply the step."""
    op.create_table(
        "buckets",
        sa.Column("name", BYTE_ORDERED_TEXT, nullable=False),
        sa.Column("owner", BYTE_ORDERED_TEXT, nullable=False),
        sa.Column("home", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_buckets"),
    )
    op.create_index("ix_buckets_owner_name", "buckets", ["owner", "name"], unique=False)
    op.create_table(
        "starts",
        sa.Column("number", NUMBER, nullable=False),
        sa.Column("epoch", sa.Text(), nullable=False),
        sa.Column("started_at", sa.Double(), nullable=False),
        sa.Column("lease_s", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_starts"),
    )
    op.create_table(
        "stores",
        sa.Column("name", BYTE_ORDERED_TEXT, nullable=False),
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("bucket", sa.Text(), nullable=False),
        sa.Column("access_key", sa.Text(), nullable=False),
        sa.Column("sealed_secret_key", sa.LargeBinary(), nullable=False),
        sa.Column("ca_pem", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_stores"),
    )
    op.create_table(
        "users",
        sa.Column("name", BYTE_ORDERED_TEXT, nullable=False),
        sa.Column("access_key", sa.Text(), nullable=False),
        sa.Column("sealed_secret_key", sa.LargeBinary(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_users"),
        sa.UniqueConstraint("access_key", name="uq_users_access_key"),
    )
    op.create_table(
        "versions",
        sa.Column("number", NUMBER, nullable=False),
        sa.Column("version_id", sa.Text(), nullable=False),
        sa.Column("bucket", BYTE_ORDERED_TEXT, nullable=False),
        sa.Column("key", BYTE_ORDERED_TEXT, nullable=False),
        sa.Column("etag", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("modified_at", sa.Double(), nullable=False),
        sa.Column("checksum_algorithm", sa.Text(), nullable=False),
        sa.Column("checksum_type", sa.Text(), nullable=False),
        sa.Column("details", sa.LargeBinary(), nullable=False),
        sa.Column("ended_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("number", name="pk_versions"),
        sa.UniqueConstraint("version_id", name="uq_versions_version_id"),
    )
    op.create_index(
        "ix_versions_ended_at",
        "versions",
        ["ended_at"],
        unique=False,
        sqlite_where=sa.text("ended_at IS NOT NULL"),
        postgresql_where=sa.text("ended_at IS NOT NULL"),
    )
    op.create_table(
        "garbage",
        sa.Column("number", NUMBER, nullable=False),
        sa.Column("store", BYTE_ORDERED_TEXT, nullable=False),
        sa.Column("physical_bucket", sa.Text(), nullable=False),
        sa.Column("physical_key", BYTE_ORDERED_TEXT, nullable=False),
        sa.Column("store_upload_id", sa.Text(), nullable=False),
        sa.Column("is_prefix", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["store"], ["stores.name"], name="fk_garbage_store"),
        sa.PrimaryKeyConstraint("number", name="pk_garbage"),
        sa.UniqueConstraint(
            "store", "physical_bucket", "physical_key", "store_upload_id", "is_prefix", name="uq_garbage_item"
        ),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_garbage_store_due_at", "garbage", ["store", "due_at"], unique=False)
    op.create_table(
        "objects",
        sa.Column("bucket", BYTE_ORDERED_TEXT, nullable=False),
        sa.Column("key", BYTE_ORDERED_TEXT, nullable=False),
        sa.Column("version", NUMBER, nullable=False),
        sa.ForeignKeyConstraint(["bucket"], ["buckets.name"], name="fk_objects_bucket"),
        sa.ForeignKeyConstraint(["version"], ["versions.number"], name="fk_objects_version"),
        sa.PrimaryKeyConstraint("bucket", "key", name="pk_objects"),
        sa.UniqueConstraint("version", name="uq_objects_version"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "replicas",
        sa.Column("version", NUMBER, nullable=False),
        sa.Column("store", BYTE_ORDERED_TEXT, nullable=False),
        sa.Column("physical_bucket", sa.Text(), nullable=False),
        sa.Column("physical_key", BYTE_ORDERED_TEXT, nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["store"], ["stores.name"], name="fk_replicas_store"),
        sa.ForeignKeyConstraint(["version"], ["versions.number"], name="fk_replicas_version"),
        sa.PrimaryKeyConstraint("version", "store", name="pk_replicas"),
        sa.UniqueConstraint(
            "store", "physical_bucket", "physical_key", name="uq_replicas_store_physical_bucket_physical_key"
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "sessions",
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("gateway", sa.Text(), nullable=False),
        sa.Column("store", BYTE_ORDERED_TEXT, nullable=False),
        sa.Column("opened_at", sa.Double(), nullable=False),
        sa.Column("ended_at", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(["store"], ["stores.name"], name="fk_sessions_store"),
        sa.PrimaryKeyConstraint("session_id", name="pk_sessions"),
    )
    op.create_index("ix_sessions_ended_at", "sessions", ["ended_at"], unique=False)
    op.create_table(
        "uploads",
        sa.Column("upload_id", sa.Text(), nullable=False),
        sa.Column("bucket", BYTE_ORDERED_TEXT, nullable=False),
        sa.Column("key", BYTE_ORDERED_TEXT, nullable=False),
        sa.Column("initiator", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("touched_at", sa.Double(), nullable=False),
        sa.Column("store", BYTE_ORDERED_TEXT, nullable=False),
        sa.Column("physical_bucket", sa.Text(), nullable=False),
        sa.Column("physical_key", BYTE_ORDERED_TEXT, nullable=False),
        sa.Column("store_upload_id", sa.Text(), nullable=False),
        sa.Column("details", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["bucket"], ["buckets.name"], name="fk_uploads_bucket"),
        sa.ForeignKeyConstraint(["store"], ["stores.name"], name="fk_uploads_store"),
        sa.PrimaryKeyConstraint("upload_id", name="pk_uploads"),
        sa.UniqueConstraint(
            "store", "physical_bucket", "physical_key", name="uq_uploads_store_physical_bucket_physical_key"
        ),
    )
    op.create_index(
        "ix_uploads_bucket_key_upload_id", "uploads", ["bucket", "key", "upload_id"], unique=False
    )
    op.create_index("ix_uploads_touched_at", "uploads", ["touched_at"], unique=False)
