"""The documentation of what can be seen of runs."""

from pathlib import Path
from typing import get_args

from continuum.model.stories import Record

PAGE = Path(__file__).parents[3] / "docs" / "seeing-runs.md"


def test_every_event_of_the_journal_is_documented_with_all_its_fields() -> None:
    rows = {line.split("`")[1]: line for line in PAGE.read_text().splitlines() if line.startswith("| `")}
    for kind in get_args(Record):
        row = rows[kind.__struct_config__.tag]
        fields = set(kind.__struct_fields__) - {"at"}
        assert all(f"`{name}`" in row for name in fields), (kind, fields)
