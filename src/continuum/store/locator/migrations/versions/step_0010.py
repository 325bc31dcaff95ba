"""Let several hubs serve one database."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the step."""
    op.create_table(
        "hubs",
        sa.Column("epoch", sa.Text(), primary_key=True),
        sa.Column("started_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.Column("is_condemned", sa.Integer(), nullable=False),
    )
    op.add_column("sessions", sa.Column("hub", sa.Text(), nullable=False, server_default=sa.text("''")))
