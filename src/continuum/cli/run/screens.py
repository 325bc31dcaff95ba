"""How a view of a run is shown: a table that fits the terminal, or one line."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from continuum.cli.run.views import FunctionView, SiteView, View
from continuum.model.stories import format_bytes, format_seconds

_NARROW = 64  # columns; below, only what matters most
_FEW_LINES = 14
_BAR = 24
_FULL, _EMPTY = "━", "─"


def screen(view: View, width: int, height: int) -> RenderableType:
    """Return functions, sites, the last failures and a line of numbers, as far as there is room."""
    is_narrow, is_low = width < _NARROW, height < _FEW_LINES
    failures = (
        [] if is_low else [Text(each, "red", no_wrap=True, overflow="ellipsis") for each in view.failures]
    )
    room = max(1, height - 4 - len(failures) - (0 if is_low else len(view.sites) + 2))
    parts: list[RenderableType] = [_functions(view.functions, room, width, is_narrow=is_narrow)]
    if not is_low:
        parts += [Text(""), _sites(view.sites, is_narrow=is_narrow), *failures]
    parts.append(_numbers(view, is_narrow=is_narrow))
    return Group(*parts)


def _functions(functions: tuple[FunctionView, ...], room: int, width: int, *, is_narrow: bool) -> Table:
    headings = ("todo", "done", "failed") if is_narrow else ("waiting", "queued", "running", "done", "failed")
    table = Table(box=None, pad_edge=False)
    numbers = sum(len(heading) + 2 for heading in headings)
    table.add_column("function", no_wrap=True, overflow="ellipsis", max_width=max(8, width - numbers))
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True, min_width=len(heading))
    shown = _liveliest(functions, room)
    for each in shown:
        todo = each.waiting + each.queued + each.running
        counts = (todo,) if is_narrow else (each.waiting, each.queued, each.running)
        cells = [str(count or "") for count in (*counts, each.done)]
        table.add_row(each.name, *cells, f"[red]{each.failed}[/]" if each.failed else "")
    if len(shown) < len(functions):
        table.add_row(f"[dim]and {len(functions) - len(shown)} more[/]")
    return table


def _liveliest(functions: tuple[FunctionView, ...], room: int) -> list[FunctionView]:
    """Return those that fit, in their order: first who leaves are those with nothing to do any more."""
    if len(functions) <= room:
        return list(functions)
    kept = sorted(range(len(functions)), key=lambda index: (not _is_lively(functions[index]), -index))[
        : max(1, room - 1)
    ]
    return [functions[index] for index in sorted(kept)]


def _is_lively(function: FunctionView) -> bool:
    return bool(function.waiting or function.queued or function.running or function.failed)


def _sites(sites: tuple[SiteView, ...], *, is_narrow: bool) -> Table:
    table = Table(box=None, pad_edge=False)
    headings = ("busy", "done") if is_narrow else ("busy", "queued", "done", "came from elsewhere")
    table.add_column("site", no_wrap=True, overflow="ellipsis")
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True, min_width=len(heading))
    for site in sites:
        busy = "[red]lost[/]" if site.is_lost else f"{site.busy} of {site.units}"
        busy = busy if site.busy >= 0 or site.is_lost else f"? of {site.units}"
        cells = [site.name, busy, str(site.queued or ""), str(site.done or "")]
        moved = format_bytes(site.moved_bytes) if site.moved_bytes else ""
        table.add_row(*([cells[0], cells[1], cells[3]] if is_narrow else [*cells, moved]))
    return table


def _numbers(view: View, *, is_narrow: bool) -> Text:
    total = view.total
    share = (view.done + view.failed) / total if total else 0.0
    full = int(share * _BAR)
    text = Text(no_wrap=True, overflow="ellipsis")
    if not is_narrow:
        text.append(_FULL * full, "green").append(_EMPTY * (_BAR - full) + " ", "dim")
    return text.append(line(view, with_sites=False))


def line(view: View, *, with_sites: bool = True) -> str:
    """Return a view in one line."""
    parts = [f"{view.done} of {view.total} tasks done"]
    if view.failed:
        parts.append(f"{view.failed} failed or cancelled")
    for site in view.sites if with_sites else ():
        there = f"{max(0, site.busy) + site.queued} there now"
        parts.append(f"{site.name}: {site.done} done, {'lost' if site.is_lost else there}")
    if view.moved_bytes:
        parts.append(f"{format_bytes(view.moved_bytes)} moved")
    if view.rate >= 0.05:  # noqa: PLR2004 - shown with one digit
        parts.append(f"{view.rate:.0f}/s" if view.rate >= 10 else f"{view.rate:.1f}/s")  # noqa: PLR2004
    if view.left_s >= 0:
        parts.append(f"about {format_seconds(round(view.left_s, 1))} left")
    parts.append(format_seconds(round(view.elapsed_s, 1)))
    return "; ".join(parts)
