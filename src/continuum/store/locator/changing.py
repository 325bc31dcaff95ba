"""Changes that are under way: in the index perhaps, but not yet told to all gateways that remember what was.

Who reads the index meanwhile may see the new state while a gateway elsewhere, within its lease, still serves
the old one: a client that saw the new one and then asks there would see time run backwards. So an answer that
may show a change under way is held back until that change is acknowledged to its writer; then nobody serves
what was before (`invalidating`), and reads of a key are linearisable. A change takes milliseconds; only while
a gateway that remembers the key is dead or cut off it takes until that one's lease has run out.

A change is noted before it is written, and answers wait for what was noted when they had read: what comes
later does not hold them. Refusals of conditional writes tell of the state too, and wait like reads.

Pure but for waiting. Per hub: hubs that share a database do not see each other's changes under way.
"""

import asyncio
import contextlib
from collections.abc import Iterable, Iterator

from continuum.store.locator.leases import Thing


class Changes:
    """What is being changed now."""

    def __init__(self) -> None:
        self._under_way: dict[Thing, set[asyncio.Future[None]]] = {}

    @contextlib.contextmanager
    def under_way(self, things: Iterable[Thing]) -> Iterator[None]:
        """Around a change of `things`: from before it is written until everybody has been told."""
        over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        noted = tuple(things)
        for thing in noted:
            self._under_way.setdefault(thing, set()).add(over)
        try:
            yield
        finally:
            for thing in set(noted):
                others = self._under_way[thing]
                others.discard(over)
                if not others:
                    del self._under_way[thing]
            over.set_result(None)

    async def settle(self, *things: Thing) -> None:
        """Return when the changes of `things` that are under way now are over."""
        if self._under_way:
            await self._wait([over for thing in things for over in self._under_way.get(thing, ())])

    async def settle_all(self, bucket: str, prefix: str = "") -> None:
        """The same for every key of a bucket that begins with `prefix`."""
        if self._under_way:
            found = [
                over
                for thing, changes in self._under_way.items()
                if thing[0] == bucket and thing[1].startswith(prefix)
                for over in changes
            ]
            await self._wait(found)

    @staticmethod
    async def _wait(changes: list["asyncio.Future[None]"]) -> None:
        if changes:
            await asyncio.wait(changes)
