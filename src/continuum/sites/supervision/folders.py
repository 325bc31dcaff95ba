"""The folders of a home: made, found, checked before anything is started, with errors that say what to do."""

import errno
import hashlib
import os
import shutil
import stat
import sys
from pathlib import Path

from continuum.model.errors import ConflictError, NotFoundError, UnavailableError
from continuum.security import LOOPBACK_NAMES, create_identity, write_openssl_settings, write_private
from continuum.sites.homes import Home
from continuum.sites.supervision.plans import Plan

MAX_SOCKET_PATH_BYTES = 100  # the kernel's limit is 108 with the closing zero
MAX_SOCKET_NAME_BYTES = 40
MIB = 1024 * 1024
SERVERS = frozenset({"backbone", "hub", "gateway", "store"})  # the roles of who is asked by others


def ensure_home(home: Home, *, min_free_bytes: int) -> None:
    """Make the home's folders and see that they can be written. Raises `UnavailableError` that says why
    not.
    """
    try:
        for folder in (home.path, home.logs(), home.run_folder()):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        probe = home.run_folder() / ".probe"
        probe.write_bytes(b"\0" * 4096)
        probe.unlink()
    except OSError as problem:
        raise explain_os_error(home.path, problem) from problem
    if shutil.disk_usage(home.path).free < min_free_bytes:
        raise _full(home.path, min_free_bytes)


def explain_os_error(path: Path, problem: OSError) -> UnavailableError:
    """Return what a failed write to the home means to its user."""
    elsewhere = "use another folder (--home FOLDER)"
    if problem.errno in {errno.ENOSPC, errno.EDQUOT}:
        return _full(path)
    if problem.errno in {errno.EROFS, errno.EACCES, errno.EPERM}:
        reason = "is read-only" if problem.errno == errno.EROFS else "may not be written by you"
        return UnavailableError(f"the home {path} {reason}", hint=elsewhere)
    return UnavailableError(f"the home {path} cannot be used: {problem.strerror or problem}", hint=elsewhere)


def carry_out(plan: Plan) -> None:
    """Make the plan's folders, identities and files."""
    for folder in plan.folders:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    ensure_private(plan.run_folder)
    for name, role in plan.identities:
        further = plan.hosts if role in SERVERS else ()
        create_identity(plan.home, name, role, hosts=(*LOOPBACK_NAMES, *further))
    for file in plan.files:
        write_private(file.path, file.data)
    write_openssl_settings(plan.home / "run" / "openssl.cnf")


def find_binary(name: str) -> Path:
    """Return where the server `name` is: beside this Python, else on the PATH. Raises `NotFoundError`."""
    beside = Path(sys.executable).parent / name
    if os.access(beside, os.X_OK):
        return beside
    found = shutil.which(name)
    if found is None:
        raise NotFoundError(
            f"{name} is not installed", hint="pip install 'extract-continuum[embedded]' brings it"
        )
    return Path(found)


def choose_run_folder(home: Path) -> Path:
    """Return the folder for sockets: `HOME/run`, or a private one under /tmp if the path is too long.

    The kernel limits a socket's path to 107 bytes.
    """
    if len(bytes(home / "run")) + 1 + MAX_SOCKET_NAME_BYTES <= MAX_SOCKET_PATH_BYTES:
        return home / "run"
    digest = hashlib.sha256(bytes(home)).hexdigest()[:12]
    return Path("/tmp") / f"continuum-{os.getuid()}-{digest}"  # noqa: S108 -- checked by ensure_private


def ensure_private(folder: Path) -> None:
    """Make `folder`, or see that it is ours alone: nobody may have put it there for us under /tmp."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    info = folder.lstat()
    if not stat.S_ISDIR(info.st_mode) or info.st_uid != os.getuid() or info.st_mode & 0o077:
        raise ConflictError(
            f"{folder} exists and is not a folder of yours alone", hint="remove it, or use a shorter --home"
        )


def _full(path: Path, min_free_bytes: int = 0) -> UnavailableError:
    free_mib = shutil.disk_usage(path).free // MIB if path.exists() else 0
    needed = f", {min_free_bytes // MIB} MiB are needed" if min_free_bytes else ""
    return UnavailableError(
        f"the disk of the home {path} is full: {free_mib} MiB are free{needed}",
        hint="free some space, or use another folder (--home FOLDER)",
    )
