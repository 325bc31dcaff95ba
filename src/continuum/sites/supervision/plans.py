"""What a plan is made of: files to write, processes to run, and how each proves that it is ready. Plain
data.
"""

from pathlib import Path

import msgspec


class ReadyLine(msgspec.Struct, frozen=True, tag=True):
    """The process prints a line that starts with `ready` when it serves."""


class ReadyStore(msgspec.Struct, frozen=True, tag=True):
    """SeaweedFS serves when S3 answers on this unix socket and the master, on its port, has room to offer."""

    path: Path
    master_port: int


class ReadyPort(msgspec.Struct, frozen=True, tag=True):
    """The process greets whoever connects to this port when it serves."""

    port: int


Probe = ReadyLine | ReadyStore | ReadyPort


class PlannedProcess(msgspec.Struct, frozen=True, kw_only=True):
    """A process to run: started when all of `after` are ready, ready when `probe` says so within `ready_s`.

    `stop_s` is how long it may take to end after SIGTERM before it is killed. `ports` are those it listens
    on. `needs_space`: it may stay broken after its disk was full, and is started again once there is room.
    """

    name: str
    argv: tuple[str, ...]
    environment: dict[str, str]
    folder: Path
    probe: Probe
    after: tuple[str, ...] = ()
    ready_s: float = 60.0
    stop_s: float = 10.0
    ports: tuple[int, ...] = ()
    needs_space: bool = False


class PlannedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file to write before the processes start, mode 0600."""

    path: Path
    data: bytes


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """All of it: folders, identities (name, role) and files to make below `home`, then processes to run.

    `added` are processes that all else can do without: they are started last, and nothing waits for them.
    The certificates of servers hold for `hosts` besides loopback.
    Sockets live in `run_folder`. `hub_url` and `gateways` (by site) are for the status that people see.
    """

    home: Path
    run_folder: Path
    identities: tuple[tuple[str, str], ...]
    folders: tuple[Path, ...]
    files: tuple[PlannedFile, ...]
    processes: tuple[PlannedProcess, ...]
    added: tuple[PlannedProcess, ...] = ()
    hub_url: str = ""
    gateways: dict[str, str] = {}
    hosts: tuple[str, ...] = ()
