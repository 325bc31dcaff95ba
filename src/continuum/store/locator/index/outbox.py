"""The outbox: what happened to buckets that somebody wants to be told of, and was not told yet.

An event is written in the transaction that makes it happen, so that none is lost and none is told that did
not happen; it is taken away when its target has it. For one target the events about one key are told in
their order: only the first of those that wait may be sent, and one that fails puts the later ones off.
"""

from collections.abc import Sequence
from functools import lru_cache

import msgspec
from sqlalchemy import BigInteger, bindparam, delete, exists, func, insert, literal, select, update

from continuum.model.notifications import find_targets, parse_rules
from continuum.model.objects import Bucket, Setting, Version
from continuum.store.locator.database import Connection, Statement
from continuum.store.locator.messages import Origin
from continuum.store.locator.schema import outbox

_ONE = literal(1)
_decode_rules = lru_cache(maxsize=1024)(parse_rules)


class Event(msgspec.Struct, frozen=True, array_like=True):
    """What is kept of an event until it is told."""

    name: str
    at: float
    bucket: str
    bucket_owner: str
    region: str
    key: str
    rule_id: str
    origin: Origin
    version_id: str = ""
    etag: str = ""
    size_bytes: int = -1


class Waiting(msgspec.Struct, frozen=True):
    """An event in the outbox. `number` grows, so it tells the order of what happened to a key."""

    number: int
    event: Event
    created_at: float
    attempts: int


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Event).decode

INSERT_EVENT = Statement(
    insert(outbox).values(
        {column.name: bindparam(column.name) for column in outbox.c if column.name != "number"}
    )
)
_EARLIER = outbox.alias("earlier")
LIST_FIRST = Statement(
    select(outbox.c.number, outbox.c.event, outbox.c.created_at, outbox.c.attempts)
    .where(
        outbox.c.target == bindparam("target"),
        outbox.c.due_at <= bindparam("now"),
        ~exists().where(
            _EARLIER.c.target == outbox.c.target,
            _EARLIER.c.bucket == outbox.c.bucket,
            _EARLIER.c.key == outbox.c.key,
            _EARLIER.c.number < outbox.c.number,
        ),
    )
    .order_by(outbox.c.due_at, outbox.c.number)
    .limit(bindparam("count", type_=BigInteger))
)
HAS_DUE = Statement(
    select(_ONE)
    .where(outbox.c.target == bindparam("target"), outbox.c.due_at <= bindparam("now"))
    .limit(_ONE)
)
COUNT_WAITING = Statement(
    select(func.count()).select_from(outbox).where(outbox.c.target == bindparam("target"))
)
DELETE_EVENT = Statement(delete(outbox).where(outbox.c.number == bindparam("of_number")))
DELETE_EVENTS_OF = Statement(delete(outbox).where(outbox.c.target == bindparam("of_target")))
COUNT_ATTEMPT = Statement(
    update(outbox)
    .where(outbox.c.number == bindparam("of_number"))
    .values(attempts=outbox.c.attempts + literal(1))
)
PUT_OFF = Statement(
    update(outbox)
    .where(
        outbox.c.target == bindparam("of_target"),
        outbox.c.bucket == bindparam("of_bucket"),
        outbox.c.key == bindparam("of_key"),
    )
    .values(due_at=bindparam("until"))
)


def note_version(
    connection: Connection, bucket: Bucket, name: str, version: Version, origin: Origin, *, now: float
) -> None:
    """Note that a version was published or changed, if somebody wants to know."""
    if Setting.NOTIFICATION in bucket.settings:
        event = _event(bucket, name, version.key, origin, now)
        described = msgspec.structs.replace(
            event,
            version_id=version.public_id if bucket.versioning else "",
            etag=version.etag,
            size_bytes=version.size_bytes,
        )
        _note(connection, bucket, described)


def note_removal(
    connection: Connection, bucket: Bucket, name: str, place: tuple[str, str], origin: Origin, *, now: float
) -> None:
    """Note that an object or a version of it (`place` is key and version id) was deleted, if somebody wants
    to know."""
    if Setting.NOTIFICATION in bucket.settings:
        key, version_id = place
        event = _event(bucket, name, key, origin, now)
        shown = version_id if bucket.versioning else ""
        _note(connection, bucket, msgspec.structs.replace(event, version_id=shown))


def _event(bucket: Bucket, name: str, key: str, origin: Origin, now: float) -> Event:
    return Event(
        name=name,
        at=now,
        bucket=bucket.name,
        bucket_owner=bucket.owner,
        region=bucket.home,
        key=key,
        rule_id="",
        origin=origin,
    )


def _note(connection: Connection, bucket: Bucket, event: Event) -> None:
    rules = _decode_rules(bucket.settings[Setting.NOTIFICATION])
    for rule in find_targets(rules, event.name, event.key):
        connection.run(
            INSERT_EVENT,
            target=rule.target,
            bucket=event.bucket,
            key=event.key,
            event=_encode(msgspec.structs.replace(event, rule_id=rule.rule_id)),
            created_at=event.at,
            due_at=event.at,
            attempts=0,
        )


def has_due(connection: Connection, target: str, *, now: float) -> bool:
    """Whether something for a target is due."""
    return connection.row(HAS_DUE, target=target, now=now) is not None


def list_first(connection: Connection, target: str, *, now: float, limit: int) -> tuple[Waiting, ...]:
    """Return what may be sent to a target now: of each key the first event, if it is due."""
    rows = connection.rows(LIST_FIRST, target=target, now=now, count=limit)
    return tuple(
        Waiting(number, _decode(event), created_at, attempts) for number, event, created_at, attempts in rows
    )


def count_waiting(connection: Connection, target: str) -> int:
    """Return how many events wait for a target."""
    row = connection.row(COUNT_WAITING, target=target)
    return int(row[0]) if row else 0


def drop_events(connection: Connection, numbers: Sequence[int]) -> None:
    """Take events away: told, or given up."""
    for number in numbers:
        connection.run(DELETE_EVENT, of_number=number)


def put_off(connection: Connection, target: str, waiting: Waiting, *, until: float) -> None:
    """Try an event again at `until`, and what came later about its key after it."""
    event = waiting.event
    connection.run(COUNT_ATTEMPT, of_number=waiting.number)
    connection.run(PUT_OFF, of_target=target, of_bucket=event.bucket, of_key=event.key, until=until)


def drop_target(connection: Connection, target: str) -> int:
    """Take all events of a target away; return how many."""
    return connection.run(DELETE_EVENTS_OF, of_target=target)
