"""Journals of gateways as the index remembers them: how far each was replayed, and what was in conflict.

The number of the last record that was taken in moves on in the transaction that takes it in. That makes a
replay that is cut off, or answered into the void, safe to repeat.
"""

from typing import Any

from sqlalchemy import BigInteger, bindparam, delete, insert, select, update

from continuum.model.errors import ConflictError
from continuum.store.locator.database import Connection, Statement
from continuum.store.locator.index.sessions import INSERT_SESSION, end_session, require_session
from continuum.store.locator.messages import Conflict, FinishJournal, Journals, JournalState, Replay
from continuum.store.locator.schema import conflicts, journals, sessions

LISTED = 100
MAX_CONFLICTS = 100_000
FORGET_EVERY = 1_000
MAX_PROBLEM_CHARACTERS = 500

FIND_JOURNAL = Statement(
    select(
        journals.c.gateway, journals.c.site, journals.c.store, journals.c.replayed, journals.c.finished_at
    ).where(journals.c.journal_id == bindparam("journal_id"))
)
FIND_SESSION = Statement(
    select(sessions.c.gateway, sessions.c.site, sessions.c.store).where(
        sessions.c.session_id == bindparam("session_id")
    )
)
INSERT_JOURNAL = Statement(
    insert(journals).values(
        {column.name: bindparam(column.name) for column in journals.c if column.name != "finished_at"}
    )
)
ADVANCE = Statement(
    update(journals)
    .where(journals.c.journal_id == bindparam("of_journal_id"), journals.c.replayed < bindparam("to_number"))
    .values(replayed=bindparam("to_number"))
)
REPORT = Statement(
    update(journals)
    .where(journals.c.journal_id == bindparam("of_journal_id"))
    .values(waiting=bindparam("to_waiting"), oldest_at=bindparam("to_oldest_at"), reported_at=bindparam("at"))
)
FINISH = Statement(
    update(journals)
    .where(journals.c.journal_id == bindparam("of_journal_id"))
    .values(waiting=bindparam("none"), finished_at=bindparam("at"), reported_at=bindparam("at"))
)
LIST_JOURNALS = Statement(
    select(
        journals.c.journal_id,
        journals.c.gateway,
        journals.c.store,
        journals.c.replayed,
        journals.c.waiting,
        journals.c.oldest_at,
        journals.c.reported_at,
        journals.c.finished_at,
    )
    .where(journals.c.reported_at > bindparam("after"))
    .order_by(journals.c.reported_at.desc())
    .limit(bindparam("count", type_=BigInteger))
)
_CONFLICT = (
    conflicts.c.bucket,
    conflicts.c.key,
    conflicts.c.gateway,
    conflicts.c.outcome,
    conflicts.c.kept_as,
    conflicts.c.written_at,
    conflicts.c.noted_at,
    conflicts.c.problem,
)
INSERT_CONFLICT = Statement(
    insert(conflicts)
    .values({column.name: bindparam(column.name) for column in conflicts.c if column.name != "number"})
    .returning(conflicts.c.number)
)
FORGET_CONFLICTS = Statement(delete(conflicts).where(conflicts.c.number <= bindparam("up_to")))
LIST_CONFLICTS = Statement(
    select(*_CONFLICT)
    .where(conflicts.c.number > bindparam("after"))
    .order_by(conflicts.c.number.desc())
    .limit(bindparam("count", type_=BigInteger))
)
LIST_CONFLICTS_OF = Statement(
    select(*_CONFLICT)
    .where(conflicts.c.bucket == bindparam("bucket"))
    .order_by(conflicts.c.number.desc())
    .limit(bindparam("count", type_=BigInteger))
)


class OpenJournal:
    """A journal that is being replayed: whose it is, and how far it is."""

    def __init__(self, journal_id: str, row: tuple[Any, ...]) -> None:
        self.journal_id = journal_id
        self.gateway: str = row[0]
        self.site: str = row[1]
        self.store: str = row[2]
        self.replayed: int = row[3]


