"""What a kind of task is described by: plain frozen data, made by decorators and carried to workers.

Numbers may be given as text: a literal, `"$NAME"`, or the name of a parameter or of a global variable. What
the environment and the variables of the program say is put in before a description travels
(`settling.settle`); a parameter's name is looked up in the call, where the task runs.
"""

import msgspec

Number = int | str
FALSE = frozenset({"", "false", "0", "no"})


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """An executable that a task is. Without `arguments` it gets the task's parameters in their order."""

    binary: str
    arguments: str | None = None
    working_folder: str = ""
    fails_by_exit_value: bool | str = False


class Ranks(msgspec.Struct, frozen=True, kw_only=True):
    """A start of MPI processes. `layouts`: of a parameter, how many blocks, their length, their stride."""

    runner: str = "mpirun"
    flags: str = ""
    processes: Number = 1
    processes_per_node: Number = 0
    scales_by_units: bool = False
    layouts: dict[str, tuple[Number, Number, Number]] = {}


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One of several programs of a start of MPI processes."""

    binary: str
    arguments: str = ""
    processes: Number = 1


class Container(msgspec.Struct, frozen=True, kw_only=True):
    """A container in which a task runs."""

    engine: str
    image: str
    options: str = ""


class Around(msgspec.Struct, frozen=True, kw_only=True):
    """A program that runs before or after a task."""

    binary: str
    arguments: str = ""
    fails_by_exit_value: bool | str = True


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A request to a web service that a task is."""

    service: str
    resource: str
    method: str = "GET"
    payload: str = ""
    payload_type: str = "application/json"
    produces: str = ""
    updates: str = ""
    timeout_s: float = 60.0


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """How a task runs. All empty: as a plain call. `threads`: given by OpenMP, `nodes` by `multinode`."""

    program: Program | None = None
    ranks: Ranks | None = None
    parts: tuple[Part, ...] = ()
    container: Container | None = None
    prolog: Around | None = None
    epilog: Around | None = None
    request: Request | None = None
    threads: Number = 0
    nodes: Number = 0
    is_io: bool = False

    @property
    def needs_process(self) -> bool:
        """Whether such a task needs a process (tree) of its own."""
        has_parts = self.program or self.ranks or self.container or self.request or self.prolog or self.epilog
        return bool(has_parts or self.is_io or self.nodes)

    @property
    def has_body(self) -> bool:
        """Whether anything else than the plain function is called."""
        return bool(
            self.program
            or self.ranks
            or self.container
            or self.request
            or self.prolog
            or self.epilog
            or self.nodes
        )


class Use(msgspec.Struct, frozen=True, kw_only=True):
    """How a program uses a parameter: as a `stream` (`stdin`, …), with a `prefix` before the value."""

    is_file: bool = False
    is_output: bool = False
    is_appended: bool = False
    stream: str = ""
    prefix: str = ""


def is_true(value: bool | str) -> bool:
    """Return what a switch says that may be given as text."""
    return value if isinstance(value, bool) else value.strip().casefold() not in FALSE
