"""Sites as a driver sees them: this very machine, or an agent behind the backbone.

`LocalExecutor` runs tasks in worker processes of this machine. See `messages.Executor` for what both promise.
"""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from continuum.model.errors import UnavailableError
from continuum.store import ObjectClient
from continuum.workflow.dispatching import SiteSettings
from continuum.workflow.engines.budgets import Budget
from continuum.workflow.engines.choosing import POOL, SiteEngines, TlsFiles
from continuum.workflow.engines.contracts import EngineLoad
from continuum.workflow.folders import RunFolder
from continuum.workflow.hosting import HostedRun
from continuum.workflow.looping import OwnLoop
from continuum.workflow.messages import EventSink, FunctionCode, ObjectName, RunSpec, Staged, TaskSpec
from continuum.workflow.offering import find_gpus, find_labels, find_storage_bytes, name_gpus
from continuum.workflow.transferring import Transfers

CLOSE_TIMEOUT_S = 30.0


class LocalExecutor:
    """This machine as a site.

    `computing_units` (default: the processors that this process may use), `memory_bytes` (0: not counted) and
    `gpus` (default: those found) are what it offers. `objects` gives access to the global store; it must not
    have been used yet, and is closed with the executor. Without it, tasks that need it fail and say so. What
    tasks print goes to `log_file`. Below `shelf` lies what outlives the run. `engine` is as
    `choosing.parse_engine` takes it; `tls` is for a scheduler of Dask at `tls://…`, `workers` are
    limits as `choosing.parse_workers` takes them.
    """

    def __init__(
        self,
        site: str = "local",
        *,
        computing_units: int | None = None,
        memory_bytes: int = 0,
        gpus: int | None = None,
        objects: ObjectClient | None = None,
        log_file: Path | None = None,
        folder: Path | None = None,
        shelf: Path | None = None,
        engine: str = POOL,
        tls: TlsFiles | None = None,
        workers: str = "",
    ) -> None:
        self._site = site
        self._shelf = shelf
        units = computing_units or len(os.sched_getaffinity(0))
        devices = name_gpus(find_gpus() if gpus is None else gpus)
        self._budget = Budget(units, memory_bytes, devices)
        self._objects = objects
        self._log_file = log_file
        self._base = folder
        self._engine = engine
        self._tls = tls
        self._workers = workers
        self._engines: SiteEngines | None = None
        self._loop = OwnLoop(f"executor-{site}")
        self._run: HostedRun | None = None

    @property
    def site(self) -> str:
        """The site's name."""
        return self._site

    @property
    def computing_units(self) -> int:
        """How many computing units this machine offers."""
        return self._budget.computing_units

    @property
    def settings(self) -> SiteSettings:
        """What placement should know of this machine."""
        return SiteSettings(
            memory_bytes=self._budget.memory_bytes,
            gpus=len(self._budget.devices),
            storage_bytes=find_storage_bytes(self._base or Path(tempfile.gettempdir())),
            labels=find_labels(),
            largest_units=0 if self._engines is None else self._engines.largest_units,
        )

    def start(self, run: RunSpec, sink: EventSink) -> None:
        """Start the engine. Raises `UnavailableError` if this machine cannot run workers."""
        folder = RunFolder(run.run_id, disk=self._base)
        log_file = self._log_file or folder.work / "output.log"
        directory = Path.cwd()
        self._engines = SiteEngines(
            self._engine,
            self._budget,
            folder=folder.own_work / "dask",
            tls=self._tls,
            workers=self._workers,
        )
        try:
            engine = self._engines.make(folder, log_file=log_file, directory=directory)
        except BaseException:
            self._engines.close()
            folder.close()
            raise
        transfers = Transfers(self._site, folder, self._objects, run.objects, shelf=self._shelf)
        hosted = HostedRun(engine, folder, transfers, self._loop)
        try:
            hosted.start(run, lambda events: sink(self._site, events))
        except BaseException:
            self._engines.close()
            folder.close()
            raise
        self._run = hosted

    def submit(self, functions: Sequence[FunctionCode], tasks: Sequence[TaskSpec]) -> None:
        """Queue tasks."""
        self._running().submit(functions, tasks)

    def put(self, datum: str, source: bytes | Path, name: ObjectName) -> None:  # noqa: ARG002 - stays here
        """Keep data of the driver in the run's data."""
        self._running().put(datum, source)

    def publish(self, data: Sequence[tuple[str, ObjectName]]) -> None:
        """Put data that lie here into the global store."""
        self._running().publish(data)

    def bring(self, data: Sequence[tuple[str, ObjectName]]) -> None:
        """Fetch data ahead of need."""
        self._running().bring(data)

    def complete(self, task_id: int, attempt: int, staged: Sequence[Staged]) -> None:
        """Let what a task staged be its objects."""
        self._running().complete(task_id, attempt, staged)

    def unstage(self, staged: Sequence[Staged], *, is_complete: bool) -> None:
        """What was staged here is complete, or is to be removed."""
        self._running().unstage(staged, is_complete=is_complete)

    def drop(self, data: Sequence[str]) -> None:
        """Forget data."""
        self._running().drop(data)

    def cancel(self, task_ids: Sequence[int]) -> None:
        """Stop tasks."""
        self._running().cancel(task_ids)

    def read(self, datum: str, published: ObjectName | None) -> bytes:
        """Return the bytes of a datum; blocks."""
        return self._running().read(datum, published)

    def give_up(self, reason: str) -> None:
        """This machine is never away."""

    def load(self) -> EngineLoad:
        """Return how busy it is."""
        return self._running().load()

    def count_workers(self) -> int:
        """Return how many workers a Dask of its own has now; 0 without one."""
        return 0 if self._engines is None else self._engines.count_workers()

    def close(self) -> None:
        """End the workers and remove the run's data; blocks until they are gone."""
        run, self._run = self._run, None
        if run is None:
            return
        run.close_engine()
        if self._engines is not None:
            self._engines.close()
        self._loop.run(self._clean_up(run)).result(CLOSE_TIMEOUT_S)
        self._loop.stop()

    async def _clean_up(self, run: HostedRun) -> None:
        await run.remove_data()
        if self._objects is not None:
            await self._objects.close()

    def _running(self) -> HostedRun:
        if self._run is None:
            raise UnavailableError(f"the executor of site {self._site} is not started, or closed")
        return self._run
