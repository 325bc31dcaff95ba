"""Runs as everybody on the continuum knows them: drivers announce, the hub keeps, whoever depends on a run
asks.

A driver announces its run when it begins, every few seconds as long as it lives, and when it ends. A run
that should be alive and has been silent for `SILENT_AFTER_S` is lost; silence while the hub itself was down
does not count.
"""

import asyncio
import time
from collections.abc import Callable, Sequence

import msgspec
from sqlalchemy import (
    Column,
    ColumnElement,
    Engine,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    create_engine,
    select,
)

from continuum.backbone import Backbone
from continuum.model.errors import ConflictError, NotFoundError, UnavailableError
from continuum.workflow.journals import CANCELLED, FAILED, LOST, RUNNING, SUCCEEDED, WAITING, RunSummary

ANNOUNCE, LIST, SHOW = "runs.announce", "runs.list", "runs.show"
ANNOUNCE_EVERY_S = 3.0
SILENT_AFTER_S = 15.0
APPEARS_WITHIN_S = 60.0
SETTLES_WITHIN_S = 3.0  # how long a newer run of the same name may take to appear
ASK_EVERY_S = 0.5
PATIENCE_S = 30.0
MAX_LISTED = 1000
MAX_FUNCTIONS, MAX_PROBLEMS, MAX_ARGUMENTS, MAX_TEXT = 60, 3, 50, 300  # of what is told of a run's progress
MAX_PROGRESS_BYTES = 256 * 1024
_ALIVE = frozenset((RUNNING, WAITING))


class RunEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A run in short. `heard_at` is the hub's clock. Instants are seconds since the epoch."""

    run_id: str
    name: str
    application: str
    state: str
    started_at: float
    ended_at: float = 0.0
    home_site: str = ""
    tasks: int = 0
    moved_bytes: int = 0
    reason: str = ""
    heard_at: float = 0.0


def to_entry(summary: RunSummary) -> RunEntry:
    """Return a run in short."""
    return RunEntry(
        run_id=summary.run_id,
        name=summary.name,
        application=summary.application,
        state=summary.state,
        started_at=summary.started_at,
        ended_at=summary.ended_at,
        home_site=summary.home_site,
        tasks=summary.task_count,
        moved_bytes=summary.moved_bytes,
        reason=summary.reason,
    )


def to_progress(summary: RunSummary) -> bytes:
    """Return what others may want to watch of a run: bounded, whatever the run."""
    problems = [
        msgspec.structs.replace(each, message=each.message[:MAX_TEXT], traceback="", exception=b"")
        for each in summary.problems[-MAX_PROBLEMS:]
    ]
    short = msgspec.structs.replace(
        summary,
        arguments=tuple(argument[:MAX_TEXT] for argument in summary.arguments[:MAX_ARGUMENTS]),
        functions=summary.functions[-MAX_FUNCTIONS:],
        problems=tuple(problems),
    )
    return msgspec.json.encode(short)


class AnnounceRun(msgspec.Struct, frozen=True):
    """What a driver says of its run; `progress` is a `RunSummary` in JSON. Answer: `RunNoted`."""

    run: RunEntry
    progress: bytes = b""


class RunNoted(msgspec.Struct, frozen=True):
    """It is kept."""


class ListRuns(msgspec.Struct, frozen=True):
    """The latest runs, newest first; `wanted`: only those with this name or id. Answer: `Runs`."""

    wanted: str = ""
    limit: int = 100


class Runs(msgspec.Struct, frozen=True):
    """Runs, newest first."""

    runs: tuple[RunEntry, ...]


class ShowRun(msgspec.Struct, frozen=True):
    """The newest run with this id or name, or whose id begins so. Answer: `RunShown`."""

    wanted: str


class RunShown(msgspec.Struct, frozen=True):
    """Its entry and what its driver last said of its progress; None: there is no such run."""

    run: RunEntry | None = None
    progress: bytes = b""


