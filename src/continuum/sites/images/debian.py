"""Debian packages as they are: locked, fetched, verified and unpacked without dpkg, root or a chroot.

A package is an `ar` archive of two tar archives. Only files are taken from it; its scripts never run, for
what they would do here (byte code, a bundle of authorities, links of busybox) is done by `roots`. What comes
over the network is untrusted until its SHA-256 is the locked one. Not promised: packages whose files need
more than to lie in their place.
"""

import hashlib
import io
import lzma
import os
import re
import tarfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

import msgspec

from continuum.model.errors import InvalidInputError, UnavailableError

MIRRORS = ("https://deb.debian.org/debian", "https://deb.debian.org/debian-security")
SNAPSHOTS = "https://snapshot.debian.org/archive"  # has what the mirrors have replaced
FETCH_TIMEOUT_S = 60.0
MAX_PACKAGE_BYTES = 64 * 1024 * 1024
AR_MAGIC = b"!<arch>\n"
AR_HEADER_BYTES = 60
MERGED = ("bin", "sbin", "lib", "lib64")  # Debian 12 has these only as links into /usr

LOCK_LINE = re.compile(
    r"(?P<use>base|tool) (?P<name>[a-z0-9.+-]+) (?P<version>[0-9][\w.+:~-]*) (?P<size_bytes>[0-9]+) "
    r"(?P<sha256>[0-9a-f]{64}) (?P<path>pool/[\w./+~%-]+\.deb)"
)


class DebianPackage(msgspec.Struct, frozen=True, kw_only=True):
    """One version of one package. `use`: `base` goes into the image, `tool` only helps to build it."""

    use: str
    name: str
    version: str
    size_bytes: int
    sha256: str
    path: str


class DebianLock(msgspec.Struct, frozen=True, kw_only=True):
    """All packages; `snapshot` is a moment at which snapshot.debian.org has every one of them."""

    snapshot: str
    packages: tuple[DebianPackage, ...]


def parse_lock(text: str) -> DebianLock:
    """Return the lock that `scripts/lock-debian` wrote. Raises `InvalidInputError` with the line's number."""
    snapshot, packages = "", []
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("#") or not line:
            continue
        if line.startswith("snapshot "):
            snapshot = line.removeprefix("snapshot ")
            continue
        found = LOCK_LINE.fullmatch(line)
        if found is None:
            raise InvalidInputError(
                f"line {number} of the lock of Debian packages is wrong", hint="scripts/lock-debian makes it"
            )
        packages.append(msgspec.convert(found.groupdict(), DebianPackage, strict=False))
    return DebianLock(snapshot=snapshot, packages=tuple(packages))


def fetch_package(package: DebianPackage, lock: DebianLock, cache: Path, *, mirror: str = "") -> Path:
    """Return the verified file of `package` in the folder `cache`, fetched if it is not there."""
    kept = cache / f"{package.sha256}.deb"
    if kept.exists() and _digest(kept.read_bytes()) == package.sha256:
        return kept
    told = []
    for url in _list_urls(package, lock, mirror):
        try:
            data = _fetch(url)
        except OSError as problem:
            told.append(f"{url}: {problem}")
            continue
        if _digest(data) == package.sha256:
            return _keep(kept, data)
        told.append(f"{url}: not the locked content")
    raise UnavailableError(
        f"the Debian package {package.name} {package.version} cannot be had: {'; '.join(told)}",
        hint="name a mirror that you reach with --debian-mirror",
    )


def unpack_package(file: Path, folder: Path, is_left_out: Callable[[str], bool]) -> str:
    """Put the files of a package under `folder`, but what is left out; return its control paragraph."""
    members = dict(_read_ar(file.read_bytes()))
    with _open_tar(members, "data.tar") as archive:
        for member in archive:
            name = merge_path(member.name)
            if name and not is_left_out(name):
                _place(archive, member, folder, name)
    with _open_tar(members, "control.tar") as archive:
        control = archive.extractfile("./control")
        return control.read().decode() if control is not None else ""


def merge_path(name: str) -> str:
    """Return where a path of a package lies in the image: relative, beneath /usr where Debian merged."""
    parts = PurePosixPath(name).parts
    parts = tuple(part for part in parts if part not in {".", "/"})
    if ".." in parts:
        raise InvalidInputError(f"a package holds the path {name!r}")
    if parts and parts[0] in MERGED:
        parts = ("usr", *parts)
    return "/".join(parts)


def _list_urls(package: DebianPackage, lock: DebianLock, mirror: str) -> Iterator[str]:
    for base in (mirror,) if mirror else MIRRORS:
        yield f"{base}/{package.path}"
    if lock.snapshot:
        for archive in ("debian", "debian-security"):
            yield f"{SNAPSHOTS}/{archive}/{lock.snapshot}/{package.path}"


def _fetch(url: str) -> bytes:
    if not url.startswith(("https://", "http://", "file://")):
        raise InvalidInputError(f"{url} is no address of a mirror", hint="it begins with https://")
    with urllib.request.urlopen(url, timeout=FETCH_TIMEOUT_S) as reply:  # noqa: S310 -- checked above
        return bytes(reply.read(MAX_PACKAGE_BYTES))


def _keep(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}.part")
    part.write_bytes(data)
    return part.rename(path)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _read_ar(data: bytes) -> Iterator[tuple[str, bytes]]:
    if not data.startswith(AR_MAGIC):
        raise InvalidInputError("this is no Debian package")
    at = len(AR_MAGIC)
    while at + AR_HEADER_BYTES <= len(data):
        header = data[at : at + AR_HEADER_BYTES]
        size = int(header[48:58])
        at += AR_HEADER_BYTES
        yield header[:16].decode().strip().rstrip("/"), data[at : at + size]
        at += size + size % 2


def _open_tar(members: dict[str, bytes], name: str) -> tarfile.TarFile:
    for suffix, opened in ((".xz", lzma.decompress), ("", bytes)):
        if name + suffix in members:
            return tarfile.open(fileobj=io.BytesIO(opened(members[name + suffix])))
    raise InvalidInputError(f"a Debian package without {name}.xz", hint="Debian 12 packs all with xz")


def _place(archive: tarfile.TarFile, member: tarfile.TarInfo, folder: Path, name: str) -> None:
    target = folder / name
    if member.isdir():
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if member.issym():
        target.unlink(missing_ok=True)
        target.symlink_to(member.linkname)
    elif member.islnk():
        target.write_bytes((folder / merge_path(member.linkname)).read_bytes())
        target.chmod(0o755 if member.mode & 0o111 else 0o644)
    elif member.isfile():
        content = archive.extractfile(member)
        target.write_bytes(content.read() if content is not None else b"")
        target.chmod(0o755 if member.mode & 0o111 else 0o644)
