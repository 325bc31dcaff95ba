"""The index in PostgreSQL: the same tables, the same answers, every statement by an index."""

import importlib
import pkgutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from postgresql_server import PostgresServer
from sqlalchemy import create_engine

from continuum.model.errors import ConflictError
from continuum.store.locator import index as index_package
from continuum.store.locator import schema
from continuum.store.locator.backups import back_up_index, restore_index
from continuum.store.locator.database import Connection, Database, Statement, _Compiled
from continuum.store.locator.index.counts import count_objects
from continuum.store.locator.index.hubs import leave, register
from continuum.store.locator.index.listing import list_objects
from continuum.store.locator.index.objects import look_up
from continuum.store.locator.messages import CountObjects, ListObjects, LookUp

sys.path.append(str(Path(__file__).parents[1] / "unit" / "store" / "locator"))

from locator_making import Index
from test_locator_database import WHOLE_TABLES
from test_locator_model import IndexMachine

pytestmark = pytest.mark.system

# These keep few rows for every object or none at all; what is read of them is read whole or in sorted pieces.
SMALL = {"hubs.LIST_BEREFT", "sessions.PURGE_SESSIONS"}


@pytest.fixture(scope="module")
def url(postgresql: PostgresServer) -> Iterator[str]:
    made = postgresql.make_database()
    database = Database(made)
    database.open()
    database.close()
    yield made
    postgresql.drop_database(made)


def test_the_migrations_make_exactly_the_described_tables(url: str) -> None:
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, schema.metadata) == []
    engine.dispose()


def all_statements() -> dict[str, Statement]:
    return {
        f"{found.name}.{name}": value
        for found in pkgutil.iter_modules(index_package.__path__)
        for name, value in vars(importlib.import_module(f"{index_package.__name__}.{found.name}")).items()
        if isinstance(value, Statement)
    }


def test_every_statement_has_an_index_and_needs_no_sorting(url: str) -> None:
    """The planner is kept from scans and sorts; what it does all the same has no index to go by."""
    database = Database(url)
    connection = database.connect()
    bad = {}
    for name, statement in all_statements().items():
        if name not in WHOLE_TABLES | SMALL:
            steps = plan(connection, statement)
            if any("Seq Scan" in step or "Sort" in step for step in steps):
                bad[name] = steps
    connection.close()
    assert bad == {}


def plan(connection: Connection, statement: Statement) -> list[str]:
    """The plan for any values: as text they are of whatever type the statement says."""
    compiled = _Compiled(statement, connection._engine)
    names: Any = statement.clause.compile(dialect=connection._engine.dialect).params
    connection._cursor.execute("EXPLAIN " + compiled.text, compiled.arguments(dict.fromkeys(names, "1")))
    return [row[0] for row in connection._cursor.fetchall()]


class PostgresqlMachine(IndexMachine):
    """The index' random sequences, over one database that is emptied before each."""

    url = ""

    def make_index(self) -> Index:
        database = Database(self.url)
        connection = database.connect()
        tables = ", ".join(f'"{name}"' for name in schema.metadata.tables)
        connection.say(f"TRUNCATE {tables} RESTART IDENTITY CASCADE")
        connection.close()
        return Index(self.folder, self.url)


def test_the_index_does_in_postgresql_what_a_dictionary_would(url: str) -> None:
    PostgresqlMachine.url = url
    run_state_machine_as_test(
        PostgresqlMachine,
        settings=settings(
            max_examples=6, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


def test_a_backup_moves_an_index_from_sqlite_to_postgresql_and_back(url: str, tmp_path: Path) -> None:
    (tmp_path / "before").mkdir()
    index = Index(tmp_path / "before")
    with index.connection.writing():
        for number in range(30):
            index.put(f"key-{number % 25:02}-\U0001f600")
    expected = list_all(index.connection)
    sqlite_url = f"sqlite:///{tmp_path}/before/index.sqlite"
    back_up_index(sqlite_url, tmp_path / "first", lambda *_: None)
    numbers = [row[0] for row in index.connection.ask("SELECT seq FROM sqlite_sequence ORDER BY name")]
    index.close()
    with pytest.raises(ConflictError, match="holds an index already"):
        restore_index(tmp_path / "first", url, lambda *_: None)
    restore_index(tmp_path / "first", url, lambda *_: None, is_replacing=True)
    there = Database(url).connect()
    assert list_all(there) == expected
    with there.writing():
        register(there, "a hub", lease_s=60)
    with pytest.raises(ConflictError, match="a hub uses the database"):
        restore_index(tmp_path / "first", url, lambda *_: None, is_replacing=True)
    taken = back_up_index(url, tmp_path / "second", lambda *_: None)
    assert taken.objects == 25
    restore_index(tmp_path / "second", f"sqlite:///{tmp_path}/after.sqlite", lambda *_: None)
    back = Database(f"sqlite:///{tmp_path}/after.sqlite").connect()
    assert list_all(back) == expected
    assert [row[0] for row in back.ask("SELECT seq FROM sqlite_sequence ORDER BY name")] == numbers
    with there.writing():
        leave(there, "a hub")
    there.close()
    back.close()


def list_all(connection: Connection) -> tuple[Any, ...]:
    page = list_objects(connection, ListObjects(bucket="bucket", max_keys=1000))
    versions = [look_up(connection, LookUp(bucket="bucket", key=entry.key)) for entry in page.entries]
    return page, versions, count_objects(connection, CountObjects())
