"""Writing files that hold secrets: whole or not at all, and readable by their owner only.

The bytes go to a new file beside the target, created with mode 0600, are flushed to the disk, and take the
target's name in one step; so a crash or a full disk leaves the old file, never half of a new one.
"""

import os
import tempfile
from pathlib import Path


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
