"""A run from its beginning to its end: connecting, waiting for other runs, driving, announcing, tidying up.

`Session` is what `continuum run` opens around a program. With a continuum the tasks run at its sites; a
local one runs them on this machine, and uses the continuum's store if there is one. Whatever happens, closing
a session leaves a summary, the picture of the graph and no processes.
"""

import asyncio
import contextlib
import logging
import os
import re
import secrets
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from continuum.model.errors import ContinuumError, InvalidInputError, NotFoundError, UnavailableError
from continuum.model.placement import Strategy, parse_strategy
from continuum.model.tasks import Problem
from continuum.sites import Home, Sites
from continuum.store import LocatorClient
from continuum.workflow import journals
from continuum.workflow.beginnings import Beginning, RunOptions, begin, check_unchanged
from continuum.workflow.cancelling import interrupt_this_process, listen
from continuum.workflow.coding import archive_modules
from continuum.workflow.completing import COMPLETE_PATIENCE_S, are_completed
from continuum.workflow.connecting import (
    PATIENCE_S,
    connection_of,
    links_of,
    locate_objects,
    objects_of,
    patiently,
    remove_objects,
    settings_of,
    sites_of,
)
from continuum.workflow.drawing import draw_dot, draw_svg, picture_of
from continuum.workflow.driver import Driver, Found
from continuum.workflow.driving import DriverConnection
from continuum.workflow.executors import LocalExecutor
from continuum.workflow.journals import Journal, RunSummary, read_records, write_atomically
from continuum.workflow.keeping import BUCKET, CHECKPOINTS, Keeping, put_journal_aside
from continuum.workflow.looping import spawn
from continuum.workflow.messages import Executor, ObjectName, RunSpec, Staged
from continuum.workflow.provenance import Provenance
from continuum.workflow.remembering import Experience
from continuum.workflow.remoting import RemoteExecutor, say_farewells
from continuum.workflow.running import Run
from continuum.workflow.runs import ANNOUNCE_EVERY_S, announce_run, to_entry, to_progress, wait_for_runs
from continuum.workflow.summaries import summarise

__all__ = ["RunOptions", "Session", "new_run_id"]

log = logging.getLogger(__name__)

LOCAL = "local"
ASK_TIMEOUT_S = 15.0
SAVING_PATIENCE_S = 30.0
FAREWELL_S = 0.5
MOST_RECORDS_DRAWN = 200_000
_SAFE = re.compile(r"[^a-z0-9]+")

Tell = Callable[[str], None]


