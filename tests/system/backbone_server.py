"""A real nats-server with mutual TLS on a free port, and identities for whoever a test needs."""

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from taking_ports import explain_end, start_on_free_ports

from continuum.backbone import Backbone, BackboneSettings
from continuum.security import create_identity
from continuum.sites import choose_free_ports

START_S = 15.0
MAX_PAYLOAD_BYTES = 8 * 1024 * 1024


class BackboneServer:
    """`start` it, get `settings(name)` for any identity, `kill` it. It can be started again on its port."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, choose: Callable[[int], list[int]] = choose_free_ports) -> None:
        """Start the server and wait until it greets."""
        if self.port:
            self._start([self.port])
        else:
            start_on_free_ports(1, self._start, choose)

    def _start(self, ports: list[int]) -> None:
        (port,) = ports
        files = create_identity(self.home, "backbone", "backbone")
        configuration = self.home / "nats.conf"
        configuration.write_text(
            f'listen: "127.0.0.1:{port}"\nmax_payload: {MAX_PAYLOAD_BYTES}\n'
            f'tls {{ cert_file: "{files.certificate_file}", key_file: "{files.key_file}", '
            f'ca_file: "{files.ca_file}", verify: true, timeout: 5 }}\n'
        )
        binary = Path(sys.executable).with_name("nats-server")
        log_file = self.home / "nats.log"
        with log_file.open("ab") as log:
            self._process = subprocess.Popen([binary, "-c", configuration], stdout=log, stderr=log)
        give_up_at = time.monotonic() + START_S
        while not greets(port):
            if self._process.poll() is not None or time.monotonic() > give_up_at:
                self.kill()
                raise explain_end(log_file)
            time.sleep(0.01)
        self.port = port

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def settings(self, name: str) -> BackboneSettings:
        """Return how `name` connects; its identity is made when it is first asked for."""
        files = create_identity(self.home, name, name.partition(".")[0])
        return BackboneSettings(
            url=f"tls://127.0.0.1:{self.port}",
            name=name,
            ca_file=files.ca_file,
            certificate_file=files.certificate_file,
            key_file=files.key_file,
        )

    @contextlib.asynccontextmanager
    async def connected(self, name: str) -> AsyncIterator[Backbone]:
        """Be `name` on the backbone for the length of a block."""
        backbone = await Backbone.connect(self.settings(name), wait_s=START_S)
        try:
            yield backbone
        finally:
            await backbone.close()


def greets(port: int) -> bool:
    """Tell whether somebody who speaks first listens on `port`."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=0.3) as connection:
            return bool(connection.recv(1))
    except OSError:
        return False