_metadata = MetaData()
_table = Table(
    "runs",
    _metadata,
    Column("run_id", String(100), primary_key=True),
    Column("name", String(200), nullable=False, index=True),
    Column("application", String(1000), nullable=False),
    Column("state", String(20), nullable=False),
    Column("started_at", Float, nullable=False, index=True),
    Column("ended_at", Float, nullable=False),
    Column("home_site", String(63), nullable=False),
    Column("tasks", Integer, nullable=False),
    Column("moved_bytes", Integer, nullable=False),
    Column("reason", String(2000), nullable=False),
    Column("heard_at", Float, nullable=False),
)
_progress = Table(
    "run_progress",
    _metadata,
    Column("run_id", String(100), primary_key=True),
    Column("document", LargeBinary, nullable=False),
)


class RunRegistry:
    """Keeps runs in the hub's database. `await start(backbone)`; `await stop()`."""

    def __init__(self, database_url: str, *, clock: Callable[[], float] = time.time) -> None:
        self._url = database_url
        self._clock = clock
        self._engine: Engine | None = None
        self._started_at = clock()

    async def start(self, backbone: Backbone) -> None:
        """Open the database and answer on the backbone."""
        await asyncio.to_thread(self.open)

        async def announce(message: AnnounceRun) -> RunNoted:
            await asyncio.to_thread(self.note, message.run, message.progress)
            return RunNoted()

        async def list_runs(message: ListRuns) -> Runs:
            return Runs(await asyncio.to_thread(self.latest, message.limit, message.wanted))

        async def show_run(message: ShowRun) -> RunShown:
            return await asyncio.to_thread(self.show, message.wanted)

        await backbone.serve(SHOW, ShowRun, show_run, queue="hub")
        await backbone.serve(ANNOUNCE, AnnounceRun, announce, queue="hub")
        await backbone.serve(LIST, ListRuns, list_runs, queue="hub")

    async def stop(self) -> None:
        """Close the database."""
        await asyncio.to_thread(self.close)

    def close(self) -> None:
        """Close the database."""
        engine, self._engine = self._engine, None
        if engine is not None:
            engine.dispose()

    def open(self) -> None:
        """Open the database, and make the table if it is not there."""
        self._engine = create_engine(self._url)
        _metadata.create_all(self._engine)

    def note(self, run: RunEntry, progress: bytes = b"") -> None:
        """Keep what a driver says."""
        values = {**msgspec.structs.asdict(run), "heard_at": self._clock(), "reason": run.reason[:2000]}
        with self._opened().begin() as connection:
            connection.execute(_table.delete().where(_table.c.run_id == run.run_id))
            connection.execute(_table.insert().values(values))
            if progress and len(progress) <= MAX_PROGRESS_BYTES:
                connection.execute(_progress.delete().where(_progress.c.run_id == run.run_id))
                connection.execute(_progress.insert().values(run_id=run.run_id, document=progress))

    def show(self, wanted: str) -> RunShown:
        """Return the newest run with this id or name, else the newest whose id begins so; `last`: of all."""
        begins = _table.c.run_id.startswith(wanted, autoescape=True) if wanted != "last" else None
        newest = (*self.latest(1, wanted), *self._found(begins)) if wanted else ()
        if not newest:
            return RunShown()
        query = select(_progress.c.document).where(_progress.c.run_id == newest[0].run_id)
        with self._opened().connect() as connection:
            return RunShown(newest[0], connection.execute(query).scalar() or b"")

    def latest(self, limit: int = 100, wanted: str = "") -> tuple[RunEntry, ...]:
        """Return runs, newest first."""
        is_wanted = (_table.c.run_id == wanted) | (_table.c.name == wanted)
        return self._found(is_wanted if wanted else None, limit)

    def _found(self, condition: ColumnElement[bool] | None, limit: int = 1) -> tuple[RunEntry, ...]:
        query = select(_table).order_by(_table.c.started_at.desc(), _table.c.run_id)
        if condition is not None:
            query = query.where(condition)
        with self._opened().connect() as connection:
            rows = connection.execute(query.limit(min(limit, MAX_LISTED))).mappings()
            return tuple(self._judge(RunEntry(**row)) for row in rows)

    def _judge(self, run: RunEntry) -> RunEntry:
        silent_s = self._clock() - max(run.heard_at, self._started_at)
        if run.state in _ALIVE and silent_s > SILENT_AFTER_S:
            return msgspec.structs.replace(run, state=LOST, reason="its driver fell silent")
        return run

    def _opened(self) -> Engine:
        if self._engine is None:
            raise UnavailableError("the list of runs is not open")
        return self._engine