def open_journal(connection: Connection, session_id: str, journal_id: str, *, now: float) -> OpenJournal:
    """Return a journal, noted if it is new. Raises `SessionEndedError` for who has no session, and
    `ConflictError` for another store's or a finished one."""
    require_session(connection, session_id)
    gateway, site, store = connection.rows(FIND_SESSION, session_id=session_id)[0]
    row = connection.row(FIND_JOURNAL, journal_id=journal_id)
    if row is None:
        if connection.row(FIND_SESSION, session_id=journal_id):
            raise ConflictError("a journal cannot have the id of a session")
        connection.run(
            INSERT_JOURNAL,
            journal_id=journal_id,
            gateway=gateway,
            site=site,
            store=store,
            opened_at=now,
            replayed=0,
            waiting=0,
            oldest_at=0.0,
            reported_at=now,
        )
        return OpenJournal(journal_id, (gateway, site, store, 0))
    if row[2] != store or row[4] is not None:
        raise ConflictError("the journal is finished, or of another store")
    return OpenJournal(journal_id, row)


def advance(connection: Connection, journal: OpenJournal, number: int) -> bool:
    """Note that a record is taken in, in the transaction that does so; false if it was before."""
    is_new = connection.run(ADVANCE, of_journal_id=journal.journal_id, to_number=number) > 0
    journal.replayed = max(journal.replayed, number)
    return is_new


def report(connection: Connection, request: Replay, *, now: float) -> None:
    """Note how much of a journal waits, now that the records of a request are taken in."""
    waiting = max(request.waiting - len(request.records), 0)
    connection.run(
        REPORT,
        of_journal_id=request.journal_id,
        to_waiting=waiting,
        to_oldest_at=request.oldest_at if waiting else 0.0,
        at=now,
    )


def finish_journal(connection: Connection, request: FinishJournal, *, now: float) -> None:
    """End a journal as a session ends: what lies under its prefix and nothing points at is searched for."""
    row = connection.row(FIND_JOURNAL, journal_id=request.journal_id)
    if row is not None and row[4] is not None:
        return
    journal = open_journal(connection, request.session_id, request.journal_id, now=now)
    connection.run(FINISH, of_journal_id=journal.journal_id, none=0, at=now)
    connection.run(
        INSERT_SESSION,
        session_id=journal.journal_id,
        site=journal.site,
        gateway=journal.gateway,
        store=journal.store,
        opened_at=now,
        hub="",
    )
    end_session(connection, journal.journal_id, now=now)


def note_conflict(connection: Connection, conflict: Conflict) -> None:
    """Remember a conflict for people to read; of very many the last."""
    number = connection.rows(
        INSERT_CONFLICT,
        bucket=conflict.bucket,
        key=conflict.key,
        gateway=conflict.gateway,
        outcome=conflict.outcome,
        kept_as=conflict.kept_as,
        written_at=conflict.written_at,
        noted_at=conflict.noted_at,
        problem=conflict.problem[:MAX_PROBLEM_CHARACTERS],
    )[0][0]
    if number % FORGET_EVERY == 0:
        connection.run(FORGET_CONFLICTS, up_to=number - MAX_CONFLICTS)


def get_journals(connection: Connection, bucket: str) -> Journals:
    """Return the journals that were heard of last, and the last conflicts of a bucket, or of all."""
    if bucket:
        found = connection.rows(LIST_CONFLICTS_OF, bucket=bucket, count=LISTED)
    else:
        found = connection.rows(LIST_CONFLICTS, after=0, count=LISTED)
    return Journals(
        journals=tuple(_state(row) for row in connection.rows(LIST_JOURNALS, after=0.0, count=LISTED)),
        conflicts=tuple(_conflict(row) for row in found),
    )


def _state(row: tuple[Any, ...]) -> JournalState:
    journal_id, gateway, store, replayed, waiting, oldest_at, reported_at, finished_at = row
    return JournalState(
        journal_id=journal_id,
        gateway=gateway,
        store=store,
        replayed=replayed,
        waiting=waiting,
        oldest_at=oldest_at,
        reported_at=reported_at,
        finished_at=finished_at or 0.0,
    )


def _conflict(row: tuple[Any, ...]) -> Conflict:
    bucket, key, gateway, outcome, kept_as, written_at, noted_at, problem = row
    return Conflict(
        bucket=bucket,
        key=key,
        gateway=gateway,
        outcome=outcome,
        kept_as=kept_as,
        written_at=written_at,
        noted_at=noted_at,
        problem=problem,
    )
