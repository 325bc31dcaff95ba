"""Connections, transactions, migrations and the plans of all statements."""

import contextlib
import importlib
import pkgutil
import sqlite3
from pathlib import Path
from types import ModuleType

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from locator_making import Index
from sqlalchemy import create_engine

from continuum.model.errors import ConflictError, InvalidInputError, UnavailableError
from continuum.store.locator import index as index_package
from continuum.store.locator import schema
from continuum.store.locator.database import Connection, Database, Statement, _Compiled
from continuum.store.locator.index import users

# Statements that are for whole tables: small ones, read for a person or at the start.
WHOLE_TABLES = {
    "buckets.LIST_ALL",
    "users.LIST_USERS",
    "hubs.LIST_LIVING",  # a few rows
    "hubs.FORGET_DEAD",
    "counts.LIST_ALL",
    "sessions.LIST_STORES",
    "targets.LIST_TARGETS",
    "placements.LIST_PLACES",
    "sessions.LAST_START",  # backwards from the end
    "stores.DELETE_STORE",  # looks for sessions of the store: few
    # A site leaves once in its life; sites and stores are few.
    *(f"leaving.{name}" for name in ("LIST_SOLE", "COUNT_SOLE", "COUNT_COPIES", "DELETE_COPIES")),
    *(f"leaving.{name}" for name in ("DELETE_ENDED", "DELETE_SESSIONS", "DELETE_STORES", "IS_USED")),
}


def url(folder: Path) -> str:
    return f"sqlite:///{folder}/index.sqlite"


def all_statements() -> dict[str, Statement]:
    modules: list[ModuleType] = [
        importlib.import_module(f"{index_package.__name__}.{found.name}")
        for found in pkgutil.iter_modules(index_package.__path__)
    ]
    return {
        f"{module.__name__.rpartition('.')[2]}.{name}": value
        for module in modules
        for name, value in vars(module).items()
        if isinstance(value, Statement)
    }


def plan(connection: Connection, statement: Statement) -> list[str]:
    compiled = _Compiled(statement, connection._engine)
    values = dict.fromkeys(compiled._order or [], 1)
    connection._cursor.execute("EXPLAIN QUERY PLAN " + compiled.text, compiled.arguments(values))
    return [row[3] for row in connection._cursor.fetchall()]


STATEMENTS = all_statements()


@pytest.mark.parametrize("name", sorted(STATEMENTS.keys() - WHOLE_TABLES))
def test_no_statement_scans_or_sorts_a_table(index: Index, name: str) -> None:
    steps = plan(index.connection, STATEMENTS[name])
    assert [step for step in steps if step.startswith("SCAN") or "TEMP B-TREE" in step] == []


def test_a_whole_migration_makes_exactly_the_described_tables(tmp_path: Path) -> None:
    Database(url(tmp_path)).open()
    engine = create_engine(url(tmp_path))
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, schema.metadata) == []
    engine.dispose()


def test_opening_again_keeps_what_is_there(tmp_path: Path) -> None:
    index = Index(tmp_path)
    with index.connection.writing():
        version = index.put()
    index.close()
    index.database.open()
    index.connection = index.database.connect()
    assert index.look_up() == version
    index.close()


def test_a_second_hub_is_kept_out_until_the_first_has_gone(tmp_path: Path) -> None:
    first, second = Database(url(tmp_path)), Database(url(tmp_path))
    first.open()
    with pytest.raises(ConflictError, match="another hub"):
        second.open()
    first.close()
    second.open()
    second.close()


def test_a_database_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    database = Database(url(tmp_path))
    database.open()
    with sqlite3.connect(tmp_path / "index.sqlite") as raw:
        raw.execute("UPDATE alembic_version SET version_num = 'future'")
    raw.close()
    database.close()
    with pytest.raises(ConflictError, match="newer version"):
        database.open()
    Database(url(tmp_path))._take_lock()  # a failed start leaves no lock behind


def test_a_migration_that_is_cut_off_leaves_nothing(tmp_path: Path) -> None:
    database = Database(url(tmp_path))
    (tmp_path / "index.sqlite").touch()
    with sqlite3.connect(tmp_path / "index.sqlite") as raw:
        raw.execute("CREATE TABLE uploads (in_the_way INTEGER)")  # the step fails here, its last table
    raw.close()
    with pytest.raises(UnavailableError):
        database.open()
    with sqlite3.connect(tmp_path / "index.sqlite") as raw:
        tables = [row[0] for row in raw.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    raw.close()
    assert tables == ["uploads"]


@pytest.mark.parametrize("bad", ["nonsense", "sqlite://", "sqlite:///:memory:", "oracle9://x/y"])
def test_a_url_that_cannot_work_is_refused(bad: str) -> None:
    with pytest.raises(InvalidInputError):
        Database(bad).open()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UnavailableError, match=str(tmp_path / "file")):
        Database(f"sqlite:///{tmp_path}/file/index.sqlite").open()


def test_an_error_in_a_transaction_undoes_it_and_in_a_savepoint_only_that(tmp_path: Path) -> None:
    index = Index(tmp_path)
    with index.connection.writing():
        index.put("before")
        with contextlib.suppress(ConflictError), index.connection.saving():
            index.put("inside")
            raise ConflictError("on purpose")
    with contextlib.suppress(ConflictError), index.connection.writing():
        index.put("whole")
        raise ConflictError("on purpose")
    assert index.look_up("before")
    for key in ("inside", "whole"):
        with pytest.raises(Exception, match="there is no object"):
            index.look_up(key)
    index.close()


def test_a_reader_sees_the_last_commit_and_never_waits_for_the_writer(tmp_path: Path) -> None:
    index = Index(tmp_path)
    reader = index.database.connect()
    with index.connection.writing():
        index.put()
        assert len(users.list_users(reader).users) == 0
        with pytest.raises(Exception, match="there is no object"):
            index_of(index, reader).look_up()
    assert index_of(index, reader).look_up()
    reader.close()
    index.close()


def index_of(index: Index, connection: Connection) -> Index:
    other = object.__new__(Index)
    other.connection = connection
    return other


def test_keys_are_ordered_by_their_bytes_and_not_by_case_or_language(index: Index) -> None:
    for key in ("b", "B", "a", "é", "Z", "\U0001f600", "\uffff"):
        index.put(key)
    cursor = index.connection._cursor
    cursor.execute("SELECT key FROM objects ORDER BY key")
    keys = [row[0] for row in cursor.fetchall()]
    assert keys == sorted(keys, key=lambda key: key.encode())
