"""The hub's process: `python -m continuum.hub --settings FILE`. Prints `ready https://…` when it serves."""

import argparse
import asyncio
import logging
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
import uvloop

from continuum.hub.api import make_application
from continuum.hub.authenticating import Authenticator, IdentifyingProtocol
from continuum.hub.composing import Hub
from continuum.model.errors import ContinuumError
from continuum.security import server_context
from continuum.sites import HubSettings, read_hub_settings

log = logging.getLogger("continuum.hub")


class Server(uvicorn.Server):
    """uvicorn without its own signal handlers, and with the line that says that it serves."""

    def __init__(self, config: uvicorn.Config, url: str) -> None:
        super().__init__(config)
        self._url = url

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to us."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen and say so."""
        await super().startup(sockets)
        if not self.should_exit:
            print(f"ready {self._url}", flush=True)  # noqa: T201 -- the supervisor waits for this line


async def run(settings: HubSettings) -> None:
    """Run the hub until SIGTERM or SIGINT."""
    hub = Hub(settings)
    await hub.start()
    try:
        await _serve(hub, settings)
    finally:
        await hub.stop()


async def _serve(hub: Hub, settings: HubSettings) -> None:
    identity = settings.identity
    context = server_context(
        identity.certificate_file,
        identity.key_file,
        client_ca_file=identity.ca_file,
        is_client_certificate_needed=False,
    )
    config = uvicorn.Config(
        make_application(hub, Authenticator(hub.find_user)),
        host=settings.listen_host,
        port=settings.listen_port,
        http=IdentifyingProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ssl_context_factory=lambda _config, _default: context,
        timeout_graceful_shutdown=3,
        limit_concurrency=256,
    )
    server = Server(config, f"https://{settings.listen_host}:{settings.listen_port}")
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, setattr, server, "should_exit", True)
    await server.serve()


def main() -> int:
    """Read the settings that the command line names and run."""
    parser = argparse.ArgumentParser(description="Run the hub of a continuum.")
    parser.add_argument("--settings", type=Path, required=True, help="the hub's settings (JSON)")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        uvloop.run(run(read_hub_settings(parser.parse_args().settings)))
    except ContinuumError as problem:
        log.critical("%s", problem)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
