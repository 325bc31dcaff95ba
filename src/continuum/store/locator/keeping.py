"""The locator's answers about stores and the work in them; a family of handlers of its own."""

from collections.abc import Awaitable, Callable
from typing import Any

from continuum.store.locator import messages as m
from continuum.store.locator.index import stores
from continuum.store.locator.reading import Reader
from continuum.store.locator.sealing import Sealer
from continuum.store.locator.validating import check_added_store
from continuum.store.locator.writing import Writer


class StoreKeeper:
    """Answers what people and gateways ask about stores."""

    def __init__(self, reader: Reader, writer: Writer, sealer: Sealer) -> None:
        self._reader = reader
        self._writer = writer
        self._sealer = sealer

    def handlers(self) -> dict[type, Callable[[Any], Awaitable[Any]]]:
        """Return what answers which request."""
        return {
            m.AddStore: self._add_store,
            m.RemoveStore: self._remove_store,
            m.DescribeStores: self._describe_stores,
        }

    async def _add_store(self, request: m.AddStore) -> m.Empty:
        check_added_store(request.store)
        await self._writer.write(stores.add_store, self._sealer, request.store)
        return m.Empty()

    async def _remove_store(self, request: m.RemoveStore) -> m.Empty:
        await self._writer.write(stores.remove_store, request.name)
        return m.Empty()

    async def _describe_stores(self, request: m.DescribeStores) -> m.StoreDescriptions:
        del request
        return await self._reader.scan(stores.describe_stores, self._sealer)
