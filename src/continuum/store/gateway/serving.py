"""Listening for clients: accepts connections, watches over them, and stops without cutting off what runs."""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

from continuum.model.errors import UnavailableError
from continuum.store.gateway.connections import Connection, Request
from continuum.store.gateway.framing import FramingError
from continuum.store.gateway.metrics import Counts
from continuum.store.gateway.replies import Reply
from continuum.store.gateway.settings import Limits

LOOK_EVERY_S = 1.0
BACKLOG = 1024


class GatewayServer:
    """Serves one address. `listen`, then `stop`."""

    def __init__(
        self,
        handle: Callable[[Request], Awaitable[Reply]],
        shorten: Callable[[Request, Connection], bool],
        refuse: Callable[[FramingError, str], Reply],
        limits: Limits,
        counts: Counts,
    ) -> None:
        self._handle = handle
        self._shorten = shorten
        self.refuse = refuse
        self.limits = limits
        self.is_stopping = False
        self._counts = counts
        self._connections: set[Connection] = set()
        self._server: asyncio.Server | None = None
        self._watching: asyncio.TimerHandle | None = None
        self._empty = asyncio.Event()
        self._empty.set()

    async def listen(self, host: str, port: int, *, tls: ssl.SSLContext | None, shared: bool) -> int:
        """Listen; return the port. `shared`: other processes listen on the same port. Raises
        `UnavailableError`."""
        loop = asyncio.get_running_loop()
        try:
            listener = _open_listener(host, port, shared=shared)
            self._server = await loop.create_server(
                lambda: Connection(self), sock=listener, ssl=tls, backlog=BACKLOG
            )
        except OSError as problem:
            raise UnavailableError(
                f"cannot listen on {host}:{port}: {problem.strerror or problem}",
                hint="another process may use the port; choose one with listen_port",
            ) from problem
        self._watch(loop)
        chosen: int = listener.getsockname()[1]
        return chosen

    async def listen_at(self, path: Path) -> None:
        """Listen on a unix socket."""
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_unix_server(
                lambda: Connection(self), path=str(path), backlog=BACKLOG
            )
        except OSError as problem:
            raise UnavailableError(f"cannot listen at {path}: {problem.strerror or problem}") from problem
        self._watch(loop)

    def admit(self, connection: Connection) -> bool:
        """Whether one more connection is welcome."""
        if self.is_stopping or len(self._connections) >= self.limits.connections:
            return False
        self._connections.add(connection)
        self._empty.clear()
        self._counts.connections = len(self._connections)
        return True

    def forget(self, connection: Connection) -> None:
        """The connection is gone."""
        self._connections.discard(connection)
        self._counts.connections = len(self._connections)
        if not self._connections:
            self._empty.set()

    def shorten(self, request: Request, connection: Connection) -> bool:
        """Take the short way to a reply, if there is one."""
        return self._shorten(request, connection)

    async def handle(self, request: Request) -> Reply:
        """Answer a request."""
        return await self._handle(request)

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for connection in list(self._connections):
            connection.look(now)
        self._watching = loop.call_later(LOOK_EVERY_S, self._watch, loop)

    async def stop(self) -> None:
        """Accept no more, let requests that run finish for `stop_s`, then cut off the rest."""
        self.is_stopping = True
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections):
            connection.close_if_idle()
        try:
            async with asyncio.timeout(self.limits.stop_s):
                await self._empty.wait()
        except TimeoutError:
            for connection in list(self._connections):
                connection.cancel()
        if self._watching is not None:
            self._watching.cancel()


def _open_listener(host: str, port: int, *, shared: bool) -> socket.socket:
    family, _, _, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener
