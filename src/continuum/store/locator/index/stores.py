"""Stores that were added by configuration: noted, described, removed when nothing is in them."""

from sqlalchemy import bindparam, delete, literal, select

from continuum.model.attachments import read_attachment
from continuum.model.errors import ConflictError, NotFoundError
from continuum.model.objects import Setting, Store
from continuum.store.locator.database import Connection, Statement
from continuum.store.locator.index.buckets import list_buckets
from continuum.store.locator.index.placements import measure
from continuum.store.locator.index.sessions import FIND_STORE, list_stores, put_store
from continuum.store.locator.messages import StoreDescription, StoreDescriptions
from continuum.store.locator.messages.jobs import SCAN
from continuum.store.locator.schema import garbage, jobs, replicas, stores, uploads
from continuum.store.locator.sealing import Sealer

_ONE = literal(1)
_IS_ADDED = 10  # its column

DELETE_STORE = Statement(delete(stores).where(stores.c.name == bindparam("of_name")))
HAS_REPLICAS = Statement(select(_ONE).where(replicas.c.store == bindparam("store")).limit(_ONE))
HAS_GARBAGE = Statement(select(_ONE).where(garbage.c.store == bindparam("store")).limit(_ONE))
HAS_SCANS = Statement(
    select(_ONE).where(jobs.c.kind == literal(SCAN), jobs.c.store == bindparam("store")).limit(_ONE)
)
DELETE_JOBS = Statement(delete(jobs).where(jobs.c.store == bindparam("of_store")))
HAS_UPLOADS = Statement(select(_ONE).where(uploads.c.store == bindparam("store")).limit(_ONE))


def add_store(connection: Connection, sealer: Sealer, store: Store) -> None:
    """Note a store. Raises `ConflictError` if the name belongs to a site's own store."""
    put_store(connection, sealer, store)


def remove_store(connection: Connection, name: str) -> None:
    """Forget a store. Raises `NotFoundError`, `ConflictError`."""
    row = connection.row(FIND_STORE, name=name)
    if row is None:
        raise NotFoundError(f"there is no store {name!r}", hint="`continuum store list` lists them")
    if not row[_IS_ADDED]:
        raise ConflictError(f"{name!r} is a site's own store", hint="it goes when its site goes")
    if any(connection.row(each, store=name) for each in (HAS_REPLICAS, HAS_SCANS, HAS_GARBAGE, HAS_UPLOADS)):
        raise ConflictError(
            f"the store {name!r} holds objects",
            hint="detach the buckets that lie in it first: `continuum bucket detach NAME`",
        )
    connection.run(DELETE_JOBS, of_store=name)
    connection.run(DELETE_STORE, of_name=name)


def describe_stores(connection: Connection, sealer: Sealer, *, measured: str = "") -> StoreDescriptions:
    """Return all stores without their secrets; of the one `measured` also how much is in it."""
    attached = _list_attached(connection)
    found = list_stores(connection, sealer)
    return StoreDescriptions(
        stores=tuple(
            _describe(
                store,
                attached.get(store.name, ()),
                measure(connection, store.name) if store.name == measured else None,
            )
            for store in found
        )
    )


def _list_attached(connection: Connection) -> dict[str, tuple[str, ...]]:
    """Return by store the buckets of the name space that are attached to it."""
    attached: dict[str, tuple[str, ...]] = {}
    for bucket in list_buckets(connection, "").buckets:
        attachment = read_attachment(bucket.settings.get(Setting.ATTACHMENT))
        if attachment is not None:
            attached[attachment.store] = (*attached.get(attachment.store, ()), bucket.name)
    return attached


def _describe(store: Store, attached: tuple[str, ...], used_bytes: int | None) -> StoreDescription:
    return StoreDescription(
        name=store.name,
        site=store.site,
        endpoint=store.endpoint,
        region=store.region,
        addressing=store.addressing,
        bucket=store.bucket,
        access_key=store.access_key,
        has_ca=bool(store.ca_pem),
        capacity_bytes=store.capacity_bytes,
        is_added=store.is_added,
        attached=attached,
        used_bytes=used_bytes,
        reach=store.reach,
    )
