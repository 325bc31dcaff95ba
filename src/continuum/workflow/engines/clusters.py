"""A site's own Dask: a scheduler and workers as its processes, over TLS with a key that only they have.

The processes end with whoever started them, however it dies: their standard input closes then. Workers come
and go by `scale`; one that died is replaced by the next call. The key is made anew for each cluster and lies
in `folder` only: other identities of the continuum cannot connect, because whoever reaches a scheduler of
Dask can execute anything with the rights of its workers.
"""

import contextlib
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from continuum.model.errors import InvalidInputError, UnavailableError
from continuum.workflow.engines.clustering import ProcessSettings, make_key

log = logging.getLogger(__name__)

START_TIMEOUT_S = 30.0
END_TIMEOUT_S = 5.0
LOOK_EVERY_S = 0.05


class ClusterAddress(msgspec.Struct, frozen=True, kw_only=True):
    """Where a scheduler of Dask is, and the files (PEM) with which it is reached over TLS.

    `units_per_worker` is how many computing units a worker will have that is not there yet (0: not known).
    """

    url: str
    ca_file: str = ""
    certificate_file: str = ""
    key_file: str = ""
    units_per_worker: int = 0

    def security(self) -> Any:
        """Return this as Dask wants it. Raises `UnavailableError` if Dask is not installed."""
        try:
            from distributed import Security  # noqa: PLC0415 - takes a second, and is not always there
        except ImportError as problem:
            raise UnavailableError(
                "Dask is not installed here", hint="pip install 'extract-continuum[dask]'"
            ) from problem
        if not self.ca_file:
            return None
        return Security(
            require_encryption=True,
            tls_ca_file=self.ca_file,
            tls_client_cert=self.certificate_file,
            tls_client_key=self.key_file,
        )


def parse_address(url: str) -> str:
    """Return the address of a scheduler, checked."""
    scheme, separator, rest = url.partition("://")
    host, _, port = rest.rpartition(":")
    if not separator or scheme not in {"tcp", "tls"} or not host or not port.isdigit():
        raise InvalidInputError(
            f"{url!r} is no address of a Dask scheduler", hint="as in tls://scheduler.example:8786"
        )
    return url


class DaskCluster:
    """A scheduler and workers of this machine. Make it, `start` it, `scale` it, `close` it."""

    def __init__(self, folder: Path, *, units_per_worker: int, memory_bytes_per_worker: int = 0) -> None:
        self._folder = folder
        self._units = units_per_worker
        self._memory_bytes = memory_bytes_per_worker
        self._lock = threading.Lock()
        self._scheduler: subprocess.Popen[str] | None = None
        self._workers: dict[str, subprocess.Popen[str]] = {}
        self._leaving: list[subprocess.Popen[str]] = []
        self._last_worker = 0
        self.address = ClusterAddress(url="")

    def start(self, workers: int) -> ClusterAddress:
        """Start the scheduler and so many workers; blocks until they work. Raises `UnavailableError`."""
        ClusterAddress(url="").security()
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        pem = self._folder / "dask.pem"
        make_key(pem)
        files = {"ca_file": str(pem), "certificate_file": str(pem), "key_file": str(pem)}
        self._files = files
        self._scheduler = self._start("scheduler", self._settings("scheduler"))
        try:
            url = self._read_ready(self._scheduler, "scheduler")
            self.address = ClusterAddress(url=url, units_per_worker=self._units, **files)
            self.scale(workers)
            for name, process in list(self._workers.items()):
                self._read_ready(process, name)
        except BaseException:
            self.close()
            raise
        return self.address

    @property
    def workers(self) -> int:
        """How many workers there are, or will be in a moment."""
        return len(self._workers)

    def worker_pids(self) -> list[int]:
        """Return the processes of the workers, the oldest first."""
        return [process.pid for process in self._workers.values()]

    def scale(self, workers: int) -> None:
        """Start or end workers so that there are this many. The youngest go first."""
        with self._lock:
            for name, process in list(self._workers.items()):
                if process.poll() is not None:
                    log.warning("Dask worker %s ended with status %s", name, process.returncode)
                    _close_pipes(self._workers.pop(name))
            while len(self._workers) < workers:
                self._last_worker += 1
                name = f"station-{self._last_worker}"
                settings = self._settings(name)
                self._workers[name] = self._start(name, settings)
            for name in list(self._workers)[workers:]:
                leaving = self._workers.pop(name)
                _ask_to_end(leaving)
                self._leaving.append(leaving)

    def close(self) -> None:
        """End all processes; blocks until they are gone."""
        with self._lock:
            processes = [*self._leaving, *self._workers.values()]
            processes += [self._scheduler] if self._scheduler else []
            self._leaving.clear()
            self._workers.clear()
            self._scheduler = None
        for process in processes:
            _ask_to_end(process)
        deadline = time.monotonic() + END_TIMEOUT_S
        for process in processes:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            _close_pipes(process)
        (self._folder / "dask.pem").unlink(missing_ok=True)

    def _settings(self, name: str) -> ProcessSettings:
        return ProcessSettings(
            kind="scheduler" if name == "scheduler" else "worker",
            name=name,
            scheduler=self.address.url,
            units=self._units,
            memory_bytes=self._memory_bytes,
            ca_file=self._files["ca_file"],
            certificate_file=self._files["certificate_file"],
            key_file=self._files["key_file"],
        )

    def _start(self, name: str, settings: ProcessSettings) -> "subprocess.Popen[str]":
        command = [sys.executable, "-P", "-m", "continuum.workflow.engines.clustering"]
        with (self._folder / f"{name}.log").open("ab") as output:
            return subprocess.Popen(
                [*command, msgspec.json.encode(settings).decode()],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                text=True,
                cwd=self._folder,
                start_new_session=True,  # Ctrl-C at the terminal is the owner's business
            )

    def _read_ready(self, process: "subprocess.Popen[str]", name: str) -> str:
        """Return what a process says when it is ready."""
        said: list[str] = []
        assert process.stdout is not None  # noqa: S101 - made with a pipe
        reading = threading.Thread(target=_read_line, args=(process.stdout.readline, said), daemon=True)
        reading.start()
        reading.join(START_TIMEOUT_S)
        word, _, rest = (said[0] if said else "").strip().partition(" ")
        if word != "ready":
            raise UnavailableError(
                f"the {name} of Dask did not start", hint=f"{self._folder / name}.log says why"
            )
        return rest


def _read_line(read: Callable[[], str], said: list[str]) -> None:
    said.append(read())


def _ask_to_end(process: "subprocess.Popen[str]") -> None:
    """Close its standard input: it ends by itself."""
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.close()


def _close_pipes(process: "subprocess.Popen[str]") -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
