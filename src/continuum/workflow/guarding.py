"""`python -m continuum.workflow.guarding OWNER COMMAND…`: run a program, and leave nothing of it running.

The guard stands between a driver and a program that starts others in its own ways (daemons, sessions of their
own): orphans become its children (`PR_SET_CHILD_SUBREAPER`), so that all that the program began can be found.
When the guard is asked to end (SIGTERM), and when its owner dies however it dies, everything is asked to end,
and ended after `GRACE_S`. A program that ends by itself leaves its processes `LINGER_S` to do the same.
Exits as the program did, with 128 and the number if a signal ended it.

What the program has others start for it (a daemon of the machine, another machine) is not found.
"""

import ctypes
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from continuum.workflow.engines.forking import end_with_parent

GRACE_S = 10.0
LINGER_S = 5.0
LOOK_EVERY_S = 0.1
NOT_STARTED_STATUS = 127  # as shells say it
SIGNAL_STATUS = 128
_CHILD_SUBREAPER = 36  # prctl(2), PR_SET_CHILD_SUBREAPER
_PARENT_FIELD = 1  # of /proc/PID/stat behind the process's name, see proc(5)
_WATCHED = (signal.SIGTERM, signal.SIGCHLD)


def guard(command: Sequence[str]) -> int:
    """Run a program to its end, or until this process is asked to end; return the exit status."""
    ctypes.CDLL(None, use_errno=True).prctl(_CHILD_SUBREAPER, 1, 0, 0, 0)
    signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
    try:
        program = os.posix_spawnp(command[0], list(command), os.environ, setsigmask=())
    except OSError as problem:
        print(f"error: {command[0]} cannot be started: {problem.strerror}", file=sys.stderr)  # noqa: T201
        return NOT_STARTED_STATUS
    status = _wait(program)
    if status is None or not _are_gone_within(LINGER_S):
        _signal_all(signal.SIGTERM)
        if not _are_gone_within(GRACE_S):
            _kill_all()
    return SIGNAL_STATUS + signal.SIGTERM if status is None else status


def _wait(program: int) -> int | None:
    """Return how the program ended; None: this process was asked to end before."""
    while signal.sigwaitinfo(_WATCHED).si_signo != signal.SIGTERM:
        status = _reap().get(program)
        if status is not None:
            return status if status >= 0 else SIGNAL_STATUS - status
    return None


def _are_gone_within(limit_s: float) -> bool:
    """Wait until nothing runs any more; False: it still does, or this process was asked (again) to end."""
    deadline = time.monotonic() + limit_s
    while _find_all():
        if time.monotonic() > deadline:
            return False
        heard = signal.sigtimedwait(_WATCHED, LOOK_EVERY_S)
        if heard is not None and heard.si_signo == signal.SIGTERM:
            return False
        _reap()
    return True


def _kill_all() -> None:
    while _find_all():
        _signal_all(signal.SIGKILL)
        signal.sigtimedwait((signal.SIGCHLD,), LOOK_EVERY_S)
        _reap()


def _signal_all(number: int) -> None:
    for process in _find_all():
        try:
            os.kill(process, number)
        except (ProcessLookupError, PermissionError):
            continue  # it has just ended, or became somebody else's


def _reap() -> dict[int, int]:
    """Return children that have ended, with their exit codes; negative: a signal ended it."""
    ended: dict[int, int] = {}
    while True:
        try:
            process, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended
        if process == 0:
            return ended
        ended[process] = os.waitstatus_to_exitcode(status)


def _find_all() -> set[int]:
    """Return all processes below this one."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            children.setdefault(_parent_of(entry), []).append(int(entry.name))
    found: set[int] = set()
    unseen = [os.getpid()]
    while unseen:
        below = children.get(unseen.pop(), [])
        found.update(below)
        unseen += below
    return found


def _parent_of(entry: Path) -> int:
    try:
        return int((entry / "stat").read_bytes().rpartition(b")")[2].split()[_PARENT_FIELD])
    except (OSError, IndexError):
        return 0  # it has just ended


def main() -> None:
    """Guard what the command line says on behalf of its owner."""
    owner = int(sys.argv[1])
    end_with_parent(signal.SIGTERM, owner)
    sys.exit(guard(sys.argv[2:]))


if __name__ == "__main__":
    main()
