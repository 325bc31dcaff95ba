"""Lists of objects: a walk through folders in the order of keys' bytes, from any key on.

The order of a folder is that of its names with `/` after folders, for that is how their keys compare. A
folder's names are read and sorted once and kept while the folder does not change, so that going through a
large one page by page does not read it again for each page.
"""

import heapq
import logging
import os
import stat
import threading
import time
from bisect import bisect_left
from collections.abc import Iterator

import msgspec

from continuum.store.directories.folders import InTheWayError, open_folder, opened
from continuum.store.directories.keys import explain_unfit, is_writable_as_xml, read_name, unescape_key
from continuum.store.directories.trees import OWN, Tree

log = logging.getLogger(__name__)

KEPT_NAMES = 1_000_000
SETTLED_S = 2.0  # a folder that changed less than this ago may change again without another time
MAX_TOLD = 1000


class Listed(msgspec.Struct, frozen=True):
    """A line of a list."""

    key: str
    etag: str
    size_bytes: int
    modified_at: float


class ListPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page; `next_after` is empty if it is the last."""

    entries: tuple[Listed, ...]
    common_prefixes: tuple[str, ...]
    next_after: str = ""


class Lister:
    """Lists the objects of a tree."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._names: dict[tuple[int, int], tuple[int, list[bytes]]] = {}
        self._kept = 0
        self._guard = threading.Lock()
        self._told: set[str] = set()

    def list_page(
        self, bucket: str, *, prefix: str, after: str, delimiter: str, max_keys: int, any_text: bool = True
    ) -> ListPage:
        """Return a page. `any_text` False: keys that XML cannot name are left out, and told in the log."""
        self._tree.require_bucket(bucket)
        walk = _Walk(self, bucket, prefix.encode(), after.encode())
        entries: list[Listed] = []
        prefixes: list[str] = []
        last = ""
        for raw, found in walk.find_keys():
            key = raw.decode()
            if not any_text and not is_writable_as_xml(key):
                self.tell(f"{bucket}/{key}", "a list in XML cannot name it")
                continue
            cut = key.find(delimiter, len(prefix)) if delimiter else -1
            common = key[: cut + len(delimiter)] if cut >= 0 else ""
            if common and after == common:  # told on the page before
                walk.skip = common.encode()
                continue
            if len(entries) + len(prefixes) == max_keys:
                return ListPage(entries=tuple(entries), common_prefixes=tuple(prefixes), next_after=last)
            if common:
                prefixes.append(common)
                walk.skip = common.encode()
                last = common
            else:
                entries.append(self._describe(bucket, key, found))
                last = key
        return ListPage(entries=tuple(entries), common_prefixes=tuple(prefixes))

    def _describe(self, bucket: str, key: str, found: "_Found") -> Listed:
        described = self._tree.describe(found.path, bucket, key, found.status)
        return Listed(key, described.etag, described.size_bytes, described.modified_at)

    def tell(self, path: str, reason: str) -> None:
        """Say of a file that it is no object, once."""
        if path not in self._told and len(self._told) < MAX_TOLD:
            self._told.add(path)
            log.warning("%r is no object and is skipped: %s", path, reason)

    def names_of(self, folder: int, where: str) -> list[bytes]:
        """Return the names in a folder as keys compare, sorted."""
        status = os.fstat(folder)
        identity = status.st_dev, status.st_ino
        with self._guard:
            known = self._names.get(identity)
        if known is not None and known[0] == status.st_mtime_ns:
            return known[1]
        names = sorted(self._read_names(folder, where))
        if time.time_ns() - status.st_mtime_ns > SETTLED_S * 1e9:
            self._keep(identity, status.st_mtime_ns, names)
        return names

    def _read_names(self, folder: int, where: str) -> Iterator[bytes]:
        with os.scandir(folder) as entries:
            for entry in entries:
                raw = os.fsencode(entry.name)
                if entry.is_dir(follow_symlinks=False):
                    yield raw + b"/"
                elif entry.is_file(follow_symlinks=False):
                    yield raw
                else:
                    kind = "a symbolic link" if entry.is_symlink() else "no file"
                    self.tell(f"{where}{entry.name}", f"it is {kind}")

    def _keep(self, identity: tuple[int, int], modified_ns: int, names: list[bytes]) -> None:
        with self._guard:
            before = self._names.pop(identity, None)
            self._kept += len(names) - (len(before[1]) if before is not None else 0)
            self._names[identity] = modified_ns, names
            while self._kept > KEPT_NAMES and len(self._names) > 1:
                _, dropped = self._names.pop(next(iter(self._names)))
                self._kept -= len(dropped)


