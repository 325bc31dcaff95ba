"""What policies decide about the copies of a version, in the transaction in which it counts.

A commit queues the copies that the bucket's policy asks for; a copy that is added ends its item. A cached
copy goes after its time only if, as things are in that transaction, it is not the last one, not one that the
placement needs, and all that the placement needs are there (`continuum.model.policies.placing`).
"""

from typing import Any

import msgspec
from sqlalchemy import bindparam, delete, func, insert, literal, select, update

from continuum.model.objects import Bucket, Replica, Setting, Version
from continuum.model.policies.documents import (
    ContinuumPolicy,
    Effective,
    read_bucket_policy,
    read_continuum_policy,
    resolve,
)
from continuum.model.policies.placing import Placement, find_reason_to_keep, plan_placement
from continuum.model.policies.prices import SiteFacts, select_attributes
from continuum.store.locator.database import Connection, Statement
from continuum.store.locator.index.buckets import find_bucket
from continuum.store.locator.index.documents import drop_document, find_document, put_document
from continuum.store.locator.index.garbage import insert_garbage
from continuum.store.locator.index.versions import Row, find_by_number
from continuum.store.locator.messages import StorePlace
from continuum.store.locator.schema import copies, replicas, stores, versions

CONTINUUM = "placement"
LATER_S = 3.0  # a copy that must stay because others are missing is looked at again after this
_ONE = literal(1)
_AT = (replicas.c.version == bindparam("of_version"), replicas.c.store == bindparam("of_store"))

LIST_PLACES = Statement(
    select(
        stores.c.name,
        stores.c.site,
        stores.c.region,
        stores.c.bucket,
        stores.c.is_added,
        stores.c.capacity_bytes,
    ).order_by(stores.c.name)
)
FIND_COPY = Statement(
    select(copies.c.number).where(
        copies.c.version_id == bindparam("version_id"), copies.c.store == bindparam("store")
    )
)
INSERT_COPY = Statement(
    insert(copies).values(
        {column.name: bindparam(column.name) for column in copies.c if column.name != "number"}
    )
)
END_COPY = Statement(
    delete(copies).where(
        copies.c.version_id == bindparam("of_version_id"), copies.c.store == bindparam("of_store")
    )
)
LIST_EXPIRED = Statement(
    select(replicas.c.version)
    .where(
        replicas.c.store == bindparam("store"),
        replicas.c.expires_at.is_not(None),
        replicas.c.expires_at <= bindparam("before"),
    )
    .order_by(replicas.c.expires_at)
    .limit(bindparam("limit"))
)
HAS_EXPIRED = Statement(
    select(_ONE)
    .where(
        replicas.c.store == bindparam("store"),
        replicas.c.expires_at.is_not(None),
        replicas.c.expires_at <= bindparam("before"),
    )
    .limit(_ONE)
)
SET_EXPIRY = Statement(update(replicas).where(*_AT).values(expires_at=bindparam("to_expiry")))
KEEP = Statement(
    update(replicas)
    .where(
        replicas.c.version
        == select(versions.c.number).where(versions.c.version_id == bindparam("of_id")).scalar_subquery(),
        replicas.c.store == bindparam("of_store"),
        replicas.c.expires_at.is_not(None),
    )
    .values(expires_at=bindparam("to_expiry"))
)
DELETE_REPLICA = Statement(delete(replicas).where(*_AT))
USED_BYTES = Statement(
    select(func.coalesce(func.sum(versions.c.size_bytes), 0))
    .select_from(replicas.join(versions, versions.c.number == replicas.c.version))
    .where(replicas.c.store == bindparam("store"))
)


class Places(msgspec.Struct, frozen=True):
    """The stores, and the policy of the continuum."""

    stores: tuple[StorePlace, ...]
    continuum: ContinuumPolicy

    def site_of(self, store: str) -> str:
        """The site of a store; empty if it is not known."""
        return next((each.site for each in self.stores if each.name == store), "")

    def store_of(self, site: str) -> str:
        """The store of a site that copies are placed in."""
        return next(each.name for each in self.stores if each.site == site and each.is_own)

    def find_capacity(self, place: StorePlace) -> SiteFacts:
        """Return how much a store may hold and its marks: what the policy says of its site (that is: of the
        site's own store), else what the store was given."""
        facts = self.continuum.full_prices().sites.get(place.site, SiteFacts())
        if place.is_own and facts.capacity:
            return facts
        return msgspec.structs.replace(facts, capacity=str(place.capacity_bytes or ""))

    def is_placed(self, replica: Replica) -> bool:
        """Whether what lies there was put there by the platform, so that it may be removed."""
        where = (replica.store, replica.bucket)
        return not replica.etag and any((each.name, each.bucket) == where for each in self.stores)

    def sites(self) -> dict[str, dict[str, str]]:
        """The attributes of the sites that copies can be placed at."""
        facts = self.continuum.full_prices().sites
        return {
            each.site: select_attributes(each.site, facts, each.region) for each in self.stores if each.is_own
        }


def find_continuum_policy(connection: Connection) -> bytes:
    """Return the continuum's document; empty if none is set."""
    return find_document(connection, CONTINUUM) or b""


def set_continuum_policy(connection: Connection, document: bytes) -> None:
    """Set the continuum's document, or take it away."""
    if document:
        put_document(connection, CONTINUUM, document)
    else:
        drop_document(connection, CONTINUUM)


def read_places(connection: Connection, document: bytes) -> Places:
    """Return the stores and the policy."""
    rows = connection.rows(LIST_PLACES)
    return Places(tuple(_place(row) for row in rows), read_continuum_policy(document))


