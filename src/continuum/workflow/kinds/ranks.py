"""How MPI processes are started: the command line of a runner, and what must be said to it beside that.

Open MPI would bind the first ranks of every task to the first cores and refuse more ranks than there are
cores; here the site's budget decides who may use how many, so both are switched off, in the environment:
runners of other kinds do not mind.
"""

import os
import shlex
from collections.abc import Mapping, Sequence

import msgspec

from continuum.workflow.kinds.arguments import Arguments
from continuum.workflow.kinds.descriptions import Kind
from continuum.workflow.kinds.programs import find_program
from continuum.workflow.kinds.settling import processes_of

_ENVIRONMENT = {
    "OMPI_MCA_rmaps_base_oversubscribe": "1",
    "OMPI_MCA_hwloc_base_binding_policy": "none",
    "OMPI_MCA_btl_vader_single_copy_mechanism": "none",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
    "PRTE_MCA_hwloc_default_binding_policy": "none",
}
_ROOT = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}


class Launch(msgspec.Struct, frozen=True):
    """A way to start a command: as it is, or as `processes` ranks under a runner with `threads` each."""

    runner: tuple[str, ...] = ()
    processes: int = 1
    threads: int = 1
    placing: tuple[str, ...] = ()
    environment: dict[str, str] = {}

    def one(self, command: Sequence[str]) -> list[str]:
        """Return the command line that starts one program."""
        if not self.runner:
            return list(command)
        return [*self.runner, *self.placing, "-n", str(self.processes), *command]

    def several(self, parts: Sequence[tuple[int, Sequence[str]]]) -> list[str]:
        """Return the command line that starts several programs as one: with how many ranks each."""
        line = [*self.runner, *self.placing]
        for index, (processes, command) in enumerate(parts):
            line += [*([":"] if index else []), "-n", str(processes), *command]
        return line

    def with_environment(self, environment: Mapping[str, str]) -> "Launch":
        """Return it with more told to the processes."""
        return msgspec.structs.replace(self, environment={**self.environment, **environment})


def launch_of(
    kind: Kind, arguments: Arguments, units: int, nodes: Sequence[str], *, is_inside: bool = False
) -> Launch:
    """Return how a task's command is started with so many computing units, on these machines of the site.

    `is_inside`: the runner is that of a container.
    """
    ranks = kind.ranks
    if ranks is None:
        return Launch(threads=units)
    processes = processes_of(ranks, kind.parts, lambda given: arguments.number("processes", given))
    threads = max(1, units // max(1, processes))
    if ranks.scales_by_units:
        processes, threads = processes * threads, 1
    runner = arguments.fill(ranks.runner or "mpirun")
    if not is_inside:
        runner = find_program(runner, "the runner of an MPI task")
    placing = _placing(arguments.number("processes_per_node", ranks.processes_per_node), nodes)
    environment = dict(_ENVIRONMENT) | (_ROOT if os.geteuid() == 0 else {})
    return Launch(
        (runner, *shlex.split(arguments.fill(ranks.flags))), processes, threads, placing, environment
    )


def _placing(per_node: int, nodes: Sequence[str]) -> tuple[str, ...]:
    """Return on which machines ranks go; a site that is one machine needs not be told."""
    if len(nodes) <= 1:
        return ()
    slots = f":{per_node}" if per_node else ""
    return ("--host", ",".join(f"{name}{slots}" for name in nodes))
