"""Stores that people add, and all stores as people see them: without secrets."""

import msgspec

from continuum.model.objects import Store
from continuum.model.sites import Reach


class AddStore(msgspec.Struct, frozen=True, kw_only=True):
    """Add a store, or change how one that was added is reached. Answer: `Empty`."""

    store: Store


class RemoveStore(msgspec.Struct, frozen=True, kw_only=True):
    """Remove a store that was added. Answer: `Empty`; `ConflictError` while anything is in it."""

    name: str


class DescribeStores(msgspec.Struct, frozen=True):
    """Answer: `StoreDescriptions`. The store `measured` is measured: that reads a row for each object."""

    measured: str = ""


class StoreDescription(msgspec.Struct, frozen=True, kw_only=True):
    """A store without its secret. `attached` are the buckets of the name space that lie in it, `used_bytes`
    what the index knows to be in it (None: it was not measured)."""

    name: str
    site: str
    endpoint: str
    region: str
    addressing: str
    bucket: str
    access_key: str
    has_ca: bool
    capacity_bytes: int
    is_added: bool
    attached: tuple[str, ...] = ()
    used_bytes: int | None = None
    reach: Reach = Reach.ANY


class StoreDescriptions(msgspec.Struct, frozen=True, kw_only=True):
    """All stores in the order of their names."""

    stores: tuple[StoreDescription, ...]
