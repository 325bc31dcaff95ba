"""Showing how a run goes on: a live table on a terminal, a line now and then elsewhere; always on stderr."""

import sys
import threading
import time
from pathlib import Path

from rich.console import Console, RenderableType
from rich.live import Live

from continuum.cli.run.executing import Outcome
from continuum.cli.run.screens import line as line_of
from continuum.cli.run.screens import screen
from continuum.cli.run.views import MOST_FAILURES, Pace, View, failure_line, view_driver
from continuum.model.stories import Failed, format_bytes, format_seconds
from continuum.workflow import Driver, RunSummary, last_lines

LIVE_EVERY_S = 0.25
LINE_EVERY_S = 5.0
_STYLES = {"succeeded": "green", "running": "cyan", "waiting": "yellow"}


class Progress:
    """Watches a driver from a thread of its own, between `start` and `stop`."""

    def __init__(self, *, is_quiet: bool) -> None:
        self._is_quiet = is_quiet
        self._console = Console(stderr=True, highlight=False)
        self._driver: Driver | None = None
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._begun = time.monotonic()
        self._pace = Pace()

    def tell(self, text: str) -> None:
        """Say something, once."""
        if not self._is_quiet:
            self._console.print(f"continuum: {text}", style="dim", markup=False, soft_wrap=True)

    def start(self, driver: Driver) -> None:
        """Begin to show."""
        if self._is_quiet:
            return
        self._driver = driver
        self._begun = time.monotonic()
        show = self._show_live if self._console.is_terminal else self._show_lines
        self._thread = threading.Thread(target=show, name="progress", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Show nothing more."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join(timeout=2.0)

    def _show_live(self) -> None:
        # What the program prints to the same terminal is put above the table; elsewhere it goes untouched.
        shares_terminal = sys.stdout.isatty()
        if self._ended.wait(LIVE_EVERY_S):
            return  # too short to be worth a table
        with Live(
            self._screen(),
            console=self._console,
            transient=True,
            auto_refresh=False,
            redirect_stdout=shares_terminal,
            redirect_stderr=True,
        ) as live:
            while not self._ended.wait(LIVE_EVERY_S):
                live.update(self._screen(), refresh=True)

    def _show_lines(self) -> None:
        before = ""
        while not self._ended.wait(LINE_EVERY_S):
            line = line_of(self._view())
            if line != before:
                before = line
                self._console.print(line, markup=False, soft_wrap=True)

    def _screen(self) -> RenderableType:
        width, height = self._console.size
        return screen(self._view(), width, height)

    def _view(self) -> View:
        driver = self._watched()
        view = self._pace.note(view_driver(driver, time.monotonic() - self._begun))
        if view.failed or driver.graph.failures:
            view = view._replace(failures=self._failures(driver))
        return view

    def _failures(self, driver: Driver) -> tuple[str, ...]:
        """Read the last failures from the journal: counting is for free, keeping them is not."""
        folder = driver.journal.folder
        found = last_lines(folder, b'"event":"failed"', MOST_FAILURES) if folder is not None else []
        names = {task.id: task.function for task in list(driver.graph.tasks.values())} if found else {}
        names |= {problem.task_id: problem.function for problem in driver.graph.failures[-100:]}
        return tuple(
            failure_line(each, names.get(each.task, "")) for each in found if isinstance(each, Failed)
        )

    def _watched(self) -> Driver:
        assert self._driver is not None  # noqa: S101 - only called after `start`
        return self._driver


_ENDED_BADLY = ("failed", "ignored", "cancelled")


def print_end(summary: RunSummary, folder: Path, outcome: Outcome) -> None:
    """Say on stderr how a run ended."""
    console = Console(stderr=True, highlight=False)
    style = _STYLES.get(outcome.state, "red")
    finished = sum(function.tasks.get("finished", 0) for function in summary.functions)
    where = ", ".join(f"{site.name} {site.tasks}" for site in summary.sites if site.tasks)
    parts = [
        f"run {summary.run_id} [{style}]{outcome.state}[/] in "
        f"{format_seconds(summary.ended_at - summary.started_at)}",
        f"{finished} of {summary.task_count} tasks finished" + (f" ({where})" if where else ""),
    ]
    others = {
        state: sum(function.tasks.get(state, 0) for function in summary.functions) for state in _ENDED_BADLY
    }
    parts += [f"{count} {state}" for state, count in others.items() if count]
    if summary.moved_bytes:
        parts.append(f"{format_bytes(summary.moved_bytes)} moved between sites")
    console.print("; ".join(parts), style="dim", soft_wrap=True)
    ignored = [
        f"{each.name} {each.tasks['ignored']}" for each in summary.functions if each.tasks.get("ignored")
    ]
    if ignored:
        what = "went on after failures that the program ignores, with its defaults, or None where it has none"
        console.print(f"{what}: {', '.join(ignored)}", style="yellow", markup=False, soft_wrap=True)
    if any(others.values()):
        console.print(
            f"why: continuum run explain {summary.run_id}", style="dim", markup=False, soft_wrap=True
        )
    if outcome.state != "succeeded" and summary.task_count:
        console.print(f"what was kept: {folder}", style="dim", markup=False, soft_wrap=True)
