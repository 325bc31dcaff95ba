"""Getting things across the backbone in order and without loss: what drivers and agents tell each other.

Every batch is numbered, signed once, sent as a request and repeated, signed again, until it is
acknowledged; the receiver takes each number once. One batch is under way at a time and what comes up
meanwhile goes into the next one, so that a slow link makes batches larger, not queues of messages longer.
The server of the backbone and the hub may go away and come back in between.

Not promised: surviving the death of either end. The other end notices by the silence (see `Silence`).
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import msgspec

from continuum.backbone import Backbone
from continuum.model.errors import ContinuumError, InvalidInputError, UnavailableError
from continuum.security import SignatureError, Signer, Verified, Verifier
from continuum.workflow.holding import HeldTask
from continuum.workflow.messages import Event, FunctionCode, ObjectName, RunSpec, Staged, TaskSpec

log = logging.getLogger(__name__)

MAX_BATCH_BYTES = 1024 * 1024
MAX_ITEM_BYTES = 6 * 1024 * 1024  # the backbone carries 8 MiB, with an envelope around it
CODE_PART_BYTES = 4 * 1024 * 1024
MAX_CODE_BYTES = 16 * 1024 * 1024
REPEAT_AFTER_S = 0.2
REQUEST_TIMEOUT_S = 3.0
PAYLOAD_TYPE = "application/vnd.continuum.{}+msgpack"

encode = msgspec.msgpack.Encoder().encode


# ---- what is said, always inside a signed envelope ----


class Signed(msgspec.Struct, frozen=True, array_like=True):
    """A signed message on its way."""

    envelope: bytes


class CodePart(msgspec.Struct, frozen=True, kw_only=True):
    """Driver to agent: a part of the archive of a run that will be opened."""

    run_id: str
    offset: int
    data: bytes


class OpenRun(msgspec.Struct, frozen=True, kw_only=True):
    """Driver to agent: take part in a run, whose `code` came before in parts. Answer: `RunOpened`."""

    run: RunSpec
    code_bytes: int = 0
    code_sha256: str = ""


class RunOpened(msgspec.Struct, frozen=True, kw_only=True):
    """What the site offers. `held_pages`: how much it holds of the run from a driver before (`AskHeld`)."""

    computing_units: int
    memory_bytes: int = 0
    held_pages: int = 0


class AskHeld(msgspec.Struct, frozen=True, kw_only=True):
    """Driver to agent: what do you hold of the run? Answer: `HeldPage`."""

    run_id: str
    page: int


class HeldPage(msgspec.Struct, frozen=True, kw_only=True):
    """A part of what a site holds of a run: see `holding`."""

    data: tuple[str, ...] = ()
    tasks: tuple[HeldTask, ...] = ()


class Learn(msgspec.Struct, frozen=True, array_like=True, tag="learn"):
    """A function that tasks after it will name."""

    code: FunctionCode


class Execute(msgspec.Struct, frozen=True, array_like=True, tag="execute"):
    """A task to queue."""

    task: TaskSpec


class Publish(msgspec.Struct, frozen=True, array_like=True, tag="publish"):
    """Put a datum into the global store."""

    datum: str
    name: ObjectName


class Bring(msgspec.Struct, frozen=True, array_like=True, tag="bring"):
    """Fetch a datum from the global store ahead of need."""

    datum: str
    name: ObjectName


class Unstage(msgspec.Struct, frozen=True, array_like=True, tag="unstage"):
    """What was staged is complete, or (else) is to be removed."""

    staged: tuple[Staged, ...]
    is_complete: bool


class Drop(msgspec.Struct, frozen=True, array_like=True, tag="drop"):
    """Forget data."""

    data: tuple[str, ...]


class Cancel(msgspec.Struct, frozen=True, array_like=True, tag="cancel"):
    """Stop tasks."""

    task_ids: tuple[int, ...]


Command = Learn | Execute | Publish | Bring | Unstage | Drop | Cancel


class Commands(msgspec.Struct, frozen=True, kw_only=True):
    """Driver to agent: batch `number` of a run's commands, from 1 on. Answer: `Noted`."""

    run_id: str
    number: int
    items: tuple[Command, ...]


