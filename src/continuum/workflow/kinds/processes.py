"""Tasks that are processes: a program, MPI ranks of a program or of the function, either in a container.

A function that runs in other processes gets its arguments through a file and answers through files
(`calling`). What it changes in place comes back and is put into the objects that the task has.
"""

import os
import pickle
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import cloudpickle

from continuum.model.errors import InvalidInputError, NotFoundError
from continuum.workflow.kinds import calling
from continuum.workflow.kinds.arguments import Arguments
from continuum.workflow.kinds.bodies import NODES_VARIABLE, THREAD_VARIABLES, UNITS_VARIABLE
from continuum.workflow.kinds.containers import SINGULARITY_LIKE, Box, open_box
from continuum.workflow.kinds.descriptions import Kind, Ranks, is_true
from continuum.workflow.kinds.programs import ProgramFailedError, find_program, run_command
from continuum.workflow.kinds.ranks import Launch, launch_of

MAX_ANSWER_BYTES = 1 << 32


def run_program(kind: Kind, arguments: Arguments, folder: Path) -> int:
    """Run the program that a task is, or the ranks of one or several; return the exit status."""
    program = kind.program
    working = _working_folder(program.working_folder if program else "", arguments, folder)
    switch = program.fails_by_exit_value if program else False
    with open_box(kind.container, arguments, [folder, working], working) as box:
        launch = _launch(kind, arguments)
        if kind.parts:
            parts = [
                (
                    arguments.number("processes", part.processes),
                    _command(part.binary, part.arguments, arguments, box),
                )
                for part in kind.parts
            ]
            if box.holds_ranks:
                command = box.wrap(launch.several(parts))
            else:
                command = launch.several([(number, box.wrap(part)) for number, part in parts])
        else:
            assert program is not None  # noqa: S101 - there are no parts
            command = _started(launch, box, _command(program.binary, program.arguments, arguments, box))
        result = run_command(command, folder=working, environment=launch.environment, arguments=arguments)
    if is_true(os.path.expandvars(switch) if isinstance(switch, str) else switch):
        result.check()
    return result.status


def run_function(  # noqa: PLR0917 - one caller
    function: Callable[..., Any],
    kind: Kind,
    arguments: Arguments,
    folder: Path,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    return_count: int,
) -> Any:
    """Call the function in other processes: in each MPI rank, or in a container, or both."""
    launch = _launch(kind, arguments)
    if kind.ranks is not None and return_count > 1 and return_count != launch.processes:
        raise InvalidInputError(
            f"{function.__qualname__} returns {return_count} values from {launch.processes} MPI processes",
            hint="declare as many as there are processes, or one: that of the first process",
        )
    layouts = _layouts(kind.ranks, arguments)
    call = folder / "call"
    _write_call(call, function, args, kwargs, layouts, is_apart=kind.container is not None)
    with open_box(kind.container, arguments, [folder], folder) as box:
        command = _started(launch, box, box.python_command(call))
        environment = {**launch.environment, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        if kind.container is not None:
            environment.pop("PYTHONPATH")
        result = run_command(command, folder=folder, environment=environment)
    answers = _read_answers(call, launch.processes)
    if result.status and len(answers) < launch.processes:
        result.check()
    if len(answers) < launch.processes:
        raise ProgramFailedError(
            f"{launch.processes - len(answers)} of {launch.processes} processes gave no answer"
        )
    _overwrite_all((args, kwargs), answers[0].arguments, arguments)
    if return_count > 1 and kind.ranks is not None:
        return [answer.value for answer in answers]
    return answers[0].value


def _command(binary: str, template: str | None, arguments: Arguments, box: Box) -> list[str]:
    filled = arguments.fill(binary)
    program = filled if box.is_box else find_program(filled, "the task")
    words = arguments.words() if template is None else arguments.fill_words(template)
    return [program, *words]


def _started(launch: Launch, box: Box, command: list[str]) -> list[str]:
    """Return the whole command line: ranks start inside a container, or each in one if the engine can."""
    if box.holds_ranks:
        return box.wrap(launch.one(command))
    return launch.one(box.wrap(command))


def _working_folder(template: str, arguments: Arguments, folder: Path) -> Path:
    if not template:
        return folder
    working = Path(os.path.expandvars(arguments.fill(template))).expanduser().absolute()
    try:
        working.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise NotFoundError(f"the working folder {working} cannot be had: {problem.strerror}") from problem
    return working


def _launch(kind: Kind, arguments: Arguments) -> Launch:
    units = int(os.environ.get(UNITS_VARIABLE, "1") or 1)
    nodes = [name for name in os.environ.get(NODES_VARIABLE, "").split(",") if name]
    launch = launch_of(kind, arguments, units, nodes, is_inside=_is_inside(kind))
    threads = str(max(1, arguments.number("threads", kind.threads), launch.threads))
    return launch.with_environment(dict.fromkeys(THREAD_VARIABLES, threads))


def _is_inside(kind: Kind) -> bool:
    """Whether the runner of MPI processes is the container's own."""
    return kind.container is not None and kind.container.engine not in SINGULARITY_LIKE


def _layouts(ranks: Ranks | None, arguments: Arguments) -> dict[str, tuple[int, int, int]]:
    if ranks is None:
        return {}
    return {
        name: (
            arguments.number("block_count", layout[0]),
            arguments.number("block_length", layout[1]),
            arguments.number("stride", layout[2]),
        )
        for name, layout in ranks.layouts.items()
    }


def _write_call(
    path: Path,
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    layouts: Mapping[str, tuple[int, int, int]],
    *,
    is_apart: bool,
) -> None:
    module = sys.modules.get(function.__module__)
    by_value = is_apart and module is not None and function.__module__ != "__main__"
    if by_value:
        cloudpickle.register_pickle_by_value(module)  # what runs apart cannot import it
    try:
        path.write_bytes(cloudpickle.dumps((function, args, kwargs, dict(layouts))))
    finally:
        if by_value:
            cloudpickle.unregister_pickle_by_value(module)


def _read_answers(call: Path, processes: int) -> list[calling.Answer]:
    """Return what each process gave; raise what the first of them raised that raised anything."""
    answers = []
    for rank in range(processes):
        path = calling.answer_path(call, rank)
        if path.exists():
            is_raised, value, given = pickle.loads(path.read_bytes())  # noqa: S301 - our own process wrote it
            if is_raised:
                raise value
            answers.append(calling.Answer(value, given))
    return answers


def _overwrite_all(before: Any, after: Any, arguments: Arguments) -> None:
    """Put what the function changed in place into the arguments that are written."""
    if not any(use.is_output and not use.is_file for use in arguments.uses.values()):
        return
    (args, kwargs), (args_after, kwargs_after) = before, after
    for old, new in zip(args, args_after, strict=True):
        _overwrite(old, new)
    for name, new in kwargs_after.items():
        _overwrite(kwargs[name], new)


def _overwrite(old: Any, new: Any) -> None:
    if type(old) is not type(new):
        return
    if isinstance(old, list | bytearray):
        old[:] = new
    elif isinstance(old, dict | set):
        old.clear()
        old.update(new)
    elif hasattr(old, "dtype") and hasattr(old, "__setitem__"):
        old[...] = new
    elif hasattr(old, "__dict__") and not isinstance(old, type) and not callable(old):
        vars(old).update(vars(new))
