"""What in a folder cannot be objects, for whoever is about to make a store of it."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from continuum.store.directories.keys import explain_unfit, is_writable_as_xml, read_name
from continuum.store.directories.trees import OWN

SHOWN = 20


class Survey(msgspec.Struct, frozen=True, kw_only=True):
    """What was met: numbers, and the first of the paths that cannot be objects, each with its reason.

    `is_complete` False: there was more than could be looked at in the time.
    """

    objects: int
    skipped: int
    examples: tuple[tuple[str, str], ...]
    is_complete: bool


def survey(folder: Path, *, limit_s: float) -> Survey:
    """Look through a folder that is to be a store, for as long as `limit_s`."""
    until = time.monotonic() + limit_s
    objects, skipped = 0, 0
    examples: list[tuple[str, str]] = []
    is_complete = True
    for path, reason in _walk(folder):
        if not reason:
            objects += 1
        else:
            skipped += 1
            if len(examples) < SHOWN:
                examples.append((ascii(os.fsdecode(path))[1:-1], reason))
        if time.monotonic() > until:
            is_complete = False
            break
    return Survey(objects=objects, skipped=skipped, examples=tuple(examples), is_complete=is_complete)


def _walk(folder: Path) -> Iterator[tuple[bytes, str]]:
    root = os.fsencode(folder)
    waiting = [root]
    while waiting:
        at = waiting.pop()
        try:
            entries = list(os.scandir(at))
        except OSError as problem:
            yield os.path.relpath(at, root), f"cannot be read: {problem.strerror}"
            continue
        for entry in entries:
            path = os.path.relpath(entry.path, root)
            if at == root and path == OWN.encode():
                continue
            if entry.is_dir(follow_symlinks=False):
                waiting.append(entry.path)
            elif at == root:
                yield path, "it is in no folder, so in no bucket"
            else:
                yield path, _explain(entry, path)


def _explain(entry: "os.DirEntry[bytes]", path: bytes) -> str:
    """Return why a file cannot be an object; empty if it can."""
    if not entry.is_file(follow_symlinks=False):
        return "it is a symbolic link" if entry.is_symlink() else "it is no file"
    text = read_name(path)
    if text is None:
        return "its name is not UTF-8"
    key = text.partition("/")[2]
    if not is_writable_as_xml(key):
        return "a list in XML cannot name it"
    return explain_unfit(key)
