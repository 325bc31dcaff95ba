"""Say of stores from where they can be reached."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the step."""
    op.add_column("stores", sa.Column("reach", sa.Text(), nullable=False, server_default=sa.text("'any'")))
