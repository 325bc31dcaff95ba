"""What system tests share: one embedded continuum for the whole session, started on first use."""

from collections.abc import Iterator

import pytest
from embedding import Embedded
from postgresql_server import PostgresServer, require_programs


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    """A running continuum with sites `edge` and `cloud`. Tests that harm it wait until it is well again."""
    running = Embedded(tmp_path_factory.mktemp("continuum") / "home")
    running.up()
    try:
        yield running
    finally:
        running.down()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresServer]:
    """A PostgreSQL server. Without its programs the test is skipped, aloud."""
    server = PostgresServer(require_programs())
    server.start()
    try:
        yield server
    finally:
        server.stop()
