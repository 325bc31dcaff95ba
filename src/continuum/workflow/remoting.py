"""Sites behind the backbone as a driver sees them.

All that a driver does there happens in one thread with one event loop and one connection
(`DriverConnection`), shared by the executors of its sites. What it asks of an agent is signed; what agents
tell it is signed by them and verified, because it unpickles what they send.

A site that does not answer for `AGENT_SILENCE_LIMIT_S` while the backbone does is away (`SiteAway`): what is
said to it waits, and so does what it says, until it answers again (`SiteBack`) or is given up. A site that is
given up, that does not hold runs, or whose agent was started again, is gone (`SiteGone`): what ran and lay
there is lost. As soon as its agent answers, the run is opened there anew and the driver is told
(`SiteReturned`), at most `MAX_REOPENINGS` times. A restart of the backbone's server or of the hub is not
noticed by the run.
"""

import asyncio
import contextlib
import hashlib
import logging
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from continuum.backbone import BackboneUnavailableError
from continuum.model.errors import (
    ContinuumError,
    InvalidInputError,
    NotFoundError,
    UnavailableError,
)
from continuum.workflow import posting
from continuum.workflow.completing import complete_objects, completed
from continuum.workflow.driving import DriverConnection
from continuum.workflow.holding import Held
from continuum.workflow.looping import spawn
from continuum.workflow.messages import (
    DatumPublished,
    Event,
    EventSink,
    FailureKind,
    FunctionCode,
    ObjectName,
    RunSpec,
    SiteAway,
    SiteBack,
    SiteGone,
    SiteLeaving,
    SiteReturned,
    Staged,
    TaskSpec,
    failed_task,
)
from continuum.workflow.transferring import put_object

log = logging.getLogger(__name__)

AGENT_SILENCE_LIMIT_S = 6.0
BACKBONE_AWAY_LIMIT_S = 120.0
BEAT_EVERY_S = 1.0
OPEN_TIMEOUT_S = 20.0
OPEN_PATIENCE_S = 5.0  # an agent that is being started again needs about two
CLOSE_TIMEOUT_S = 15.0
REOPEN_EVERY_S = 0.5
MAX_REOPENINGS = 20  # a task that brings an agent down must not do so for ever
READ_TIMEOUT_S = 600.0
RUN_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")

Result = TypeVar("Result")


