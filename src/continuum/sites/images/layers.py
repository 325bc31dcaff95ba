"""A folder as a layer: the same files make the same bytes, whoever builds, wherever and whenever.

Names sorted, owner 0, one time for all, modes reduced to "may be executed or not", no name in gzip's header.
This file runs as a program of its own, by the interpreter of the image that is being built, and so imports
the standard library alone: byte code and compression depend on the interpreter and its zlib, and those of
the image are locked. Not promised: owners other than root, devices, set-user-id files (there are none).
"""

import gzip
import hashlib
import json
import os
import stat
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

MTIME_S = 1767225600  # 2026-01-01T00:00:00Z
GZIP_LEVEL = 6


class Digesting:
    """Counts and digests what is written through it."""

    def __init__(self, target: IO[bytes] | gzip.GzipFile) -> None:
        self._target = target
        self._digest = hashlib.sha256()
        self.size_bytes = 0

    def write(self, data: bytes) -> int:
        """Write all of `data`."""
        self._digest.update(data)
        self.size_bytes += len(data)
        return self._target.write(data)

    def flush(self) -> None:
        """Pass it on."""
        self._target.flush()

    def hexdigest(self) -> str:
        """Return the SHA-256 of what was written."""
        return self._digest.hexdigest()


def write_layer(folder: Path, out: Path) -> dict[str, str | int]:
    """Write `folder` to `out` as a gzipped tar archive; return digests and sizes as OCI wants them."""
    with out.open("wb") as file:
        packed = Digesting(file)
        with gzip.GzipFile("", "wb", GZIP_LEVEL, packed, mtime=0) as compressed:
            plain = Digesting(compressed)
            with tarfile.open(fileobj=plain, mode="w|", format=tarfile.GNU_FORMAT) as archive:  # type: ignore[call-overload]
                for name, path in _walk(folder):
                    _add(archive, name, path)
    return {
        "digest": f"sha256:{packed.hexdigest()}",
        "size_bytes": packed.size_bytes,
        "diff_id": f"sha256:{plain.hexdigest()}",
        "unpacked_bytes": plain.size_bytes,
    }


def _walk(folder: Path, below: str = "") -> Iterator[tuple[str, Path]]:
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        name = f"{below}{entry.name}"
        yield name, Path(entry.path)
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(Path(entry.path), f"{name}/")


def _add(archive: tarfile.TarFile, name: str, path: Path) -> None:
    status = path.lstat()
    info = tarfile.TarInfo(name)
    info.mtime = MTIME_S
    if stat.S_ISLNK(status.st_mode):
        info.type, info.linkname, info.mode = tarfile.SYMTYPE, str(path.readlink()), 0o777
        archive.addfile(info)
    elif stat.S_ISDIR(status.st_mode):
        info.type, info.mode = tarfile.DIRTYPE, 0o1777 if name in {"tmp", "var/tmp"} else 0o755
        archive.addfile(info)
    elif stat.S_ISREG(status.st_mode):
        info.size, info.mode = status.st_size, 0o755 if status.st_mode & 0o100 else 0o644
        with path.open("rb") as content:
            archive.addfile(info, content)
    else:
        raise ValueError(f"{path} is neither file, folder nor link")


if __name__ == "__main__":
    print(json.dumps(write_layer(Path(sys.argv[1]), Path(sys.argv[2]))))  # noqa: T201
