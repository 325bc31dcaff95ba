"""A site's own Dask: a scheduler and workers as its processes, over TLS with a key that only they have.

The processes end with whoever started them, however it dies: their standard input closes then. Workers come
and go by `scale` (one that died is replaced by the next call), or one by one by `hire` and `retire`: only
those go that have no work, and the scheduler, who alone knows, chooses them. The key is made anew for each
cluster and lies in `folder` only: other identities of the continuum cannot connect, because whoever reaches
a scheduler of Dask can execute anything with the rights of its workers.
"""

import contextlib
import logging
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import msgspec

from continuum.model.errors import InvalidInputError, UnavailableError
from continuum.workflow.engines.clustering import ProcessSettings, make_key
from continuum.workflow.engines.hiring import Census

log = logging.getLogger(__name__)

START_TIMEOUT_S = 30.0
FIRST_CREATION_S = 2.0  # a guess, until one has appeared
RETIRE_TIMEOUT_S = 10.0
END_TIMEOUT_S = 5.0
LOOK_EVERY_S = 0.05


class ClusterAddress(msgspec.Struct, frozen=True, kw_only=True):
    """Where a scheduler of Dask is, and the files (PEM) with which it is reached over TLS.

    `units_per_worker` and `memory_bytes_per_worker` are what a worker will have that is not there yet (0: not
    known, or not counted).
    """

    url: str
    ca_file: str = ""
    certificate_file: str = ""
    key_file: str = ""
    units_per_worker: int = 0
    memory_bytes_per_worker: int = 0

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


