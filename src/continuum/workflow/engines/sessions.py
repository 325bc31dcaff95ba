"""Ending a session: every process that a worker started, however it left its parent and its group.

A worker that leads a session gives it to all that it starts; MPI runtimes and shells make groups of their
own, but hardly anything makes a session. Only what does (a daemon) escapes.
"""

import contextlib
import os
import signal

ROUNDS = 3  # what is started while we look is found when we look again
_SESSION = 3  # in /proc/PID/stat, counted from after the name
_STATE = 0


def kill_session(session: int) -> None:
    """Kill all processes of a session but its leader."""
    for _ in range(ROUNDS):
        members = find_session(session)
        if not members:
            return
        for process_id in members:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(process_id, signal.SIGKILL)


def find_session(session: int) -> list[int]:
    """Return the processes of a session that have not ended, without its leader."""
    found = []
    for name in os.listdir("/proc"):  # noqa: PTH208 - names are all that is wanted
        if not name.isdigit() or int(name) == session:
            continue
        fields = _stat_of(name)
        if len(fields) > _SESSION and fields[_SESSION] == str(session) and fields[_STATE] not in "ZX":
            found.append(int(name))
    return found


def _stat_of(process_id: str) -> list[str]:
    try:
        with open(f"/proc/{process_id}/stat", encoding="ascii", errors="replace") as file:  # noqa: PTH123 - fast
            return file.read().rpartition(")")[2].split()
    except OSError:  # it has ended
        return []
