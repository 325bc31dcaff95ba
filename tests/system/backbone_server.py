"""A real nats-server with mutual TLS on a free port, and identities for whoever a test needs."""

import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from continuum.backbone import Backbone, BackboneSettings
from continuum.security import create_identity
from continuum.sites import choose_free_ports

START_S = 15.0
MAX_PAYLOAD_BYTES = 8 * 1024 * 1024


class BackboneServer:
    """`start` it, get `settings(name)` for any identity, `kill` it. It can be started again on its port."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.port = choose_free_ports(1)[0]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server; connecting waits until it is ready."""
        files = create_identity(self.home, "backbone", "backbone")
        configuration = self.home / "nats.conf"
        configuration.write_text(
            f'listen: "127.0.0.1:{self.port}"\nmax_payload: {MAX_PAYLOAD_BYTES}\n'
            f'tls {{ cert_file: "{files.certificate_file}", key_file: "{files.key_file}", '
            f'ca_file: "{files.ca_file}", verify: true, timeout: 5 }}\n'
        )
        binary = Path(sys.executable).with_name("nats-server")
        with (self.home / "nats.log").open("ab") as log:
            self._process = subprocess.Popen([binary, "-c", configuration], stdout=log, stderr=log)

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
