"""The connection to a Dask scheduler: the run is opened at all its workers, and orders are given to it.

A run's workers have stations (see `stations`), which are told things by functions that Dask calls in every
worker, and which say things on a topic of the run. What workers there are is looked at now and then.
"""

import contextlib
import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from continuum.model.errors import UnavailableError
from continuum.workflow.engines import orders, stations
from continuum.workflow.engines.keeping import KEEPER, KEPT, KeptOrder, OrderBook, find_keys
from continuum.workflow.engines.orders import Order, StationedRun

if TYPE_CHECKING:
    from continuum.workflow.engines.clusters import ClusterAddress

log = logging.getLogger(__name__)

CLOSE_TIMEOUT_S = 10.0


class DaskConnection:
    """A client of the scheduler at `address`, for one run. All its methods belong to one event loop."""

    def __init__(self, address: "ClusterAddress", connect_timeout_s: float) -> None:
        self._address = address
        self._connect_timeout_s = connect_timeout_s
        self._run_id = ""
        self._resources = _resources_of(address)
        self._keys: dict[int, str] = {}  # of orders whose answers the scheduler keeps
        self.stations = 1
        self.largest_units = address.units_per_worker

    async def open(self, run: StationedRun, hear: Callable[[tuple[float, bytes]], None]) -> None:
        """Connect and open the run at all stations; `hear` gets what they say. Raises `UnavailableError`."""
        from distributed import Client  # noqa: PLC0415 - takes a second, and is not always there

        self._run_id = run.run.run_id
        self.client: Any = await Client(
            self._address.url,
            asynchronous=True,
            security=self._address.security(),
            timeout=self._connect_timeout_s,
            set_as_default=False,
            name="continuum",
        )
        try:
            self.client.subscribe_topic(stations.topic_of(self._run_id), hear)
            _check_versions(await self.client.run(stations.open_run, orders.encode(run), on_error="return"))
        except BaseException:
            await self.client.close()
            raise
        await self.look_at_workers()

    async def close(self, *, is_over: bool) -> None:
        """End the connection, and the run at all stations if it is over."""
        if is_over:
            await self.tell(stations.close_run)
        with contextlib.suppress(Exception):  # what was under way is over, one way or the other
            await self.client.close(CLOSE_TIMEOUT_S)

    async def tell(self, function: Any, *arguments: Any) -> None:
        """Tell all stations of the run; those that do not hear are gone or about to go."""
        try:
            await self.client.run(function, self._run_id, *arguments, on_error="ignore")
        except Exception:
            log.exception("workers of Dask were not told")

    async def look_at_workers(self) -> None:
        """Note how many stations there are, what resources all of them declare, how large the largest is."""
        found = await self.client.scheduler.identity(n_workers=-1)  # `scheduler_info` has no workers here
        workers = found["workers"].values()
        if workers:
            self.stations = len(workers)
            self._resources = frozenset.intersection(*(frozenset(each["resources"]) for each in workers))
            sizes = (int(each["resources"].get(orders.UNITS, each["nthreads"])) for each in workers)
            self.largest_units = max(self.largest_units, *sizes)

    async def execute(
        self,
        order: Order,
        scattered: Any,
        *,
        units: int,
        memory_bytes: int,
        gpus: int = 0,
        book: OrderBook | None = None,
    ) -> tuple[bytes, Mapping[str, bytes]]:
        """Let a worker that has units and memory to spare execute an order; return what it answered.

        With `book` the scheduler keeps the answer until `let_go`.
        """
        prefix = "continuum-order-" if book is None else KEPT
        key = f"{prefix}{self.client.id}-{order.number}-{secrets.token_hex(3)}"
        if book is not None:
            book.add(key, order.number, order.tasks)
            if (before := self._keys.get(order.number)) is not None:  # its answer was what it lacked
                self._say("client-releases-keys", before, KEEPER)
            self._keys[order.number] = key
        resources: dict[str, float] = {}
        if orders.UNITS in self._resources:
            resources[orders.UNITS] = units
        if memory_bytes and orders.MEMORY in self._resources:
            resources[orders.MEMORY] = memory_bytes
        if gpus:
            resources[orders.GPUS] = gpus
        future = self.client.submit(
            stations.execute_order,
            orders.encode(order),
            scattered,
            key=key,
            resources=resources or None,
            retries=0,
            pure=False,
            priority=1 if order.tasks[0].priority else 0,
        )
        answer: tuple[bytes, Mapping[str, bytes]] = await future
        return answer

    async def find_orders(self, orders: Sequence[KeptOrder]) -> list[KeptOrder]:
        """Return those of an earlier process that the scheduler still has."""
        if not orders:
            return []
        keys = await self.client.run_on_scheduler(find_keys, [order.key for order in orders])
        return [order for order in orders if order.key in keys]

    async def attend(self, order: KeptOrder) -> tuple[bytes, Mapping[str, bytes]]:
        """Return what a worker answers to an order that an earlier process gave it."""
        from distributed import Future  # noqa: PLC0415 - as above

        self._keys[order.number] = order.key
        future = Future(order.key, client=self.client)
        self._say("client-desires-keys", order.key, self.client.id)
        answer: tuple[bytes, Mapping[str, bytes]] = await future
        return answer

    async def events(self) -> list[tuple[float, bytes]]:
        """Return what stations have said lately, also while nobody heard it."""
        return list(await self.client.get_events(stations.topic_of(self._run_id)) or ())

    def let_go(self, number: int, book: OrderBook) -> None:
        """The answer to an order has been taken."""
        if (key := self._keys.pop(number, None)) is not None:
            book.end(key, number)
            self._say("client-releases-keys", key, KEEPER)

    def _say(self, operation: str, key: str, client: str) -> None:
        message = {"op": operation, "keys": [key], "client": client}
        self.client._send_to_scheduler(message)  # noqa: SLF001 - as Dask's fire_and_forget does


def _resources_of(address: "ClusterAddress") -> frozenset[str]:
    """Return what workers will declare that are not there yet."""
    memory = {orders.MEMORY} if address.memory_bytes_per_worker else set()
    return frozenset({orders.UNITS, *memory}) if address.units_per_worker else frozenset()


def _check_versions(answers: Mapping[str, Any]) -> None:
    from continuum import __version__  # noqa: PLC0415 - cheap, and only here

    problems = [each for each in answers.values() if isinstance(each, Exception)]
    for problem in problems:
        if not isinstance(problem, OSError):  # else it was about to go
            raise problem
    versions = [each for each in answers.values() if isinstance(each, str)]
    others = {version for version in versions if version != __version__}
    if others:
        raise UnavailableError(
            f"workers of Dask have continuum {', '.join(sorted(others))}, this site has {__version__}",
            hint="install the same version in the environment of the workers",
        )
