"""Keep replicas in attached buckets, work in stores and writes that are to be brought to their own names."""

import sqlalchemy as sa
from alembic import op

from continuum.store.locator.schema import ByteOrderedText, Number

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the step."""
    op.add_column("replicas", sa.Column("etag", sa.Text(), nullable=False, server_default=sa.text("''")))
    op.add_column("replicas", sa.Column("bad_at", sa.Double()))
    op.create_table(
        "jobs",
        sa.Column("number", Number, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("store", ByteOrderedText, nullable=False),
        sa.Column("bucket", ByteOrderedText, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("cursor", ByteOrderedText, nullable=False),
        sa.Column("due_at", sa.Double(), nullable=False),
        sa.Column("details", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_jobs"),
        sa.ForeignKeyConstraint(["store"], ["stores.name"], name="fk_jobs_store"),
        sa.UniqueConstraint("kind", "store", "bucket", name="uq_jobs_kind"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_jobs_store_due_at", "jobs", ["store", "due_at"])
    op.create_table(
        "write_backs",
        sa.Column("number", Number, nullable=False),
        sa.Column("store", ByteOrderedText, nullable=False),
        sa.Column("bucket", ByteOrderedText, nullable=False),
        sa.Column("key", ByteOrderedText, nullable=False),
        sa.Column("due_at", sa.Double(), nullable=False),
        sa.Column("done_at", sa.Double()),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_write_backs"),
        sa.ForeignKeyConstraint(["store"], ["stores.name"], name="fk_write_backs_store"),
        sa.UniqueConstraint("bucket", "key", name="uq_write_backs_bucket_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_write_backs_store_due_at", "write_backs", ["store", "due_at"])
    op.create_index("ix_write_backs_done_at", "write_backs", ["done_at"])
