"""What is to be sent: both ends listed and compared, object by object.

The target's list is held in memory (some 300 bytes an object), the source's is not: sending begins with its
first page. The orders of the two lists need not agree, because stores differ there.
"""

from collections.abc import AsyncIterator

import msgspec

from continuum.model.transfers import Filters, Line, Reason, Verb, compare
from continuum.store.transfers.ends import End


class TransferRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of a transfer.

    `delete`: remove at the target what the source does not have. `by_content`: compare content, not times.
    `everything`: send also what is there already. `lanes`: how many pieces at once (None: found while it
    goes).
    """

    verb: Verb = Verb.COPY
    delete: bool = False
    by_content: bool = False
    everything: bool = False
    filters: Filters = Filters()
    bandwidth_bytes_per_s: float | None = None
    lanes: int | None = None


class Step(msgspec.Struct, frozen=True):
    """An object of the source, and why it is sent or not; `target` is what is there (None: nothing).

    `is_again`: it was begun before and changed meanwhile.
    """

    line: Line
    reason: Reason
    target: Line | None = None
    is_again: bool = False


class Plan:
    """`async for step in plan.steps()`; then `surplus` has the keys that only the target has."""

    def __init__(self, source: End, target: End, request: TransferRequest) -> None:
        self._source = source
        self._target = target
        self._request = request
        self.surplus: list[str] = []

    async def steps(self) -> AsyncIterator[Step]:
        """List both ends and compare."""
        there = await self._list_target()
        request = self._request
        async for line in self._source.lines():
            if not request.filters.matches(line.key):
                continue
            target = there.pop(line.key, None)
            if not self._target.takes(line):
                continue
            if request.everything:
                yield Step(line, Reason.ASKED, target)
            else:
                strictly = request.verb is Verb.MOVE
                reason = compare(line, target, by_content=request.by_content, strictly=strictly)
                yield Step(line, reason, target)
        self.surplus = sorted(there)

    async def _list_target(self) -> dict[str, Line]:
        matches = self._request.filters.matches
        return {line.key: line async for line in self._target.lines() if matches(line.key)}