class Events(msgspec.Struct, frozen=True, kw_only=True):
    """Agent to driver: batch `number` of what happened at a site, from 1 on. Answer: `Noted`, or
    `ConflictError` from a driver of another incarnation."""

    run_id: str
    site: str
    number: int
    items: tuple[Event, ...]
    incarnation: int = 0


class Beat(msgspec.Struct, frozen=True, kw_only=True):
    """Driver to agent: I am here. Answer: `Noted`, or `NotFoundError` if the agent does not know the run."""

    run_id: str


class CloseRun(msgspec.Struct, frozen=True, kw_only=True):
    """Driver to agent: end the run's workers and remove its data. Answer: `Noted` when that is done."""

    run_id: str


class Noted(msgspec.Struct, frozen=True):
    """It has arrived."""


VERBS: dict[type, str] = {
    CodePart: "code",
    OpenRun: "open",
    AskHeld: "held",
    Commands: "work",
    Beat: "beat",
    CloseRun: "close",
}


def site_subject(site: str, kind: type) -> str:
    """Return where an agent answers this kind of message."""
    return f"site.{site}.{VERBS[kind]}"


def events_subject(run_id: str) -> str:
    """Return where a run's driver answers `Events`."""
    return f"run.{run_id}.events"


def audience_of_site(site: str) -> str:
    """Return for whom messages to an agent are signed."""
    return f"site.{site}"


def audience_of_run(run_id: str) -> str:
    """Return for whom messages to a driver are signed."""
    return f"run.{run_id}"


def seal(signer: Signer, message: Any, audience: str) -> Signed:
    """Sign a message."""
    return Signed(signer.sign(_type_of(type(message)), encode(message), audience=audience))


def open_sealed(verifier: Verifier, raw: msgspec.Raw, kind: type, *, role: str) -> tuple[Any, Verified]:
    """Verify and decode a message; return it and who signed it.

    Nothing that an envelope holds is decoded before its signature is found right. Raises `SignatureError`, or
    `InvalidInputError` if what was signed is not of this kind.
    """
    try:
        sealed = msgspec.msgpack.decode(raw, type=Signed)
    except msgspec.MsgspecError as problem:
        raise SignatureError("the message is not signed") from problem
    verified = verifier.verify(sealed.envelope, _type_of(kind), role=role)
    try:
        return msgspec.msgpack.decode(verified.payload, type=kind), verified
    except msgspec.MsgspecError as problem:
        raise InvalidInputError(f"{verified.signer} signed something else: {problem}") from problem


def _type_of(kind: type) -> str:
    return PAYLOAD_TYPE.format(kind.__name__.lower())


# ---- in order, without loss ----


class OutboxKeeper(Protocol):
    """Who writes down what an outbox does."""

    def keep_items(self, items: Sequence[bytes]) -> None:
        """Something is to be sent."""

    def keep_batch(self, number: int, count: int) -> None:
        """The first `count` items that have not arrived are sent."""

    def keep_arrival(self) -> None:
        """They have arrived."""


