"""The engine of a site that makes workers for each run: a Dask engine with a pool of its own, made late.

A run is opened at every site, and has tasks at few of them. So nothing is made before the first task: until
the scheduler answers tasks wait here, and one worker of the profile that the first of them needs is made at
the same time. Then one scaler for each profile lets workers follow the queue; a task counts for the profile
that `model.profiles` chooses for it. If nothing comes up, tasks fail as `WORKER_LOST` with the reason, and
are tried again as the run says.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from continuum.model.errors import ContinuumError
from continuum.model.pools import WorkerProfile
from continuum.model.profiles import TaskNeeds, choose_profile
from continuum.model.scaling import Demand
from continuum.workflow.engines.contracts import EngineLoad, EngineSink
from continuum.workflow.engines.hiring import Team, WorkerPool
from continuum.workflow.engines.scaling import ClusterScaler
from continuum.workflow.messages import (
    Event,
    FailureKind,
    FunctionCode,
    RunSpec,
    TaskSpec,
    failed_task,
    not_begun,
)

if TYPE_CHECKING:
    from continuum.workflow.engines.clusters import ClusterAddress
    from continuum.workflow.engines.dask import DaskEngine

log = logging.getLogger(__name__)

JOIN_TIMEOUT_S = 200.0


class PooledEngine:
    """See `contracts.Engine`. `make_engine` gets the address of the scheduler once there is one, and the
    pool."""

    def __init__(
        self,
        make_pool: Callable[[RunSpec], WorkerPool],
        make_engine: "Callable[[ClusterAddress, WorkerPool], DaskEngine]",
    ) -> None:
        self._make_pool = make_pool
        self._make_engine = make_engine
        self._lock = threading.Lock()
        self._making: threading.Thread | None = None
        self._pool: WorkerPool | None = None
        self._engine: DaskEngine | None = None
        self._scalers: list[ClusterScaler] = []
        self._shares: list[ProfileShare] = []  # scalers hold them weakly
        self._functions: dict[str, FunctionCode] = {}
        self._waiting: list[TaskSpec] = []
        self._is_over = False

    def start(self, run: RunSpec, sink: EngineSink) -> None:
        """Remember what is needed later. Raises `InvalidInputError` if the run asks for what cannot be."""
        self._run = run
        self._sink = sink
        self._emitting = threading.Lock()
        self._pool = self._make_pool(run)
        if self._pool.is_found:
            with self._lock:
                self._begin_making()

    def submit(self, functions: Sequence[FunctionCode], tasks: Sequence[TaskSpec]) -> None:
        """Queue tasks; the first one lets the pool be made."""
        with self._lock:
            engine = self._engine
            if engine is None:
                self._functions |= {code.function: code for code in functions}
                self._waiting += tasks
                if tasks:
                    self._begin_making()
        if engine is not None:
            engine.submit(functions, tasks)

    def _begin_making(self) -> None:
        if self._making is None and not self._is_over:
            self._making = threading.Thread(target=self._make, name="pool", daemon=True)
            self._making.start()

    def cancel(self, task_ids: Sequence[int]) -> None:
        """Stop tasks."""
        wanted = set(task_ids)
        with self._lock:
            engine = self._engine
            gone = [task for task in self._waiting if task.task_id in wanted]
            self._waiting = [task for task in self._waiting if task.task_id not in wanted]
        if gone:
            self._say([not_begun(task) for task in gone])
        if engine is not None:
            engine.cancel(task_ids)

    def forget(self, data: Sequence[str]) -> None:
        """Copies of these data may go."""
        if self._engine is not None:
            self._engine.forget(data)

    def load(self) -> EngineLoad:
        """Return how busy it is."""
        with self._lock:
            engine, waiting = self._engine, len(self._waiting)
        load = engine.load() if engine is not None else EngineLoad(running_tasks=0, queued_tasks=0)
        return EngineLoad(running_tasks=load.running_tasks, queued_tasks=load.queued_tasks + waiting)

    def close(self) -> None:
        """End the run at its workers, and the workers; blocks."""
        self._end(keeps_pool=False)

    def leave(self) -> None:
        """End what is in this process; the workers stay, for who finds them again."""
        self._end(keeps_pool=True)

    # ---- making it, in a thread ----

    def _make(self) -> None:
        assert self._pool is not None  # noqa: S101 - made in `start`
        try:
            with self._lock:
                first = self._waiting[0] if self._waiting else None
            address = self._pool.start(_profile_for(first, self._pool.teams))
            engine = self._make_engine(address, self._pool)
            engine.start(self._run, self._say)
        except Exception as problem:  # noqa: BLE001 - whatever it is, tasks must not wait for ever
            self._give_up(problem)
            return
        self._begin(engine)

    def _begin(self, engine: "DaskEngine") -> None:
        assert self._pool is not None  # noqa: S101 - made in `start`
        while True:  # in the order in which they came: nothing may overtake what waits here
            with self._lock:
                functions, tasks = tuple(self._functions.values()), tuple(self._waiting)
                self._functions, self._waiting = {}, []
                if not functions and not tasks:
                    self._engine = engine
                    break
            engine.submit(functions, tasks)
        self._scalers = [
            ClusterScaler(team.hiring, team.limits, team.profile.units) for team in self._pool.teams
        ]
        self._shares = [ProfileShare(engine, team, self._pool.teams) for team in self._pool.teams]
        for share, scaler in zip(self._shares, self._scalers, strict=True):
            scaler.add(share)
            scaler.start()

    def _give_up(self, problem: Exception) -> None:
        if isinstance(problem, ContinuumError):
            log.warning("run %s has no workers here: %s", self._run.run_id, problem)
        else:
            log.error("run %s has no workers here", self._run.run_id, exc_info=problem)
        with self._lock:
            tasks, self._waiting = self._waiting, []
            self._making = None  # whatever comes next is another try
        reason = f"the site could not make workers: {problem}"[:2000]
        self._say([failed_task(task, FailureKind.WORKER_LOST, reason) for task in tasks])

    def _say(self, events: Sequence[Event]) -> None:
        with self._emitting:
            if events and not self._is_over:
                self._sink(events)

    def _end(self, *, keeps_pool: bool) -> None:
        with self._lock:
            self._is_over = True
            making = self._making
        if making is not None and threading.current_thread() is not making:
            making.join(JOIN_TIMEOUT_S)
        for scaler in self._scalers:
            scaler.close()
        if self._engine is not None:
            self._engine.leave() if keeps_pool else self._engine.close()
        if self._pool is not None:
            self._pool.leave() if keeps_pool else self._pool.close()


class ProfileShare:
    """What an engine wants of one profile. See `scaling.Demanding`."""

    def __init__(self, engine: "DaskEngine", team: Team, teams: Sequence[Team]) -> None:
        self._engine = engine
        self._team = team
        self._profiles = [each.profile for each in teams]

    @property
    def held_units(self) -> int:
        """Not known by profile: the scheduler alone chooses workers, and says who is idle."""
        return 0

    def demand(self) -> list[Demand]:
        """Return what waits or works that is best done by workers of this profile."""
        return [
            each
            for each in self._engine.demand()
            if choose_profile(_needs_of(each), self._profiles).profile == self._team.profile
        ]

    def note_workers(self, before: int, now: int, reason: str) -> None:
        """Say that there are more workers, or fewer."""
        several = f"profile {self._team.profile.name}: " if len(self._profiles) > 1 else ""
        self._engine.note_workers(before, now, f"{several}{reason}")

    def give_up(self, reason: str) -> None:
        """No worker comes: let what waits fail."""
        self._engine.give_up(reason)


def _profile_for(task: TaskSpec | None, teams: Sequence[Team]) -> WorkerProfile | None:
    if task is None:
        return None
    needs = TaskNeeds(units=task.computing_units, memory_bytes=task.memory_bytes, gpus=task.gpus)
    return choose_profile(needs, [team.profile for team in teams]).profile


def _needs_of(demand: Demand) -> TaskNeeds:
    return TaskNeeds(units=demand.units, memory_bytes=demand.memory_bytes, gpus=demand.gpus)
