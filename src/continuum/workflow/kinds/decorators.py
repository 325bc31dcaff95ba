"""The decorators that say how a task runs. They go above `@task`, and above them only `@constraint` and
`@implement`; their order among each other does not matter, but there is one program, service or the like.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from continuum.model.errors import InvalidInputError
from continuum.workflow.kinds.arguments import names_in
from continuum.workflow.kinds.descriptions import (
    Around,
    Container,
    Kind,
    Number,
    Part,
    Program,
    Ranks,
    Request,
)
from continuum.workflow.programming import TaskFunction
from continuum.workflow.spelling import above_task, hint_for, options_of

Decorated = TypeVar("Decorated", bound=Callable[..., Any])
Decorator = Callable[[Any], Any]
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
_LEFT_OPEN = -1  # as PyCOMPSs says it
_MPI_OPTIONS = (
    *("runner", "binary", "processes", "processes_per_node", "flags", "args", "working_dir", "scale_by_cu"),
    *("fail_by_exit_value", "{parameter}_layout"),
)
_BODIES = ("program", "ranks", "request")


@options_of("binary")
def binary(
    binary: str,
    *,
    args: str | None = None,
    working_dir: str = "",
    fail_by_exit_value: bool | str = True,
    engine: str = "",
    image: str = "",
) -> Callable[[Decorated], Decorated]:
    """Make the task a program: `binary` is run; any exit status but 0 is a failure of the task.

    It gets the task's parameters in their order, or `args`, in which `{{parameter}}` stands for a value. It
    runs in a folder of its own or in `working_dir`. With `fail_by_exit_value=False` the status is only what
    the task returns. `engine` and `image`: in a container, as with `container`.
    """
    program = Program(
        binary=binary, arguments=args, working_folder=working_dir, fails_by_exit_value=fail_by_exit_value
    )
    box = _container(engine or "DOCKER", image, "") if engine or image else None
    return _adding(
        "binary", (binary, args or "", working_dir), program=program, **({"container": box} if box else {})
    )


@options_of("openmp")
def openmp(
    binary: str = "",
    *,
    threads: Number = 0,
    args: str | None = None,
    working_dir: str = "",
    fail_by_exit_value: bool | str = True,
) -> Callable[[Decorated], Decorated]:
    """Give the task so many threads (default: its computing units), as computing units and in
    `OMP_NUM_THREADS`; with `binary` it is that program.
    """
    program = None
    if binary:
        program = Program(
            binary=binary, arguments=args, working_folder=working_dir, fails_by_exit_value=fail_by_exit_value
        )
    return _adding("openmp", (binary, args or "", working_dir), program=program, threads=threads)


@options_of("mpi")
def mpi(
    *,
    runner: str = "mpirun",
    binary: str = "",
    processes: Number = 1,
    processes_per_node: Number = 0,
    flags: str = "",
    args: str | None = None,
    working_dir: str = "",
    scale_by_cu: bool = False,
    fail_by_exit_value: bool | str = True,
    **layouts: Mapping[str, Number],
) -> Callable[[Decorated], Decorated]:
    """Run the task as `processes` MPI processes: of the program `binary`, else of the function itself.

    It takes its computing units once per process. The function returns what process 0 returns or, if the task
    declares as many values as there are processes, the value of each. `{parameter}_layout={"block_count": …,
    "block_length": …, "stride": …}` gives every process its blocks of a list, in turn (without `block_count`:
    one each). `flags` go to the runner.
    """
    ranks = Ranks(
        runner=runner,
        flags=flags,
        processes=processes,
        processes_per_node=processes_per_node,
        scales_by_units=scale_by_cu,
        layouts={name: _layout(name, layout) for name, layout in layouts.items()},
    )
    ranks = msgspec.structs.replace(
        ranks, layouts={name.removesuffix("_layout"): layout for name, layout in ranks.layouts.items()}
    )
    program = None
    if binary:
        program = Program(
            binary=binary, arguments=args, working_folder=working_dir, fails_by_exit_value=fail_by_exit_value
        )
    return _adding(
        "mpi", (binary, args or "", working_dir, flags, *ranks_names(ranks)), ranks=ranks, program=program
    )


@options_of("mpmd_mpi")
def mpmd_mpi(
    *,
    runner: str = "mpirun",
    programs: Sequence[Mapping[str, Any]],
    working_dir: str = "",
    processes_per_node: Number = 0,
    flags: str = "",
    fail_by_exit_value: bool | str = True,
) -> Callable[[Decorated], Decorated]:
    """Run several programs as one MPI task: each of `programs` has `binary`, `processes` and `args`."""
    parts = tuple(_part(each) for each in programs)
    if not parts:
        raise InvalidInputError("@mpmd_mpi(programs=…) names no program")
    ranks = Ranks(runner=runner, flags=flags, processes_per_node=processes_per_node)
    program = Program(
        binary=parts[0].binary, working_folder=working_dir, fails_by_exit_value=fail_by_exit_value
    )
    texts = [text for part in parts for text in (part.binary, part.arguments)]
    return _adding("mpmd_mpi", (working_dir, *texts), ranks=ranks, parts=parts, program=program)


@options_of("multinode")
def multinode(
    *, computing_nodes: Number = 1, processes_per_node: Number = 0
) -> Callable[[Decorated], Decorated]:
    """Give the task so many machines of its site; `COMPSS_NUM_NODES` and `COMPSS_HOSTNAMES` say which."""
    threads: dict[str, Any] = {"threads": processes_per_node} if processes_per_node else {}
    return _adding("multinode", (), nodes=computing_nodes, **threads)


@options_of("container")
def container(engine: str = "DOCKER", image: str = "", options: str = "") -> Callable[[Decorated], Decorated]:
    """Run the task in a container of `image`: its program, or the function with the image's own Python.

    `engine`: DOCKER, PODMAN, SINGULARITY, APPTAINER or UDOCKER; `options` go to it as they are.
    """
    return _adding("container", (), container=_container(engine, image, options))


@options_of("http")
def http(  # noqa: PLR0917 - their order is PyCOMPSs'
    service_name: str,
    resource: str = "",
    request: str = "GET",
    payload: str = "",
    payload_type: str = "application/json",
    produces: str = "",
    updates: str = "",
    *,
    time_out: float = 60.0,
) -> Callable[[Decorated], Decorated]:
    """Make the task a request to a web service. In `resource` and `payload` `{{parameter}}` is its value.

    `produces` is the JSON of the answer with `{{return_0}}` (and further names) where the results stand;
    `updates` puts named parts into a dict that the task changes: `{{event}}.key = {{name}}`. It takes no
    computing unit.
    """
    if request.upper() not in _METHODS:
        raise InvalidInputError(f"@http(request={request!r})", hint=", ".join(sorted(_METHODS)))
    made = Request(
        service=service_name,
        resource=resource,
        method=request.upper(),
        payload=payload,
        payload_type=payload_type,
        produces=produces,
        updates=updates,
        timeout_s=float(time_out),
    )
    return _adding("http", (resource, payload), request=made, is_io=True)


@options_of("prolog")
def prolog(
    binary: str, *, args: str = "", fail_by_exit_value: bool | str = True
) -> Callable[[Decorated], Decorated]:
    """Run a program before the task, where it runs; if it fails, so does the task."""
    around = Around(binary=binary, arguments=args, fails_by_exit_value=fail_by_exit_value)
    return _adding("prolog", (binary, args), prolog=around)


@options_of("epilog")
def epilog(
    binary: str, *, args: str = "", fail_by_exit_value: bool | str = False
) -> Callable[[Decorated], Decorated]:
    """Run a program after the task, where it ran, also if the task failed."""
    around = Around(binary=binary, arguments=args, fails_by_exit_value=fail_by_exit_value)
    return _adding("epilog", (binary, args), epilog=around)


@options_of("IO")
def io_task() -> Callable[[Decorated], Decorated]:
    """Say that the task only reads and writes: it takes no computing unit and runs beside what computes."""
    return _adding("IO", (), is_io=True)


def ranks_names(ranks: Ranks) -> list[str]:
    """Return the places that stand for parameters with a layout, to be checked as others are."""
    return [f"{{{{{name}}}}}" for name in ranks.layouts]


def _adding(name: str, templates: Sequence[str], **parts: Any) -> Decorator:
    def decorate(task: Any) -> Any:
        if not isinstance(task, TaskFunction):
            raise above_task(name)
        wanted = {each for template in templates for each in names_in(template)}
        unknown = sorted(wanted - task.parameter_names)
        if unknown:
            hint = hint_for(unknown[0], task.parameter_names)
            raise InvalidInputError(f"@{name}: {task.name} has no parameter {unknown[0]}", hint=hint)
        kind = task.kind or Kind()
        for part, value in parts.items():
            if part in _BODIES and value is not None and getattr(kind, part) is not None:
                raise InvalidInputError(f"@{name}: {task.name} is a {part} already")
        task.has_streams = task.has_streams or parts.get("program") is not None
        task.kind = msgspec.structs.replace(
            kind, **{part: each for part, each in parts.items() if each is not None}
        )
        return task

    return decorate


def _container(engine: str, image: str, options: str) -> Container:
    from continuum.workflow.kinds.containers import parse_engine  # noqa: PLC0415 - only those who need it

    if not image:
        raise InvalidInputError("@container names no image", hint="image='python:3.12-slim'")
    return Container(engine=parse_engine(engine), image=image, options=options)


def _layout(name: str, layout: Any) -> tuple[Number, Number, Number]:
    if not name.endswith("_layout") or not isinstance(layout, Mapping):
        raise InvalidInputError(f"@mpi has no option {name}", hint=hint_for(name, _MPI_OPTIONS))
    given = {str(key): value for key, value in layout.items() if value != _LEFT_OPEN}
    unknown = sorted(set(given) - {"block_count", "block_length", "stride"})
    if unknown:
        raise InvalidInputError(f"@mpi({name}=…): there is no {unknown[0]}")
    return given.get("block_count", 0), given.get("block_length", 1), given.get("stride", 1)


def _part(given: Mapping[str, Any]) -> Part:
    options = dict(given)
    part = Part(
        binary=str(options.pop("binary", "")),
        arguments=str(options.pop("args", "") or options.pop("params", "")),
        processes=options.pop("processes", 1),
    )
    if not part.binary or options:
        raise InvalidInputError(f"@mpmd_mpi: {dict(given)!r} is no program", hint="binary, processes, args")
    return part
