"""Let users have several keys, also temporary ones."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    """Apply the step."""
    op.create_table(
        "keys",
        sa.Column("access_key", sa.Text(), nullable=False),
        sa.Column("user", TEXT, nullable=False),
        sa.Column("sealed_secret_key", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.Column("token_sha256", sa.Text(), nullable=False),
        sa.Column("policy", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("access_key", name="pk_keys"),
        sa.ForeignKeyConstraint(["user"], ["users.name"], name="fk_keys_user"),
    )
    op.create_index(
        "ix_keys_user_expires_at_created_at_access_key",
        "keys",
        ["user", "expires_at", "created_at", "access_key"],
    )
    op.create_index("ix_keys_expires_at", "keys", ["expires_at"])
