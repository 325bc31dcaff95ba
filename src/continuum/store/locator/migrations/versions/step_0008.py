"""Keep what policies ask for: copies that wait to be made, copies that go after a while, documents."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
CACHED = sa.text("expires_at IS NOT NULL")


def upgrade() -> None:
    """Apply the step."""
    op.add_column("replicas", sa.Column("expires_at", sa.Double()))
    op.create_index(
        "ix_replicas_expiry",
        "replicas",
        ["store", "expires_at"],
        sqlite_where=CACHED,
        postgresql_where=CACHED,
    )
    op.create_table(
        "copies",
        sa.Column("number", NUMBER, primary_key=True),
        sa.Column("version_id", sa.Text(), nullable=False),
        sa.Column("bucket", TEXT, nullable=False),
        sa.Column("store", TEXT, sa.ForeignKey("stores.name", name="fk_copies_store_stores"), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("due_at", sa.Double(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.UniqueConstraint("version_id", "store", name="uq_copies_version_id_store"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_copies_store_due_at", "copies", ["store", "due_at"])
    op.create_index("ix_copies_bucket_store", "copies", ["bucket", "store"])
    op.create_table(
        "documents",
        sa.Column("name", TEXT, primary_key=True),
        sa.Column("document", sa.LargeBinary(), nullable=False),
    )
