"""The hubs that serve this database: each has a lease in a row here, by the database's own clock.

`statement_timestamp` is the instant at which a statement arrived, before its snapshot was taken: whoever sees
by it that a lease ran out also sees every renewal that was done in time. Registering runs under the writers'
lock, so that a transaction that began its changes later knows of everybody who may have read before.
"""

from typing import Any

import msgspec
from sqlalchemy import Double, bindparam, delete, exists, insert, literal, null, select, update
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from continuum.store.locator.database import Connection, Statement
from continuum.store.locator.schema import hubs, sessions


class _Now(FunctionElement[float]):
    """The database's clock, in seconds since the epoch."""

    type = Double()
    inherit_cache = True


@compiles(_Now)
def _(_element: Any, _compiler: Any, **_options: Any) -> str:
    return "CAST(extract(epoch FROM statement_timestamp()) AS double precision)"


@compiles(_Now, "sqlite")
def _(_element: Any, _compiler: Any, **_options: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


_NOW = _Now()
_YES = literal(1)
_NO = literal(0)

REGISTER = Statement(
    insert(hubs).values(
        epoch=bindparam("epoch"),
        started_at=_NOW,
        expires_at=_NOW + bindparam("lease_s", type_=Double),
        is_condemned=_NO,
    )
)
RENEW = Statement(
    update(hubs)
    .where(hubs.c.epoch == bindparam("of_epoch"), hubs.c.is_condemned == _NO, hubs.c.expires_at > _NOW)
    .values(expires_at=_NOW + bindparam("lease_s", type_=Double))
)
CONDEMN = Statement(update(hubs).where(hubs.c.epoch == bindparam("of_epoch")).values(is_condemned=_YES))
LIST_LIVING = Statement(
    select(hubs.c.epoch).where(hubs.c.expires_at > _NOW).order_by(hubs.c.started_at, hubs.c.epoch)
)
FIND_LIVING = Statement(
    select(hubs.c.epoch).where(hubs.c.epoch == bindparam("epoch"), hubs.c.expires_at > _NOW)
)
LEAVE = Statement(delete(hubs).where(hubs.c.epoch == bindparam("of_epoch")))
FORGET_DEAD = Statement(delete(hubs).where(hubs.c.expires_at < _NOW - bindparam("margin_s", type_=Double)))
TAKE_OVER = Statement(
    update(sessions)
    .where(sessions.c.session_id == bindparam("of_session_id"), sessions.c.ended_at == null())
    .values(hub=bindparam("to_hub"))
    .returning(sessions.c.site)
)
LIST_BEREFT = Statement(
    select(sessions.c.session_id, sessions.c.hub).where(
        sessions.c.ended_at == null(), ~exists().where(hubs.c.epoch == sessions.c.hub)
    )
)


class Bereft(msgspec.Struct, frozen=True):
    """A session whose hub is no more and that no other has taken over."""

    session_id: str
    hub: str


def register(connection: Connection, epoch: str, *, lease_s: float) -> None:
    """Begin to serve. To be run in a writing transaction."""
    connection.run(REGISTER, epoch=epoch, lease_s=lease_s)


def renew(connection: Connection, epoch: str, *, lease_s: float) -> bool:
    """Go on; False if the lease ran out, or another hub asked that it shall."""
    return bool(connection.run(RENEW, of_epoch=epoch, lease_s=lease_s))


def leave(connection: Connection, epoch: str) -> None:
    """Serve no longer; nobody may have a lease from here any more."""
    connection.run(LEAVE, of_epoch=epoch)


def condemn(connection: Connection, epoch: str) -> None:
    """Let the lease of a hub that does not answer run out."""
    connection.run(CONDEMN, of_epoch=epoch)


def list_living(connection: Connection) -> tuple[str, ...]:
    """Return the hubs whose lease holds, the oldest first."""
    return tuple(row[0] for row in connection.rows(LIST_LIVING))


def is_living(connection: Connection, epoch: str) -> bool:
    """Whether the lease of a hub holds."""
    return connection.row(FIND_LIVING, epoch=epoch) is not None


def take_over(connection: Connection, session_id: str, *, epoch: str) -> str | None:
    """Make a session this hub's; return its site, None if it has ended or never was."""
    row = connection.row(TAKE_OVER, of_session_id=session_id, to_hub=epoch)
    return str(row[0]) if row else None


def forget_dead(connection: Connection, *, margin_s: float) -> tuple[Bereft, ...]:
    """Forget hubs whose lease ran out so long ago; return the sessions that have no hub."""
    connection.run(FORGET_DEAD, margin_s=margin_s)
    return tuple(Bereft(*row) for row in connection.rows(LIST_BEREFT))
