"""Which engine executes the Python tasks of a site: `pool`, its own Dask (`dask`), a Dask that is there, or
workers that are made for each run (`kubernetes`), by a `PoolMaker` that is given from outside.

`SiteEngines` makes one engine for each run. A site's own Dask starts with the site (or the first run that
needs it), serves all of them, and ends with the site. Its workers share the site's computing units evenly
and follow the queue, if limits say so. Programs (binaries, MPI, containers) are the process engine's
everywhere, but at sites that make workers: there they run in these, too.
"""

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakSet

import msgspec

from continuum.model.errors import InvalidInputError, UnavailableError
from continuum.model.scaling import parse_workers
from continuum.workflow.engines.budgets import Budget
from continuum.workflow.engines.clusters import ClusterAddress, DaskCluster, parse_address
from continuum.workflow.engines.contracts import Engine
from continuum.workflow.engines.hiring import PoolMaker, WorkerPool
from continuum.workflow.engines.keeping import OrderBook
from continuum.workflow.engines.pool import PoolEngine
from continuum.workflow.engines.process import ProcessEngine
from continuum.workflow.engines.routing import RoutedEngine
from continuum.workflow.engines.scaling import ClusterScaler
from continuum.workflow.engines.staffing import Staff
from continuum.workflow.folders import RunFolder

if TYPE_CHECKING:
    from continuum.workflow.engines.dask import DaskEngine

POOL = "pool"
DASK = "dask"
KUBERNETES = "kubernetes"


class TlsFiles(msgspec.Struct, frozen=True, kw_only=True):
    """With what a site reaches a scheduler at `tls://…` (PEM)."""

    ca_file: Path
    certificate_file: Path
    key_file: Path


def parse_engine(text: str) -> str:
    """Return the name of an engine or the address of a scheduler of Dask, checked."""
    if text in {POOL, DASK, KUBERNETES}:
        return text
    if "://" in text:
        return parse_address(text)
    raise InvalidInputError(
        f"there is no engine {text!r}", hint="pool, dask, or a Dask scheduler as tls://HOST:PORT"
    )


