"""What a task asks of the place where it runs: `@constraint`, in PyCOMPSs' spellings and a few of our own.

A value may be a literal, `"$NAME"` or `"${NAME}"` (environment), the name of a global variable of the
program, or the name of a parameter (then it is known at each call).
"""

import os
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec

from continuum.model.errors import InvalidInputError
from continuum.model.tasks import NO_NEEDS, Needs

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

ATTRIBUTE = "__continuum_constraints__"
HOME = "home"  # stands for the driver's own site until the run knows it
GB = 10**9
_ENVIRONMENT = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_KNOWN = {
    "computing_units",
    "memory_size",
    "processor_architecture",
    "processors",
    "app_software",
    "is_local",
    "site",
}


def constraint(**options: Any) -> Callable[[Decorated], Decorated]:
    """Say what a task needs. `computing_units`: cores; `memory_size`: GB; `processor_architecture`: such as
    `x86_64`; `app_software`: names of software that the site must offer; `is_local`: run at the driver's
    site; `site`: run at this one. Put it above `@task`.

    Raises `InvalidInputError` naming an option that is not supported.
    """
    parsed = {_CAMEL.sub("_", name).lower(): value for name, value in options.items()}
    for name in parsed:
        if name not in _KNOWN:
            known = ", ".join(sorted(_KNOWN))
            raise InvalidInputError(f"@constraint({name}=…) is not supported yet", hint=f"there are: {known}")
    if "processors" in parsed:
        parsed.setdefault("computing_units", _units_of(parsed.pop("processors")))

    def decorate(function: Decorated) -> Decorated:
        setattr(function, ATTRIBUTE, {**getattr(function, ATTRIBUTE, {}), **parsed})
        return function

    return decorate


def _units_of(processors: Any) -> Any:
    units: Any = 1
    for processor in processors:
        options = {_CAMEL.sub("_", str(name)).lower(): value for name, value in processor.items()}
        kind = str(options.pop("processor_type", "CPU"))
        if kind.upper() != "CPU":
            raise InvalidInputError(
                f"@constraint(processors=…) with ProcessorType {kind} is not supported yet"
            )
        units = options.pop("computing_units", 1)
        if options:
            name = next(iter(options))
            raise InvalidInputError(f"@constraint(processors=…) with {name} is not supported yet")
    return units


def resolve_needs(
    options: Mapping[str, Any], function: Callable[..., Any], arguments: Mapping[str, Any] | None
) -> Needs | None:
    """Return what a call needs; None if that depends on its arguments and they are not given."""
    if not options:
        return NO_NEEDS
    scope = _Scope(getattr(function, "__globals__", {}), arguments, set(_parameters(function)))
    try:
        return _needs(options, scope)
    except _DependsOnCallError:
        return None


def _needs(options: Mapping[str, Any], scope: "_Scope") -> Needs:
    software = options.get("app_software", ())
    names = software.split(",") if isinstance(software, str) else list(software)
    is_local = str(options.get("is_local", False)).lower() == "true"
    units = _integer("computing_units", scope.look_up(options.get("computing_units", 1)))
    memory = _number("memory_size", scope.look_up(options.get("memory_size", 0)))
    return Needs(
        computing_units=max(units, 1),
        memory_bytes=int(memory * GB),
        architecture=str(options.get("processor_architecture", "")),
        software=tuple(name.strip() for name in names if name.strip()),
        site=str(options.get("site", HOME if is_local else "")),
    )


class _DependsOnCallError(Exception):
    """The value of a constraint is a parameter's, and there is no call yet."""


class _Scope(msgspec.Struct):
    variables: Mapping[str, Any]
    arguments: Mapping[str, Any] | None
    parameters: set[str]

    def look_up(self, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        environment = _ENVIRONMENT.fullmatch(value)
        if environment:
            return _from_environment(environment[1] or environment[2])
        if value in self.parameters:
            if self.arguments is None:
                raise _DependsOnCallError
            return self.arguments.get(value, value)
        return self.variables.get(value, value)


def _from_environment(name: str) -> str:
    try:
        return os.environ[name]
    except KeyError:
        raise InvalidInputError(
            f"@constraint names the environment variable {name}, which is not set"
        ) from None


def _parameters(function: Callable[..., Any]) -> tuple[str, ...]:
    code = function.__code__
    return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]


def _integer(name: str, value: Any) -> int:
    number = _number(name, value)
    if number != int(number) or number < 0:
        raise InvalidInputError(f"@constraint({name}={value!r}) must be a whole number")
    return int(number)


def _number(name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise InvalidInputError(f"@constraint({name}={value!r}) must be a number") from None