def _place(row: tuple[Any, ...]) -> StorePlace:
    name, site, region, bucket, is_added, capacity_bytes = row
    return StorePlace(
        name=name,
        site=site,
        region=region,
        bucket=bucket,
        is_own=not is_added and bool(bucket),
        capacity_bytes=capacity_bytes,
    )


def find_policy(connection: Connection, bucket: Bucket) -> tuple[bytes, bytes]:
    """Return the documents of a bucket and of the continuum."""
    return bucket.settings.get(Setting.PLACEMENT, b""), find_continuum_policy(connection)


def plan(bucket: Bucket, version: Version, places: Places) -> tuple[Effective, Placement]:
    """Return what holds for a version and which sites need a copy."""
    document = read_bucket_policy(bucket.settings.get(Setting.PLACEMENT, b""))
    policy = resolve(document, places.continuum, key=version.key, tags=version.attributes.tags)
    holding = [places.site_of(replica.store) for replica in version.replicas]
    placement = plan_placement(
        policy,
        written_at=holding[0] if holding else bucket.home,
        home=bucket.home,
        sites=places.sites(),
        prices=places.continuum.full_prices(),
        holding=holding,
    )
    return policy, placement


def place_version(connection: Connection, bucket: Bucket, version: Version, *, now: float) -> Version:
    """Queue the copies that a version about to be published needs elsewhere; return it, its replica marked
    if it may go once they are there. Costs one point read where no policy is set."""
    document, continuum = find_policy(connection, bucket)
    if not document and not continuum:
        return version
    places = read_places(connection, continuum)
    _, placement = plan(bucket, version, places)
    queue_missing(connection, version, placement, places, now=now)
    replica = version.replicas[0]
    is_needed = places.site_of(replica.store) in placement.sites or not placement.needed
    if is_needed or not places.is_placed(replica):
        return version
    return msgspec.structs.replace(
        version, replicas=(msgspec.structs.replace(replica, expires_at=now), *version.replicas[1:])
    )


def queue_missing(
    connection: Connection, version: Version, placement: Placement, places: Places, *, now: float
) -> int:
    """Queue the copies that a placement needs and a version has not; return how many were new."""
    holding = {places.site_of(replica.store) for replica in version.replicas}
    queued = 0
    for site in placement.sites:
        store = places.store_of(site)
        if site in holding or connection.row(FIND_COPY, version_id=version.version_id, store=store):
            continue
        queued += 1
        connection.run(
            INSERT_COPY,
            version_id=version.version_id,
            bucket=version.bucket,
            store=store,
            created_at=now,
            due_at=now,
            tries=0,
            problem="",
        )
    return queued


def end_item(connection: Connection, version_id: str, store: str) -> bool:
    """A copy is there; whether it was waited for."""
    return connection.run(END_COPY, of_version_id=version_id, of_store=store) > 0


# ---- copies that reads left ----


def keep(connection: Connection, store: str, version_id: str, expires_at: float) -> None:
    """A cached copy was read: keep it until an instant."""
    connection.run(KEEP, of_id=version_id, of_store=store, to_expiry=expires_at)


def has_expired(connection: Connection, store: str, *, before: float) -> bool:
    """Whether a store has cached copies whose time is over."""
    return connection.row(HAS_EXPIRED, store=store, before=before) is not None


def measure(connection: Connection, store: str) -> int:
    """Return how many bytes of live versions a store holds; reads a row for each of them."""
    row = connection.row(USED_BYTES, store=store)
    return int(row[0]) if row else 0


def evict(
    connection: Connection,
    store: str,
    *,
    now: float,
    grace_s: float,
    limit: int,
    wanted_bytes: int | None = None,
) -> tuple[tuple[str, str], ...]:
    """Remove cached copies whose time is over, and return the keys that this concerns.

    With `wanted_bytes` those whose time is not over as well, the ones that policies would keep for the
    shortest time first, until so much is free. What must stay is not removed; see the module.
    """
    places = read_places(connection, find_continuum_policy(connection))
    before = now if wanted_bytes is None else float("inf")
    freed, things = 0, []
    for (number,) in connection.rows(LIST_EXPIRED, store=store, before=before, limit=limit):
        row = find_by_number(connection, number)
        if row is None or not _evict(connection, row, store, places, now=now, grace_s=grace_s):
            continue
        things.append((row.version.bucket, row.version.key))
        freed += row.version.size_bytes
        if wanted_bytes is not None and freed >= wanted_bytes:
            break
    return tuple(things)


def _evict(
    connection: Connection, row: Row, store: str, places: Places, *, now: float, grace_s: float
) -> bool:
    replica = next((each for each in row.version.replicas if each.store == store), None)
    bucket = find_bucket(connection, row.version.bucket)
    if bucket is None or replica is None:  # None: it was found to be bad, which is repaired elsewhere
        connection.run(SET_EXPIRY, of_version=row.number, of_store=store, to_expiry=now + LATER_S)
        return False
    _, placement = plan(bucket, row.version, places)
    holding = [places.site_of(each.store) for each in row.version.replicas]
    reason = find_reason_to_keep(places.site_of(store), holding, placement)
    if reason or not places.is_placed(replica):
        is_waiting = reason.endswith("not there yet") or len(holding) == 1
        until = max(replica.expires_at, now + LATER_S) if is_waiting else None
        connection.run(SET_EXPIRY, of_version=row.number, of_store=store, to_expiry=until)
        return False
    connection.run(DELETE_REPLICA, of_version=row.number, of_store=store)
    insert_garbage(connection, store=store, bucket=replica.bucket, key=replica.key, due_at=now + grace_s)
    return True
