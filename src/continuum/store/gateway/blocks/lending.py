"""What a reader of blocks needs of the cache that lends them."""

import asyncio
from typing import Protocol

from continuum.model.objects import Version
from continuum.store.gateway.blocks.contents import Content
from continuum.store.gateway.blocks.fetching import Fetch, Stream
from continuum.store.gateway.blocks.files import BlockFile


class Lending(Protocol):
    """What a reader needs of the cache."""

    site: str

    def find_fetch(self, content: Content, block: int) -> Fetch | None:
        """Return the fetch of this process that brings a block."""

    def find_file(self, content: Content, block: int) -> BlockFile | None:
        """Return a block that is there. Raises `OSError`."""

    def begin_fetch(self, version: Version, content: Content, block: int, end: int) -> Fetch | None:
        """Fetch from a block on; None if another process brings it."""

    def remove(self, content: Content, first_block: int, end: int) -> None:
        """What these blocks hold is not what was stored."""

    async def open_stream(self, version: Version, start: int, length: int) -> tuple[Stream, str]:
        """Return bytes of a version directly from a store, and that store's site. Raises
        `ContinuumError`."""

    def count(self, outcome: str) -> None:
        """A reader got to a block: `hit`, `joined` or `fetched`."""

    def own(self, task: "asyncio.Task[None]") -> None:
        """Keep a task until it is done."""
