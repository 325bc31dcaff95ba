"""`continuum run simulate`: what a workload would take over other sites or with another placement."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from continuum.cli.options import HomeOption, JsonOption, open_console, open_home, print_json
from continuum.model.errors import InvalidInputError
from continuum.model.stories import format_bytes, format_carbon, format_energy, format_eur, format_seconds

if TYPE_CHECKING:
    from continuum.workflow import Outcome

_TWO = 2
_MOST_SITES = 500
_MOST_TASKS = 1_000_000
_HEADINGS = ("placement", "objective", "takes", "x bound", "moved", "cost", "energy", "CO2e", "sites used")


def simulate(  # noqa: PLR0917 - typer passes what the command line says
    graph: Annotated[
        str,
        typer.Option("--graph", help="montage, mapreduce, cholesky, independent, chains or survey."),
    ] = "montage",
    tasks: Annotated[int, typer.Option("--tasks", min=1, max=_MOST_TASKS, help="About how many.")] = 1000,
    sites: Annotated[
        int | None,
        typer.Option(
            "--sites", min=1, max=_MOST_SITES, help="How many.", show_default="2, or those of the run"
        ),
    ] = None,
    placement: Annotated[
        list[str] | None,
        typer.Option("--placement", help="data, greedy, gravity, load or a site; repeat it to compare."),
    ] = None,
    objective: Annotated[
        list[str] | None,
        typer.Option("--objective", help="fastest, cheapest, greenest or weights; repeat it to compare."),
    ] = None,
    replay: Annotated[
        str, typer.Option("--replay", metavar="RUN", help="Take the tasks of this run, and its sites.")
    ] = "",
    cold: Annotated[
        bool, typer.Option("--cold", help="As in a first run: nothing is known of the functions.")
    ] = False,
    seed: Annotated[int, typer.Option("--seed", help="Of sizes, times and places.")] = 1,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Simulate a run in virtual time, with the placement that runs have, against what none can beat.

    Examples:

    * `continuum run simulate --graph survey --placement data --placement gravity`

    * `continuum run simulate --graph montage --sites 100 --tasks 100000 --objective greenest`

    * `continuum run simulate --replay last --placement data --placement edge`
    """
    from continuum.model.placement import parse_strategy  # noqa: PLC0415 - only here
    from continuum.workflow import simulate_runs  # noqa: PLC0415

    folder = open_home(home) if replay else None
    outcomes = simulate_runs(
        graph,
        tasks=tasks,
        sites=sites or (0 if replay else _TWO),
        seed=seed,
        replayed=(folder, replay) if folder is not None else None,
        choose=lambda names: [
            parse_strategy(each, names, aim)
            for each in placement or ["data"]
            for aim in objective or ["fastest"]
        ],
        is_cold=cold,
    )
    if not outcomes:
        raise InvalidInputError("nothing was simulated")
    if as_json:
        print_json(outcomes)
        return
    _print(outcomes)


def _print(outcomes: "list[Outcome]") -> None:
    first = outcomes[0]
    console = open_console()
    console.print(
        f"{first.workload}: {first.tasks} tasks, {first.sites} sites; no placement takes less than "
        f"{format_seconds(first.bound_s)}"
    )
    table = Table(box=None, pad_edge=False)
    for heading in _HEADINGS:
        table.add_column(heading, justify="left" if heading in {"placement", "objective"} else "right")
    for each in outcomes:
        table.add_row(
            each.placement,
            each.objective,
            format_seconds(each.makespan_s),
            f"{each.ratio:.2f}",
            format_bytes(each.moved_bytes),
            format_eur(each.cost_eur),
            format_energy(each.energy_j),
            format_carbon(each.carbon_g),
            str(each.used_sites),
        )
    console.print(table)