class _Found(msgspec.Struct, frozen=True):
    status: os.stat_result
    path: str


class _Walk:
    """Goes through a bucket. Keys that start with `skip` are passed over, and their folders not entered."""

    def __init__(self, lister: Lister, bucket: str, prefix: bytes, after: bytes) -> None:
        self._lister = lister
        self._tree = lister._tree  # noqa: SLF001 -- a part of the lister
        self._bucket = bucket
        self._prefix = prefix
        self._after = after
        self.skip = b""

    def find_keys(self) -> Iterator[tuple[bytes, _Found]]:
        """Give keys with what lies there, in order."""
        odd = sorted(self._odd_keys((OWN, "odd", self._bucket), ()))
        plain = self._folder((self._bucket,), b"")
        if not odd:
            yield from plain
            return
        last = b""
        for raw, found in heapq.merge(plain, odd, key=lambda each: each[0]):
            if raw != last and not (self.skip and raw.startswith(self.skip)):
                yield raw, found
            last = raw

    def _is_wanted(self, raw: bytes) -> bool:
        return (
            raw > self._after
            and raw.startswith(self._prefix)
            and not (self.skip and raw.startswith(self.skip))
        )

    def _may_hold_wanted(self, folder: bytes) -> bool:
        """Whether keys that begin with `folder` may be wanted."""
        if self.skip and folder.startswith(self.skip):
            return False
        if not (folder.startswith(self._prefix) or self._prefix.startswith(folder)):
            return False
        return folder > self._after or self._after.startswith(folder)

    def _folder(self, names: tuple[str, ...], base: bytes) -> Iterator[tuple[bytes, _Found]]:
        try:
            folder = open_folder(self._tree.root, names)
        except (FileNotFoundError, InTheWayError):  # gone meanwhile
            return
        with opened(folder):
            found = self._lister.names_of(folder, f"{'/'.join(names)}/")
            for raw in found[self._first(found, base) :]:
                key = base + raw
                if key[: len(self._prefix)] > self._prefix:
                    return
                if raw.endswith(b"/"):
                    if self._may_hold_wanted(key) and (name := self._fit(names, raw[:-1], key)):
                        yield from self._folder((*names, name), key)
                elif self._is_wanted(key) and (name := self._fit(names, raw, key)):
                    file = _look(folder, name)
                    if file is not None:
                        yield key, file

    def _first(self, names: list[bytes], base: bytes) -> int:
        """Return where in a folder the first wanted key can be."""
        start = max(self._after, self._prefix)
        if not start.startswith(base):
            return 0
        rest = start[len(base) :]
        head, slash, _ = rest.partition(b"/")
        return bisect_left(names, head + slash) if rest else 0

    def _fit(self, names: tuple[str, ...], raw: bytes, key: bytes) -> str:
        """Return a name as text; empty if it cannot be in a key."""
        name = read_name(raw)
        where = "/".join(names)
        if name is None:
            self._lister.tell(f"{where}/{os.fsdecode(raw)}", "its name is not UTF-8")
            return ""
        problem = explain_unfit(key.decode())
        if problem:
            self._lister.tell(f"{where}/{name}", problem)
            return ""
        return name

    def _odd_keys(self, names: tuple[str, ...], pieces: tuple[str, ...]) -> Iterator[tuple[bytes, _Found]]:
        """Give the wanted keys that are no paths, in no order: there are few."""
        try:
            folder = open_folder(self._tree.root, names)
        except (FileNotFoundError, InTheWayError):
            return
        with opened(folder):
            for raw in self._lister.names_of(folder, f"{'/'.join(names)}/"):
                name = raw.decode("ascii", "replace")
                if name.endswith("/"):
                    yield from self._odd_keys((*names, name[:-1]), (*pieces, name[:-1]))
                    continue
                key = unescape_key((*pieces, name))
                if key is not None and self._is_wanted(key.encode()):
                    file = _look(folder, name)
                    if file is not None:
                        path = self._tree.path.joinpath(*names, name)
                        yield key.encode(), _Found(file.status, str(path))


def _look(folder: int, name: str) -> _Found | None:
    try:
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    return _Found(status, f"/proc/self/fd/{folder}/{name}")
