"""What a task asks of the place where it runs: `@constraint`, in PyCOMPSs' spellings and a few of our own.

A value may be a literal, `"$NAME"` or `"${NAME}"` (environment), the name of a global variable of the
program or of a parameter, or an expression of parameters such as `"2 * width"`. What depends on a variable
or a parameter is looked up anew at each call.

Counted: cores, memory, GPUs, storage, machines. All else (`model.offers`) is a property that a site declares
under the same name. `wall_clock_limit` is a time limit of the task.
"""

import ast
import os
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec

from continuum.model.errors import InvalidInputError
from continuum.model.tasks import NO_NEEDS, Needs
from continuum.workflow.spelling import hint_for

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

ATTRIBUTE = "__continuum_constraints__"
HOME = "home"  # stands for the driver's own site until the run knows it
GB = 10**9
SECONDS_PER_MINUTE = 60
_ENVIRONMENT = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_UNASSIGNED = "[unassigned]"  # PyCOMPSs' way to say nothing
_COUNTED = {
    "computing_units",
    "memory_size",
    "storage_size",
    "gpus",
    "nodes",
    "processor_architecture",
    "processors",
    "app_software",
    "is_local",
    "site",
    "wall_clock_limit",
}
LABELS = {
    "processor_name",
    "processor_speed",
    "processor_type",
    "processor_internal_memory_size",
    "memory_type",
    "storage_type",
    "storage_bandwidth",
    "operating_system_type",
    "operating_system_distribution",
    "operating_system_version",
    "host_queues",
}
_OF_PROCESSOR = {
    "processor_type",
    "computing_units",
    "name",
    "speed",
    "architecture",
    "property_name",
    "property_value",
    "internal_memory_size",
}


def constraint(**options: Any) -> Callable[[Decorated], Decorated]:
    """Say what a task needs. Put it above `@task`.

    `computing_units`: cores; `memory_size`, `storage_size`: GB; `gpus`; `nodes`: machines of one site;
    `processor_architecture`: such as `x86_64`; `processors`: a list of
    `{"processor_type": "GPU", "computing_units": 1}`; `app_software`: names of software that the site must
    offer; `wall_clock_limit`: minutes; `is_local`: run at the driver's site; `site`: run at this one; and the
    properties that sites declare, such as `storage_type` and `host_queues`.

    Raises `InvalidInputError` naming an option that there is not.
    """
    parsed = normalise(options)

    def decorate(function: Decorated) -> Decorated:
        setattr(function, ATTRIBUTE, {**getattr(function, ATTRIBUTE, {}), **parsed})
        return function

    return decorate


