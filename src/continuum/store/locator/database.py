"""The database beneath the index: connections, transactions, statements, migrations.

SQL is described with SQLAlchemy Core and compiled once per database; then the driver executes it directly.
Measured here, the hot path needs that: a point lookup takes 5 µs through the driver and 19 µs through
SQLAlchemy's own `execute`, and a commit has nine statements. All of that bypass is in this file; nobody else
writes SQL text.

SQLite runs in WAL mode with `synchronous=FULL`: a commit returns when it is on the disk, and readers, each
on a connection of its own, see the last commit and never wait for the writer. The driver is put into
autocommit; transactions are begun and ended in so many words. What the driver raises becomes
`IndexUnavailableError` (full or read-only disk, lock, broken connection): nothing was changed, and the same
request may succeed later.

One locator at a time may use an SQLite database, since the table of leases is in its memory: a lock on a file
beside the database keeps a second one out. PostgreSQL serves several at once (see `peers`). The index is
written for one writer at a time; there that is true because every writing transaction begins by taking one
advisory lock, which it holds until it has been committed and can be seen. Group commit (`writing`) makes
that cheap. A hub that stops in the middle of a transaction is cut off by the server after a while.

PostgreSQL's planner is told to look up by index and nothing else: every statement has one (a test checks
that), and a plan that depends on statistics would be a different one some day.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.util.exc import CommandError
from sqlalchemy import URL, Engine, create_engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.pool import NullPool
from sqlalchemy.sql.expression import ClauseElement

from continuum.model.errors import ConflictError, InvalidInputError, UnavailableError

# "ctnm": any fixed number that no other program takes as its advisory lock.
ADVISORY_LOCK = 0x63746E6D
_BEGIN_ALONE = f"BEGIN; SELECT pg_advisory_xact_lock({ADVISORY_LOCK})"
SQLITE_CACHE_KIB = 65_536
# Pages in the log before they are moved into the database, about 64 MB. SQLite's own 1,000 (every hundredth
# commit) halved the rate of commits into a large index, and made one in a hundred wait 97 instead of 21 ms.
SQLITE_LOG_PAGES = 16_000
SQLITE_STATEMENTS = 256  # prepared statements kept per connection; the index has fewer
POSTGRESQL_CONNECT_S = 5
POSTGRESQL_STATEMENT_S = 60  # pages and counts take milliseconds; this ends what went wrong
POSTGRESQL_IDLE_S = 5  # how long a hub that stopped in the middle of a transaction keeps the others waiting


class IndexUnavailableError(UnavailableError):
    """The database cannot be read or written now: disk full, read-only, locked, or not reachable."""

    code = "Unavailable"


class Statement:
    """One SQL statement of the index, with named parameters; compiled where it is first used."""

    def __init__(self, clause: ClauseElement) -> None:
        self.clause = clause


class _Compiled:
    """What the driver needs: the text, and the parameters' names in their order (None: by name)."""

    def __init__(self, statement: Statement, engine: Engine) -> None:
        compiled = statement.clause.compile(dialect=engine.dialect)
        self.text = str(compiled)
        self._constants: dict[str, Any] = {
            name: value for name, value in (compiled.params or {}).items() if value is not None
        }
        self._order: list[str] | None = getattr(compiled, "positiontup", None)

    def arguments(self, values: dict[str, Any]) -> Any:
        if self._constants:
            values = self._constants | values
        if self._order is None:
            return values
        return [values[name] for name in self._order]


