"""What an owner asks a scheduler of Dask that is somewhere else: who works, who is idle, send those away.

As with a scheduler of this machine (`clustering`), looking and sending away are one step of the scheduler's
event loop, so that nothing can be given to a worker in between.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

import msgspec

from continuum.model.errors import UnavailableError
from continuum.workflow.engines.clusters import ClusterAddress

CONNECT_TIMEOUT_S = 5.0
ASK_TIMEOUT_S = 10.0


class WorkerSeen(msgspec.Struct, frozen=True, array_like=True):
    """A worker as its scheduler knows it."""

    name: str
    is_idle: bool


class SchedulerLink:
    """A connection to a scheduler. All belongs to one event loop."""

    def __init__(self) -> None:
        self._client: Any = None

    async def connect(self, address: ClusterAddress, wait_s: float) -> None:
        """Connect, trying for so long. Raises `UnavailableError`."""
        from distributed import Client  # noqa: PLC0415 - takes a second, and is not always there

        deadline = asyncio.get_running_loop().time() + wait_s
        while True:
            left_s = deadline - asyncio.get_running_loop().time()
            client = Client(
                address.url,
                asynchronous=True,
                security=address.security(),
                timeout=max(1.0, min(CONNECT_TIMEOUT_S, left_s)),
                set_as_default=False,
                name="continuum-owner",
            )
            try:
                self._client = await client
            except (OSError, TimeoutError) as problem:
                await _close(client)
                if left_s <= 0:
                    reason = str(problem) or "it does not answer"
                    raise UnavailableError(f"the scheduler at {address.url}: {reason}") from problem
                await asyncio.sleep(min(0.2, max(0.0, left_s)))
            else:
                return

    async def look(self) -> tuple[WorkerSeen, ...]:
        """Return who works. Raises `UnavailableError`."""
        return tuple([WorkerSeen(*each) for each in await self._ask(look_at_workers)])

    async def send_away(self, names: Sequence[str]) -> list[str]:
        """Send those away that have neither work nor data; return who went. Raises `UnavailableError`."""
        return [str(name) for name in await self._ask(send_away, list(names))]

    async def close(self) -> None:
        """End the connection."""
        client, self._client = self._client, None
        if client is not None:
            await _close(client)

    async def _ask(self, function: Any, *arguments: Any) -> Any:
        if self._client is None:
            raise UnavailableError("there is no connection to the scheduler")
        try:
            asking = self._client.run_on_scheduler(function, *arguments)
            return await asyncio.wait_for(asking, ASK_TIMEOUT_S)
        except (OSError, TimeoutError, RuntimeError, ValueError) as problem:
            raise UnavailableError(f"the scheduler does not answer: {problem}") from problem


async def _close(client: Any) -> None:
    with contextlib.suppress(Exception):  # it is over, one way or the other
        await client.close(ASK_TIMEOUT_S)


def look_at_workers(dask_scheduler: Any = None) -> list[tuple[str, bool]]:
    """Executed by the scheduler: who works, and whether it has neither work nor data."""
    return [(str(each.name), _is_idle(each)) for each in dask_scheduler.workers.values()]


async def send_away(names: Sequence[str], dask_scheduler: Any = None) -> list[str]:
    """Executed by the scheduler: send those away that are idle."""
    gone = []
    for each in list(dask_scheduler.workers.values()):
        if str(each.name) in names and _is_idle(each):
            gone.append(str(each.name))
            await dask_scheduler.remove_worker(address=each.address, stimulus_id="retire", expected=True)
    return gone


def _is_idle(worker: Any) -> bool:
    return not worker.processing and not worker.has_what
