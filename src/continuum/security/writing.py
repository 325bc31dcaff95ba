"""Files that hold secrets: written whole or not at all, readable by their owner only; and whether one is so.

The bytes go to a new file beside the target, created with mode 0600, are flushed to the disk, and take the
target's name in one step; so a crash or a full disk leaves the old file, never half of a new one.
"""

import os
import stat
import tempfile
from pathlib import Path


def is_private(status: os.stat_result) -> bool:
    """Whether a file of this status is for one reader only.

    That is its owner; or, as Kubernetes mounts a Secret, what root owns and one group may read and nobody may
    write: there the group is the pod's.
    """
    if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO) == 0:
        return True
    is_mounted = status.st_uid == 0 and os.getuid() != 0
    return is_mounted and stat.S_IMODE(status.st_mode) & ~(stat.S_IRUSR | stat.S_IRGRP) == 0


def write_private(path: Path, data: bytes) -> None:
    """Write `data` to `path` atomically with mode 0600; the folder is made with mode 0700 if it is
    missing.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