class Connection:
    """One connection to the database, for one thread at a time."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._errors: type[Exception] = engine.dialect.loaded_dbapi.Error
        self._conflicts: type[Exception] = engine.dialect.loaded_dbapi.IntegrityError
        self._compiled: dict[Statement, _Compiled] = {}
        with _translated(DBAPIError):
            self._holder = engine.raw_connection()
        self._cursor: Any = self._holder.cursor()

    def rows(self, statement: Statement, **values: Any) -> list[tuple[Any, ...]]:
        """Execute and return all rows."""
        self._execute(statement, values)
        try:
            rows: list[tuple[Any, ...]] = self._cursor.fetchall()
        except self._errors as problem:  # a damaged file shows where it is met
            raise _unavailable(problem) from problem
        return rows

    def row(self, statement: Statement, **values: Any) -> tuple[Any, ...] | None:
        """Execute and return the first row, if there is one."""
        rows = self.rows(statement, **values)
        return rows[0] if rows else None

    def run(self, statement: Statement, **values: Any) -> int:
        """Execute and return how many rows changed."""
        self._execute(statement, values)
        return int(self._cursor.rowcount)

    def _execute(self, statement: Statement, values: dict[str, Any]) -> None:
        compiled = self._compiled.get(statement)
        if compiled is None:
            compiled = self._compiled[statement] = _Compiled(statement, self._engine)
        try:
            self._cursor.execute(compiled.text, compiled.arguments(values))
        except self._conflicts as problem:
            raise ConflictError(f"the change contradicts what is in the database: {problem}") from problem
        except self._errors as problem:
            raise _unavailable(problem) from problem

    def say(self, sql: str) -> None:
        """Execute words that control the connection or the transaction."""
        try:
            self._cursor.execute(sql)
        except self._errors as problem:
            raise _unavailable(problem) from problem

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """Execute SQL as it stands, for what is done to whole tables (`backups`); return all rows."""
        self.say(sql)
        rows: list[tuple[Any, ...]] = self._cursor.fetchall()
        return rows

    def load(self, sql: str, rows: Iterable[tuple[Any, ...]]) -> None:
        """Send rows to PostgreSQL's `COPY ... FROM STDIN`."""
        try:
            with self._cursor.copy(sql) as copy:
                for row in rows:
                    copy.write_row(row)
        except self._errors as problem:
            raise _unavailable(problem) from problem

    @contextlib.contextmanager
    def streaming(self, sql: str, count: int) -> Iterator[Iterator[list[tuple[Any, ...]]]]:
        """Give the rows of PostgreSQL in pages of `count`, in the transaction that is open."""
        cursor: Any = self._holder.driver_connection.cursor(name="streaming")  # type: ignore[union-attr]
        try:
            with _translated(self._errors), cursor:
                cursor.execute(sql)
                yield iter(lambda: cursor.fetchmany(count), [])
        except self._errors as problem:
            raise _unavailable(problem) from problem

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Run the block in a transaction that may write; an error inside undoes all of it."""
        self.say("BEGIN IMMEDIATE" if self.is_sqlite else _BEGIN_ALONE)
        with self._ending():
            yield

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Run the block over one snapshot."""
        self.say("BEGIN" if self.is_sqlite else "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        with self._ending():
            yield

    @contextlib.contextmanager
    def _ending(self) -> Iterator[None]:
        try:
            yield
            self.say("COMMIT")
        except BaseException:
            # The database may have rolled back by itself (a full disk does that in SQLite).
            with contextlib.suppress(UnavailableError):
                self.say("ROLLBACK")
            raise

    @contextlib.contextmanager
    def saving(self) -> Iterator[None]:
        """Run the block such that an error inside undoes the block, not the transaction around it."""
        self.say("SAVEPOINT request")
        try:
            yield
        except BaseException:
            self.say("ROLLBACK TO SAVEPOINT request")
            self.say("RELEASE SAVEPOINT request")
            raise
        self.say("RELEASE SAVEPOINT request")

    @property
    def is_sqlite(self) -> bool:
        """Whether this is SQLite."""
        return self._engine.dialect.name == "sqlite"

    def close(self) -> None:
        """Close; an open transaction is undone."""
        with contextlib.suppress(self._errors):
            self._cursor.close()
            self._holder.close()


class Database:
    """A database by its URL: `open` locks and migrates it, `connect` gives connections, `close` lets go."""

    def __init__(self, url: str, *, busy_timeout_s: float = 5.0) -> None:
        self._url = _parse_url(url)
        self._busy_timeout_s = busy_timeout_s
        self._engine = _engine(self._url, busy_timeout_s)
        self._lock: int | None = None

    @property
    def is_sqlite(self) -> bool:
        """Whether this is SQLite."""
        return self._engine.dialect.name == "sqlite"

    @property
    def path(self) -> Path:
        """The file of an SQLite database."""
        return Path(self._url.database or "")

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep hubs out of an SQLite database for the length of a block. Raises `ConflictError`."""
        self._take_lock()
        try:
            yield
        finally:
            self.close()

    def open(self) -> None:
        """Take the lock, make the folder and the tables. Raises `ConflictError`, `UnavailableError`."""
        self._take_lock()
        try:
            migrate(self._engine)
        except BaseException:
            self.close()
            raise

    def connect(self) -> Connection:
        """Return a new connection, set up as the module says."""
        connection = Connection(self._engine)
        if connection.is_sqlite:
            for pragma in _sqlite_pragmas(self._busy_timeout_s):
                connection.say(pragma)
        return connection

    def close(self) -> None:
        """Give the lock back."""
        if self._lock is not None:
            os.close(self._lock)
        self._lock = None
        self._engine.dispose()

    def _take_lock(self) -> None:
        if not self.is_sqlite:
            return
        if self._url.database in {None, "", ":memory:"}:
            raise InvalidInputError(
                "the index needs a file, not memory", hint="sqlite:////path/of/the.sqlite"
            )
        self._lock = _lock_file(Path(f"{self._url.database}.lock"))


def migrate(engine: Engine) -> None:
    """Bring the tables to the newest step, in one transaction: a crash in the middle leaves the old ones."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    with _translated(DBAPIError), engine.connect() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if engine.dialect.name == "sqlite" else _BEGIN_ALONE)
        if engine.dialect.name != "sqlite":
            connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as problem:
            raise ConflictError(
                f"the database was made by a newer version: {problem}",
                hint="install that version or a newer one",
            ) from problem
        connection.exec_driver_sql("COMMIT")


def _parse_url(text: str) -> URL:
    try:
        url = make_url(text)
        return url.set(drivername="postgresql+psycopg") if url.drivername == "postgresql" else url
    except ArgumentError as problem:
        raise InvalidInputError(
            "the database URL cannot be read",
            hint="for example sqlite:////var/lib/continuum/continuum.sqlite",
        ) from problem


def _engine(url: URL, busy_timeout_s: float) -> Engine:
    options: dict[str, Any] = {"isolation_level": "AUTOCOMMIT"}
    if url.get_backend_name() == "sqlite":
        options["connect_args"] = {
            "check_same_thread": False,
            "cached_statements": SQLITE_STATEMENTS,
            "timeout": busy_timeout_s,
        }
    elif url.get_backend_name() == "postgresql":
        options["connect_args"] = _postgresql_arguments(busy_timeout_s)
        options["use_native_hstore"] = False  # it would ask the server for a type that is not used
    try:
        return create_engine(url, poolclass=NullPool, **options)
    except (NoSuchModuleError, ImportError) as problem:
        raise InvalidInputError(
            f"no driver for the database {url.drivername!r}",
            hint="use sqlite, or for PostgreSQL: pip install 'extract-continuum[postgresql]'",
        ) from problem


def _postgresql_arguments(busy_timeout_s: float) -> dict[str, Any]:
    settings = {
        "synchronous_commit": "on",
        "lock_timeout": f"{int(busy_timeout_s * 1000)}",
        "statement_timeout": f"{POSTGRESQL_STATEMENT_S * 1000}",
        "idle_in_transaction_session_timeout": f"{POSTGRESQL_IDLE_S * 1000}",
        "jit": "off",
        **dict.fromkeys(
            (
                *("enable_seqscan", "enable_bitmapscan", "enable_sort"),
                *("enable_hashjoin", "enable_mergejoin", "enable_material"),
            ),
            "off",
        ),
    }
    return {
        "connect_timeout": POSTGRESQL_CONNECT_S,
        "tcp_user_timeout": POSTGRESQL_CONNECT_S * 1000,
        "options": " ".join(f"-c {name}={value}" for name, value in settings.items()),
    }


def _sqlite_pragmas(busy_timeout_s: float) -> tuple[str, ...]:
    return (
        "PRAGMA journal_mode=WAL",
        "PRAGMA synchronous=FULL",
        "PRAGMA foreign_keys=ON",
        f"PRAGMA busy_timeout={int(busy_timeout_s * 1000)}",
        f"PRAGMA cache_size=-{SQLITE_CACHE_KIB}",
        f"PRAGMA wal_autocheckpoint={SQLITE_LOG_PAGES}",
        "PRAGMA temp_store=MEMORY",
    )


def _lock_file(path: Path) -> int:
    """Lock the file beside the database; the lock ends with the process, however that ends."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as problem:
        raise IndexUnavailableError(
            f"the folder {path.parent} cannot be used for the database: {problem.strerror}",
            hint="give the hub a folder that it may write to",
        ) from problem
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as problem:
        os.close(descriptor)
        raise _in_use(str(path)) from problem
    return descriptor


def _in_use(what: str) -> ConflictError:
    return ConflictError(
        f"another hub uses the database ({what})", hint="stop it first, or give each its own database"
    )


@contextlib.contextmanager
def _translated(errors: type[Exception]) -> Iterator[None]:
    try:
        yield
    except errors as problem:
        raise _unavailable(problem) from problem


def _unavailable(problem: Exception) -> IndexUnavailableError:
    cause = getattr(problem, "orig", None) or problem
    return IndexUnavailableError(
        f"the index cannot be used now: {cause}",
        hint="the hub's disk may be full or read-only; its log says more",
    )
