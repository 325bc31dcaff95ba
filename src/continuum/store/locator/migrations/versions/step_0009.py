"""Keep how far the journals of gateways were replayed, and what was in conflict."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Apply the step."""
    op.create_table(
        "journals",
        sa.Column("journal_id", sa.Text(), primary_key=True),
        sa.Column("gateway", sa.Text(), nullable=False),
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("store", TEXT, nullable=False),
        sa.Column("opened_at", sa.Double(), nullable=False),
        sa.Column("replayed", sa.BigInteger(), nullable=False),
        sa.Column("waiting", sa.BigInteger(), nullable=False),
        sa.Column("oldest_at", sa.Double(), nullable=False),
        sa.Column("reported_at", sa.Double(), nullable=False),
        sa.Column("finished_at", sa.Double()),
    )
    op.create_index("ix_journals_reported_at", "journals", ["reported_at"])
    op.create_table(
        "conflicts",
        sa.Column("number", NUMBER, primary_key=True),
        sa.Column("bucket", TEXT, nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("gateway", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("kept_as", TEXT, nullable=False),
        sa.Column("written_at", sa.Double(), nullable=False),
        sa.Column("noted_at", sa.Double(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=False),
    )
    op.create_index("ix_conflicts_bucket_number", "conflicts", ["bucket", "number"])
