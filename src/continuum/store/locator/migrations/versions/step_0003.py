"""Keep how stores that were added are reached."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the step."""
    zero = sa.text("0")
    op.add_column(
        "stores", sa.Column("addressing", sa.Text(), nullable=False, server_default=sa.text("'path'"))
    )
    op.add_column("stores", sa.Column("capacity_bytes", sa.BigInteger(), nullable=False, server_default=zero))
    op.add_column("stores", sa.Column("is_added", sa.Integer(), nullable=False, server_default=zero))
