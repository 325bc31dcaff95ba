"""A directory store in a process of its own, in the manner of `PlainStore`, for tests that need a store."""

import subprocess
import sys
from pathlib import Path

from taking_ports import explain_end, start_on_free_ports

from continuum.store import DirectoryKeys, DirectorySettings, format_directory_settings


class DirectoryStoreProcess:
    """`start` it; then `endpoint`, `access_key`, `secret_key`; `kill` it as a crash does; `stop` it.

    `root` is the folder that is served.
    """

    access_key = "test"
    secret_key = "test-secret"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[str] | None = None
        self.root = folder / "served"
        self.endpoint = ""

    def start(self) -> None:
        """Start it and wait until it serves; again on its port if it was started before."""
        self.root.mkdir(exist_ok=True)
        if self.endpoint:
            self._start([int(self.endpoint.rpartition(":")[2])])
        else:
            start_on_free_ports(1, self._start)

    def _start(self, ports: list[int]) -> None:
        file = self._folder / "directory.json"
        file.write_bytes(format_directory_settings(self._settings(*ports)))
        log_file = self._folder / "directory.log"
        with log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "continuum.store.directories", "--settings", str(file)],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.startswith("ready "):
            self.kill()
            raise explain_end(log_file)
        self.endpoint = line.split()[1]

    def _settings(self, port: int) -> DirectorySettings:
        return DirectorySettings(
            name="test",
            folder=self.root,
            keys=(DirectoryKeys(access_key=self.access_key, secret_key=self.secret_key),),
            listen_port=port,
            min_free_bytes=0,
        )

    def kill(self) -> None:
        """Let it die at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            if self._process.stdout is not None:
                self._process.stdout.close()

    def stop(self) -> None:
        """End it."""
        self.kill()
