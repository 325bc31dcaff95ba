"""The journal: what was acknowledged while the hub was away and is not replayed yet.

It is a table of the local index, so that a change and its record are one transaction: SQLite in write-ahead
mode with `synchronous=FULL`, whose log has checksums and is cut off where it is torn. Changes that wait
together share one flush of the disk. Every record has a digest of its own besides, since what lies in the
database's pages may rot unseen; a damaged record is set aside, said aloud and never replayed.

The journal's id is the prefix of the physical keys that are written under it. It is a session of the local
index: a journal that is finished is an ended session, so a write that comes too late for it is refused there.
"""

import hashlib
import secrets

import msgspec
from sqlalchemy import (
    BigInteger,
    Column,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    bindparam,
    delete,
    func,
    insert,
    select,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateTable

from continuum.model.errors import UnavailableError
from continuum.model.objects import Store
from continuum.store.locator.database import Connection, Statement
from continuum.store.locator.index.documents import (
    drop_document,
    find_document,
    list_documents,
    put_document,
)
from continuum.store.locator.index.sessions import end_session, open_session
from continuum.store.locator.messages import JournalRecord
from continuum.store.locator.sealing import Sealer

DIGEST_BYTES = 16
CURRENT = "disconnected/journal"
CLOSED = "disconnected/closed/"
_metadata = MetaData()
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(JournalRecord).decode
_decode_current = msgspec.msgpack.Decoder(tuple[str, bool]).decode

journal = Table(
    "journal",
    _metadata,
    Column("number", Integer, primary_key=True),
    Column("journal_id", Text, nullable=False),
    Column("record", LargeBinary, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    sqlite_autoincrement=True,  # a number is never used twice: the locator knows records by it
)
refused = Table(
    "refused",
    _metadata,
    Column("number", Integer, primary_key=True),
    Column("journal_id", Text, nullable=False),
    Column("record", LargeBinary, nullable=False),
    Column("problem", Text, nullable=False),
)

INSERT_RECORD = Statement(
    insert(journal).values(
        {column.name: bindparam(column.name) for column in journal.c if column.name != "number"}
    )
)
LIST_RECORDS = Statement(
    select(journal).order_by(journal.c.number).limit(bindparam("count", type_=BigInteger))
)
FIRST_NUMBER = Statement(select(func.min(journal.c.number)))
LAST_NUMBER = Statement(select(func.max(journal.c.number)))
COUNT_RECORDS = Statement(select(func.count()).select_from(journal))
COUNT_REFUSED = Statement(select(func.count()).select_from(refused))
DELETE_RECORD = Statement(delete(journal).where(journal.c.number == bindparam("of_number")))
INSERT_REFUSED = Statement(insert(refused))
FIND_RECORD = Statement(
    select(journal.c.journal_id, journal.c.record).where(journal.c.number == bindparam("number"))
)


class Entry(msgspec.Struct, frozen=True):
    """A record in the journal; `record` is None if it is damaged."""

    number: int
    journal_id: str
    record: JournalRecord | None
    size_bytes: int = 0


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How much waits in the journal, the oldest since `oldest_at` (0: nothing), and how much was refused."""

    waiting: int = 0
    oldest_at: float = 0.0
    refused: int = 0


def make_tables(connection: Connection) -> None:
    """Make the journal's tables, if they are not there."""
    for table in (journal, refused):
        made = CreateTable(table, if_not_exists=True).compile(dialect=sqlite.dialect())
        connection.say(str(made))


def find_current(connection: Connection) -> str:
    """Return the id of the open journal; empty if there is none."""
    found = _find_current(connection)
    return found[0] if found is not None else ""


def open_current(connection: Connection, sealer: Sealer, store: Store, gateway: str, *, now: float) -> str:
    """Return the id of the journal that is open, a new one if there is none."""
    found = _find_current(connection)
    if found is not None:
        return found[0]
    journal_id = secrets.token_hex(16)
    open_session(connection, sealer, session_id=journal_id, gateway=gateway, store=store, now=now)
    _set_current(connection, journal_id, is_used=False)
    return journal_id


def close_current(connection: Connection, journal_id: str, *, now: float) -> bool:
    """End a journal if nothing of it waits or was refused; what comes late for it is refused from now on."""
    found = _find_current(connection)
    if found is None or found[0] != journal_id or not found[1]:
        return False
    standing = measure(connection)
    if standing.waiting or standing.refused:
        return False
    end_session(connection, journal_id, now=now)
    drop_document(connection, CURRENT)
    put_document(connection, CLOSED + journal_id, b"")
    return True


def list_closed(connection: Connection) -> list[str]:
    """Return the journals that ended here and that the locator was not told of yet."""
    return [name.removeprefix(CLOSED) for name, _ in list_documents(connection, CLOSED)]


def forget_closed(connection: Connection, journal_id: str) -> None:
    """The locator knows that a journal is finished."""
    drop_document(connection, CLOSED + journal_id)


def append(connection: Connection, journal_id: str, record: JournalRecord, *, max_records: int) -> None:
    """Write a record, in the transaction of the change that it tells. Raises `UnavailableError` if the
    journal is full."""
    first, last = connection.rows(FIRST_NUMBER)[0][0], connection.rows(LAST_NUMBER)[0][0]
    if first is not None and last - first + 1 >= max_records:  # counting them all would cost more each time
        raise UnavailableError(
            f"{max_records} changes wait for the hub already, so no more are accepted",
            hint="they are replayed when the hub is back",
        )
    encoded = _encode(record)
    connection.run(INSERT_RECORD, journal_id=journal_id, record=encoded, digest=_digest(journal_id, encoded))
    _set_current(connection, journal_id, is_used=True)


def list_entries(connection: Connection, count: int) -> list[Entry]:
    """Return the oldest records, each with its number."""
    return [_open(*row) for row in connection.rows(LIST_RECORDS, count=count)]


def drop(connection: Connection, numbers: list[int]) -> None:
    """Forget records that are replayed."""
    for number in numbers:
        connection.run(DELETE_RECORD, of_number=number)


def set_aside(connection: Connection, number: int, problem: str) -> None:
    """Keep a record that cannot be replayed, out of the way of the others."""
    row = connection.row(FIND_RECORD, number=number)
    if row is not None:
        connection.run(INSERT_REFUSED, number=number, journal_id=row[0], record=row[1], problem=problem)
        connection.run(DELETE_RECORD, of_number=number)


def measure(connection: Connection) -> Standing:
    """Return how much waits."""
    counted, aside = connection.row(COUNT_RECORDS), connection.row(COUNT_REFUSED)
    first = list_entries(connection, 1)
    record = first[0].record if first else None
    return Standing(
        waiting=counted[0] if counted else 0,
        oldest_at=record.at if record is not None else 0.0,
        refused=aside[0] if aside else 0,
    )


def _open(number: int, journal_id: str, encoded: bytes, digest: bytes) -> Entry:
    if _digest(journal_id, encoded) != digest:
        return Entry(number, journal_id, None)
    try:
        record = _decode(encoded)
    except msgspec.MsgspecError:
        return Entry(number, journal_id, None)
    whole = msgspec.structs.replace(record, number=number)
    return Entry(number, journal_id, whole, len(encoded))


def _digest(journal_id: str, encoded: bytes) -> bytes:
    return hashlib.blake2b(encoded, digest_size=DIGEST_BYTES, key=journal_id.encode()).digest()


def _find_current(connection: Connection) -> tuple[str, bool] | None:
    document = find_document(connection, CURRENT)
    return _decode_current(document) if document is not None else None


def _set_current(connection: Connection, journal_id: str, *, is_used: bool) -> None:
    if _find_current(connection) != (journal_id, is_used):
        put_document(connection, CURRENT, _encode((journal_id, is_used)))
