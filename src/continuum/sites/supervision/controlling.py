"""Talking to the supervisor of a home: is it there, how does everything stand, stop."""

import contextlib
import fcntl
import os
import socket
import time
from pathlib import Path

import msgspec

from continuum.model.errors import UnavailableError
from continuum.sites.documents import format_document, parse_document
from continuum.sites.homes import Home
from continuum.sites.supervision.folders import choose_run_folder
from continuum.sites.supervision.plans import PlannedProcess

ANSWER_S = 5.0
STOP_S = 60.0
MAX_ANSWER_BYTES = 1024 * 1024


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """What a client asks. The answer is a `ContinuumStatus` in any case; `stop` then stops everything.

    `begin` starts a further process (anew, if there is one of its name; the status tells when it is ready),
    `end` ends one that was begun so.
    """

    stop: bool = False
    begin: PlannedProcess | None = None
    end: str = ""


class ProcessStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How a process stands. `restarts` counts how often it died and was started again, `last_failure` says
    why.
    """

    name: str
    state: str
    pid: int = 0
    restarts: int = 0
    last_failure: str = ""
    ready_at: float = 0.0
    ports: tuple[int, ...] = ()


class ContinuumStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How a continuum stands: `down`, `starting`, `up`, `degraded` (a process is not ready) or `stopping`.

    `died` tells, of one that is down, that its supervisor was killed and did not stop it in order.
    `free_bytes` is the room on the disk of the home; `is_full`: there is too little of it to write.
    """

    home: Path
    state: str
    supervisor_pid: int = 0
    started_at: float = 0.0
    hub_url: str = ""
    gateways: dict[str, str] = {}
    processes: tuple[ProcessStatus, ...] = ()
    died: bool = False
    free_bytes: int = 0
    is_full: bool = False


def control_socket(run_folder: Path) -> Path:
    """Return the supervisor's control socket."""
    return run_folder / "control.sock"


def pid_file(run_folder: Path) -> Path:
    """Return the file that a living supervisor has locked."""
    return run_folder / "supervisor.pid"


def find_status(home: Home) -> ContinuumStatus:
    """Return how the continuum of `home` stands; `down` if nothing runs or it never was up."""
    answer = _ask(choose_run_folder(home.path), Command())
    if answer is not None:
        return answer
    supervisor = find_supervisor(home)
    if supervisor:
        return ContinuumStatus(home=home.path, state="starting", supervisor_pid=supervisor)
    return ContinuumStatus(home=home.path, state="down", died=_was_killed(home))


def command(home: Home, wanted: Command) -> ContinuumStatus | None:
    """Have the supervisor of `home` do something; None if there is none."""
    return _ask(choose_run_folder(home.path), wanted)


def find_supervisor(home: Home) -> int:
    """Return the process id of the supervisor that holds the lock of `home`; 0 if there is none."""
    path = pid_file(choose_run_folder(home.path))
    try:
        with path.open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(file.read().strip() or 0)
    except (OSError, ValueError):
        return 0
    return 0


def stop(home: Home) -> bool:
    """Stop the continuum of `home` and return when nothing of it runs; False if nothing ran.

    Raises `UnavailableError` if it does not stop in a minute.
    """
    supervisor = find_supervisor(home)
    if not supervisor:
        return False
    if _ask(choose_run_folder(home.path), Command(stop=True)) is None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(supervisor, 15)
    deadline = time.monotonic() + STOP_S
    while find_supervisor(home) == supervisor or is_running(supervisor):
        if time.monotonic() > deadline:
            raise UnavailableError(
                f"the supervisor (pid {supervisor}) did not stop within {STOP_S:.0f} s",
                hint=f"`kill -9 {supervisor}` ends it and all its processes",
            )
        time.sleep(0.05)
    return True


def is_running(pid: int) -> bool:
    """Whether a process runs; one that has ended does not, though nobody may have asked how (a zombie)."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] not in {"Z", "X"}


def _was_killed(home: Home) -> bool:
    """Tell whether the last supervisor left its id behind, which an orderly end removes."""
    with contextlib.suppress(OSError):
        return bool(pid_file(choose_run_folder(home.path)).read_text().strip())
    return False


def _ask(run_folder: Path, wanted: Command) -> ContinuumStatus | None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(ANSWER_S)
        try:
            connection.connect(str(control_socket(run_folder)))
            connection.sendall(format_document(wanted).replace(b"\n", b" ") + b"\n")
            with connection.makefile("rb") as file:
                return parse_document(file.read(MAX_ANSWER_BYTES), ContinuumStatus)
        except (OSError, msgspec.MsgspecError):
            return None
