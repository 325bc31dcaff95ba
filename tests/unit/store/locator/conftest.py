"""An index per test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from locator_making import Index


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    """An index; the test's changes run in one transaction, which is never committed."""
    index = Index(tmp_path)
    index.connection.say("BEGIN IMMEDIATE")
    yield index
    index.connection.say("ROLLBACK")
    index.close()
