"""Count the objects of buckets as they come and go.

Triggers do it, in the transaction of the change: whatever changes the tables is counted, and asking reads one
row. A later step that makes `objects` or `versions` anew has to make their triggers anew.
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql")

ADD = """INSERT INTO counts (bucket, objects, object_bytes, versions, version_bytes) VALUES ({values})
  ON CONFLICT (bucket) DO UPDATE SET
    objects = counts.objects + excluded.objects,
    object_bytes = counts.object_bytes + excluded.object_bytes,
    versions = counts.versions + excluded.versions,
    version_bytes = counts.version_bytes + excluded.version_bytes"""
SIZE = "(SELECT size_bytes FROM versions WHERE number = {row}.version)"
# What happens to which table, when, and what is to be added then.
COUNTED = (
    ("objects", "INSERT", "", f"NEW.bucket, 1, {SIZE.format(row='NEW')}, 0, 0"),
    ("objects", "DELETE", "", f"OLD.bucket, -1, -{SIZE.format(row='OLD')}, 0, 0"),
    ("objects", "UPDATE", "", f"NEW.bucket, 0, {SIZE.format(row='NEW')} - {SIZE.format(row='OLD')}, 0, 0"),
    ("versions", "INSERT", "NEW.ended_at IS NULL", "NEW.bucket, 0, 0, 1, NEW.size_bytes"),
    (
        "versions",
        "UPDATE",
        "OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL",
        "NEW.bucket, 0, 0, -1, -OLD.size_bytes",
    ),
)
FILL = """INSERT INTO counts (bucket, objects, object_bytes, versions, version_bytes)
SELECT versions.bucket, sum(CASE WHEN objects.version IS NULL THEN 0 ELSE 1 END),
  sum(CASE WHEN objects.version IS NULL THEN 0 ELSE size_bytes END), count(*), sum(size_bytes)
FROM versions LEFT OUTER JOIN objects ON objects.version = versions.number
WHERE versions.ended_at IS NULL GROUP BY versions.bucket"""


def upgrade() -> None:
    """Apply the step."""
    op.create_table(
        "counts",
        sa.Column("bucket", TEXT, primary_key=True),
        sa.Column("objects", sa.BigInteger(), nullable=False),
        sa.Column("object_bytes", sa.BigInteger(), nullable=False),
        sa.Column("versions", sa.BigInteger(), nullable=False),
        sa.Column("version_bytes", sa.BigInteger(), nullable=False),
    )
    op.execute(FILL)
    for table, event, condition, values in COUNTED:
        _make_trigger(f"count_{table}_{event.lower()}", table, event, condition, ADD.format(values=values))
    _make_trigger(
        "count_buckets_delete", "buckets", "DELETE", "", "DELETE FROM counts WHERE bucket = OLD.name"
    )


def _make_trigger(name: str, table: str, event: str, condition: str, action: str) -> None:
    head = f"CREATE TRIGGER {name} AFTER {event} ON {table} FOR EACH ROW"
    when = f" WHEN ({condition})" if condition else ""
    if op.get_bind().dialect.name == "sqlite":
        op.execute(f"{head}{when} BEGIN {action}; END")
        return
    op.execute(
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {action}; RETURN NULL; END $$"
    )
    op.execute(f"{head}{when} EXECUTE FUNCTION {name}()")
