"""A port at which a process says how it is: for the probes of whoever starts and restarts it.

Plain HTTP, two pages, nothing else. `/live` answers when the event loop turns: a process that is cut off from
the hub must not be restarted for it. `/ready` answers 200 when the process does its work, else 503 with the
reason. What is asked is read up to a bound, for a few seconds only, from a bounded number of askers.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import cast

from continuum.model.errors import UnavailableError

REQUEST_BYTES = 4096
REQUEST_S = 5.0
CONNECTIONS = 32
_END = b"\r\n\r\n"

WhyNot = Callable[[], str]
"""Says why a process is not ready; empty: it is."""


@asynccontextmanager
async def health_listener(port: int, host: str, why_not: WhyNot) -> AsyncIterator[int]:
    """Listen while the block lasts; yields the port (0: a free one is taken). Raises `UnavailableError`."""
    askers: set[_Asker] = set()
    loop = asyncio.get_running_loop()
    try:
        server = await loop.create_server(lambda: _Asker(why_not, askers), host, port)
    except OSError as problem:
        raise UnavailableError(
            f"cannot listen on {host}:{port} for probes: {problem.strerror}", hint="change health_port"
        ) from problem
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for asker in tuple(askers):
            asker.close()


class _Asker(asyncio.Protocol):
    """One connection, for one request."""

    def __init__(self, why_not: WhyNot, askers: "set[_Asker]") -> None:
        self._why_not = why_not
        self._askers = askers
        self._head = b""
        self._transport: asyncio.Transport
        self._ending: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody came; one too many is sent away."""
        self._transport = cast("asyncio.Transport", transport)
        if len(self._askers) >= CONNECTIONS:
            self._transport.abort()
            return
        self._askers.add(self)
        self._ending = asyncio.get_running_loop().call_later(REQUEST_S, self._transport.abort)

    def data_received(self, data: bytes) -> None:
        """Answer when the request's head is complete; end when it is too long."""
        if self._transport.is_closing():
            return
        self._head += data
        if _END in self._head:
            self._transport.write(_answer(self._head.partition(b"\r\n")[0], self._why_not))
            self._transport.close()
        elif len(self._head) > REQUEST_BYTES:
            self._transport.abort()

    def connection_lost(self, problem: Exception | None) -> None:  # noqa: ARG002
        """It is gone."""
        self._askers.discard(self)
        if self._ending is not None:
            self._ending.cancel()

    def close(self) -> None:
        """End at once."""
        self._transport.abort()


def _answer(line: bytes, why_not: WhyNot) -> bytes:
    method, _, rest = line.partition(b" ")
    path, _, protocol = rest.partition(b" ")
    if method not in {b"GET", b"HEAD"} or not protocol.startswith(b"HTTP/1."):
        return _format("400 Bad Request", "")
    is_head = method == b"HEAD"
    if path == b"/live":
        return _format("200 OK", "live", is_head=is_head)
    if path == b"/ready":
        reason = why_not()
        status = "503 Service Unavailable" if reason else "200 OK"
        return _format(status, reason or "ready", is_head=is_head)
    return _format("404 Not Found", "", is_head=is_head)


def _format(status: str, text: str, *, is_head: bool = False) -> bytes:
    body = f"{text}\n".encode() if text else b""
    head = f"HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {len(body)}\r\n"
    return f"{head}Connection: close\r\n\r\n".encode() + (b"" if is_head else body)
