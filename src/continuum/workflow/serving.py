"""What an agent does for runs: executes the tasks that drivers send, after verifying who signed them.

Every message is verified before anything of it is decoded: unsigned ones, wrongly signed ones, repeated
ones, those of a foreign authority or of somebody who is no driver are refused and logged. A run belongs
to the identity that opened it. Besides the owner of the continuum those drivers are served whom the agent was
told of (`let_in`).

Several runs share the site's computing units fairly (`engines.budgets`). A run whose driver has not been
heard for `DRIVER_SILENCE_LIMIT_S` is ended: its workers, its data here, and what it published for itself.
"""

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from continuum.backbone import Backbone
from continuum.model.errors import (
    AccessDeniedError,
    ConflictError,
    ContinuumError,
    InvalidInputError,
    NotFoundError,
    UnavailableError,
)
from continuum.security import IdentityFiles, Signer, Verifier
from continuum.store import ObjectClient
from continuum.workflow import posting
from continuum.workflow.attending import ServedRun
from continuum.workflow.engines.budgets import Budget
from continuum.workflow.engines.choosing import POOL, SiteEngines, TlsFiles
from continuum.workflow.engines.hiring import PoolMaker
from continuum.workflow.folders import KeptRunFolder, RunFolder
from continuum.workflow.hosting import HostedRun, Quota
from continuum.workflow.looping import ThisLoop
from continuum.workflow.messages import RunSpec
from continuum.workflow.offering import name_gpus
from continuum.workflow.outliving import Began, Restored, RunLog, restore
from continuum.workflow.remoting import RUN_ID
from continuum.workflow.transferring import Transfers

log = logging.getLogger(__name__)

DRIVER_ROLE = "driver"
OWNER = "driver"
DRIVER_SILENCE_LIMIT_S = 20.0
LOOK_EVERY_S = 1.0
DRAIN_LOOK_EVERY_S = 0.1
MAX_RUNS = 64
MAX_LOGS = 200
RECORD_SUFFIX = ".record"
MAX_PENDING_CODE_BYTES = 4 * posting.MAX_CODE_BYTES


class ServiceLoad(msgspec.Struct, frozen=True, kw_only=True):
    """How busy a site is."""

    free_units: int
    running_tasks: int
    queued_tasks: int
    runs: int
    data_bytes: int
    workers: int
    largest_units: int


class TaskService:
    """Executes tasks at a site for whoever may ask. `await start()`, then `await stop()`.

    `objects` reads and writes the global store through the site's gateway; it stays the caller's. Data of
    runs lies below `data_folder` (and in memory), at most `data_limit_bytes` of it (0: not limited); what
    tasks print is kept in `log_folder`, one file per run. `pools` makes workers for each run, for engine
    `kubernetes`.
    """

    def __init__(
        self,
        *,
        site: str,
        identity: IdentityFiles,
        backbone: Backbone,
        objects: ObjectClient,
        data_folder: Path,
        log_folder: Path,
        computing_units: int,
        memory_bytes: int = 0,
        gpus: int = 0,
        nodes: Sequence[str] = (),
        data_limit_bytes: int = 0,
        driver_silence_limit_s: float = DRIVER_SILENCE_LIMIT_S,
        engine: str = POOL,
        workers: str = "",
        price_eur_per_unit_h: float = 0.0,
        pools: PoolMaker | None = None,
    ) -> None:
        self._site = site
        self._backbone = backbone
        self._objects = objects
        self._data_folder = data_folder
        self._log_folder = log_folder
        self._budget = Budget(computing_units, memory_bytes, name_gpus(gpus))
        self._nodes = tuple(nodes)
        tls = TlsFiles(
            ca_file=identity.ca_file,
            certificate_file=identity.certificate_file,
            key_file=identity.key_file,
        )
        dask_folder = data_folder.parent / "dask"
        self._kept_folder = data_folder.parent / "kept" if pools is not None else None
        self._engines = SiteEngines(
            engine,
            self._budget,
            folder=dask_folder,
            tls=tls,
            workers=workers,
            price_eur_per_unit_h=price_eur_per_unit_h,
            pools=pools,
        )
        self._quota = Quota(data_limit_bytes)
        self._silence_limit_s = driver_silence_limit_s
        self._signer = Signer(identity)
        self._verifier = Verifier(identity.ca_file, audience=posting.audience_of_site(site))
        self._runs: dict[str, ServedRun] = {}
        self._opening: dict[str, asyncio.Task[None]] = {}
        self._ending: dict[str, asyncio.Task[None]] = {}
        self._codes: dict[str, bytearray] = {}
        self._subscriptions: list[Any] = []
        self._looking: asyncio.Task[None] | None = None
        self._is_draining = False
        self._let_in = frozenset({OWNER})

    def let_in(self, drivers: frozenset[str]) -> None:
        """Serve these drivers from now on, and no others."""
        self._let_in = drivers

    async def start(self) -> None:
        """Begin to answer drivers. Raises `UnavailableError` if the site's engine cannot be used."""
        await asyncio.to_thread(self._engines.open)
        await self._go_on_with_runs()
        handlers: dict[type, Callable[[Any, str], Awaitable[Any]]] = {
            posting.CodePart: self._take_code,
            posting.OpenRun: self._open,
            posting.AskHeld: self._tell_held,
            posting.Commands: self._work,
            posting.Beat: self._beat,
            posting.CloseRun: self._close,
        }
        for kind, handler in handlers.items():
            await self._serve(kind, handler)
        self._looking = asyncio.create_task(self._look_after_runs())

    async def drain(self, limit_s: float) -> bool:
        """Begin no run any more, and wait until the drivers of those that are here need nothing from here.

        What runs is finished, and what lies here is put into the store. False: it took more than `limit_s`.
        """
        self._is_draining = True
        for run in self._runs.values():
            run.say_leaving("its agent is about to stop")
        deadline = asyncio.get_running_loop().time() + limit_s
        while self._runs or self._ending:
            if asyncio.get_running_loop().time() > deadline:
                log.warning(
                    "%d runs are cut short: they were not done after %.0f s", len(self._runs), limit_s
                )
                return False
            await asyncio.sleep(DRAIN_LOOK_EVERY_S)
        return True

    async def stop(self) -> None:
        """Tell the drivers, end all runs, answer nobody any more; runs whose workers outlive this go on."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait({self._looking})
        if self._backbone.is_connected:
            for subscription in self._subscriptions:
                await subscription.unsubscribe()
        runs = list(self._runs.values())
        self._runs.clear()
        left = [run for run in runs if run.is_recorded]
        ended = [run for run in runs if not run.is_recorded]
        await asyncio.gather(*(run.say_farewell("its agent was stopped") for run in ended))
        await asyncio.gather(*(run.end() for run in ended), *(run.leave() for run in left))
        await asyncio.to_thread(self._engines.close)

    def report(self) -> ServiceLoad:
        """Return how busy the site is."""
        loads = [run.hosted.load() for run in self._runs.values()]
        return ServiceLoad(
            free_units=self._budget.free_units,
            running_tasks=sum(load.running_tasks for load in loads),
            queued_tasks=sum(load.queued_tasks for load in loads),
            runs=len(self._runs),
            data_bytes=self._quota.used_bytes,
            workers=self._engines.count_workers(),
            largest_units=self._engines.largest_units,
        )

    # ---- what drivers ask; each is told who signed ----

    async def _serve(self, kind: type, handler: Callable[[Any, str], Awaitable[Any]]) -> None:
        subject = posting.site_subject(self._site, kind)

        async def answer(raw: msgspec.Raw) -> Any:
            try:
                message, verified = posting.open_sealed(self._verifier, raw, kind, role=DRIVER_ROLE)
                if kind is not posting.CloseRun:  # what one has one may always give back
                    self._check_right(verified.signer)
                return await handler(message, verified.signer)
            except AccessDeniedError as problem:
                log.warning("refused a message on %s: %s", subject, problem)
                raise

        self._subscriptions.append(await self._backbone.serve(subject, msgspec.Raw, answer))

    def _check_right(self, signer: str) -> None:
        if signer not in self._let_in:
            user = signer.removeprefix(f"{OWNER}.")
            raise AccessDeniedError(
                f"{user} may not use site {self._site}",
                hint=f"whoever has the continuum can allow it: continuum site grant {self._site} {user}",
            )

    async def _take_code(self, part: posting.CodePart, signer: str) -> posting.Noted:
        code = self._codes.setdefault(_code_of(part.run_id, signer), bytearray())
        if part.offset == len(code):  # else it is repeated
            code += part.data
        pending = sum(len(each) for each in self._codes.values())
        if len(code) > posting.MAX_CODE_BYTES or pending > MAX_PENDING_CODE_BYTES:
            self._codes.clear()
            raise InvalidInputError("the modules beside the program are too large")
        return posting.Noted()

    async def _open(self, opening: posting.OpenRun, signer: str) -> posting.RunOpened:
        run_id = opening.run.run_id
        if not RUN_ID.fullmatch(run_id):
            raise InvalidInputError(f"{run_id!r} cannot name a run")
        served = self._runs.get(run_id)
        if served is not None and served.owner == signer and served.incarnation < opening.run.incarnation:
            await self._pass_on(served, opening, signer)
        running = self._opening.get(run_id)
        if running is None and run_id not in self._runs:
            if self._is_draining:
                raise UnavailableError(f"site {self._site} is about to stop")
            if len(self._runs) >= MAX_RUNS:
                raise UnavailableError(f"site {self._site} has {MAX_RUNS} runs already")
            code = self._code_for(opening, signer)
            running = asyncio.create_task(self._start_run(opening.run, code, signer))
            self._opening[run_id] = running
            running.add_done_callback(lambda _: self._opening.pop(run_id, None))
        if running is not None:
            await asyncio.shield(running)
        served = self._run_of(run_id, signer)
        if served.incarnation > opening.run.incarnation:
            raise ConflictError(f"run {run_id} was resumed by another driver")
        return posting.RunOpened(
            computing_units=self._budget.computing_units,
            memory_bytes=self._budget.memory_bytes,
            held_pages=len(served.held),
        )

    async def _pass_on(self, served: ServedRun, opening: posting.OpenRun, signer: str) -> None:
        """A driver resumes a run that is here: it goes on, or (if it is not the same program) ends."""
        run_id = opening.run.run_id
        if not served.is_same_as(opening):
            await self._end_run(run_id, "it was resumed by another driver")
            return
        self._codes.pop(_code_of(run_id, signer), None)
        log.info("run %s goes on for another driver", run_id)
        await served.pass_on(opening.run, self._outbox_of(opening.run))

    async def _tell_held(self, asking: posting.AskHeld, signer: str) -> posting.HeldPage:
        pages = self._run_of(asking.run_id, signer).held
        if not 0 <= asking.page < len(pages):
            raise NotFoundError(f"site {self._site} holds {len(pages)} pages of run {asking.run_id}")
        return pages[asking.page]

    def _code_for(self, opening: posting.OpenRun, signer: str) -> bytes:
        code = bytes(self._codes.pop(_code_of(opening.run.run_id, signer), b""))
        if len(code) != opening.code_bytes or hashlib.sha256(code).hexdigest() != opening.code_sha256:
            raise UnavailableError(f"site {self._site} has not got all modules of the run")
        return code

    async def _start_run(
        self, run: RunSpec, code: bytes, signer: str, restored: Restored | None = None
    ) -> None:
        folder = await asyncio.to_thread(self._make_folder, run.run_id)
        log_file = await asyncio.to_thread(new_log_file, self._log_folder, run.run_id)
        try:
            engine = await asyncio.to_thread(self._engines.make, folder, log_file=log_file, nodes=self._nodes)
        except BaseException:
            await asyncio.to_thread(folder.close)
            raise
        transfers = Transfers(self._site, folder, self._objects, run.objects)
        hosted = HostedRun(engine, folder, transfers, ThisLoop(), self._quota)
        run = msgspec.structs.replace(run, code=code)
        record = None if self._kept_folder is None else self._open_record(run, signer)
        served = ServedRun(run, signer, hosted, self._silence_limit_s, record)
        outbox = self._outbox_of(run, record)
        try:
            if restored is None:
                await served.start(outbox)
            else:
                hosted.adopt_data()
                await served.go_on(outbox, restored)
        except BaseException:
            await outbox.close()
            await asyncio.to_thread(folder.close)
            raise
        self._runs[run.run_id] = served
        begins = "began" if restored is None else f"goes on with {len(restored.commands)} commands"
        log.info("run %s of %s, asked for by %s, %s", run.run_id, run.application, signer, begins)

    def _make_folder(self, run_id: str) -> RunFolder:
        if self._kept_folder is None:
            return RunFolder(run_id, disk=self._data_folder)
        return KeptRunFolder(run_id, self._kept_folder / "data")

    def _open_record(self, run: RunSpec, owner: str) -> RunLog:
        assert self._kept_folder is not None  # noqa: S101 - asked by the caller
        file = self._kept_folder / f"{run.run_id}{RECORD_SUFFIX}"
        is_new = not file.exists()
        record = RunLog(file)
        if is_new:
            record.add(Began(run, owner))
        return record

    async def _go_on_with_runs(self) -> None:
        """Take over the runs that an agent before this one has left."""
        folder = self._kept_folder
        for file in sorted(folder.glob(f"*{RECORD_SUFFIX}")) if folder is not None else ():
            restored = await asyncio.to_thread(restore, file)
            try:
                if restored is not None:
                    await self._start_run(restored.run, restored.run.code, restored.owner, restored)
                    continue
            except ContinuumError as problem:
                log.warning("a run of the agent before does not go on: %s", problem)
            file.unlink(missing_ok=True)

    def _outbox_of(self, run: RunSpec, record: RunLog | None = None) -> posting.Outbox:
        return posting.Outbox(
            self._backbone,
            self._signer,
            posting.Events,
            subject=posting.events_subject(run.run_id),
            audience=posting.audience_of_run(run.run_id),
            head={"run_id": run.run_id, "site": self._site, "incarnation": run.incarnation},
            on_refused=lambda problem: self._refused(run, problem),
            keeper=record,
        )

    def _refused(self, run: RunSpec, problem: ContinuumError) -> None:
        if isinstance(problem, ConflictError) and run.hold_s:
            log.info("run %s has another driver now, which is going to open it", run.run_id)
        else:
            self._abandon(run.run_id, f"its driver refused events: {problem}")

    async def _work(self, commands: posting.Commands, signer: str) -> posting.Noted:
        self._run_of(commands.run_id, signer).take(commands)
        return posting.Noted()

    async def _beat(self, beat: posting.Beat, signer: str) -> posting.Noted:
        self._run_of(beat.run_id, signer)
        return posting.Noted()

    async def _close(self, closing: posting.CloseRun, signer: str) -> posting.Noted:
        if closing.run_id in self._runs:
            self._run_of(closing.run_id, signer)
        await self._end_run(closing.run_id, "its driver closed it")
        return posting.Noted()

    def _run_of(self, run_id: str, signer: str) -> ServedRun:
        run = self._runs.get(run_id)
        if run is None:
            raise NotFoundError(f"site {self._site} takes no part in run {run_id}")
        if run.owner != signer:
            raise AccessDeniedError(f"run {run_id} belongs to {run.owner}, not to {signer}")
        run.silence.hear()
        return run

    # ---- the end of runs ----

    async def _look_after_runs(self) -> None:
        loop = asyncio.get_running_loop()
        before = loop.time()
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            now = loop.time()
            for run_id, run in list(self._runs.items()):
                reason = run.silence.pass_time(now - before, is_connected=self._backbone.is_connected)
                if reason:
                    self._abandon(run_id, f"its driver is gone: {reason}")
            before = now

    def _abandon(self, run_id: str, reason: str) -> None:
        ending = asyncio.ensure_future(self._end_run(run_id, reason))
        ending.add_done_callback(_log_failure)

    async def _end_run(self, run_id: str, reason: str) -> None:
        run = self._runs.pop(run_id, None)
        if run is not None:
            log.info("run %s ends: %s", run_id, reason)
            self._ending[run_id] = asyncio.create_task(run.end())
            self._ending[run_id].add_done_callback(lambda _: self._ending.pop(run_id, None))
        ending = self._ending.get(run_id)
        if ending is not None:
            await asyncio.shield(ending)


def new_log_file(folder: Path, run_id: str) -> Path:
    """Return where a run's output goes; only the newest logs are kept."""
    folder.mkdir(parents=True, exist_ok=True)
    logs = sorted(folder.glob("*.log"), key=lambda path: path.stat().st_mtime)
    for old in logs[: max(0, len(logs) - MAX_LOGS + 1)]:
        old.unlink(missing_ok=True)
    return folder / f"{run_id}.log"


def _code_of(run_id: str, signer: str) -> str:
    return f"{signer}/{run_id}"


def _log_failure(future: "asyncio.Future[None]") -> None:
    if not future.cancelled() and (problem := future.exception()):
        log.error("ending a run failed", exc_info=problem)