class Member:
    """One worker: its process, and how long it took to appear (0: it has not)."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        """Wait for what it says in a thread, which ends with the process."""
        self.process = process
        self.took_s = 0.0
        self.said: list[str] = []
        self._began = time.monotonic()
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    @property
    def is_ready(self) -> bool:
        """Whether it works."""
        return self.took_s > 0 and self.process.poll() is None

    def wait(self) -> str:
        """Return what it said, empty if that was nothing in time."""
        self._reading.join(max(0.0, self._began + START_TIMEOUT_S - time.monotonic()))
        return self.said[0] if self.said else ""

    def is_overdue(self) -> bool:
        """Whether it should have appeared."""
        return not self.took_s and time.monotonic() > self._began + START_TIMEOUT_S

    def _read(self) -> None:
        assert self.process.stdout is not None  # noqa: S101 - made with a pipe
        with contextlib.suppress(ValueError, OSError):  # it was closed meanwhile
            line = self.process.stdout.readline()
            self.said.append(line)
            if line.startswith("ready"):
                self.took_s = time.monotonic() - self._began


class DaskCluster:
    """A scheduler and workers of this machine. Make it, `start` it, `scale` it, `close` it."""

    def __init__(self, folder: Path, *, units_per_worker: int, memory_bytes_per_worker: int = 0) -> None:
        self._folder = folder
        self._units = units_per_worker
        self._memory_bytes = memory_bytes_per_worker
        self._lock = threading.Lock()
        self._scheduler: subprocess.Popen[str] | None = None
        self._said: queue.SimpleQueue[str] = queue.SimpleQueue()  # by the scheduler
        self._owed = 0  # answers
        self._workers: dict[str, Member] = {}
        self._leaving: list[subprocess.Popen[str]] = []
        self._last_worker = 0
        self.creation_s = FIRST_CREATION_S  # what the last worker took to appear
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
            url = self._parse_ready(self._hear_scheduler(self._scheduler), "scheduler")
            self.address = ClusterAddress(
                url=url,
                units_per_worker=self._units,
                memory_bytes_per_worker=self._memory_bytes,
                **files,
            )
            self.scale(workers)
            for name, member in list(self._workers.items()):
                self._parse_ready(member.wait(), name)
        except BaseException:
            self.close()
            raise
        return self.address

    @property
    def workers(self) -> int:
        """How many workers there are, or will be in a moment."""
        return len(self._workers)

    @property
    def ready_workers(self) -> int:
        """How many workers work."""
        with self._lock:
            return sum(member.is_ready for member in self._workers.values())

    def worker_pids(self) -> list[int]:
        """Return the processes of the workers, the oldest first."""
        return [member.process.pid for member in self._workers.values()]

    def scale(self, workers: int) -> None:
        """Start or end workers so that there are this many. The youngest go first."""
        with self._lock:
            self._bury()
            self._hire(workers - len(self._workers))
            for name in list(self._workers)[workers:]:
                self._let_go(name)

    def hire(self, workers: int) -> None:
        """Start so many workers more."""
        with self._lock:
            self._hire(workers)

    def retire(self, workers: int) -> int:
        """End so many workers that have no work and no data, the youngest; return how many went. Blocks."""
        with self._lock:
            if self._scheduler is None or workers < 1:
                return 0
            names = self._ask_scheduler(f"retire {workers}")
            for name in names:
                if name in self._workers:
                    self._let_go(name)
            return len(names)

    def count(self) -> Census:
        """Return what became of the workers; each loss is told once."""
        with self._lock:
            not_started, lost = self._bury()
            ready = [member for member in self._workers.values() if member.is_ready]
            if ready:
                self.creation_s = ready[-1].took_s
            return Census(
                workers=len(ready),
                starting=len(self._workers) - len(ready),
                not_started=not_started,
                lost=lost,
            )

    def close(self) -> None:
        """End all processes; blocks until they are gone."""
        with self._lock:
            processes = [*self._leaving, *(member.process for member in self._workers.values())]
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

    def _hire(self, workers: int) -> None:
        for _ in range(workers):
            self._last_worker += 1
            name = f"station-{self._last_worker}"
            self._workers[name] = Member(self._start(name, self._settings(name)))

    def _let_go(self, name: str) -> None:
        member = self._workers.pop(name)
        _ask_to_end(member.process)
        self._leaving.append(member.process)

    def _bury(self) -> tuple[int, int]:
        """Forget those that ended; return how many had not appeared yet, and how many had."""
        not_started = lost = 0
        for name, member in list(self._workers.items()):
            if member.is_overdue():
                member.process.kill()
                member.process.wait()
            if member.process.poll() is None:
                continue
            log.warning("Dask worker %s ended with status %s", name, member.process.returncode)
            lost, not_started = lost + (member.took_s > 0), not_started + (member.took_s == 0)
            del self._workers[name]
            _close_pipes(member.process)
        for process in [each for each in self._leaving if each.poll() is not None]:
            self._leaving.remove(process)
            _close_pipes(process)
        return not_started, lost

    def _ask_scheduler(self, words: str) -> list[str]:
        """Return the words of the scheduler's answer; none if it does not answer."""
        assert self._scheduler is not None  # noqa: S101 - looked at by the caller
        assert self._scheduler.stdin is not None  # noqa: S101 - made with pipes
        try:
            self._scheduler.stdin.write(f"{words}\n")
            self._scheduler.stdin.flush()
        except OSError:
            return []
        self._owed += 1
        names: list[str] = []
        with contextlib.suppress(queue.Empty):
            while self._owed:  # also what came too late for whoever asked: those workers went as well
                names += self._said.get(timeout=RETIRE_TIMEOUT_S).split()[1:]
                self._owed -= 1
        return names

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

    def _parse_ready(self, said: str, name: str) -> str:
        word, _, rest = said.strip().partition(" ")
        if word != "ready":
            raise UnavailableError(
                f"the {name} of Dask did not start", hint=f"{self._folder / name}.log says why"
            )
        return rest

    def _hear_scheduler(self, process: "subprocess.Popen[str]") -> str:
        """Have a thread read what the scheduler says, to its end; return its first line."""
        assert process.stdout is not None  # noqa: S101 - made with a pipe
        self._said, self._owed = queue.SimpleQueue(), 0
        threading.Thread(target=_read_lines, args=(process.stdout, self._said.put), daemon=True).start()
        with contextlib.suppress(queue.Empty):
            return self._said.get(timeout=START_TIMEOUT_S)
        return ""


def _read_lines(stream: IO[str], say: Callable[[str], None]) -> None:
    with contextlib.suppress(ValueError, OSError):  # it was closed meanwhile
        for line in stream:
            say(line)
    say("")


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
