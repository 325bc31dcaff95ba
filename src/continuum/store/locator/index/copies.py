"""The queue of copies that policies ask for: claimed like garbage, tried again with growing pauses, shown."""

from sqlalchemy import bindparam, case, delete, func, select, update

from continuum.model.objects import Bucket, Setting
from continuum.store.locator.database import Connection, Statement
from continuum.store.locator.index.buckets import require_bucket
from continuum.store.locator.index.objects import look_up
from continuum.store.locator.index.placements import (
    SET_EXPIRY,
    find_continuum_policy,
    plan,
    queue_missing,
    read_places,
)
from continuum.store.locator.index.versions import find_by_id, find_current
from continuum.store.locator.messages import (
    ClaimCopies,
    Copies,
    CopyFailure,
    CopyItem,
    DescribeObject,
    Lag,
    LookUp,
    ObjectDescription,
    Placed,
    PlaceObjects,
    Policies,
    StoreLag,
    WaitingCopy,
)
from continuum.store.locator.schema import copies, objects

FIRST_PAUSE_S = 2.0
LONGEST_PAUSE_S = 300.0
MAX_PROBLEM_CHARACTERS = 500

LIST_DUE = Statement(
    select(copies.c.number, copies.c.version_id)
    .where(copies.c.store == bindparam("store"), copies.c.due_at <= bindparam("now"))
    .order_by(copies.c.due_at)
    .limit(bindparam("limit"))
)
HAS_DUE = Statement(
    select(copies.c.number)
    .where(copies.c.store == bindparam("store"), copies.c.due_at <= bindparam("now"))
    .limit(bindparam("limit"))
)
CLAIM = Statement(
    update(copies).where(copies.c.number == bindparam("of_number")).values(due_at=bindparam("until"))
)
DELETE_ITEM = Statement(delete(copies).where(copies.c.number == bindparam("of_number")))
FIND_TRIES = Statement(select(copies.c.tries).where(copies.c.number == bindparam("number")))
FAIL = Statement(
    update(copies)
    .where(copies.c.number == bindparam("of_number"))
    .values(due_at=bindparam("until"), tries=bindparam("to_tries"), problem=bindparam("to_problem"))
)
LAG = Statement(
    select(
        copies.c.store,
        func.count(),
        func.sum(case((copies.c.tries > 0, 1), else_=0)),
        func.min(copies.c.created_at),
        func.max(copies.c.problem),
    )
    .where(copies.c.bucket == bindparam("bucket"))
    .group_by(copies.c.store)
    .order_by(copies.c.store)
)
LIST_WAITING = Statement(
    select(copies.c.store, copies.c.created_at, copies.c.tries, copies.c.problem)
    .where(copies.c.version_id == bindparam("version_id"))
    .order_by(copies.c.store)
)
LIST_KEYS = Statement(
    select(objects.c.key)
    .where(objects.c.bucket == bindparam("bucket"), objects.c.key > bindparam("after"))
    .order_by(objects.c.key)
    .limit(bindparam("limit"))
)


def has_due(connection: Connection, store: str, *, now: float) -> bool:
    """Whether there is anything to claim; a read, so that asking in vain does not write."""
    return connection.row(HAS_DUE, store=store, now=now, limit=1) is not None


def claim_copies(connection: Connection, request: ClaimCopies, *, now: float, claim_s: float) -> Copies:
    """Give out the copies that a store needs. Items whose version has ended, or whose copy is there, end."""
    items = []
    for number, version_id in connection.rows(LIST_DUE, store=request.store, now=now, limit=request.limit):
        row = find_by_id(connection, version_id)
        present = row is not None and any(each.store == request.store for each in row.version.replicas)
        if row is None or row.is_ended or present:
            connection.run(DELETE_ITEM, of_number=number)
            if row is not None and present:  # a cached copy that is needed from now on
                connection.run(SET_EXPIRY, of_version=row.number, of_store=request.store, to_expiry=None)
            continue
        connection.run(CLAIM, of_number=number, until=now + claim_s)
        items.append(CopyItem(item_id=number, version=row.version))
    return Copies(items=tuple(items))


def report_copies(connection: Connection, failures: tuple[CopyFailure, ...], *, now: float) -> None:
    """Note why copies were not made, and when to try again."""
    for failure in failures:
        row = connection.row(FIND_TRIES, number=failure.item_id)
        if row is not None:
            pause_s = min(FIRST_PAUSE_S * 2 ** min(row[0], 16), LONGEST_PAUSE_S)
            connection.run(
                FAIL,
                of_number=failure.item_id,
                until=now + pause_s,
                to_tries=row[0] + 1,
                to_problem=failure.problem[:MAX_PROBLEM_CHARACTERS],
            )


def get_lag(connection: Connection, bucket: str, *, now: float) -> Lag:
    """Return what waits of a bucket, per store. Raises `NoSuchBucketError`."""
    require_bucket(connection, bucket)
    rows = connection.rows(LAG, bucket=bucket)
    return Lag(
        now=now,
        stores=tuple(
            StoreLag(store=store, waiting=count, failing=failing, oldest_at=oldest_at, problem=problem)
            for store, count, failing, oldest_at, problem in rows
        ),
    )


def get_policies(connection: Connection, bucket: str) -> Policies:
    """Return the documents. Raises `NoSuchBucketError`."""
    continuum = find_continuum_policy(connection)
    if not bucket:
        return Policies(continuum=continuum)
    found = require_bucket(connection, bucket)
    return Policies(bucket=found.settings.get(Setting.PLACEMENT, b""), continuum=continuum)


def place_objects(connection: Connection, request: PlaceObjects, *, now: float) -> Placed:
    """Do for a page of existing objects what a commit does for new ones. Raises `NoSuchBucketError`."""
    bucket = require_bucket(connection, request.bucket)
    keys = [
        key
        for (key,) in connection.rows(
            LIST_KEYS, bucket=request.bucket, after=request.after, limit=request.limit
        )
    ]
    queued = sum(_place_object(connection, bucket, key, now=now) for key in keys)
    is_full = len(keys) >= request.limit
    return Placed(objects=len(keys), queued=queued, next_after=keys[-1] if is_full else "")


def _place_object(connection: Connection, bucket: Bucket, key: str, *, now: float) -> int:
    row = find_current(connection, bucket.name, key)
    if row is None:
        return 0
    places = read_places(connection, find_continuum_policy(connection))
    _, placement = plan(bucket, row.version, places)
    for replica in row.version.replicas:
        is_needed = places.site_of(replica.store) in placement.sites
        if is_needed == bool(replica.expires_at) and places.is_placed(replica):
            to_expiry = None if is_needed else now
            connection.run(SET_EXPIRY, of_version=row.number, of_store=replica.store, to_expiry=to_expiry)
    return queue_missing(connection, row.version, placement, places, now=now)


def describe_object(connection: Connection, request: DescribeObject, *, now: float) -> ObjectDescription:
    """Return what decides where the copies of an object are. Raises `NoSuchBucketError`, `NoSuchKeyError`."""
    version = look_up(
        connection, LookUp(bucket=request.bucket, key=request.key, version_id=request.version_id)
    )
    policies = get_policies(connection, request.bucket)
    return ObjectDescription(
        version=version,
        home=require_bucket(connection, request.bucket).home,
        policies=policies,
        stores=read_places(connection, policies.continuum).stores,
        waiting=tuple(
            WaitingCopy(store=store, since=since, tries=tries, problem=problem)
            for store, since, tries, problem in connection.rows(LIST_WAITING, version_id=version.version_id)
        ),
        now=now,
    )
