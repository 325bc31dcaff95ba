"""One connection to NATS, with mutual TLS, typed messages and errors that survive the wire.

Messages are msgspec structs encoded as MessagePack and decoded strictly into the type that the receiver
names. A reply starts with one byte: 0 for a result, 1 for an error. Delivery is at most once; who needs more
uses `request`, which is acknowledged, and repeats it: every request of this project may be repeated safely.

Connections are outbound only and come back by themselves, with what was subscribed; while the server is away
a request raises `BackboneUnavailableError`.
"""

import asyncio
import contextlib
import logging
import math
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription as ClientSubscription

from continuum.backbone.asking import Questions
from continuum.backbone.clients import MAX_UNANSWERED, PING_EVERY_S, BackboneClient
from continuum.model.errors import (
    AccessDeniedError,
    ConflictError,
    ContinuumError,
    InvalidInputError,
    NotFoundError,
    UnavailableError,
)
from continuum.security import client_context

log = logging.getLogger(__name__)

# nats-py asks asyncio for half-closed connections, which TLS has not; asyncio warns of it at each disconnect.
logging.getLogger("asyncio").addFilter(lambda record: "eof_received" not in record.getMessage())

Request = TypeVar("Request")
Reply = TypeVar("Reply")
Handler = Callable[[Request], Awaitable[Any]]

_CLOSE_S = 2.0
_RETRY_S = 0.2
_REFUSAL_S = 0.02  # between the arrival of a refusal and its reaching who asked
_RESULT = b"\x00"
_ERROR = b"\x01"
_encode = msgspec.msgpack.Encoder().encode


class BackboneSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the backbone is and who connects.

    `ca_file`, `certificate_file`, `key_file` are PEM files; `name` is the identity in the certificate
    (`agent.edge`).
    """

    url: str
    name: str
    ca_file: Path
    certificate_file: Path
    key_file: Path
    request_timeout_s: float = 5.0
    connect_timeout_s: float = 5.0


class BackboneUnavailableError(UnavailableError):
    """The backbone, or whoever should answer on it, does not answer now."""

    code = "BackboneUnavailable"


class RemoteError(ContinuumError):
    """The other side answered with an error. `code` is the other side's error code."""

    def __init__(self, code: str, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.code = code


class _WireError(msgspec.Struct, frozen=True, array_like=True):
    code: str
    message: str
    hint: str


_Callback = Callable[[Msg], Awaitable[None]]
_decode_error = msgspec.msgpack.Decoder(_WireError).decode


class Subscription:
    """What `serve` and `listen` return. It outlives the connection that it was made on."""

    def __init__(
        self, subject: str, queue: str, callback: _Callback, end: "Callable[[Subscription], Awaitable[None]]"
    ) -> None:
        self.subject = subject
        self.queue = queue
        self.callback = callback
        self._end = end

    async def unsubscribe(self) -> None:
        """Hear nothing more. Messages that have arrived are still handled."""
        await self._end(self)


class Backbone:
    """A connection to the backbone.

    Make one with `await Backbone.connect(settings)`; `await close()` ends it.
    """

    def __init__(self, settings: BackboneSettings) -> None:
        self._settings = settings
        self._client: Client = BackboneClient()
        self._questions = Questions(inbox_prefix(settings.name))
        self._decoders: dict[Any, msgspec.msgpack.Decoder[Any]] = {}
        self._handling: set[asyncio.Task[None]] = set()
        self._subscriptions: dict[Subscription, ClientSubscription] = {}
        self._replacing: asyncio.Task[None] | None = None
        self._give_up_at = 0.0
        self._is_open = False

    @classmethod
    async def connect(cls, settings: BackboneSettings, *, wait_s: float = 0.0) -> "Backbone":
        """Connect; try again for `wait_s` seconds while the server does not answer.

        Raises `BackboneUnavailableError`.
        """
        backbone = cls(settings)
        await backbone.open(wait_s)
        return backbone

    def open_later(self) -> None:
        """Connect as soon as the server is there, unless it is connected; until then requests raise
        `BackboneUnavailableError`."""
        if self._is_open:
            return
        self._is_open = True
        self._replacing = asyncio.ensure_future(self._replace())

    async def open(self, wait_s: float = 0.0) -> None:
        """Connect as `connect` does."""
        self._give_up_at = asyncio.get_running_loop().time() + wait_s
        await self._connect()
        self._is_open = True

    async def _connect(self) -> None:
        settings = self._settings
        try:
            await self._client.connect(
                servers=[settings.url],
                name=settings.name,
                tls=client_context(settings.ca_file, settings.certificate_file, settings.key_file),
                inbox_prefix=inbox_prefix(settings.name).encode(),
                connect_timeout=math.ceil(settings.connect_timeout_s),
                allow_reconnect=True,
                max_reconnect_attempts=-1,
                reconnect_time_wait=0.2,
                ping_interval=PING_EVERY_S,
                max_outstanding_pings=MAX_UNANSWERED,
                pending_size=16 * 1024 * 1024,
                error_cb=self._on_error,
                disconnected_cb=self._on_disconnect,
                reconnected_cb=self._on_reconnect,
                closed_cb=self._on_close,
            )
            await self._client.subscribe(self._questions.subject, cb=self._questions.hear)
        except BackboneUnavailableError:
            await self._end_client()
            raise
        except nats.errors.Error as problem:  # the connection is gone again before it was of use
            await self._end_client()
            raise BackboneUnavailableError(
                f"the backbone at {settings.url} ended the connection: {type(problem).__name__}"
            ) from problem

    @property
    def name(self) -> str:
        """The identity that this connection was made with."""
        return self._settings.name

    @property
    def is_connected(self) -> bool:
        """Whether the server is there at this moment."""
        return bool(self._client.is_connected)

    async def request(
        self, subject: str, message: Any, reply_type: type[Reply], *, timeout_s: float | None = None
    ) -> Reply:
        """Send `message` and return the answer, decoded as `reply_type`.

        Raises `RemoteError` (or the matching error of `continuum.model.errors`) if the other side answers
        with an error and `BackboneUnavailableError` if nobody answers in time.
        """
        limit = timeout_s if timeout_s is not None else self._settings.request_timeout_s
        if not self._client.is_connected:
            raise BackboneUnavailableError(f"not connected to the backbone, needed for {subject}")
        try:
            answer = await self._questions.ask(self._client, subject, _encode(message), limit)
        except (TimeoutError, nats.errors.Error, OSError) as problem:
            raise BackboneUnavailableError(
                f"no answer on {subject}: {type(problem).__name__}",
                hint="is the continuum up? `continuum status` tells",
            ) from problem
        return self._open_reply(answer.data, reply_type)

    def _open_reply(self, data: bytes, reply_type: type[Reply]) -> Reply:
        if data[:1] == _RESULT:
            decoded: Reply = self._decoder(reply_type).decode(memoryview(data)[1:])
            return decoded
        raise _from_wire(_decode_error(memoryview(data)[1:]))

    async def serve(
        self, subject: str, request_type: type[Request], handler: Handler[Request], *, queue: str = ""
    ) -> Subscription:
        """Answer requests on `subject`: each is decoded as `request_type` and handled in a task of its own.

        A `ContinuumError` that the handler raises travels to the caller; any other error is logged here and
        the caller gets code `InternalError` without details. With `queue`, several servers of that name share
        the load.
        """
        decoder = self._decoder(request_type)

        async def answer(message: Msg) -> None:
            try:
                request = decoder.decode(message.data)
            except (msgspec.DecodeError, msgspec.ValidationError) as problem:
                await message.respond(_error("InvalidMessage", str(problem)))
                return
            try:
                await message.respond(_RESULT + _encode(await handler(request)))
            except ContinuumError as problem:
                await message.respond(_error(problem.code, problem.message, problem.hint))
            except Exception:
                log.exception("handling a request on %s failed", subject)
                await message.respond(
                    _error("InternalError", f"the answerer of {subject} failed; its log says why")
                )

        return await self._subscribe(subject, answer, queue)

    async def publish(self, subject: str, message: Any) -> None:
        """Send `message` to whoever listens now; nobody acknowledges it."""
        try:
            await self._client.publish(subject, _encode(message))
        except (nats.errors.Error, OSError) as problem:
            raise BackboneUnavailableError(
                f"cannot publish on {subject}: {type(problem).__name__}"
            ) from problem

    async def tell(self, subject: str, data: bytes, *, is_acknowledged: bool, timeout_s: float) -> bytes:
        """Send bytes to whoever listens on `subject`; return what was answered, if that is waited for.

        Raises `BackboneUnavailableError` if nobody listens, or, if it `is_acknowledged`, nobody answers in
        time. Without acknowledgement it returns when the server has passed the message on.
        """
        if not self._client.is_connected:
            raise BackboneUnavailableError(f"not connected to the backbone, needed for {subject}")
        asking = asyncio.ensure_future(self._questions.ask(self._client, subject, data, timeout_s))
        try:
            if not is_acknowledged:
                await asyncio.sleep(0)  # it is written before the pings whose answers follow a refusal
                await self._client.flush()
                await self._client.flush()
                await asyncio.wait({asking}, timeout=_REFUSAL_S)
                if not asking.done():
                    return b""
            return bytes((await asking).data)
        except (TimeoutError, nats.errors.Error, OSError) as problem:
            reason = "nobody listens" if isinstance(problem, nats.errors.NoRespondersError) else "no answer"
            raise BackboneUnavailableError(f"{reason} on {subject}") from problem
        finally:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)

    async def listen(
        self, subject: str, message_type: type[Request], handler: Handler[Request], *, queue: str = ""
    ) -> Subscription:
        """Call `handler` with every message on `subject`.

        Messages that do not decode are logged and dropped.
        """
        decoder = self._decoder(message_type)

        async def deliver(message: Msg) -> None:
            try:
                decoded = decoder.decode(message.data)
            except (msgspec.DecodeError, msgspec.ValidationError) as problem:
                log.warning("dropped a message on %s: %s", message.subject, problem)
                return
            try:
                await handler(decoded)
            except Exception:
                log.exception("handling a message on %s failed", subject)

        return await self._subscribe(subject, deliver, queue)

    async def _subscribe(
        self, subject: str, work: Callable[[Msg], Awaitable[None]], queue: str
    ) -> Subscription:
        async def start(message: Msg) -> None:
            task = asyncio.ensure_future(work(message))
            self._handling.add(task)
            task.add_done_callback(self._handling.discard)

        subscription = Subscription(subject, queue, start, self._unsubscribe)
        try:
            await self._begin(subscription)
            # nats-py writes the first ping past its own buffer, where the subscription still waits: only the
            # second one follows it on the wire, and its answer means that the server knows.
            await self._client.flush()
            await self._client.flush()
        except (TimeoutError, nats.errors.Error, OSError) as problem:
            raise BackboneUnavailableError(
                f"cannot subscribe to {subject}: {type(problem).__name__}"
            ) from problem
        return subscription

    async def _begin(self, subscription: Subscription) -> None:
        self._subscriptions[subscription] = await self._client.subscribe(
            subscription.subject, queue=subscription.queue, cb=subscription.callback
        )

    async def _unsubscribe(self, subscription: Subscription) -> None:
        begun = self._subscriptions.pop(subscription, None)
        if begun is not None and not self._client.is_closed:
            with contextlib.suppress(nats.errors.Error):  # the connection is going; so is the subscription
                await begun.unsubscribe()

    async def close(self) -> None:
        """Wait for handlers that run, send what is pending, and disconnect."""
        if not self._is_open:
            return
        if self._handling:
            await asyncio.wait(self._handling, timeout=_CLOSE_S)
        for task in self._handling:
            task.cancel()
        self._is_open = False
        self._give_up_at = math.inf  # no attempt to connect is the first one any more: none is to be told of
        if self._replacing is not None:
            self._replacing.cancel()
            await asyncio.gather(self._replacing, return_exceptions=True)
        await self._end_client()

    async def _end_client(self) -> None:
        """Close the client; one that is in the middle of a TLS handshake would wait for its end for ever."""
        try:
            await asyncio.wait_for(self._client.close(), _CLOSE_S)
        except TimeoutError:
            log.debug("%s left an unfinished connection to the backbone", self._settings.name)

    def _decoder(self, kind: Any) -> msgspec.msgpack.Decoder[Any]:
        decoder = self._decoders.get(kind)
        if decoder is None:
            decoder = self._decoders[kind] = msgspec.msgpack.Decoder(kind)
        return decoder

    async def _on_error(self, problem: Exception) -> None:
        """Log it; while connecting for the first time, end the client's own endless tries when time is up."""
        log.debug("backbone: %r", problem)
        if not self._is_open and asyncio.get_running_loop().time() >= self._give_up_at:
            raise BackboneUnavailableError(
                f"the backbone at {self._settings.url} does not answer: {problem!r}",
                hint="is the continuum up? `continuum status` tells",
            ) from problem

    async def _on_disconnect(self) -> None:
        if self._is_open and not self._client.is_closed:
            log.warning("%s lost the backbone; reconnecting", self._settings.name)

    async def _on_close(self) -> None:
        """The client gave up by itself, as it does after any protocol error: replace it."""
        if self._is_open and self._replacing is None:
            log.error("the backbone's server ended the connection of %s; making another", self._settings.name)
            self._replacing = asyncio.ensure_future(self._replace())

    async def _replace(self) -> None:
        try:
            while True:
                self._client = BackboneClient()
                try:
                    await self._connect()
                    for subscription in tuple(self._subscriptions):
                        await self._begin(subscription)
                except (ContinuumError, nats.errors.Error, OSError) as problem:
                    log.debug("backbone: %r", problem)
                    await self._end_client()
                    await asyncio.sleep(_RETRY_S)
                else:
                    log.info("%s has the backbone again", self._settings.name)
                    return
        finally:
            self._replacing = None

    async def _on_reconnect(self) -> None:
        log.info("%s has the backbone again", self._settings.name)


def inbox_prefix(name: str) -> str:
    """Return the subject prefix under which `name` receives replies, and which nobody else may read."""
    return "_INBOX_" + name.replace(".", "_")


def _error(code: str, message: str, hint: str = "") -> bytes:
    return _ERROR + _encode(_WireError(code, message, hint))


_KINDS: dict[str, type[ContinuumError]] = {
    kind.code: kind
    for kind in (InvalidInputError, NotFoundError, ConflictError, AccessDeniedError, UnavailableError)
}


def _from_wire(error: _WireError) -> ContinuumError:
    kind = _KINDS.get(error.code)
    if kind is not None:
        return kind(error.message, hint=error.hint)
    return RemoteError(error.code, error.message, hint=error.hint)