async def announce_run(backbone: Backbone, run: RunEntry, progress: bytes = b"") -> None:
    """Tell the hub of a run. Raises `BackboneUnavailableError`."""
    await backbone.request(ANNOUNCE, AnnounceRun(run, progress), RunNoted)


async def show_run(backbone: Backbone, wanted: str) -> RunSummary:
    """Return what the hub knows of a run: as its driver last told, with the state that the hub judges.

    Raises `NotFoundError`, `BackboneUnavailableError`.
    """
    shown = await backbone.request(SHOW, ShowRun(wanted), RunShown)
    if shown.run is None:
        raise NotFoundError(f"there is no run called {wanted!r}", hint="`continuum run list` shows all")
    run = shown.run
    if not shown.progress:
        return RunSummary(
            run_id=run.run_id,
            name=run.name,
            application=run.application,
            arguments=(),
            state=run.state,
            started_at=run.started_at,
            ended_at=run.ended_at,
            home_site=run.home_site,
            moved_bytes=run.moved_bytes,
            reason=run.reason,
        )
    told = msgspec.json.decode(shown.progress, type=RunSummary)
    return msgspec.structs.replace(told, state=run.state, reason=run.reason, ended_at=run.ended_at)


async def list_runs(backbone: Backbone, *, wanted: str = "", limit: int = 100) -> tuple[RunEntry, ...]:
    """Return the latest runs on the continuum, newest first. Raises `BackboneUnavailableError`."""
    return (await backbone.request(LIST, ListRuns(wanted, limit), Runs)).runs


async def wait_for_runs(
    backbone: Backbone, wanted: Sequence[str], *, tell: Callable[[str], None] | None = None
) -> None:
    """Return once each of these runs (ids, or names: then the newest of that name) has succeeded.

    Raises `ConflictError` if one failed, was cancelled or was lost, `NotFoundError` if one has not appeared
    after a minute, and `UnavailableError` if the hub does not answer for half a minute.
    """
    try:
        async with asyncio.TaskGroup() as group:
            for name in wanted:
                group.create_task(_wait_for_run(backbone, name, tell or (lambda _: None)))
    except BaseExceptionGroup as problems:
        raise problems.exceptions[0] from None


async def _wait_for_run(backbone: Backbone, wanted: str, tell: Callable[[str], None]) -> None:
    begin = asyncio.get_running_loop().time()
    told = ""
    while True:
        waited_s = asyncio.get_running_loop().time() - begin
        found = await _ask(backbone, wanted)
        if found is None and waited_s > APPEARS_WITHIN_S:
            raise NotFoundError(
                f"no run called {wanted!r} has appeared within {APPEARS_WITHIN_S:.0f} s",
                hint="`continuum run list` shows all runs; --name gives a run its name",
            )
        if found is not None and found.state not in _ALIVE and _counts(found, wanted, waited_s):
            _judge_end(found)
            tell(f"run {found.run_id} has succeeded")
            return
        text = f"waiting for run {wanted}" + (f" ({found.state})" if found else "")
        if text != told:
            told = text
            tell(text)
        await asyncio.sleep(ASK_EVERY_S)


def _counts(found: RunEntry, wanted: str, waited_s: float) -> bool:
    """A run that is named by its name and has ended counts once no newer one of that name appears."""
    return found.run_id == wanted or waited_s > SETTLES_WITHIN_S


def _judge_end(run: RunEntry) -> None:
    if run.state == SUCCEEDED:
        return
    what = {FAILED: "has failed", CANCELLED: "was cancelled", LOST: "was lost"}.get(run.state, run.state)
    reason = f": {run.reason}" if run.reason else ""
    raise ConflictError(
        f"the run {run.run_id} ({run.name}), which this one waits for, {what}{reason}",
        hint=f"`continuum run show {run.run_id}` tells more",
    )


async def _ask(backbone: Backbone, wanted: str) -> RunEntry | None:
    deadline = asyncio.get_running_loop().time() + PATIENCE_S
    while True:
        try:
            runs = await list_runs(backbone, wanted=wanted, limit=1)
        except UnavailableError:
            if asyncio.get_running_loop().time() > deadline:
                raise
            await asyncio.sleep(ASK_EVERY_S)
        else:
            return runs[0] if runs else None
