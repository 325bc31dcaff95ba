"""Targets of notifications: defined by admins, named by buckets."""

from typing import Any

from sqlalchemy import BigInteger, bindparam, delete, insert, select, update

from continuum.model.errors import ConflictError, NotFoundError
from continuum.model.notifications import parse_rules
from continuum.model.objects import Setting
from continuum.store.locator.database import Connection, Statement
from continuum.store.locator.index.buckets import list_buckets
from continuum.store.locator.index.outbox import count_waiting, drop_target
from continuum.store.locator.messages import Target, Targets, TargetStatus
from continuum.store.locator.schema import targets
from continuum.store.locator.sealing import Sealer

LIST_TARGETS = Statement(select(targets).order_by(targets.c.name))
FIND_TARGET = Statement(select(targets).where(targets.c.name == bindparam("name")))
INSERT_TARGET = Statement(insert(targets))
DELETE_TARGET = Statement(delete(targets).where(targets.c.name == bindparam("of_name")))
COUNT_DELIVERIES = Statement(
    update(targets)
    .where(targets.c.name == bindparam("of_name"))
    .values(
        delivered=targets.c.delivered + bindparam("more_delivered", type_=BigInteger),
        dead=targets.c.dead + bindparam("more_dead", type_=BigInteger),
        last_error=bindparam("to_last_error"),
    )
)


def add_target(connection: Connection, sealer: Sealer, target: Target) -> Target:
    """Add a target. Raises `ConflictError` if the name is taken."""
    if connection.row(FIND_TARGET, name=target.name):
        raise ConflictError(f"there is a target {target.name!r} already", hint="choose another name")
    connection.run(
        INSERT_TARGET,
        name=target.name,
        address=target.address,
        ca_pem=target.ca_pem,
        is_acknowledged=int(target.is_acknowledged),
        sealed_secret=sealer.seal(target.secret, _owner(target.name)),
        created_at=target.created_at,
        delivered=0,
        dead=0,
        last_error="",
    )
    return target


def remove_target(connection: Connection, name: str) -> int:
    """Remove a target; return how many events waited for it. Raises `NotFoundError`, and `ConflictError` if a
    bucket uses it."""
    if connection.row(FIND_TARGET, name=name) is None:
        raise NotFoundError(f"there is no target {name!r}")
    users = [
        bucket.name
        for bucket in list_buckets(connection, "").buckets
        if (document := bucket.settings.get(Setting.NOTIFICATION)) is not None
        and any(rule.target == name for rule in parse_rules(document))
    ]
    if users:
        raise ConflictError(
            f"the target {name!r} is used by {', '.join(users[:5])}",
            hint="change the notification configuration of these buckets first",
        )
    connection.run(DELETE_TARGET, of_name=name)
    return drop_target(connection, name)


def list_targets(connection: Connection) -> Targets:
    """Return all targets and how they go."""
    return Targets(targets=tuple(_status(connection, row) for row in connection.rows(LIST_TARGETS)))


def load_targets(connection: Connection, sealer: Sealer) -> tuple[Target, ...]:
    """Return all targets, with their secrets."""
    return tuple(_target(row, sealer) for row in connection.rows(LIST_TARGETS))


def count_deliveries(
    connection: Connection, name: str, *, delivered: int, dead: int, last_error: str
) -> None:
    """Note how it went."""
    connection.run(
        COUNT_DELIVERIES, of_name=name, more_delivered=delivered, more_dead=dead, to_last_error=last_error
    )


def _target(row: tuple[Any, ...], sealer: Sealer) -> Target:
    name, address, ca_pem, is_acknowledged, sealed, created_at, *_ = row
    return Target(
        name=name,
        address=address,
        ca_pem=ca_pem,
        is_acknowledged=bool(is_acknowledged),
        secret=sealer.unseal(sealed, _owner(name)),
        created_at=created_at,
    )


def _status(connection: Connection, row: tuple[Any, ...]) -> TargetStatus:
    name, address, _, is_acknowledged, _, created_at, delivered, dead, last_error = row
    return TargetStatus(
        name=name,
        address=address,
        is_acknowledged=bool(is_acknowledged),
        created_at=created_at,
        waiting=count_waiting(connection, name),
        delivered=delivered,
        dead=dead,
        last_error=last_error,
    )


def _owner(name: str) -> str:
    return f"notification target {name}"
