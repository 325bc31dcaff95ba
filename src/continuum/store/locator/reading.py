"""Reading the index: on connections of its own, never blocked by the writer.

Every read sees the last commit as of its beginning. Lists, which take milliseconds, run in a few threads;
point reads of SQLite run on the loop itself: they take some 20 µs, a third of what handing them to a thread
and back costs. A point read whose pages are not in memory holds the loop for one access of the disk.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Concatenate, ParamSpec, TypeVar

from continuum.store.locator.database import Connection, IndexUnavailableError

Parameters = ParamSpec("Parameters")
Answer = TypeVar("Answer")

THREADS = 2
POINT_THREADS = 4  # for databases elsewhere: a look-up waits for the network, not for lists


class Reader:
    """Executes reads; `are_points_inline` is for databases in this process."""

    def __init__(self, connect: Callable[[], Connection], *, are_points_inline: bool) -> None:
        self._connect = connect
        self._are_points_inline = are_points_inline
        self._inline: Connection | None = None
        self._local = threading.local()
        self._lock = threading.Lock()
        self._connections: set[Connection] = set()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="locator-reader")
        self._point_threads = ThreadPoolExecutor(POINT_THREADS, thread_name_prefix="locator-point")

    def start(self) -> None:
        """Open the first connection: while there is one, others can be opened even when the disk is full."""
        self._open_inline()

    def _open_inline(self) -> Connection:
        self._inline = self._open()
        return self._inline

    async def point(
        self,
        read: Callable[Concatenate[Connection, Parameters], Answer],
        *args: Parameters.args,
        **settings: Parameters.kwargs,
    ) -> Answer:
        """Execute a read of a few rows."""
        if not self._are_points_inline:
            return await asyncio.get_running_loop().run_in_executor(
                self._point_threads,
                lambda: self._read(lambda connection: read(connection, *args, **settings)),
            )
        connection = self._inline or self._open_inline()
        try:
            return read(connection, *args, **settings)
        except IndexUnavailableError:
            self._close(connection)
            self._inline = None
            raise

    async def scan(
        self,
        read: Callable[Concatenate[Connection, Parameters], Answer],
        *args: Parameters.args,
        **settings: Parameters.kwargs,
    ) -> Answer:
        """Execute a read of many rows."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._threads, lambda: self._read(lambda connection: read(connection, *args, **settings))
        )

    def _read(self, read: Callable[[Connection], Answer]) -> Answer:
        connection: Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._open()
        try:
            return read(connection)
        except IndexUnavailableError:
            self._local.connection = None
            self._close(connection)
            raise

    def _open(self) -> Connection:
        connection = self._connect()
        with self._lock:
            self._connections.add(connection)
        return connection

    def _close(self, connection: Connection) -> None:
        with self._lock:
            self._connections.discard(connection)
        connection.close()

    async def stop(self) -> None:
        """Wait for reads that run and close all connections."""
        await asyncio.to_thread(self._threads.shutdown)
        await asyncio.to_thread(self._point_threads.shutdown)
        for connection in tuple(self._connections):
            self._close(connection)
