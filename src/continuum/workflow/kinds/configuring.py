"""`@software`: the decorators of a task in a JSON file, so that they can change without the program."""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from continuum.model.errors import InvalidInputError, NotFoundError
from continuum.workflow import directions
from continuum.workflow.constraints import constraint
from continuum.workflow.kinds import decorators
from continuum.workflow.programming import TaskFunction, task
from continuum.workflow.spelling import options_of

_KNOWN = {"execution", "parameters", "prolog", "epilog", "constraints", "container"}
_KINDS: dict[str, Callable[..., Callable[[Any], Any]]] = {
    "binary": decorators.binary,
    "mpi": decorators.mpi,
    "mpmd_mpi": decorators.mpmd_mpi,
    "multinode": decorators.multinode,
    "http": decorators.http,
    "openmp": decorators.openmp,
    "ompss": decorators.openmp,
    "container": decorators.container,
}
_TYPES = {kind.__name__: kind for kind in (int, float, str, bool, list, dict, tuple, bytes, object)}
_PLAIN = {"task", "workflow", ""}


@options_of("software")
def software(config_file: str) -> Callable[[Any], Any]:
    """Decorate a function as the JSON file says: `execution` (its `type` and that decorator's options),
    `parameters` (of `@task`, directions by their names), `constraints`, `container`, `prolog`, `epilog`.

    The path is relative to the program's folder or to where it was started. `$NAME` in it is replaced.
    """

    def decorate(function: Any) -> Any:
        return apply(_read(config_file, function), function)

    return decorate


def apply(document: Mapping[str, Any], function: Any) -> Any:
    """Return `function` decorated as a document says."""
    unknown = sorted(set(document) - _KNOWN)
    if unknown:
        raise InvalidInputError(f"@software: there is no {unknown[0]!r}", hint=", ".join(sorted(_KNOWN)))
    execution = dict(document.get("execution", {}))
    kind = str(execution.pop("type", "")).lower()
    if kind not in _PLAIN and kind not in _KINDS:
        known = ", ".join(sorted(_KINDS | dict.fromkeys(_PLAIN - {""})))
        raise InvalidInputError(f"@software: type {kind!r} is not supported", hint=f"there are {known}")
    if kind == "workflow":
        return function
    made = _task(document.get("parameters"), function)
    try:
        if kind in _KINDS:
            made = _KINDS[kind](**_options(kind, execution))(made)
        if "container" in document:
            made = decorators.container(**document["container"])(made)
        for name, around in (("prolog", decorators.prolog), ("epilog", decorators.epilog)):
            if document.get(name):
                made = around(**document[name])(made)
    except TypeError as problem:
        raise InvalidInputError(f"@software: {problem}") from None
    return constraint(**document["constraints"])(made) if document.get("constraints") else made


def _options(kind: str, execution: Mapping[str, Any]) -> dict[str, Any]:
    options = dict(execution)
    if kind in {"openmp", "ompss"}:
        options.setdefault("binary", "")
    return options


def _task(parameters: Mapping[str, Any] | None, function: Any) -> TaskFunction:
    if isinstance(function, TaskFunction):
        if parameters:
            raise InvalidInputError("@software: the file has parameters and there is a @task already")
        return function
    options = {name: _direction(value) for name, value in (parameters or {}).items()}
    made: TaskFunction = task(**options)(function)
    return made


def _direction(value: Any) -> Any:
    """Return a direction or a type by its name; what is none stays as it is (`returns`, `priority`)."""
    if isinstance(value, str) and value in _TYPES:
        return _TYPES[value]
    if isinstance(value, Mapping):
        return {key: _direction(inner) for key, inner in value.items()}
    found = getattr(directions, value, None) if isinstance(value, str) and value.isupper() else None
    return found if isinstance(found, directions.Direction) else value


def _read(config_file: str, function: Any) -> Mapping[str, Any]:
    path = Path(os.path.expandvars(config_file)).expanduser()
    source = getattr(getattr(function, "__code__", None), "co_filename", "")
    places = [path] if path.is_absolute() else [Path.cwd() / path, Path(source).parent / path]
    for place in places:
        if place.is_file():
            try:
                document = json.loads(place.read_text(encoding="utf-8"))
            except ValueError as problem:
                raise InvalidInputError(f"@software: {place} is not JSON: {problem}") from None
            if not isinstance(document, dict):
                raise InvalidInputError(f"@software: {place} holds no JSON object")
            return document
    raise NotFoundError(f"@software: there is no file {config_file}", hint=f"looked in {places[-1].parent}")
