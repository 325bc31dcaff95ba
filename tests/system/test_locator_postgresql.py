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

from continuum.store.locator import index as index_package
from continuum.store.locator import schema
from continuum.store.locator.database import Connection, Database, Statement, _Compiled

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