class Outbox:
    """Sends items in numbered batches until each is acknowledged. Belongs to one event loop.

    `head` is what every batch carries besides `number` and `items`. `on_refused` is called once if the other
    side refuses a batch for good; nothing is sent then any more. `keeper` is told what happens, so that
    another outbox can `go_on` where this one ended.
    """

    def __init__(
        self,
        backbone: Backbone,
        signer: Signer,
        kind: type,
        *,
        subject: str,
        audience: str,
        head: dict[str, Any],
        on_refused: Callable[[ContinuumError], None],
        keeper: "OutboxKeeper | None" = None,
    ) -> None:
        self._keeper = keeper
        self._resent = 0  # items of a batch that was under way when an outbox before this one ended
        self._backbone = backbone
        self._signer = signer
        self._payload_type = _type_of(kind)
        self._subject = subject
        self._audience = audience
        self._head = head
        self._on_refused = on_refused
        self._items: deque[bytes] = deque()
        self._number = 0
        self._something = asyncio.Event()
        self._all_sent = asyncio.Event()
        self._all_sent.set()
        self._task = asyncio.get_running_loop().create_task(self._send_for_ever(), name=f"outbox {subject}")

    def put(self, items: Sequence[bytes]) -> None:
        """Queue items (see `encode_item`)."""
        if self._keeper is not None and items:
            self._keeper.keep_items(items)
        self._items.extend(items)
        if self._items:
            self._all_sent.clear()
            self._something.set()

    def go_on(self, number: int, items: Sequence[bytes], count: int) -> None:
        """Go on after batch `number`, or (`count` above 0) with it: it has the first `count` items."""
        self._number = number - bool(count)
        self._resent = count
        self._items.extend(items)
        if self._items:
            self._all_sent.clear()
            self._something.set()

    async def flush(self, timeout_s: float) -> bool:
        """Wait until all is acknowledged; False if that takes too long."""
        try:
            await asyncio.wait_for(self._all_sent.wait(), timeout_s)
        except TimeoutError:
            return False
        return True

    async def close(self) -> None:
        """Stop sending."""
        self._task.cancel()
        await asyncio.wait({self._task})

    async def _send_for_ever(self) -> None:
        while True:
            await self._something.wait()
            items = self._next_batch()
            self._number += 1
            if self._keeper is not None:
                self._keeper.keep_batch(self._number, len(items))
            payload = encode(self._head | {"number": self._number, "items": items})
            try:
                await self._deliver(payload)
            except ContinuumError as problem:
                log.warning("%s refused what was sent: %s", self._subject, problem)
                self._on_refused(problem)
                return
            if self._keeper is not None:
                self._keeper.keep_arrival()
            if not self._items:
                self._something.clear()
                self._all_sent.set()

    def _next_batch(self) -> list[msgspec.Raw]:
        if self._resent:
            count, self._resent = self._resent, 0
            return [msgspec.Raw(self._items.popleft()) for _ in range(count)]
        items = [msgspec.Raw(self._items.popleft())]
        size = len(items[0])
        while self._items and size + len(self._items[0]) <= MAX_BATCH_BYTES:
            size += len(self._items[0])
            items.append(msgspec.Raw(self._items.popleft()))
        return items

    async def _deliver(self, payload: bytes) -> None:
        while True:
            sealed = Signed(self._signer.sign(self._payload_type, payload, audience=self._audience))
            try:
                await self._backbone.request(self._subject, sealed, Noted, timeout_s=REQUEST_TIMEOUT_S)
            except UnavailableError:  # nobody answers, or is too busy
                await asyncio.sleep(REPEAT_AFTER_S)
            else:
                return


def encode_item(item: Command | Event) -> bytes:
    """Encode an item for an outbox. Raises `InvalidInputError` if it is too large for a message."""
    encoded = encode(item)
    if len(encoded) > MAX_ITEM_BYTES:
        raise InvalidInputError(
            f"a {type(item).__name__} of {len(encoded)} bytes is too large for a message",
            hint="large values travel as data, not as arguments or captured variables",
        )
    return encoded


class Inbox:
    """Takes each batch once, in order."""

    def __init__(self, taken: int = 0) -> None:
        self._taken = taken

    def is_new(self, number: int) -> bool:
        """Tell whether this batch has to be acted on; a repeated one was. Raises if one is missing."""
        if number <= self._taken:
            return False
        if number != self._taken + 1:
            raise InvalidInputError(f"batch {number} came after batch {self._taken}")
        self._taken = number
        return True


class Silence:
    """How long somebody has not been heard although he could have been.

    Time in which we ourselves are cut off from the backbone counts apart, with a limit of its own.
    """

    def __init__(self, limit_s: float, cut_off_limit_s: float) -> None:
        self._limit_s = limit_s
        self._cut_off_limit_s = cut_off_limit_s
        self._silent_s = 0.0
        self._cut_off_s = 0.0

    def hear(self) -> None:
        """Something came."""
        self._silent_s = self._cut_off_s = 0.0

    def pass_time(self, seconds: float, *, is_connected: bool) -> str:
        """Let time pass; return why the other is to be given up, or nothing."""
        if is_connected:
            self._silent_s += seconds
            self._cut_off_s = 0.0
        else:
            self._cut_off_s += seconds
            self._silent_s = 0.0
        if self._silent_s > self._limit_s:
            return f"it has not answered for {self._silent_s:.0f} s"
        if self._cut_off_s > self._cut_off_limit_s:
            return f"the backbone has been away for {self._cut_off_s:.0f} s"
        return ""