class RemoteExecutor:
    """A site behind the backbone. See `messages.Executor`.

    `computing_units` is what is known of the site before `start`, which asks it.
    """

    def __init__(self, connection: DriverConnection, site: str, *, computing_units: int = 1) -> None:
        self._connection = connection
        self._site = site
        self._computing_units = computing_units
        self._inbox = posting.Inbox()
        self._silence = posting.Silence(AGENT_SILENCE_LIMIT_S, BACKBONE_AWAY_LIMIT_S)
        self._published: dict[str, asyncio.Future[DatumPublished]] = {}
        self._is_gone = False
        self._is_away = False  # silent for now; it may go on with what it has
        self._is_leaving = False
        self._is_started = False
        self._reopening: asyncio.Task[None] | None = None
        self._reopenings = 0
        self.held = Held()
        """What the site held of the run when it was opened; of a driver that has died."""

    @property
    def site(self) -> str:
        """The site's name."""
        return self._site

    @property
    def computing_units(self) -> int:
        """How many computing units it offers to this run."""
        return self._computing_units

    # ---- called from any thread ----

    def start(self, run: RunSpec, sink: EventSink) -> None:
        """Have the site's agent open the run. Raises `UnavailableError` if it does not answer."""
        if not RUN_ID.fullmatch(run.run_id):
            raise InvalidInputError(f"{run.run_id!r} cannot name a run", hint="letters, digits, - and _")
        if len(run.code) > posting.MAX_CODE_BYTES:
            raise InvalidInputError(
                f"the modules beside the program are {len(run.code)} bytes",
                hint=f"at most {posting.MAX_CODE_BYTES}; put data into the store",
            )
        self._run = run
        self._sink = sink
        self._connection.wait(self._open(run), OPEN_TIMEOUT_S)

    def submit(self, functions: Sequence[FunctionCode], tasks: Sequence[TaskSpec]) -> None:
        """Queue tasks; what is too large for a message fails, and says so."""
        items = [posting.encode_item(posting.Learn(code)) for code in functions]
        failed: list[Event] = []
        for task in tasks:
            try:
                items.append(posting.encode_item(posting.Execute(task)))
            except InvalidInputError as problem:
                failed.append(failed_task(task, FailureKind.INPUT_LOST, str(problem)))
        self._send(items)
        if failed:
            self._call(lambda: self._emit(failed))

    def put(self, datum: str, source: bytes | Path, name: ObjectName) -> None:
        """Write data of the driver into the global store, through the driver's gateway."""
        spawn(self._connection.loop, self._put(datum, source, name))

    def publish(self, data: Sequence[tuple[str, ObjectName]]) -> None:
        """Have the site put data into the global store."""
        self._send([posting.encode_item(posting.Publish(datum, name)) for datum, name in data])

    def bring(self, data: Sequence[tuple[str, ObjectName]]) -> None:
        """Have the site fetch data ahead of need."""
        self._send([posting.encode_item(posting.Bring(datum, name)) for datum, name in data])

    def complete(self, task_id: int, attempt: int, staged: Sequence[Staged]) -> None:
        """Let what a task staged be its objects, through the driver's gateway, whether the site is there
        or not."""
        spawn(self._connection.loop, self._complete(task_id, attempt, staged))

    def unstage(self, staged: Sequence[Staged], *, is_complete: bool) -> None:
        """Tell the site what became of what it had staged; one that is gone removes it by itself."""
        self._send([posting.encode_item(posting.Unstage(tuple(staged), is_complete))])

    def drop(self, data: Sequence[str]) -> None:
        """Have the site forget data."""
        self._send([posting.encode_item(posting.Drop(tuple(data)))])

    def cancel(self, task_ids: Sequence[int]) -> None:
        """Have the site stop tasks."""
        self._send([posting.encode_item(posting.Cancel(tuple(task_ids)))])

    def read(self, datum: str, published: ObjectName | None) -> bytes:
        """Return the bytes of a datum; blocks. What is not published yet is, for this."""
        return self._connection.wait(self._read(datum, published), READ_TIMEOUT_S)

    def give_up(self, reason: str) -> None:
        """Do not wait for the site any longer, if it is away or leaving."""
        self._call(lambda: self._give_up(reason))

    def close(self) -> None:
        """Have the site end the run; blocks until it has, or does not answer."""
        if not self._is_started:
            return
        self._is_started = False
        try:
            self._connection.wait(self._close(), CLOSE_TIMEOUT_S)
        except ContinuumError as problem:
            log.warning("site %s was not told that the run is over: %s", self._site, problem)

    # ---- in the connection's thread ----

    async def say_farewell(self) -> None:
        """Have the site end the run, for a driver that ends at once."""
        with contextlib.suppress(ContinuumError):
            await self._ask(posting.CloseRun(run_id=self._run.run_id), posting.Noted, patience_s=1.0)

    def take(self, events: posting.Events) -> None:
        """Take a batch of events from the site, once."""
        self._hear()
        if not self._inbox.is_new(events.number) or self._is_gone:
            return
        for event in events.items:
            if isinstance(event, DatumPublished) and event.datum in self._published:
                waiting = self._published.pop(event.datum)
                if not waiting.done():
                    waiting.set_result(event)
            elif isinstance(event, SiteGone):
                self._lose(event.reason)
                return
            elif isinstance(event, SiteLeaving):
                self._is_leaving = True
        self._emit(events.items)

    async def _open(self, run: RunSpec) -> None:
        await self._connection.join(run, self)
        for offset in range(0, len(run.code), posting.CODE_PART_BYTES):
            part = run.code[offset : offset + posting.CODE_PART_BYTES]
            message = posting.CodePart(run_id=run.run_id, offset=offset, data=part)
            await self._ask(message, posting.Noted, patience_s=OPEN_PATIENCE_S)
        opening = posting.OpenRun(
            run=msgspec.structs.replace(run, code=b""),
            code_bytes=len(run.code),
            code_sha256=hashlib.sha256(run.code).hexdigest(),
        )
        opened = await self._ask(opening, posting.RunOpened, patience_s=OPEN_PATIENCE_S)
        self._computing_units = opened.computing_units
        self.held = await self._ask_held(run.run_id, opened.held_pages)
        self._inbox = posting.Inbox()
        self._silence = posting.Silence(AGENT_SILENCE_LIMIT_S, BACKBONE_AWAY_LIMIT_S)
        self._is_gone = False
        self._outbox = posting.Outbox(
            self._connection.backbone,
            self._connection.signer,
            posting.Commands,
            subject=posting.site_subject(self._site, posting.Commands),
            audience=posting.audience_of_site(self._site),
            head={"run_id": run.run_id},
            on_refused=lambda problem: self._lose(f"its agent refused a message: {problem}"),
        )
        self._beating = asyncio.get_running_loop().create_task(self._beat_for_ever())
        self._is_started = True

    async def _ask_held(self, run_id: str, pages: int) -> Held:
        found = []
        for page in range(pages):
            asking = posting.AskHeld(run_id=run_id, page=page)
            found.append(await self._ask(asking, posting.HeldPage, patience_s=OPEN_PATIENCE_S))
        data = frozenset(datum for page in found for datum in page.data)
        return Held(data, {task.key: task.outputs for page in found for task in page.tasks})

    async def _ask(self, message: Any, reply: type[Result], *, patience_s: float) -> Result:
        """Send a signed message, again and again while nobody answers."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + patience_s
        while True:
            sealed = posting.seal(self._connection.signer, message, posting.audience_of_site(self._site))
            subject = posting.site_subject(self._site, type(message))
            limit = min(posting.REQUEST_TIMEOUT_S, max(0.1, deadline - loop.time()))
            try:
                return await self._connection.backbone.request(subject, sealed, reply, timeout_s=limit)
            except BackboneUnavailableError as problem:
                if loop.time() + posting.REPEAT_AFTER_S > deadline:
                    raise UnavailableError(
                        f"the agent of site {self._site} does not answer",
                        hint="`continuum status` tells whether it is up",
                    ) from problem
                await asyncio.sleep(posting.REPEAT_AFTER_S)

    async def _beat_for_ever(self) -> None:
        loop = asyncio.get_running_loop()
        before = loop.time()
        while not self._is_gone:
            await asyncio.sleep(BEAT_EVERY_S)
            try:
                await self._ask(posting.Beat(run_id=self._run.run_id), posting.Noted, patience_s=BEAT_EVERY_S)
                self._hear()
            except NotFoundError:
                self._lose("its agent was started again and knows nothing of the run")
            except UnavailableError:
                pass  # counted below
            except ContinuumError as problem:
                self._lose(f"its agent refused a message: {problem}")
            now = loop.time()
            reason = self._silence.pass_time(
                now - before, is_connected=self._connection.backbone.is_connected
            )
            before = now
            if reason:
                self._fall_silent(reason)

    def _fall_silent(self, reason: str) -> None:
        """Tell that the site is away, if it keeps the run meanwhile; else it is gone."""
        if not self._run.hold_s or self._is_leaving:
            self._lose(reason)
        elif not self._is_away and not self._is_gone:
            self._is_away = True
            self._sink(self._site, [SiteAway(reason=reason)])

    def _hear(self) -> None:
        self._silence.hear()
        if self._is_away and not self._is_gone:
            self._is_away = False
            self._sink(self._site, [SiteBack()])

    def _give_up(self, reason: str) -> None:
        if self._is_away or self._is_leaving:
            self._lose(reason)

    def _lose(self, reason: str) -> None:
        if self._is_gone:
            return
        self._is_gone = True
        self._is_away = self._is_leaving = False
        for waiting in self._published.values():
            if not waiting.done():
                waiting.set_exception(UnavailableError(f"site {self._site} is gone: {reason}"))
        self._published.clear()
        self._sink(self._site, [SiteGone(reason=reason)])
        if self._reopenings < MAX_REOPENINGS:
            self._reopening = asyncio.get_running_loop().create_task(self._reopen())

    async def _reopen(self) -> None:
        """Open the run again once the site answers, as if it had never taken part."""
        self._reopenings += 1
        self._beating.cancel()
        await self._outbox.close()
        while self._is_gone:
            await asyncio.sleep(REOPEN_EVERY_S)
            try:
                # an agent that was only silent forgets the run before it opens it
                closing = posting.CloseRun(run_id=self._run.run_id)
                await self._ask(closing, posting.Noted, patience_s=OPEN_PATIENCE_S)
                await self._open(self._run)
            except UnavailableError:
                continue
            except ContinuumError as problem:
                log.warning("site %s does not take part again: %s", self._site, problem)
                return
        self._sink(self._site, [SiteReturned(computing_units=self._computing_units)])

    def _emit(self, events: Sequence[Event]) -> None:
        if not self._is_gone:
            self._sink(self._site, events)

    async def _put(self, datum: str, source: bytes | Path, name: ObjectName) -> None:
        try:
            await put_object(self._connection.objects, name, source)
        except (ContinuumError, OSError) as problem:
            self._sink(self._site, [DatumPublished(datum=datum, problem=str(problem))])
        else:  # told even when the site is gone: the object is there without it
            self._sink(self._site, [DatumPublished(datum=datum, published=name)])

    async def _complete(self, task_id: int, attempt: int, staged: Sequence[Staged]) -> None:
        work = complete_objects(self._connection.objects, staged)
        self._sink(self._site, [await completed(work, task_id, attempt)])

    async def _read(self, datum: str, published: ObjectName | None) -> bytes:
        if published is None:
            if self._is_gone:
                raise UnavailableError(f"{datum} lay only at site {self._site}, which is gone")
            waiting = self._published.get(datum)
            if waiting is None:
                waiting = self._published[datum] = asyncio.get_running_loop().create_future()
                name = ObjectName(self._run.objects.bucket, f"{self._run.objects.key}/{datum}")
                self._outbox.put([posting.encode_item(posting.Publish(datum, name))])
            answer = await asyncio.shield(waiting)
            if answer.published is None:
                raise UnavailableError(f"{datum} cannot be got from site {self._site}: {answer.problem}")
            published = answer.published
        return await self._connection.objects.get(published.bucket, published.key)

    async def _close(self) -> None:
        for task in (self._reopening, self._beating):
            if task is not None:
                task.cancel()
                await asyncio.wait({task})
        await self._outbox.close()
        patience_s = 1.0 if self._is_gone else CLOSE_TIMEOUT_S - 1.0
        try:
            await self._ask(posting.CloseRun(run_id=self._run.run_id), posting.Noted, patience_s=patience_s)
        finally:
            self._is_gone = True
            self._connection.leave(self._run.run_id, self)

    def _send(self, items: Sequence[bytes]) -> None:
        if not self._is_started:
            raise UnavailableError(f"the executor of site {self._site} is not started, or closed")
        self._call(lambda: None if self._is_gone else self._outbox.put(items))

    def _call(self, work: Callable[[], None]) -> None:
        self._connection.loop.call(work)


async def say_farewells(executors: Sequence[RemoteExecutor]) -> None:
    """Have all these sites end their run."""
    await asyncio.gather(*[executor.say_farewell() for executor in executors])
