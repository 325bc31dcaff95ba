"""What a plan is made of: files to write, processes to run, and how each proves that it is ready. Plain
data.
"""

from pathlib import Path

import msgspec


class ReadyLine(msgspec.Struct, frozen=True, tag=True):
    """The process prints a line that starts with `ready` when it serves."""


class ReadySocket(msgspec.Struct, frozen=True, tag=True):
    """The process answers HTTP on this unix socket when it serves."""

    path: Path


class ReadyPort(msgspec.Struct, frozen=True, tag=True):
    """The process greets whoever connects to this port when it serves."""

    port: int


Probe = ReadyLine | ReadySocket | ReadyPort


class PlannedProcess(msgspec.Struct, frozen=True, kw_only=True):
    """A process to run: started when all of `after` are ready, ready when `probe` says so within `ready_s`.

    `stop_s` is how long it may take to end after SIGTERM before it is killed. `ports` are those it listens
    on.
    """

    name: str
    argv: tuple[str, ...]
    environment: dict[str, str]
    folder: Path
    probe: Probe
    after: tuple[str, ...] = ()
    ready_s: float = 30.0
    stop_s: float = 10.0
    ports: tuple[int, ...] = ()


class PlannedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file to write before the processes start, mode 0600."""

    path: Path
    data: bytes


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """All of it: folders, identities (name, role) and files to make below `home`, then processes to run.

    Sockets live in `run_folder`. `hub_url` and `gateways` (by site) are for the status that people see.
    """

    home: Path
    run_folder: Path
    identities: tuple[tuple[str, str], ...]
    folders: tuple[Path, ...]
    files: tuple[PlannedFile, ...]
    processes: tuple[PlannedProcess, ...]
    hub_url: str = ""
    gateways: dict[str, str] = {}
