"""Orders that outlive the process that gave them: written to a file before they are sent, with their names.

The scheduler keeps the result of an order until its keeper lets it go, so a process that comes later can
wait for what the one before has given out, instead of giving it out again. Written to the end only; what was
cut off there is left out (its tasks are then executed again).
"""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from continuum.workflow.messages import TaskSpec

KEEPER = "continuum-keeper"  # a client of the scheduler that never connects
KEPT = "continuum-kept-order-"  # how the names of such orders begin
NUMBERS_APART = 1_000_000  # between those of one process and the next


class KeptOrder(msgspec.Struct, frozen=True, array_like=True):
    """An order at work, or (no tasks) one that is over. `tasks` are numbers and attempts."""

    key: str
    number: int
    tasks: tuple[tuple[int, int], ...] = ()


class OrderBook:
    """The orders of one run. `found` are those of the process before, by number."""

    def __init__(self, file: Path) -> None:
        self.found: dict[int, KeptOrder] = {}
        self.first_number = 0
        with contextlib.suppress(OSError):
            self._read(file.read_bytes())
        self._file = file.open("ab", buffering=0)

    def add(self, key: str, number: int, tasks: Sequence[TaskSpec]) -> None:
        """An order is given out."""
        self._write(KeptOrder(key, number, tuple([(task.task_id, task.attempt) for task in tasks])))

    def end(self, key: str, number: int) -> None:
        """It is over."""
        self._write(KeptOrder(key, number))

    def close(self) -> None:
        """Stop writing."""
        self._file.close()

    def _write(self, order: KeptOrder) -> None:
        if not self._file.closed:
            self._file.write(msgspec.json.encode(order) + b"\n")

    def _read(self, data: bytes) -> None:
        for line in data.splitlines():
            try:
                order = msgspec.json.decode(line, type=KeptOrder)
            except msgspec.MsgspecError:
                continue
            self.first_number = max(self.first_number, order.number + NUMBERS_APART)
            if order.tasks:
                self.found[order.number] = order
            else:
                self.found.pop(order.number, None)


class Keeping:
    """A plugin of the scheduler: what the keeper wants stays when who asked for it is gone.

    It is told of orders in the same step of the scheduler's event loop that takes them. Asking from outside
    would come too early (Dask ignores a wish for what it does not know yet) or too late.
    """

    name = "continuum-keeping"
    idempotent = True

    def update_graph(self, scheduler: Any, *, keys: Any, **_: Any) -> None:
        """New tasks of Dask have come."""
        kept = [key for key in keys if str(key).startswith(KEPT)]
        if kept:
            scheduler.client_desires_keys(kept, KEEPER)


def find_keys(keys: Sequence[str], dask_scheduler: Any = None) -> list[str]:
    """Executed by the scheduler: which of these it has, done or on the way."""
    there = dask_scheduler.tasks
    return [key for key in keys if key in there and there[key].state not in {"released", "forgotten"}]