def normalise(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return constraints under their names of today, processors taken apart."""
    parsed: dict[str, Any] = {}
    for given, value in options.items():
        name = _snake(given)
        if name not in _COUNTED | LABELS | {"processor_property_name", "processor_property_value"}:
            hint = hint_for(name, _COUNTED | LABELS)
            raise InvalidInputError(f"there is no @constraint({given}=…)", hint=hint)
        if value != _UNASSIGNED and value is not None:
            parsed[name] = value
    for name, value in _of_processors(parsed.pop("processors", ())).items():
        parsed.setdefault(name, value)
    _name_property("processor", parsed)
    return parsed


def _snake(name: str) -> str:
    return _CAMEL.sub("_", name).lower()


def _of_processors(processors: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for processor in processors:
        options = {_snake(str(name)): value for name, value in processor.items() if value != _UNASSIGNED}
        options |= {
            name.removeprefix("processor_"): options.pop(name)
            for name in list(options)
            if name != "processor_type" and name.startswith("processor_")
        }
        unknown = sorted(set(options) - _OF_PROCESSOR)
        if unknown:
            raise InvalidInputError(f"@constraint(processors=…): there is no {', '.join(unknown)}")
        kind = str(options.pop("processor_type", "CPU")).upper()
        units = options.pop("computing_units", 1)
        if kind not in _KINDS:
            raise InvalidInputError(
                f"@constraint(processors=…): there is no ProcessorType {kind}", hint="CPU, GPU or FPGA"
            )
        counted, prefix = _KINDS[kind]
        if counted in found:
            raise InvalidInputError(f"@constraint(processors=…) names {kind} twice")
        found[counted] = units
        _name_property("", options)
        found |= {f"{prefix}_{name}": value for name, value in options.items()}
    return found


_KINDS = {"CPU": ("computing_units", "processor"), "GPU": ("gpus", "gpu"), "FPGA": ("fpgas", "fpga")}


def _name_property(prefix: str, options: dict[str, Any]) -> None:
    """Let `property_name=NAME, property_value=VALUE` be a property NAME."""
    lead = f"{prefix}_" if prefix else ""
    name = options.pop(f"{lead}property_name", None)
    value = options.pop(f"{lead}property_value", "true")
    if name is not None:
        options[f"{lead}{name}"] = value


def resolve_needs(
    options: Mapping[str, Any], function: Callable[..., Any], arguments: Mapping[str, Any] | None
) -> Needs | None:
    """Return what a call needs; None if that may change from call to call and there is no call."""
    if not options:
        return NO_NEEDS
    scope = Scope(getattr(function, "__globals__", {}), arguments, set(_parameters(function)))
    try:
        return _needs(options, scope)
    except DependsOnCallError:
        return None


def resolve_limit_s(options: Mapping[str, Any], function: Callable[..., Any]) -> float:
    """Return the time limit that the constraints set; 0: none."""
    given = options.get("wall_clock_limit")
    if given is None:
        return 0.0
    scope = Scope(getattr(function, "__globals__", {}), {}, set())
    return _number("wall_clock_limit", scope.look_up(given)) * SECONDS_PER_MINUTE


def _needs(options: Mapping[str, Any], scope: "Scope") -> Needs:
    def number(name: str, default: int) -> float:
        return _number(name, scope.look_up(options.get(name, default)))

    def whole(name: str, default: int) -> int:
        return _integer(name, scope.look_up(options.get(name, default)))

    software = options.get("app_software", ())
    names = software.split(",") if isinstance(software, str) else list(software)
    is_local = str(options.get("is_local", False)).lower() == "true"
    return Needs(
        computing_units=max(whole("computing_units", 1), 1),
        memory_bytes=int(number("memory_size", 0) * GB),
        architecture=str(scope.look_up(options.get("processor_architecture", ""))),
        software=tuple(name.strip() for name in names if name.strip()),
        site=_site_of(options, scope, is_local=is_local),
        gpus=whole("gpus", 0),
        storage_bytes=int(number("storage_size", 0) * GB),
        nodes=max(whole("nodes", 1), 1),
        labels=tuple(
            (name, _text(scope.look_up(value)))
            for name, value in sorted(options.items())
            if name not in _COUNTED
        ),
    )


class DependsOnCallError(Exception):
    """The value of a constraint is a parameter's or a variable's, and there is no call yet."""


class Scope(msgspec.Struct):
    """Where the values of constraints are looked up: the program's variables and the call's arguments."""

    variables: Mapping[str, Any]
    arguments: Mapping[str, Any] | None
    parameters: set[str]

    def look_up(self, value: Any) -> Any:
        """Return what a value stands for. Raises `DependsOnCallError` if there is no call yet."""
        if not isinstance(value, str):
            return value
        environment = _ENVIRONMENT.fullmatch(value)
        if environment:
            return _from_environment(environment[1] or environment[2])
        if value in self.parameters or value in self.variables:
            if self.arguments is None:
                raise DependsOnCallError
            return self.arguments[value] if value in self.arguments else self.variables.get(value, value)
        return self._evaluate(value)

    def _evaluate(self, text: str) -> Any:
        """Return the value of an expression of parameters, or a text that is none as it is."""
        try:
            tree = ast.parse(text, mode="eval")
        except SyntaxError:
            return text
        names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        if not names & (self.parameters | self.variables.keys()) or not isinstance(tree.body, _COMPUTED):
            return text
        if self.arguments is None:
            raise DependsOnCallError
        scope = {**self.variables, **self.arguments}
        try:
            return eval(compile(tree, "<constraint>", "eval"), scope)  # noqa: S307 - the program's own text
        except Exception as problem:
            raise InvalidInputError(f"@constraint: {text!r} cannot be computed: {problem}") from problem


_COMPUTED = ast.BinOp | ast.UnaryOp | ast.Call | ast.IfExp | ast.Subscript | ast.Attribute


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


def _text(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list | tuple | set) else str(value)


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


def _site_of(options: Mapping[str, Any], scope: "Scope", *, is_local: bool) -> str:
    """Return the site that is named, by itself, by the environment, or by the parameter of that name."""
    named = options.get("site", HOME if is_local else "")
    found = scope.look_up(named)
    return found if isinstance(found, str) else str(named)
