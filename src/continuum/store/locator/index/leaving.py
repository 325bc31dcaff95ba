"""Sites that leave: what their own stores alone hold, and forgetting these stores.

Stores that were added near a site are not the site's own: they stay, and copies in them count.
"""

from sqlalchemy import ColumnElement, ScalarSelect, Select, bindparam, delete, exists, func, select

from continuum.store.locator.database import Connection, Statement
from continuum.store.locator.messages import ForgetSite, ListSoleCopies, SiteForgotten, SoleCopies, SoleCopy
from continuum.store.locator.schema import (
    copies,
    garbage,
    jobs,
    replicas,
    sessions,
    stores,
    uploads,
    versions,
    write_backs,
)


def _own() -> Select[tuple[str]]:
    return select(stores.c.name).where(stores.c.site == bindparam("of_site"), stores.c.is_added == 0)


def _has_other(version: ColumnElement[int] | ScalarSelect[int]) -> ColumnElement[bool]:
    others = replicas.alias()
    return exists(
        select(others.c.version).where(
            others.c.version == version, others.c.bad_at.is_(None), others.c.store.not_in(_own())
        )
    )


def _is_sole() -> ColumnElement[bool]:
    mine = replicas.alias()
    is_there = exists(
        select(mine.c.version).where(mine.c.version == versions.c.number, mine.c.store.in_(_own()))
    )
    return versions.c.ended_at.is_(None) & is_there & ~_has_other(versions.c.number)


LIST_SOLE = Statement(
    select(versions.c.bucket, func.count(), func.sum(versions.c.size_bytes))
    .where(_is_sole())
    .group_by(versions.c.bucket)
    .order_by(versions.c.bucket)
)
COUNT_SOLE = Statement(select(func.count()).select_from(versions).where(_is_sole()))
COUNT_COPIES = Statement(select(func.count()).select_from(replicas).where(replicas.c.store.in_(_own())))
DELETE_COPIES = Statement(
    delete(replicas).where(replicas.c.store.in_(_own()), _has_other(replicas.c.version))
)
DELETE_ENDED = Statement(
    delete(replicas).where(
        replicas.c.store.in_(_own()),
        replicas.c.version.in_(select(versions.c.number).where(versions.c.ended_at.is_not(None))),
    )
)
DELETE_WORK = tuple(
    Statement(delete(table).where(table.c.store.in_(_own())))
    for table in (copies, garbage, jobs, write_backs)
)
DELETE_SESSIONS = Statement(
    delete(sessions).where(sessions.c.site == bindparam("of_site"), sessions.c.store.in_(_own()))
)
IS_USED = Statement(
    select(
        exists(select(replicas.c.version).where(replicas.c.store.in_(_own())))
        | exists(select(uploads.c.store).where(uploads.c.store.in_(_own())))
        | exists(
            select(sessions.c.session_id).where(
                sessions.c.store.in_(_own()), sessions.c.site != bindparam("of_site")
            )
        )
    )
)
DELETE_STORES = Statement(delete(stores).where(stores.c.site == bindparam("of_site"), stores.c.is_added == 0))


def list_sole_copies(connection: Connection, request: ListSoleCopies) -> SoleCopies:
    """Return by bucket what has no good copy but in the own store of a site. Reads a row for each version."""
    rows = connection.rows(LIST_SOLE, of_site=request.site)
    return SoleCopies(
        buckets=tuple(
            SoleCopy(bucket=bucket, versions=int(count), size_bytes=int(size)) for bucket, count, size in rows
        )
    )


def forget_site(connection: Connection, request: ForgetSite) -> SiteForgotten:
    """Forget the own store of a site, and the site's sessions, as far as nothing needs them."""
    site = request.site
    before = _count(connection, COUNT_COPIES, site)
    connection.run(DELETE_COPIES, of_site=site)
    connection.run(DELETE_ENDED, of_site=site)
    for statement in DELETE_WORK:
        connection.run(statement, of_site=site)
    lost = _count(connection, COUNT_SOLE, site)
    is_used = bool(_count(connection, IS_USED, site))
    if not is_used:
        connection.run(DELETE_SESSIONS, of_site=site)
        connection.run(DELETE_STORES, of_site=site)
    return SiteForgotten(copies=before - _count(connection, COUNT_COPIES, site), lost=lost, has_store=is_used)


def _count(connection: Connection, statement: Statement, site: str) -> int:
    row = connection.row(statement, of_site=site)
    return int(row[0]) if row is not None else 0
