"""Data for workers of Dask that do not see the run's folder: given to Dask once each, while in use."""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from continuum.workflow.folders import RunFolder

MAX_BYTES = 512 * 1024 * 1024


class ScatteredData:
    """What Dask holds of a run's data: `MAX_BYTES` at most, what was used longest ago goes first."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._held: OrderedDict[str, tuple[int, Any]] = OrderedDict()
        self._held_bytes = 0

    async def give(self, client: Any, data: Sequence[str]) -> dict[str, Any]:
        """Return Dask's futures of those of `data` that are there."""
        found: dict[str, Any] = {}
        for datum in data:
            if datum not in self._held:
                value = await asyncio.to_thread(self._folder.read, datum)
                if value is None:
                    continue
                self._make_room(len(value))
                self._held[datum] = (len(value), await client.scatter(value, hash=False))
                self._held_bytes += len(value)
            self._held.move_to_end(datum)
            found[datum] = self._held[datum][1]
        return found

    def drop(self, datum: str) -> None:
        """Nobody needs it any more."""
        size_bytes, _ = self._held.pop(datum, (0, None))
        self._held_bytes -= size_bytes

    def clear(self) -> None:
        """Let all go; what is needed again is given again."""
        for datum in list(self._held):
            self.drop(datum)

    def _make_room(self, size_bytes: int) -> None:
        while self._held and self._held_bytes + size_bytes > MAX_BYTES:
            self.drop(next(iter(self._held)))
