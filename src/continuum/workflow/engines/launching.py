"""The owner's end of a fork server."""

import array
import contextlib
import io
import os
import signal
import socket
import subprocess
import sys
import zipfile
from pathlib import Path

import msgspec

from continuum.model.errors import UnavailableError
from continuum.workflow.engines.forking import MESSAGE_BYTES
from continuum.workflow.engines.frames import KillWorker, StartWorker, WorkerEnded, WorkerSettings
from continuum.workflow.folders import EngineFolder
from continuum.workflow.messages import RunSpec

END_TIMEOUT_S = 5.0

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(WorkerEnded).decode


def worker_settings(
    folder: EngineFolder,
    run: RunSpec,
    *,
    pages_file: Path,
    log_file: Path,
    code: Path,
    directory: Path | None,
    station: str = "",
) -> WorkerSettings:
    """Return what the workers of this process are told of a run, its modules being written into `code`."""
    return WorkerSettings(
        places=tuple(str(place) for place in folder.places),
        owned=tuple(str(place) for place in folder.owned),
        work=str(folder.own_work),
        station=station,
        pages_file=str(pages_file),
        log_file=str(log_file.absolute()),
        code=write_code(code, run.code),
        directory=str(directory or ""),
        application=run.application,
        arguments=run.arguments,
        inline_limit_bytes=run.inline_limit_bytes,
        owner_pid=os.getpid(),
    )


class Launcher:
    """Starts and ends workers through a fork server of its own.

    Make it in a thread that lives as long as the workers should: the kernel tells the fork server when that
    thread ends.
    """

    def __init__(self, settings: WorkerSettings, environment: dict[str, str]) -> None:
        """Start the fork server. Raises `UnavailableError`."""
        self.control, far_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [
            sys.executable,
            "-P",  # the folder that we are started in holds no modules of ours
            "-m",
            "continuum.workflow.engines.forking",
            str(far_end.fileno()),
            msgspec.json.encode(settings).decode(),
        ]
        try:
            with open(settings.log_file, "ab") as log:  # noqa: PTH123 - a descriptor for the child
                self._process = subprocess.Popen(
                    command,
                    env=os.environ | environment,
                    pass_fds=[far_end.fileno()],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,  # Ctrl-C at the terminal is the owner's business
                )
        except OSError as problem:
            self.control.close()
            raise UnavailableError(f"cannot start worker processes: {problem}") from problem
        finally:
            far_end.close()

    def start(
        self, name: int, page: int, computing_units: int, environment: dict[str, str] | None = None
    ) -> socket.socket:
        """Start a worker and return the socket to it; it may be used at once."""
        near_end, far_end = socket.socketpair()
        message = _encode(StartWorker(name, page, computing_units, environment))
        with far_end, contextlib.suppress(BrokenPipeError, ConnectionResetError):
            rights = array.array("i", [far_end.fileno()])
            self.control.sendmsg([message], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
        return near_end

    def kill(self, name: int, *, is_soft: bool = False) -> None:
        """End a worker now, with all that it started; `read` tells when it is gone."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # then they are all gone
            self.control.send(_encode(KillWorker(name, is_soft)))

    def read(self) -> WorkerEnded | None:
        """Return the next worker's end; None: the fork server itself ended, and with it all workers."""
        try:
            data = self.control.recv(MESSAGE_BYTES)
        except ConnectionResetError:
            return None
        return _decode(data) if data else None

    def close(self) -> None:
        """End all workers and wait until they are gone."""
        self.control.close()
        try:
            self._process.wait(END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGKILL)  # the kernel ends the workers then
            self._process.wait()


def say_status(status: int) -> str:
    """Return in words how a worker ended (a status of `os.waitpid`)."""
    if status < 0:
        return "could not be started: the machine has no room for another process"
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return f"ended by itself with status {code}"
    name = signal.Signals(-code).name
    return f"was ended by {name}" + (", as when memory runs out" if -code == signal.SIGKILL else "")


def write_code(folder: Path, archive: bytes) -> str:
    """Unpack a run's modules into `folder`; return where to import from, empty if there are none."""
    if not archive:
        return ""
    with zipfile.ZipFile(io.BytesIO(archive)) as modules:
        modules.extractall(folder)
    return str(folder)
