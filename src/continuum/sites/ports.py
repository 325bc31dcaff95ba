"""Ports: which are free, and who holds one that is not.

Internal ports are taken from below the range from which the kernel serves outgoing connections; else a port
that is free for a moment, while its process is restarted, might go to somebody's connection.

Between choosing a port and listening on it nobody holds it. So who chooses one claims it: with a socket of
that name in the kernel's abstract name space, which lasts as long as the process that chose, leaves nothing
behind, and reaches as far as ports do (one network name space). Whoever chooses in this way gets another
port. Programs that are not ours know nothing of it: whoever starts a server tries again when it lost one.
"""

import contextlib
import errno
import os
import random
import socket
from collections.abc import Collection, Iterator
from pathlib import Path

from continuum.model.errors import UnavailableError

INTERNAL_PORTS = range(20_000, 32_000)
MOST_CLAIMS = 256  # of a process; the oldest go first, their servers listen since long
_LISTEN = "0A"  # the state of a listening socket in /proc/net/tcp
_claims: dict[int, int] = {}  # descriptors by port


def is_port_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen on `port` now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as problem:
            if problem.errno in {errno.EADDRINUSE, errno.EACCES}:
                return False
            raise
    return True


def choose_free_ports(count: int, avoid: Collection[int] = ()) -> list[int]:
    """Return `count` different free ports, none of them in `avoid` or claimed; they are claimed now."""
    candidates = random.sample(INTERNAL_PORTS, len(INTERNAL_PORTS))
    free: list[int] = []
    for port in candidates:
        if len(free) == count:
            return free
        if port not in avoid and port not in _claims and claim_port(port) and is_port_free(port):
            free.append(port)
    raise UnavailableError(f"there are no {count} free ports between 20000 and 32000 on this machine")


def claim_port(port: int) -> bool:
    """Claim a port for this process; False if another one of ours has claimed it."""
    if port in _claims:
        return True
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as claim:
        try:
            claim.bind(f"\0continuum-port-{port}")
        except OSError as problem:
            if problem.errno == errno.EADDRINUSE:
                return False
            raise
        _claims[port] = claim.detach()
    if len(_claims) > MOST_CLAIMS:
        os.close(_claims.pop(next(iter(_claims))))
    return True


def find_port_holder(port: int) -> str:
    """Return who listens on `port`, as `name (pid 123)`; empty if that cannot be known."""
    inodes = set(_listening_inodes(port))
    if not inodes:
        return ""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and _holds(folder, inodes):
            return f"{_command(folder)} (pid {folder.name})"
    return ""


def _listening_inodes(port: int) -> Iterator[str]:
    suffix = f":{port:04X}"
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[1].endswith(suffix) and fields[3] == _LISTEN:
                    yield f"socket:[{fields[9]}]"


def _holds(process: Path, inodes: set[str]) -> bool:
    try:
        return any(str(link.readlink()) in inodes for link in (process / "fd").iterdir())
    except OSError:  # another user's process, or one that has just ended
        return False


def _command(process: Path) -> str:
    try:
        words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return "a process"
    return " ".join(word for word in words[:3] if word)[:80]
