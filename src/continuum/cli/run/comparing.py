"""`continuum run compare A B`: what differs between two runs."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from continuum.cli.options import HomeOption, JsonOption, open_console, open_home, print_json
from continuum.model.stories import format_bytes, format_seconds
from continuum.workflow import find_folder

if TYPE_CHECKING:
    from continuum.workflow import Comparison

_MOST_SHOWN = 25
_NOTABLE = 1.1  # a ratio that is worth a colour
VERDICTS = ("same", "different", "only in the first", "only in the second", "not known")
_STYLES = {"same": "green", "different": "red"}


def compare(
    first: Annotated[str, typer.Argument(metavar="A", help="A run: id, beginning of it, name, or `last`.")],
    second: Annotated[str, typer.Argument(metavar="B", help="Another run.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare two runs: times, functions, places, bytes moved, code, arguments, versions and results."""
    from continuum.workflow import compare_runs  # noqa: PLC0415 - only here

    runs = open_home(home).runs()
    compared = compare_runs(find_folder(runs, first), find_folder(runs, second))
    if as_json:
        print_json(compared)
        return
    console = open_console()
    console.print(f"A  {compared.first}\nB  {compared.second}\n", markup=False)
    console.print(_figures(compared))
    console.print()
    console.print(_functions(compared))
    _print_changes(console, compared)
    _print_results(console, compared)


def _table(*headings: str, text: Sequence[str]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in headings:
        table.add_column(heading, justify="left" if heading in text else "right")
    return table


def _figures(compared: "Comparison") -> Table:
    table = _table("", "A", "B", "B / A", text=("",))
    for each in compared.figures:
        one, other = (_format(value, each.unit) for value in (each.first, each.second))
        table.add_row(each.name, one, other, _ratio(each.first, each.second))
    return table


def _format(value: float, unit: str) -> str:
    if unit == "s":
        return format_seconds(value)
    return format_bytes(int(value)) if unit == "bytes" else f"{value:g}"


def _ratio(first: float, second: float) -> str:
    if not first or not second:
        return "" if first == second else "-"
    ratio = second / first
    colour = "red" if ratio > _NOTABLE else "green" if ratio < 1 / _NOTABLE else ""
    return f"[{colour}]{ratio:.2f}[/]" if colour else f"{ratio:.2f}"


def _functions(compared: "Comparison") -> Table:
    headings = (
        "function",
        "tasks A",
        "tasks B",
        "mean A",
        "mean B",
        "B / A",
        "sites A",
        "sites B",
        "elsewhere",
    )
    table = _table(*headings, text=("function", "sites A", "sites B"))
    for each in compared.functions:
        table.add_row(
            escape(each.function),
            str(sum(each.first_sites.values())),
            str(sum(each.second_sites.values())),
            format_seconds(each.first_mean_s),
            format_seconds(each.second_mean_s),
            _ratio(each.first_mean_s, each.second_mean_s),
            _sites(each.first_sites),
            _sites(each.second_sites),
            str(each.moved_elsewhere or ""),
        )
    return table


def _sites(sites: Mapping[str, int]) -> str:
    return escape(", ".join(f"{name} {count}" for name, count in sorted(sites.items())))


def _print_changes(console: Console, compared: "Comparison") -> None:
    if not compared.changes:
        console.print("\nsame program, arguments, code, versions and sites")
        return
    table = _table("differs", "", "A", "B", text=("differs", "", "A", "B"))
    for each in compared.changes[:_MOST_SHOWN]:
        table.add_row(each.kind, escape(each.name), escape(each.first), escape(each.second))
    console.print()
    console.print(table)
    _print_more(console, len(compared.changes))


def _print_results(console: Console, compared: "Comparison") -> None:
    if not compared.results:
        console.print("\nneither run wrote a file or an object")
        return
    verdicts: dict[str, int] = {}
    for each in compared.results:
        verdicts[each.verdict] = verdicts.get(each.verdict, 0) + 1
    told = ", ".join(f"{verdicts[verdict]} {verdict}" for verdict in VERDICTS if verdict in verdicts)
    console.print(f"\nresults: {told}")
    notable = [each for each in compared.results if each.verdict != "same"]
    for each in notable[:_MOST_SHOWN]:
        style = _STYLES.get(each.verdict, "yellow")
        console.print(f"  [{style}]{each.verdict}[/]  {escape(each.name)}", soft_wrap=True)
    _print_more(console, len(notable))


def _print_more(console: Console, count: int) -> None:
    if count > _MOST_SHOWN:
        console.print(f"… and {count - _MOST_SHOWN} more: --json")
