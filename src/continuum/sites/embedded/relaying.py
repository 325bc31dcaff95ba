"""The relay's process: `python -m continuum.sites.embedded.relaying PORT:TARGET …` passes connections on to
servers that listen on loopback.

SeaweedFS opens the inner port of its S3 server, where nobody is asked who he is, at the same address as S3
itself. So it stays on loopback, and other machines reach S3 alone, through here. What passes is TLS from end
to end: the relay reads nothing of it and has no key. It does not say who called: stores see loopback.
"""

import argparse
import asyncio
import contextlib
import logging
import signal
import sys
from functools import partial
from typing import cast

import uvloop

from continuum.sites.embedded.listening import EVERYWHERE, LOOPBACK

log = logging.getLogger("continuum.relay")

MAX_CONNECTIONS = 2048
CONNECT_S = 5.0
BUFFER_BYTES = 512 * 1024


class End(asyncio.Protocol):
    """One end of a connection that is passed on; `other` is the other one, once it is there."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.other: End | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(BUFFER_BYTES)

    def data_received(self, data: bytes) -> None:
        """Pass on."""
        if self.other is not None and self.other.transport is not None:
            self.other.transport.write(data)

    def eof_received(self) -> bool:
        """Pass the end of one direction on; the other one goes on."""
        other = self.other.transport if self.other is not None else None
        if other is None or other.is_closing():
            return False
        other.write_eof()
        return True

    def pause_writing(self) -> None:
        """Read no more from the other end while this one does not take it."""
        if self.other is not None and self.other.transport is not None:
            with contextlib.suppress(RuntimeError):  # it is closing
                self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        """Read on."""
        if self.other is not None and self.other.transport is not None:
            with contextlib.suppress(RuntimeError):
                self.other.transport.resume_reading()

    def connection_lost(self, _: Exception | None) -> None:
        """End the other end too, after what is on its way."""
        if self.other is not None and self.other.transport is not None:
            self.other.transport.close()


class Caller(End):
    """The end that called; what it says before the server behind is connected waits."""

    def __init__(self, target: int, callers: set["Caller"]) -> None:
        super().__init__()
        self._target = target
        self._callers = callers
        self._connecting: asyncio.Task[None] | None = None
        self._early = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connect to the server behind."""
        super().connection_made(transport)
        if len(self._callers) >= MAX_CONNECTIONS:
            cast("asyncio.Transport", transport).abort()
            return
        self._callers.add(self)
        self._connecting = asyncio.ensure_future(self._connect())

    def data_received(self, data: bytes) -> None:
        """Pass on, or keep until that can be done."""
        if self.other is not None:
            super().data_received(data)
            return
        self._early += data
        if self.transport is not None:
            self.transport.pause_reading()

    def connection_lost(self, problem: Exception | None) -> None:
        """End both."""
        super().connection_lost(problem)
        self._callers.discard(self)
        if self._connecting is not None:
            self._connecting.cancel()

    async def _connect(self) -> None:
        caller = cast("asyncio.Transport", self.transport)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_S):
                _, server = await loop.create_connection(End, LOOPBACK, self._target)
        except (OSError, TimeoutError) as problem:
            log.warning("nobody behind port %d: %s", self._target, problem)
            caller.close()
            return
        self.other, server.other = server, self
        if self._early and server.transport is not None:
            server.transport.write(bytes(self._early))
        caller.resume_reading()


async def relay(ports: dict[int, int], *, host: str = EVERYWHERE) -> None:
    """Pass what comes to a port on to its target on loopback, until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    callers: set[Caller] = set()
    servers = [
        await loop.create_server(partial(Caller, target, callers), host, port)
        for port, target in ports.items()
    ]
    print(f"ready {len(servers)} ports", flush=True)  # noqa: T201 -- the supervisor waits for this line
    await stop.wait()
    for server in servers:
        server.close()
    for caller in tuple(callers):
        if caller.transport is not None:
            caller.transport.abort()


def main() -> int:
    """Run the relay that the command line describes."""
    parser = argparse.ArgumentParser(description="Pass connections on to servers on loopback.")
    parser.add_argument("ports", nargs="+", metavar="PORT:TARGET")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    pairs = [each.partition(":") for each in parser.parse_args().ports]
    uvloop.run(relay({int(port): int(target) for port, _, target in pairs}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
