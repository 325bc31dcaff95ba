"""How the program's code reaches the workers: functions by content or by name, modules as a zip archive.

Functions of the main script travel by value, as no worker has that `__main__`; functions of importable
modules travel by name, and the modules that lie beside the script go along as one archive.
"""

import hashlib
import importlib
import io
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cloudpickle

from continuum.model.errors import InvalidInputError
from continuum.workflow.fingerprinting import digest_of_function
from continuum.workflow.messages import FunctionCode
from continuum.workflow.programming import TaskFunction

MAX_CODE_BYTES = 16 * 1024 * 1024
MAX_CODE_FILES = 10_000
_SKIPPED = frozenset(("__pycache__", "node_modules", "venv", "site-packages"))


class FunctionReference:
    """Pickles as a function that is found by name: loading it imports the module, looking through `@task`."""

    def __init__(self, module: str, qualified_name: str) -> None:
        self._where = (module, qualified_name)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str, str]]:
        return find_function, self._where


def find_function(module: str, qualified_name: str) -> Callable[..., Any]:
    """Return the plain function of that name in an importable module."""
    found: Any = importlib.import_module(module)
    for name in qualified_name.split("."):
        found = vars(found)[name]
        while not isinstance(found, TaskFunction) and hasattr(found, "__func__"):
            found = found.__func__
    plain: Callable[..., Any] = found.function if isinstance(found, TaskFunction) else found
    return plain


def encode_function(task: TaskFunction) -> FunctionCode:
    """Return what a worker needs to call the function of `task`.

    Raises `InvalidInputError` if something that it refers to cannot travel.
    """
    function = task.function
    travels: Any = function
    if function.__module__ != "__main__" and _is_found_by_name(function):
        travels = FunctionReference(function.__module__, function.__qualname__)
    travels = task.body_of(travels)
    try:
        pickled: bytes = cloudpickle.dumps(travels)
    except Exception as problem:
        raise InvalidInputError(
            f"the task {task.name} cannot travel to a worker: {problem}",
            hint="it refers to something that exists in this process only (a lock, an open file): "
            "make it inside the task",
        ) from problem
    digest = hashlib.blake2b(pickled, digest_size=16).hexdigest()
    return FunctionCode(
        function=digest, name=task.name, pickled=pickled, content=digest_of_function(function)
    )


def _is_found_by_name(function: Callable[..., Any]) -> bool:
    try:
        return find_function(function.__module__, function.__qualname__) is function
    except (ImportError, KeyError, TypeError):
        return False


def archive_modules(script: Path) -> bytes:
    """Return a zip archive of the modules and packages that the script can import from its own folder.

    Raises `InvalidInputError` if that is more than a run should carry to every site.
    """
    folder = script.resolve().parent
    paths = sorted(path for path in _modules(folder) if path != script.resolve())
    if not paths:
        return b""
    size = sum(path.stat().st_size for path in paths)
    if size > MAX_CODE_BYTES or len(paths) > MAX_CODE_FILES:
        raise InvalidInputError(
            f"the modules beside {script} are {len(paths)} files with {size / 1e6:.0f} MB: too much to send",
            hint=f"put it into a folder of its own, with at most {MAX_CODE_BYTES // 2**20} MiB of code",
        )
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as writer:
        for path in paths:
            entry = zipfile.ZipInfo(str(path.relative_to(folder)))  # no times: equal code, equal bytes
            entry.compress_type = zipfile.ZIP_DEFLATED
            writer.writestr(entry, path.read_bytes())
    return archive.getvalue()


def _modules(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.is_file() and path.suffix == ".py" and path.stem.isidentifier():
            yield path
        elif path.is_dir() and (path / "__init__.py").is_file() and path.name.isidentifier():
            yield from _package(path)


def _package(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.is_dir():
            if path.name not in _SKIPPED and not path.name.startswith(".") and not path.is_symlink():
                yield from _package(path)
        elif path.is_file() and path.suffix not in {".pyc", ".pyo"}:
            yield path
