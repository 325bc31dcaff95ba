"""Keep versions and what is set for buckets."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

LIVE = sa.text("ended_at IS NULL")


def upgrade() -> None:
    """Apply the step."""
    op.add_column("buckets", sa.Column("versioning", sa.Text(), nullable=False, server_default=sa.text("''")))
    op.add_column("buckets", sa.Column("settings", sa.LargeBinary()))
    op.add_column("versions", sa.Column("owner", sa.Text(), nullable=False, server_default=sa.text("''")))
    op.add_column("versions", sa.Column("is_null", sa.Integer(), nullable=False, server_default=sa.text("1")))
    op.add_column(
        "versions", sa.Column("is_delete_marker", sa.Integer(), nullable=False, server_default=sa.text("0"))
    )
    op.add_column("versions", sa.Column("attributes", sa.LargeBinary()))
    op.create_index(
        "ix_versions_history",
        "versions",
        ["bucket", "key", sa.text("number DESC")],
        sqlite_where=LIVE,
        postgresql_where=LIVE,
    )