class SiteEngines:
    """The engines of one site, as `parse_engine` takes them; `folder` is for the site's own Dask.

    `workers` are limits (see `scaling.parse_workers`) of how many processes the pool has, or how many workers
    the site's own Dask. A worker of the latter costs its units' share of `price_eur_per_unit_h` while it is
    there. Raises `InvalidInputError`.
    """

    def __init__(
        self,
        engine: str,
        budget: Budget,
        *,
        folder: Path,
        tls: TlsFiles | None = None,
        workers: str = "",
        price_eur_per_unit_h: float = 0.0,
        pools: PoolMaker | None = None,
    ) -> None:
        self._engine = parse_engine(engine)
        self._pool_maker = pools
        if (self._engine == KUBERNETES) != (pools is not None):
            raise InvalidInputError("engine kubernetes needs settings of its pods, and no other has any")
        limits = parse_workers(workers, self._engine)
        self._limits = limits.within(budget.computing_units)  # at least a unit for each
        self._price_eur_per_unit_h = price_eur_per_unit_h
        self._staff = Staff(self._limits) if workers and self._engine == POOL else None
        self._pools: WeakSet[PoolEngine] = WeakSet()
        self._scaler: ClusterScaler | None = None
        self._budget = budget
        if self._engine == DASK:
            budget.largest_units = budget.computing_units // self._limits.most
        self._folder = folder
        self._tls = tls
        self._lock = threading.Lock()
        self._cluster: DaskCluster | None = None

    def open(self) -> None:
        """Get ready, so that the first run need not wait; blocks. Raises `UnavailableError`."""
        if self._pool_maker is not None:
            self._budget.largest_units = self._pool_maker.largest_units
            self._pool_maker.open()
        elif self._engine != POOL:
            self._address().security()

    def make(
        self,
        folder: RunFolder,
        *,
        log_file: Path,
        directory: Path | None = None,
        nodes: Sequence[str] = (),
    ) -> Engine:
        """Return the engine of one more run, not started yet; blocks while a Dask starts.

        Raises `UnavailableError`.
        """
        usual: Engine
        if self._pool_maker is not None:
            return self._make_pooled(self._pool_maker, folder, log_file, directory)
        if self._engine == POOL:
            usual = PoolEngine(
                folder, self._budget, log_file=log_file, directory=directory, staff=self._staff
            )
            self._pools.add(usual)
        else:
            from continuum.workflow.engines.dask import DaskEngine  # noqa: PLC0415 - for few sites

            address = self._address()
            usual = DaskEngine(folder, self._budget, address, log_file=log_file, directory=directory)
            if self._scaler is not None:
                self._scaler.add(usual)
        programs = ProcessEngine(
            folder, self._budget, log_file=log_file, directory=directory, nodes=nodes, staff=self._staff
        )
        return RoutedEngine(usual, programs)

    def _make_pooled(
        self, maker: PoolMaker, folder: RunFolder, log_file: Path, directory: Path | None
    ) -> Engine:
        from continuum.workflow.engines.pooling import PooledEngine  # noqa: PLC0415 - for few sites

        def make_engine(address: ClusterAddress, pool: WorkerPool) -> "DaskEngine":
            from continuum.workflow.engines.dask import DaskEngine  # noqa: PLC0415 - for few sites

            return DaskEngine(
                folder,
                self._budget,
                address,
                log_file=log_file,
                directory=directory,
                why_lost=pool.why_lost,
                book=OrderBook(pool.order_file) if pool.order_file is not None else None,
            )

        return PooledEngine(maker.make, make_engine)

    @property
    def largest_units(self) -> int:
        """How many computing units one task can have at most, in a worker; 0: all, or not known yet."""
        return self._budget.largest_units

    def count_workers(self) -> int:
        """Return how many worker processes, or workers of its own Dask, the site has now."""
        if self._staff is not None:
            return self._staff.workers
        if self._pool_maker is not None:
            return self._pool_maker.count_workers()
        with self._lock:
            if self._cluster is not None:
                return self._cluster.ready_workers
        return sum(pool.count_workers() for pool in list(self._pools))

    def close(self) -> None:
        """End the site's own Dask; blocks until it is gone."""
        if self._pool_maker is not None:
            self._pool_maker.close()
        with self._lock:
            if self._scaler is not None:
                self._scaler.close()
                self._scaler = None
            if self._cluster is not None:
                self._cluster.close()
                self._cluster = None

    def _address(self) -> ClusterAddress:
        if self._engine != DASK:
            return self._existing(self._engine)
        with self._lock:
            if self._cluster is None:
                self._cluster = self._start_cluster()
            if self._scaler is None:
                self._cluster.scale(self._limits.most)  # one that died is replaced
            return self._cluster.address

    def _start_cluster(self) -> DaskCluster:
        limits = self._limits
        units = self._budget.computing_units // limits.most
        cluster = DaskCluster(
            self._folder,
            units_per_worker=units,
            memory_bytes_per_worker=self._budget.memory_bytes // limits.most,
        )
        cluster.start(limits.least)
        if limits.is_elastic:
            price_eur_per_h = self._price_eur_per_unit_h * units
            limits = msgspec.structs.replace(limits, price_eur_per_h=price_eur_per_h)
            self._scaler = ClusterScaler(cluster, limits, units)
            self._scaler.start()
        return cluster

    def _existing(self, url: str) -> ClusterAddress:
        if not url.startswith("tls:"):
            return ClusterAddress(url=url)
        if self._tls is None:
            raise UnavailableError(f"there is no certificate with which {url} could be reached")
        return ClusterAddress(
            url=url,
            ca_file=str(self._tls.ca_file),
            certificate_file=str(self._tls.certificate_file),
            key_file=str(self._tls.key_file),
        )
