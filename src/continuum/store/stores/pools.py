"""Open connections to one store, kept for the next request.

The connection used last is used first, so that idle ones age and are closed. A pool never has more than its
limit; further requests wait their turn. One timer per pool watches all its connections: a store that does
not go on for `reply_s` is given up, an idle connection is closed before the store does it.
"""

import asyncio
import socket
import ssl
from collections import deque
from typing import Any
from urllib.parse import urlsplit

import msgspec

from continuum.model.errors import InvalidInputError
from continuum.store.stores.breakers import Breaker
from continuum.store.stores.connections import StoreConnection
from continuum.store.stores.exchanges import StoreUnreachableError

WATCH_EVERY_S = 0.5
UNIX_SEND_BYTES = 1024 * 1024  # four pieces as the event loop reads them


class PoolLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How many connections to one store, and how long to wait for what.

    `wait_s`: for a free connection; `connect_s`: for the store to accept one; `reply_s`: for it to go on
    with a request; `idle_s`: an unused connection is closed after this (less than stores keep theirs).
    `buffer_bytes`: how much may wait to be sent.
    """

    connections: int = 128
    wait_s: float = 5.0
    connect_s: float = 3.0
    reply_s: float = 30.0
    idle_s: float = 20.0
    buffer_bytes: int = 128 * 1024


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """Where a store is: a unix socket or host and port; `host_header` is what requests name."""

    host_header: str
    socket_path: str = ""
    host: str = ""
    port: int = 0
    is_tls: bool = False


def parse_endpoint(endpoint: str) -> Address:
    """Parse `https://host[:port]`, `http://host[:port]` or `unix:/path`. Raises `InvalidInputError`."""
    if endpoint.startswith("unix:"):
        path = endpoint.removeprefix("unix://").removeprefix("unix:")
        return Address(host_header="localhost", socket_path=path)
    parts = urlsplit(endpoint)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path not in {"", "/"}:
        raise InvalidInputError(
            f"{endpoint!r} is not the endpoint of a store",
            hint="https://host:port, http://host:port or unix:/path",
        )
    is_tls = parts.scheme == "https"
    port = parts.port or (443 if is_tls else 80)
    default = port == (443 if is_tls else 80)
    name = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return Address(
        host_header=name if default else f"{name}:{port}", host=parts.hostname, port=port, is_tls=is_tls
    )


def _enlarge(transport: Any) -> None:
    """Let the kernel take a whole piece of a body at once: its default for unix sockets is less than a piece,
    so that each would be written in parts, with a wait between. (Of TCP it adapts the size by itself.)"""
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, UNIX_SEND_BYTES)


class Pool:
    """Connections to one store. `await take()` gives one; it comes back by itself when its exchange is
    over."""

    def __init__(
        self,
        address: Address,
        context: ssl.SSLContext | None,
        limits: PoolLimits,
        breaker: Breaker,
        name: str,
    ) -> None:
        self._address = address
        self._context = context
        self._limits = limits
        self._breaker = breaker
        self._name = name
        self._idle: list[StoreConnection] = []
        self._open: set[StoreConnection] = set()
        self._connecting = 0
        self._waiting: deque[asyncio.Future[StoreConnection | None]] = deque()
        self._watch: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def busy(self) -> int:
        """How many connections carry an exchange."""
        return len(self._open) - len(self._idle)

    def find_idle(self) -> StoreConnection | None:
        """Return a kept connection if there is one."""
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_lost:
                return connection
        return None

    async def take(self, *, fresh: bool = False) -> StoreConnection:
        """Return a connection that nobody uses. Raises `StoreUnreachableError`.

        A `fresh` one is newly made: for the second try, when the store had closed a kept one just before it
        was used.
        """
        kept = None if fresh else self.find_idle()
        if kept is not None:
            return kept
        loop = asyncio.get_running_loop()
        if self._closed or not self._breaker.allow(loop.time()):
            raise StoreUnreachableError(f"the store {self._name} does not answer")
        if len(self._open) + self._connecting < self._limits.connections:
            return await self._connect()
        return await self._wait_for_turn(loop)

    async def _wait_for_turn(self, loop: asyncio.AbstractEventLoop) -> StoreConnection:
        turn: asyncio.Future[StoreConnection | None] = loop.create_future()
        self._waiting.append(turn)
        try:
            async with asyncio.timeout(self._limits.wait_s):
                connection = await asyncio.shield(turn)
        except TimeoutError:
            self._give_up(turn)
            raise StoreUnreachableError(f"the store {self._name} is too busy") from None
        except asyncio.CancelledError:
            self._give_up(turn)
            raise
        return connection if connection is not None else await self._connect()

    def _give_up(self, turn: "asyncio.Future[StoreConnection | None]") -> None:
        """Leave the queue; if the turn came at this very moment, pass it on."""
        if not turn.done():
            self._waiting.remove(turn)
            turn.cancel()
        elif not turn.cancelled():
            connection = turn.result()
            if connection is None:
                self._serve_next(None)
            else:
                self._take_back(connection)

    async def _connect(self) -> StoreConnection:
        loop = asyncio.get_running_loop()
        self._connecting += 1
        try:
            async with asyncio.timeout(self._limits.connect_s):
                transport, connection = await self._open_transport(loop)
        except (OSError, TimeoutError) as problem:
            self._breaker.fail(loop.time())
            self._serve_next(None)
            raise StoreUnreachableError(
                f"the store {self._name} cannot be reached: {problem or 'no answer in time'}"
            ) from problem
        finally:
            self._connecting -= 1
        transport.set_write_buffer_limits(high=self._limits.buffer_bytes)
        if self._address.socket_path:
            _enlarge(transport)
        self._open.add(connection)
        self._ensure_watched(loop)
        return connection

    async def _open_transport(self, loop: asyncio.AbstractEventLoop) -> tuple[Any, StoreConnection]:
        address = self._address
        if address.socket_path:
            return await loop.create_unix_connection(self._make, address.socket_path)
        return await loop.create_connection(
            self._make,
            address.host,
            address.port,
            ssl=self._context,
            server_hostname=address.host if self._context else None,
        )

    def _make(self) -> StoreConnection:
        return StoreConnection(self._take_back, self._lose)

    def _take_back(self, connection: StoreConnection) -> None:
        self._breaker.succeed()
        if not self._serve_next(connection):
            self._idle.append(connection)

    def _lose(self, connection: StoreConnection, failed: bool) -> None:
        """A connection is gone; if it `failed`, an exchange was under way that nobody here had given up."""
        self._open.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        if failed:
            self._breaker.fail(asyncio.get_running_loop().time())
        self._serve_next(None)

    def _serve_next(self, connection: StoreConnection | None) -> bool:
        """Give the connection (None: leave to make one) to who waits longest."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(connection)
                return True
        return False

    # ---- watching ----

    def _ensure_watched(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._watch is None and not self._closed:
            self._watch = loop.call_later(WATCH_EVERY_S, self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        self._watch = None
        now = loop.time()
        for connection in list(self._idle):
            if now - connection.progress_at > self._limits.idle_s:
                self._idle.remove(connection)
                connection.close()
        for connection in list(self._open):
            if connection.waits_for_store() and now - connection.progress_at > self._limits.reply_s:
                self._breaker.fail(now)
                connection.time_out()
        if self._open:
            self._ensure_watched(loop)

    async def close(self) -> None:
        """Close all connections, also those in use."""
        self._closed = True
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        for turn in self._waiting:
            turn.cancel()
        for connection in list(self._open):
            connection.close()
        self._idle.clear()
        await asyncio.sleep(0)
