"""A port at which a process says that it lives: for the probes of whoever starts and restarts it.

Plain HTTP, two pages without content, nothing else: `/live` answers when the event loop turns, `/ready` when
the process does its work. Neither looks at the hub: a site that is cut off must not be restarted for it. What
is asked is read up to a bound, and for a few seconds only.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

REQUEST_BYTES = 4096
REQUEST_S = 5.0
CONNECTIONS = 32
PAGES = (b"/live", b"/ready")


@asynccontextmanager
async def health_listener(port: int, host: str = "0.0.0.0") -> AsyncIterator[int]:  # noqa: S104 -- a pod's
    """Listen while the block lasts; yields the port (0: a free one is taken)."""
    server = await asyncio.start_server(_answer, host, port, limit=REQUEST_BYTES, backlog=CONNECTIONS)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        with suppress(TimeoutError):
            await asyncio.wait_for(server.wait_closed(), REQUEST_S)


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError, TimeoutError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), REQUEST_S)
        writer.write(_reply(head))
        await asyncio.wait_for(writer.drain(), REQUEST_S)
    writer.close()


def _reply(head: bytes) -> bytes:
    words = head.partition(b"\r\n")[0].split(b" ")
    is_known = len(words) == 3 and words[0] in {b"GET", b"HEAD"} and words[1] in PAGES  # noqa: PLR2004
    status = b"200 OK" if is_known else b"404 Not Found"
    return b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
