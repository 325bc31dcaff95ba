"""The server of one directory store, put together: folder, threads, listeners. `start`, then `stop`."""

import asyncio
import contextlib
import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor

from continuum.security import server_context
from continuum.store.directories.handling import DirectoryHandler
from continuum.store.directories.listing import Lister
from continuum.store.directories.operations.calls import Shared
from continuum.store.directories.settings import DirectorySettings, check
from continuum.store.directories.trees import Tree
from continuum.store.directories.uploads import Uploads
from continuum.store.errors import S3Error
from continuum.store.gateway.connections import Connection, Request
from continuum.store.gateway.metrics import Counts
from continuum.store.gateway.serving import GatewayServer
from continuum.store.gateway.translating import refuse


class DirectoryStore:
    """Serves a folder. `port` is known once it is started, if it has one."""

    def __init__(self, settings: DirectorySettings) -> None:
        check(settings)
        self.settings = settings
        self.port = settings.listen_port or 0
        self._tree = Tree(settings.folder, min_free_bytes=settings.min_free_bytes)
        self._executor = ThreadPoolExecutor(settings.threads, thread_name_prefix="files")
        self._servers: list[GatewayServer] = []

    async def start(self) -> None:
        """Take the folder, make the bucket, listen. Raises `InvalidInputError`, `ConflictError`,
        `UnavailableError`."""
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise

    async def _start(self) -> None:
        settings = self.settings
        self._tree.open()
        if settings.bucket:
            with contextlib.suppress(S3Error):  # it is there
                self._tree.make_bucket(settings.bucket)
        shared = Shared(
            tree=self._tree,
            lister=Lister(self._tree),
            uploads=Uploads(self._tree),
            executor=self._executor,
            limits=settings.limits,
        )
        handler = DirectoryHandler(shared, settings)
        if settings.socket is not None:
            server = self._make_server(handler)
            settings.socket.unlink(missing_ok=True)
            before = os.umask(0o177)
            try:
                await server.listen_at(settings.socket)
            finally:
                os.umask(before)
        if settings.listen_port is not None:
            self.port = await self._listen(self._make_server(handler), settings.listen_port)

    async def _listen(self, server: GatewayServer, port: int) -> int:
        settings = self.settings
        tls = None
        if settings.tls_certificate_file is not None and settings.tls_key_file is not None:
            tls = server_context(settings.tls_certificate_file, settings.tls_key_file)
        return await server.listen(settings.listen_host, port, tls=tls, shared=False)

    def _make_server(self, handler: DirectoryHandler) -> GatewayServer:
        server = GatewayServer(handler.handle, _go_the_long_way, refuse, self.settings.limits, Counts())
        self._servers.append(server)
        return server

    @property
    def url(self) -> str:
        """Where it is found by other machines, else by this one."""
        settings = self.settings
        if settings.listen_port is None:
            return f"unix:{settings.socket}"
        host = f"[{settings.listen_host}]" if ":" in settings.listen_host else settings.listen_host
        return f"{'https' if settings.is_tls else 'http'}://{host}:{self.port}"

    async def stop(self) -> None:
        """Finish what runs, in bounded time, and give the folder back."""
        for server in self._servers:
            await server.stop()
        self._executor.shutdown(wait=True)
        if self.settings.socket is not None:
            self.settings.socket.unlink(missing_ok=True)
        self._tree.close()


async def serve_directory(settings: DirectorySettings) -> None:
    """Serve a folder until SIGTERM or SIGINT; print `ready …` on standard output when it is served."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    store = DirectoryStore(settings)
    await store.start()
    try:
        sys.stdout.write(f"ready {store.url}\n")
        sys.stdout.flush()
        await stopping.wait()
    finally:
        await store.stop()


def _go_the_long_way(_request: Request, _connection: Connection) -> bool:
    return False
