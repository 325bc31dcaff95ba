"""Which of the modules beside a program it uses: for the record of what a run was made of.

All of them go along to the workers, as only running a program would tell for certain which it needs; the
record names those that it imports. Taken from the text of the code (imports anywhere in it, also in
functions, followed from module to module) and from what the program's own process had imported in the end.

Not found: what only a task imports, under a name that it puts together itself.
"""

import ast
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

_IMPORTERS = frozenset(("import_module", "__import__"))


def imported_from(folder: Path) -> tuple[str, ...]:
    """Return the modules and packages in `folder` that this process has imported, by their first name."""
    found = set()
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        first = name.partition(".")[0]
        if file and first != "__main__" and _is_beside(Path(file), folder, first):
            found.add(first)
    return tuple(sorted(found))


def _is_beside(file: Path, folder: Path, first: str) -> bool:
    try:
        return file.resolve().relative_to(folder).parts[0] in {first, f"{first}.py"}
    except (ValueError, OSError):
        return False


def used_files(code: Mapping[str, bytes], program: str, imported: Sequence[str] = ()) -> set[str]:
    """Return those of the files of `code` that belong to what `program`, one of them, imports, and itself.

    `imported` are first names of modules that are known to be used. A package is used as a whole.
    """
    by_first: dict[str, list[str]] = {}
    for name in code:
        by_first.setdefault(PurePosixPath(name).parts[0].removesuffix(".py"), []).append(name)
    used, seen = {program}, set(imported) & by_first.keys()
    waiting = [program, *(name for first in seen for name in by_first[first])]
    while waiting:
        name = waiting.pop()
        used.add(name)
        for first in _imports_of(code.get(name, b"")) if name.endswith(".py") else ():
            if first in by_first and first not in seen:
                seen.add(first)
                waiting += by_first[first]
    return used


def _imports_of(source: bytes) -> Iterator[str]:
    """Yield the first names of what a module imports; nothing if it is not Python."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (each.name.partition(".")[0] for each in names)
            case ast.ImportFrom(module=str(module), level=0):
                yield module.partition(".")[0]
            case ast.Call(
                func=ast.Name(id=called) | ast.Attribute(attr=called),
                args=[ast.Constant(value=str(name)), *_],
            ) if called in _IMPORTERS:
                yield name.partition(".")[0]
