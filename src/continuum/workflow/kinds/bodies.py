"""What is called in place of a task's function when its kind says so: prolog, the thing itself, epilog.

A body travels to workers and is called with the arguments that the function would get: files are local paths
then, values are there. Without a run it is called with the program's own. What it returns is the task's
result: the exit status of a program, the answer of a service, what the function gave in a container or in
MPI processes.
"""

import contextlib
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from continuum.workflow.directions import Access, Direction
from continuum.workflow.kinds.arguments import Arguments
from continuum.workflow.kinds.descriptions import Around, Kind, Use, is_true
from continuum.workflow.kinds.programs import find_program, open_folder, run_command
from continuum.workflow.kinds.settling import settle
from continuum.workflow.returning import Returns

UNITS_VARIABLE = "COMPSS_NUM_THREADS"
NODES_VARIABLE = "CONTINUUM_NODES"  # the host names of the site's machines, with commas
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", UNITS_VARIABLE)


class Body:
    """A function with its kind, as it travels. `return_count`: how many values the task declares."""

    def __init__(
        self,
        function: Callable[..., Any],
        kind: Kind,
        uses: Mapping[str, Use],
        returns: tuple[type | None, ...],
    ) -> None:
        self.__wrapped__ = function  # its signature is this one's
        self.kind = kind
        self.uses = dict(uses)
        self.returns = returns

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Do what the task is."""
        kind = self.kind
        arguments = Arguments(self.__wrapped__, self.uses, args, kwargs)
        with open_folder() as folder, _nodes(kind, arguments):
            self._run_around(kind.prolog, arguments, folder)
            try:
                result = self._run(arguments, folder, args, kwargs)
            except Exception:
                self._run_epilog_of_failure(arguments, folder)
                raise
            self._run_around(kind.epilog, arguments, folder)
        return result

    def _run(self, arguments: Arguments, folder: Path, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        kind = self.kind
        if kind.request is not None:
            from continuum.workflow.kinds.requesting import request  # noqa: PLC0415 - only those who need it

            return request(kind.request, arguments, self.returns)
        if kind.program is None and kind.ranks is None and kind.container is None:
            return self.__wrapped__(*args, **kwargs)
        from continuum.workflow.kinds import processes  # noqa: PLC0415

        if kind.program is not None or kind.parts:
            return processes.run_program(kind, arguments, folder)
        return processes.run_function(
            self.__wrapped__, kind, arguments, folder, args, kwargs, len(self.returns)
        )

    def _run_around(self, around: Around | None, arguments: Arguments, folder: Path) -> None:
        if around is None:
            return
        program = find_program(arguments.fill(around.binary), "a prolog or epilog")
        result = run_command([program, *arguments.fill_words(around.arguments)], folder=folder)
        if is_true(around.fails_by_exit_value):
            result.check()

    def _run_epilog_of_failure(self, arguments: Arguments, folder: Path) -> None:
        """Tidy up after a failure, which is what is told, whatever comes of this."""
        with contextlib.suppress(Exception):
            self._run_around(self.kind.epilog, arguments, folder)


@contextlib.contextmanager
def _nodes(kind: Kind, arguments: Arguments) -> Iterator[None]:
    """Tell a task of several machines which these are."""
    count = arguments.number("computing_nodes", kind.nodes)
    if not count:
        yield
        return
    names = [name for name in os.environ.get(NODES_VARIABLE, "").split(",") if name] or [socket.gethostname()]
    told = {"COMPSS_NUM_NODES": str(count), "COMPSS_HOSTNAMES": ",".join(names[:count])}
    before = {name: os.environ.get(name) for name in told}
    os.environ.update(told)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def make_body(task: "Kinded", function: Any, kind: Kind) -> Body:
    """Return the body of a task; `function` is its own or what stands for it on its way."""
    uses = {name: _use_of(direction) for name, direction in task.given_directions.items()}
    return Body(function, settle(kind, task.function), uses, tuple(task.returns.kinds))


def _use_of(direction: Direction) -> Use:
    return Use(
        is_file=direction.is_file,
        is_output=direction.access is not Access.READ,
        is_appended=direction.access is Access.UPDATE,
        stream=direction.stream,
        prefix=direction.prefix,
    )


class Kinded(Protocol):
    """The part of a task that its body is made of."""

    function: Callable[..., Any]

    @property
    def given_directions(self) -> dict[str, Direction]:
        """The directions that the program gives."""

    @property
    def returns(self) -> Returns:
        """How many values a call gives."""