class Session:
    """One run of one program. Use it in `with`; `end` says how the program ended."""

    def __init__(
        self,
        home: Home,
        program: Path,
        arguments: Sequence[str],
        options: RunOptions,
        *,
        tell: Tell = lambda _: None,
        resumes: Beginning | None = None,
        changed_ok: bool = False,
    ) -> None:
        """`resumes`: the run that goes on; its program may have changed only if `changed_ok`."""
        self.home = home
        self.options = options
        self._resumes = resumes
        self._changed_ok = changed_ok
        known = resumes.run_id if resumes else options.run_id
        self.run_id = known or new_run_id(options.name or program.stem)
        self.folder = home.runs() / self.run_id
        self._program = program
        self._tell = tell
        self._arguments = tuple(arguments)
        self._connection: DriverConnection | None = None
        self._announcing: Future[None] | None = None
        self._driver: Driver | None = None
        self._journal = Journal(None)
        self._provenance = Provenance(self.folder, self.run_id, program)
        self._memory = Experience(home.path, str(program.absolute()))
        self._keeping: Keeping | None = None
        self._incarnation = 0
        self._state = journals.WAITING
        self._exit_status = 0
        self._reason = ""
        self._problems: tuple[Problem, ...] = ()
        self._started_at = time.time()
        self._ended_at = 0.0

    # ---- beginning ----

    def open(self) -> Run:
        """Get everything ready and return the run. Raises `ContinuumError`; then nothing is left open."""
        code = archive_modules(self._program)
        if self._resumes is not None and not self._changed_ok:
            check_unchanged(self._resumes, code)
        self._check_placement()
        keeping = Keeping(self.folder, self.run_id, self.options)
        if self._resumes is not None:
            keeping.lock()
        self._keeping = keeping
        self._connect()
        try:
            self._begin(code)
            self._begin_announcing()
            self._wait_for_others()
            self._start_driver(code)
            self._provenance.begin(code)
        except BaseException as problem:
            self.end(journals.FAILED, 1, reason=str(problem) or type(problem).__name__)
            self.close()
            raise
        self._state = journals.RUNNING
        self._write_summary()
        return Run(self.driver)

    def _begin(self, code: bytes) -> None:
        beginning = begin(self.run_id, self._program, self._arguments, self.options, code)
        if self._resumes is not None:
            self._incarnation = self._resumes.incarnation + 1
            beginning = msgspec.structs.replace(beginning, incarnation=self._incarnation)
            put_journal_aside(self.folder, self._incarnation)
        self._journal = Journal(self.folder)
        self.keeping.begin(beginning)
        self._write_summary()

    @property
    def keeping(self) -> Keeping:
        """What is kept of the run."""
        if self._keeping is None:
            raise UnavailableError("the run has not started")
        return self._keeping

    @property
    def driver(self) -> Driver:
        """The driver of the run."""
        if self._driver is None:
            raise UnavailableError("the run has not started")
        return self._driver

    def _check_placement(self) -> None:
        """Refuse a placement that no site can have before anything is kept of the run."""
        with contextlib.suppress(NotFoundError):  # no continuum: that is told when connecting
            known = [LOCAL] if self.options.is_local else self.home.site_names()
            if self.options.site and not self.options.is_local and self.options.site not in known:
                raise InvalidInputError(
                    f"there is no site {self.options.site!r}", hint=f"the sites are {', '.join(known)}"
                )
            parse_strategy(self.options.placement, known, self.options.objective)

    def _connect(self) -> None:
        try:
            connection = connection_of(self.home, self.options.site)
            connection.open()
        except NotFoundError as problem:
            if not self.options.is_local or self.options.after:
                raise UnavailableError(
                    f"no continuum is up in {self.home.path}",
                    hint="`continuum up` starts one; --local runs on this machine alone",
                ) from problem
            log.info("no continuum is up: the run has no store")
        except UnavailableError:
            if not self.options.is_local or self.options.after:
                raise
            log.info("no continuum is up: the run has no store")
        else:
            self._connection = connection

    def _wait_for_others(self) -> None:
        if self.options.after and self._connection is not None:
            backbone = self._connection.backbone
            waiting = self._connection.loop.run(wait_for_runs(backbone, self.options.after, tell=self._tell))
            try:
                waiting.result()
            except BaseException:
                waiting.cancel()
                raise

    def _start_driver(self, code: bytes) -> None:
        spec = RunSpec(
            run_id=self.run_id,
            application=str(self._program),
            code=code,
            objects=ObjectName(bucket=BUCKET, key=self.run_id),
            environment=self.options.environment,
            arguments=self._arguments,
            incarnation=self._incarnation,
            hold_s=0.0 if self.options.is_local else self.options.hold_s,
            pool=self.options.pool,
        )
        known = self._known_sites()
        executors = self._executors(known)
        names = [executor.site for executor in executors]
        strategy = parse_strategy(self.options.placement, names, self.options.objective)
        history, links = self._memory.recall(links_of(known) if known else ())
        self._driver = Driver(
            spec,
            executors,
            self._journal,
            home=self._home_site(),
            strategy=Strategy(objective=strategy.objective) if self.options.is_local else strategy,
            links=links,
            history=history,
            sites=settings_of(known),
            locate=self._locate if self._connection is not None else None,
            patience_s=self.options.patience_s,
            checkpoints=self.keeping.open(self._incarnation, self._look_again, self._complete),
        )
        self._driver.graph.max_tries = 1 + self.options.retries
        self._driver.start()

    def _home_site(self) -> str:
        if self.options.is_local:
            return LOCAL
        sites = self.home.continuum().sites
        return self.options.site or (sites[0].name if sites else "")

    def _known_sites(self) -> Sites | None:
        if self._connection is None:
            return None
        expected = {site.name for site in self.home.continuum().sites}
        expected |= {self.options.placement} & set(self.home.site_names())
        return self._connection.wait(sites_of(self._connection, expected), 2 * PATIENCE_S)

    def _executors(self, known: Sites | None) -> list[Executor]:
        if self.options.is_local:
            units = self.options.computing_units or None
            log_file = self.folder / "output.log"
            objects = objects_of(self.home, "") if self._connection is not None else None
            return [
                LocalExecutor(
                    LOCAL,
                    computing_units=units,
                    gpus=self.options.gpus,
                    engine=self.options.engine,
                    workers=self.options.workers,
                    objects=objects,
                    log_file=log_file,
                    shelf=self.keeping.shelf,
                )
            ]
        assert known is not None  # noqa: S101 - without a connection there is no way here
        assert self._connection is not None  # noqa: S101
        reachable = [site for site in known.sites if site.is_reachable]
        if not reachable:
            raise UnavailableError("no site of the continuum answers", hint="`continuum status` tells why")
        if self.options.site and self.options.site not in [site.name for site in reachable]:
            raise UnavailableError(
                f"the site {self.options.site} does not answer", hint="`continuum site list` shows all"
            )
        return [
            RemoteExecutor(self._connection, site.name, computing_units=site.report.capacity.computing_units)
            for site in reachable
        ]

    def _locate(self, names: Sequence[ObjectName], then: Callable[[Sequence[Found]], None]) -> None:
        assert self._connection is not None  # noqa: S101 - given to the driver only then
        spawn(self._connection.loop, locate_objects(LocatorClient(self._connection.backbone), names, then))

    def _look_again(self, names: Sequence[ObjectName]) -> Sequence[Found]:
        if self._connection is None:
            return [Found() for _ in names]
        found: Sequence[Found] = ()

        def keep(answers: Sequence[Found]) -> None:
            nonlocal found
            found = answers

        locator = LocatorClient(self._connection.backbone)
        self._connection.wait(locate_objects(locator, names, keep), 2 * PATIENCE_S)
        return found

    def _complete(self, staged: Sequence[Staged]) -> bool:
        if self._connection is None:
            raise UnavailableError(
                f"the run was writing s3://{staged[0].name.bucket}/{staged[0].name.key} when its driver died",
                hint="`continuum up` starts the continuum; then the run can be resumed",
            )
        return self._connection.wait(are_completed(self._connection.objects, staged), 2 * COMPLETE_PATIENCE_S)

    # ---- announcing ----

    def _begin_announcing(self) -> None:
        if self._connection is not None:
            self._announcing = spawn(self._connection.loop, self._announce_for_ever())
            identity = self.home.identity(self.home.driver)
            listening = listen(self._connection.backbone, identity, self.run_id, interrupt_this_process)
            self._connection.wait(listening, ASK_TIMEOUT_S)

    async def _announce_for_ever(self) -> None:
        while True:
            await self._announce()
            await asyncio.sleep(ANNOUNCE_EVERY_S)

    async def _announce(self) -> None:
        assert self._connection is not None  # noqa: S101 - runs in its loop
        try:
            summary = self.summary()
            await announce_run(self._connection.backbone, to_entry(summary), to_progress(summary))
        except ContinuumError as problem:
            log.debug("the hub was not told of the run: %s", problem)

    # ---- the end ----

    def end(
        self, state: str, exit_status: int, *, reason: str = "", problems: Sequence[Problem] = ()
    ) -> None:
        """Say how the program ended."""
        self._state, self._exit_status, self._reason = state, exit_status, reason
        self._problems = tuple(problems)
        self._ended_at = time.time()

    def abandon(self, exit_status: int) -> None:
        """Keep how the run ended, for a process that ends at once: all else is left as it is."""
        if not self._ended_at:
            self.end(journals.CANCELLED, exit_status, reason="cancelled by the user, at once")
        self._say_farewell()
        with contextlib.suppress(ContinuumError):
            self._write_summary()

    def _say_farewell(self) -> None:
        """Tell the sites to end the run, without waiting until they have: else they would hold it."""
        if self._connection is None or self._driver is None:
            return
        executors = [site.executor for site in self._driver.sites.values()]
        told = [each for each in executors if isinstance(each, RemoteExecutor)]
        with contextlib.suppress(ContinuumError):
            self._connection.wait(say_farewells(told), FAREWELL_S)

    def close(self) -> None:
        """End the executors, write summary and picture, tell the hub, disconnect. Idempotent."""
        if self._driver is not None:
            self._keep_last()
            self._driver.close()
            dispatcher = self._driver.dispatcher
            self._memory.keep(dispatcher.history, dispatcher.links)
        self._journal.close()
        if self._keeping is not None:
            self._keeping.close(self._state)
        try:
            self._write_summary()
            if self._driver is not None:
                self._provenance.end(self._driver, self._connection)
            if self._driver is not None and self.options.draws_graph:
                self._draw()
        except (ContinuumError, OSError) as problem:
            log.warning("the end of the run could not be kept: %s", problem)
        connection, self._connection = self._connection, None
        if connection is not None:
            self._part(connection)

    def _keep_last(self) -> None:
        """Let results of a run that failed be saved, if results are: it may be resumed."""
        if self._state == journals.FAILED and self.keeping.saves_results:
            try:
                self.driver.snapshot(patience_s=SAVING_PATIENCE_S)
            except ContinuumError as problem:
                log.warning("%s", problem)

    def _part(self, connection: DriverConnection) -> None:
        if self._announcing is not None:
            self._announcing.cancel()
        summary = self.summary()
        entry, progress = to_entry(summary), to_progress(summary)
        last = [patiently(lambda: announce_run(connection.backbone, entry, progress))]
        if self._driver is not None:
            last.append(remove_objects(connection.objects, self.run_id))
            if self._keeping is not None and self._keeping.has_objects_to_remove(self._state):
                last.append(remove_objects(connection.objects, f"{CHECKPOINTS}/{self.run_id}"))
        for work in last:
            try:
                connection.wait(work, ASK_TIMEOUT_S)
            except ContinuumError as problem:
                log.warning("%s", problem)
        connection.close()

    def summary(self) -> RunSummary:
        """Return the run in short, as it is now."""
        head = RunSummary(
            run_id=self.run_id,
            name=self.options.name or self._program.stem,
            application=str(self._program),
            arguments=self._arguments,
            state=self._state,
            started_at=self._started_at,
            ended_at=self._ended_at,
            exit_status=self._exit_status,
            home_site=self._home_site(),
            placement=self.options.placement,
            objective=self.options.objective,
            driver_pid=os.getpid(),
            driver_start=journals.start_of(os.getpid()),
            reason=self._reason[:2000],
            problems=self._problems,
        )
        return summarise(head, self._driver) if self._driver is not None else head

    def _write_summary(self) -> None:
        self._journal.folder = self.folder if self.folder.is_dir() else None
        self._journal.write_summary(self.summary())

    def _draw(self) -> None:
        records = []
        for record in read_records(self.folder):
            records.append(record)
            if len(records) > MOST_RECORDS_DRAWN:
                self._tell("the graph is too large to be drawn")
                return
        picture = picture_of(records)
        title = f"{self.run_id}: {self._program.name}"
        write_atomically(self.folder / "graph.dot", draw_dot(picture, title).encode())
        write_atomically(self.folder / "graph.svg", draw_svg(picture, title).encode())

    def __enter__(self) -> Run:
        return self.open()

    def __exit__(self, *_: object) -> None:
        self.close()


def new_run_id(name: str) -> str:
    """Return an id that tells the name and the time, and is nobody else's."""
    slug = _SAFE.sub("-", name.lower()).strip("-")[:40] or "run"
    return f"{slug}-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"
