"""Sessions and stores as the database remembers them, and the starts of locators.

What a session may serve from its memory is decided in `leases`; here is only whether it has ended, which is
final, and which every change that a session asks for checks in its own transaction.
"""

from typing import Any

import msgspec
from sqlalchemy import Integer, bindparam, delete, exists, insert, literal, null, select, update

from continuum.model.errors import ConflictError
from continuum.model.objects import Store
from continuum.model.sites import Reach
from continuum.store.locator.database import Connection, Statement
from continuum.store.locator.messages import SessionEndedError
from continuum.store.locator.schema import garbage, sessions, starts, stores
from continuum.store.locator.sealing import Sealer

_ONE = literal(1)

INSERT_START = Statement(
    insert(starts).values(
        {column.name: bindparam(column.name) for column in starts.c if column.name != "number"}
    )
)
LAST_START = Statement(select(starts.c.lease_s).order_by(starts.c.number.desc()).limit(_ONE))
FIND_STORE = Statement(select(stores).where(stores.c.name == bindparam("name")))
LIST_STORES = Statement(select(stores).order_by(stores.c.name))
INSERT_STORE = Statement(insert(stores))
UPDATE_STORE = Statement(
    update(stores)
    .where(stores.c.name == bindparam("of_name"))
    .values({column.name: bindparam(f"to_{column.name}") for column in stores.c if column.name != "name"})
)
INSERT_SESSION = Statement(
    insert(sessions).values(
        {column.name: bindparam(column.name) for column in sessions.c if column.name != "ended_at"}
    )
)
FIND_ENDED_AT = Statement(select(sessions.c.ended_at).where(sessions.c.session_id == bindparam("session_id")))
FIND_STORE_OF = Statement(select(sessions.c.store).where(sessions.c.session_id == bindparam("session_id")))
LIST_LIVE = Statement(
    select(sessions.c.session_id, sessions.c.site, sessions.c.store).where(sessions.c.ended_at == null())
)
END_SESSION = Statement(
    update(sessions)
    .where(
        sessions.c.session_id == bindparam("of_session_id"),
        sessions.c.hub == bindparam("of_hub"),
        sessions.c.ended_at == null(),
    )
    .values(ended_at=bindparam("at"))
)
SWEEP_SESSION = Statement(
    insert(garbage).from_select(
        ["store", "physical_bucket", "physical_key", "store_upload_id", "is_prefix", "due_at"],
        select(
            sessions.c.store,
            stores.c.bucket,
            sessions.c.session_id + literal("/"),
            literal(""),
            literal(1, Integer),
            bindparam("due_at"),
        )
        .join_from(sessions, stores, stores.c.name == sessions.c.store)
        .where(sessions.c.session_id == bindparam("of_session_id")),
    )
)
PURGE_SESSIONS = Statement(
    delete(sessions).where(
        sessions.c.ended_at < bindparam("before"),
        ~exists().where(
            garbage.c.store == sessions.c.store,
            garbage.c.physical_key == sessions.c.session_id + literal("/"),
        ),
    )
)


class LiveSession(msgspec.Struct, frozen=True):
    """A session that has not ended: of which site, with which store."""

    session_id: str
    site: str
    store: str


def record_start(connection: Connection, *, epoch: str, now: float, lease_s: float) -> float:
    """Note that a locator starts; return how long leases of the one before it may last (0: none before)."""
    before = connection.row(LAST_START)
    connection.run(INSERT_START, epoch=epoch, started_at=now, lease_s=lease_s)
    return float(before[0]) if before else 0.0


def open_session(
    connection: Connection,
    sealer: Sealer,
    *,
    session_id: str,
    gateway: str,
    store: Store,
    now: float,
    hub: str = "",
) -> None:
    """Note the store as it is now, and the new session. Raises `ConflictError` for another site's store."""
    put_store(connection, sealer, store)
    connection.run(
        INSERT_SESSION,
        session_id=session_id,
        site=store.site,
        gateway=gateway,
        store=store.name,
        opened_at=now,
        hub=hub,
    )


def require_session(connection: Connection, session_id: str) -> None:
    """Raise `SessionEndedError` unless the session goes on."""
    row = connection.row(FIND_ENDED_AT, session_id=session_id)
    if row is None or row[0] is not None:
        raise SessionEndedError(
            "the session has ended", hint="open a new one; what was under way must be done again"
        )


def has_ended(connection: Connection, session_id: str) -> bool:
    """Whether a session was, and has ended."""
    row = connection.row(FIND_ENDED_AT, session_id=session_id)
    return row is not None and row[0] is not None


def find_store_of(connection: Connection, session_id: str) -> str:
    """Return the store of a session, ended or not. Raises `SessionEndedError` if there never was one."""
    row = connection.row(FIND_STORE_OF, session_id=session_id)
    if row is None:
        raise SessionEndedError("there is no such session", hint="open a new one")
    return str(row[0])


def list_live_sessions(connection: Connection) -> tuple[LiveSession, ...]:
    """Return all sessions that have not ended."""
    return tuple(LiveSession(*row) for row in connection.rows(LIST_LIVE))


def end_session(connection: Connection, session_id: str, *, now: float, hub: str = "") -> None:
    """End a session for good and have its store searched for what it left, unless another hub has it now."""
    if connection.run(END_SESSION, of_session_id=session_id, of_hub=hub, at=now):
        connection.run(SWEEP_SESSION, of_session_id=session_id, due_at=now)


def purge_sessions(connection: Connection, *, before: float) -> int:
    """Forget sessions that ended before this instant and whose store was searched since."""
    return connection.run(PURGE_SESSIONS, before=before)


def list_stores(connection: Connection, sealer: Sealer) -> tuple[Store, ...]:
    """Return all stores, with their secrets open."""
    return tuple(_store(row, sealer) for row in connection.rows(LIST_STORES))


def put_store(connection: Connection, sealer: Sealer, store: Store) -> None:
    """Note a store as it is now. Raises `ConflictError` if the name belongs to another one."""
    row = connection.row(FIND_STORE, name=store.name)
    present = _store(row, sealer) if row else None
    if present == store:
        return
    values = msgspec.structs.asdict(store)
    values |= {"is_added": int(store.is_added), "reach": store.reach.value}
    values["sealed_secret_key"] = sealer.seal(values.pop("secret_key"), _owner(store.name))
    if present is None:
        connection.run(INSERT_STORE, **values)
        return
    if present.site != store.site:
        raise ConflictError(f"the store {store.name!r} belongs to the site {present.site!r}")
    if present.is_added != store.is_added:
        raise ConflictError(
            f"the name {store.name!r} is taken by "
            + ("a store that was added" if present.is_added else f"the store of the site {present.site!r}"),
            hint="choose another name",
        )
    del values["name"]
    connection.run(
        UPDATE_STORE, of_name=store.name, **{f"to_{name}": value for name, value in values.items()}
    )


def _store(row: tuple[Any, ...], sealer: Sealer) -> Store:
    name, site, endpoint, region, bucket, access_key, sealed, ca_pem, addressing, *rest = row
    capacity_bytes, is_added, reach = rest
    return Store(
        name=name,
        site=site,
        endpoint=endpoint,
        region=region,
        bucket=bucket,
        access_key=access_key,
        secret_key=sealer.unseal(sealed, _owner(name)),
        ca_pem=ca_pem,
        addressing=addressing,
        capacity_bytes=capacity_bytes,
        is_added=bool(is_added),
        reach=Reach(reach),
    )


def _owner(name: str) -> str:
    return f"store {name}"
