"""What a run was made of: its code, the versions of everything, the sites, what it read and wrote by name.

`manifest.json` and `code.zip` lie beside the journal. Written when a run begins and again when it ends, with
size and checksum of every file and object that it read or wrote: an object's ETag as the index has it, a
file's SHA-256. They are those at the end of the run; what the run itself overwrote has none as an input.

Not promised: that installed packages are what their folders say (their names and versions are read from
there, because reading the metadata of hundreds of packages would take longer than many runs).
"""

import hashlib
import io
import platform
import re
import sys
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from continuum.model.errors import InvalidInputError, NotFoundError
from continuum.model.stories import Finished, Named, Remembered, Submitted
from continuum.workflow.following import all_lines
from continuum.workflow.journals import write_atomically

MOST_ITEMS = 10_000
MOST_HASHED_BYTES = 1024**3  # of files, together: about two seconds
NAME, CODE = "manifest.json", "code.zip"
_FATES = (b'"event":"submitted"', b'"event":"finished"', b'"event":"remembered"')
_DISTRIBUTION = re.compile(r"(?P<name>.+)-(?P<version>[^-]+)\.dist-info")


class SiteFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A site that took part."""

    name: str
    computing_units: int = 0
    memory_bytes: int = 0
    architecture: str = ""
    software: tuple[str, ...] = ()


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """A file (its path) or an object (`s3://bucket/key`) that the run read or wrote.

    `size_bytes` -1: not known. `checksum` is `etag:…` or `sha256:…`; `problem` says why there is none.
    """

    name: str
    is_output: bool
    datum: str
    size_bytes: int = -1
    checksum: str = ""
    sites: tuple[str, ...] = ()
    problem: str = ""


class Facts(msgspec.Struct, frozen=True):
    """What the store knows of an object."""

    size_bytes: int
    etag: str
    sites: tuple[str, ...]


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a run was made of. `imported`: which modules beside the program its process had in the end."""

    run_id: str
    continuum: str
    python: str
    platform: str
    program_sha256: str
    code_sha256: str
    packages: dict[str, str]
    sites: tuple[SiteFacts, ...] = ()
    items: tuple[Item, ...] = ()
    items_left_out: int = 0
    imported: tuple[str, ...] = ()


Look = Callable[[Sequence[str]], Mapping[str, Facts]]
"""Ask the store what it knows of objects; those that are missing are not there."""


def begin_manifest(folder: Path, run_id: str, program: Path, code: bytes) -> Manifest:
    """Keep the code of a run and what it is made of; return it. Raises `OSError`."""
    from continuum import __version__  # noqa: PLC0415 - reads the installed version

    source = program.read_bytes()
    write_atomically(folder / CODE, _with_program(code, program.name, source))
    manifest = Manifest(
        run_id=run_id,
        continuum=__version__,
        python=platform.python_version(),
        platform=platform.platform(),
        program_sha256=hashlib.sha256(source).hexdigest(),
        code_sha256=hashlib.sha256(code).hexdigest() if code else "",
        packages=installed_packages(),
    )
    write_manifest(folder, manifest)
    return manifest


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Replace the manifest of a run. Raises `OSError`."""
    write_atomically(folder / NAME, msgspec.json.format(msgspec.json.encode(manifest)))


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of a run. Raises `NotFoundError`, `InvalidInputError`."""
    try:
        return msgspec.json.decode((folder / NAME).read_bytes(), type=Manifest)
    except FileNotFoundError:
        raise NotFoundError(
            f"the run {folder.name} has no manifest", hint="runs of older versions have none"
        ) from None
    except msgspec.MsgspecError as problem:
        raise InvalidInputError(f"{folder / NAME} is damaged: {problem}") from problem


def installed_packages(paths: Iterable[str] | None = None) -> dict[str, str]:
    """Return names and versions of the packages that this Python could import; of two, the first."""
    found: dict[str, str] = {}
    for path in sys.path if paths is None else paths:
        folder = Path(path or ".")
        names = sorted(each.name for each in folder.glob("*.dist-info")) if folder.is_dir() else []
        for match in filter(None, map(_DISTRIBUTION.fullmatch, names)):
            found.setdefault(match["name"].lower().replace("_", "-"), match["version"])
    return dict(sorted(found.items()))


def _with_program(code: bytes, name: str, source: bytes) -> bytes:
    archive = io.BytesIO(code)
    with zipfile.ZipFile(archive, "a", zipfile.ZIP_DEFLATED) as writer:
        writer.writestr(zipfile.ZipInfo(name), source)
    return archive.getvalue()


# ---- what was read and written ----


def list_items(folder: Path, look: Look | None) -> tuple[list[Item], int]:
    """Return what a run read and wrote by name, with sizes and checksums of now, and how many are left out.

    `look` None: there is no store to ask.
    """
    items = _named(folder)
    left_out = max(0, len(items) - MOST_ITEMS)
    items = items[:MOST_ITEMS]
    written = {item.name for item in items if item.is_output}
    objects = [item.name for item in items if item.name.startswith("s3://")]
    known = look(list(dict.fromkeys(objects))) if look is not None and objects else {}
    hasher = _Hasher()
    found = []
    for item in items:
        if not item.is_output and item.name in written:
            found.append(msgspec.structs.replace(item, problem="overwritten by the run"))
        elif item.name.startswith("s3://"):
            found.append(_with_facts(item, known.get(item.name)))
        else:
            found.append(hasher.with_hash(item))
    return found, left_out


def _named(folder: Path) -> list[Item]:
    """Return inputs by the first version that was read, outputs by the last that was written."""
    inputs: dict[str, Item] = {}
    outputs: list[Item] = []
    for record in all_lines(folder, b'"event":"named"'):
        if isinstance(record, Named):
            item = Item(name=record.name, is_output=record.is_output, datum=record.datum)
            if record.is_output:
                outputs.append(item)
            else:
                inputs.setdefault(record.name, item)
    unwritten = _unwritten(folder, {item.datum for item in outputs})
    written = {item.name: item for item in outputs if item.datum not in unwritten}
    return [*inputs.values(), *written.values()]


def _unwritten(folder: Path, data: set[str]) -> set[str]:
    """Return those of these data whose tasks have not finished."""
    makers: dict[int, set[str]] = {}
    if not data:
        return set()
    for record in all_lines(folder, *_FATES):
        if isinstance(record, Submitted) and not data.isdisjoint(record.writes):
            makers[record.task] = data.intersection(record.writes)
        elif isinstance(record, Finished | Remembered):
            makers.pop(record.task, None)
    return set().union(*makers.values())


def _with_facts(item: Item, facts: Facts | None) -> Item:
    if facts is None:
        return msgspec.structs.replace(item, problem="it is not in the store, or the store cannot be asked")
    return msgspec.structs.replace(
        item, size_bytes=facts.size_bytes, checksum=f"etag:{facts.etag}", sites=facts.sites
    )


class _Hasher:
    def __init__(self) -> None:
        self._left_bytes = MOST_HASHED_BYTES

    def with_hash(self, item: Item) -> Item:
        path = Path(item.name)
        try:
            if path.is_dir():
                return msgspec.structs.replace(item, problem="a folder")
            size_bytes = path.stat().st_size
            if size_bytes > self._left_bytes:
                return msgspec.structs.replace(item, size_bytes=size_bytes, problem="too large to be hashed")
            self._left_bytes -= size_bytes
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as problem:
            return msgspec.structs.replace(item, problem=f"it cannot be read: {problem.strerror}")
        return msgspec.structs.replace(item, size_bytes=size_bytes, checksum=f"sha256:{digest}")
