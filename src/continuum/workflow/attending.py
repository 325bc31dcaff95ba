"""One run at a site, as its agent attends to it: what a driver asks is done, what happens is told.

A driver that dies says nothing: the run goes on for a while (`RunSpec.hold_s`), for one that resumes it (see
`holding`); then, or if nothing is to be held, after a shorter silence, `serving` ends it.
"""

import asyncio
import hashlib
from collections.abc import Sequence

import msgspec

from continuum.workflow import posting
from continuum.workflow.holding import HeldTask, Ledger
from continuum.workflow.hosting import HostedRun
from continuum.workflow.messages import Event, FunctionCode, RunSpec, SiteGone, SiteLeaving, TaskSpec
from continuum.workflow.outliving import Restored, RunLog, Took

BACKBONE_AWAY_LIMIT_S = 180.0
FAREWELL_TIMEOUT_S = 1.0
_HELD_PER_PAGE = 5000


class ServedRun:
    """One run that this site takes part in; with `record` the next agent can go on with it."""

    def __init__(
        self,
        run: RunSpec,
        owner: str,
        hosted: HostedRun,
        silence_limit_s: float,
        record: RunLog | None = None,
    ) -> None:
        self._record = record
        self.owner = owner
        self.hosted = hosted
        self.held: list[posting.HeldPage] = []
        self._run = run
        self._code_sha256 = hashlib.sha256(run.code).hexdigest()
        self._silence_limit_s = silence_limit_s
        self._ledger = Ledger(run.incarnation) if run.hold_s else None
        self._loop = asyncio.get_running_loop()
        self._listen(run)

    def _listen(self, run: RunSpec) -> None:
        self.incarnation = run.incarnation
        self.inbox = posting.Inbox()
        self.silence = posting.Silence(
            max(self._silence_limit_s, run.hold_s), max(BACKBONE_AWAY_LIMIT_S, run.hold_s)
        )

    async def start(self, outbox: posting.Outbox) -> None:
        """Start the engine; what it says goes into the outbox."""
        self._outbox = outbox
        run, self._run = self._run, msgspec.structs.replace(self._run, code=b"")
        await asyncio.to_thread(self.hosted.start, run, self._say)

    async def go_on(self, outbox: posting.Outbox, restored: Restored) -> None:
        """Start the engine for a run that an agent before this one served; tell and do what it did not."""
        await self.start(outbox)
        self.inbox = posting.Inbox(restored.taken)
        outbox.go_on(restored.sent, restored.unsent, restored.count)
        self.obey(restored.commands)

    def take(self, commands: posting.Commands) -> None:
        """Do what the driver asks, once."""
        if self.inbox.is_new(commands.number):
            if self._record is not None:
                self._record.add(Took(commands.number, commands.items))
            self.obey(commands.items)

    def is_same_as(self, opening: posting.OpenRun) -> bool:
        """Whether what a later driver opens can go on with what is here."""
        is_same_program = opening.code_sha256 == self._code_sha256
        return self._ledger is not None and is_same_program and self._is_same_place(opening.run)

    def _is_same_place(self, run: RunSpec) -> bool:
        return run.environment == self._run.environment and run.arguments == self._run.arguments

    async def pass_on(self, run: RunSpec, outbox: posting.Outbox) -> None:
        """A later driver goes on with the run; what was not told the one before stays in the ledger."""
        assert self._ledger is not None  # `is_same_as` was asked  # noqa: S101
        self._forget_record()  # it counts what the driver before has said
        with self._ledger.lock:
            before, self._outbox = self._outbox, outbox
            tasks = self._ledger.pass_on(run.incarnation, self.hosted.has)
        self._listen(run)
        self.held = _pages_of(self.hosted.data(), tasks)
        await before.close()

    def obey(self, commands: Sequence[posting.Command]) -> None:
        """Do what the driver asks, in its order."""
        functions: list[FunctionCode] = []
        tasks: list[TaskSpec] = []
        for command in commands:
            match command:
                case posting.Learn():
                    functions.append(command.code)
                case posting.Execute():
                    tasks += self._take(command.task)
                case _:
                    self._submit(functions, tasks)
                    self._obey_other(command)
        self._submit(functions, tasks)

    def say_leaving(self, reason: str) -> None:
        """Tell the driver that the site is going to stop: it parts from it when nothing is left here."""
        self._outbox.put([posting.encode_item(SiteLeaving(reason=reason))])

    async def say_farewell(self, reason: str) -> None:
        """Tell the driver that the site goes."""
        self._outbox.put([posting.encode_item(SiteGone(reason=reason))])
        await self._outbox.flush(FAREWELL_TIMEOUT_S)

    async def leave(self) -> None:
        """Let go of the run, for the agent that comes after this one."""
        await self._outbox.flush(FAREWELL_TIMEOUT_S)
        await self._outbox.close()
        if self._record is not None:
            self._record.close()
        await asyncio.to_thread(self.hosted.leave)

    @property
    def is_recorded(self) -> bool:
        """Whether the next agent can go on with it."""
        return self._record is not None

    def _forget_record(self) -> None:
        if self._record is not None:
            self._record.remove()
            self._record = None

    async def end(self) -> None:
        """End the workers and remove the data."""
        self._forget_record()
        await asyncio.to_thread(self.hosted.close_engine)
        await self._outbox.close()
        await self.hosted.remove_data()

    def _take(self, task: TaskSpec) -> Sequence[TaskSpec]:
        if self._ledger is None:
            return (task,)
        with self._ledger.lock:
            left, answer = self._ledger.take(task)
            if answer is not None:
                self._outbox.put([posting.encode_item(answer)])
        return () if left is None else (left,)

    def _submit(self, functions: list[FunctionCode], tasks: list[TaskSpec]) -> None:
        if functions or tasks:
            self.hosted.submit(tuple(functions), tuple(tasks))
            functions.clear()
            tasks.clear()

    def _obey_other(self, command: posting.Command) -> None:
        match command:
            case posting.Publish():
                self.hosted.publish([(command.datum, command.name)])
            case posting.Bring():
                self.hosted.bring([(command.datum, command.name)])
            case posting.Unstage():
                self.hosted.unstage(command.staged, is_complete=command.is_complete)
            case posting.Drop():
                self.hosted.drop(command.data)
            case posting.Cancel():
                self.hosted.cancel(self._numbers_of(command.task_ids))

    def _numbers_of(self, task_ids: Sequence[int]) -> Sequence[int]:
        if self._ledger is None:
            return task_ids
        with self._ledger.lock:
            return self._ledger.numbers_of(task_ids)

    def _say(self, events: Sequence[Event]) -> None:
        if self._ledger is None:
            self._post(events)
            return
        with self._ledger.lock:  # so that what is told in a driver's numbers goes to that driver
            self._post(self._ledger.tell(events))

    def _post(self, events: Sequence[Event]) -> None:
        items = [posting.encode_item(event) for event in events]
        self._loop.call_soon_threadsafe(self._outbox.put, items)


def _pages_of(data: Sequence[str], tasks: Sequence[HeldTask]) -> list[posting.HeldPage]:
    count = max(len(data), len(tasks))
    return [
        posting.HeldPage(
            data=tuple(data[start : start + _HELD_PER_PAGE]),
            tasks=tuple(tasks[start : start + _HELD_PER_PAGE]),
        )
        for start in range(0, count, _HELD_PER_PAGE)
    ]
