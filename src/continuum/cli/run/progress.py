"""Showing how a run goes on: a live table on a terminal, a line now and then elsewhere; always on stderr."""

import sys
import threading
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.table import Table

from continuum.cli.run.executing import Outcome
from continuum.model.stories import format_bytes, format_seconds
from continuum.model.tasks import TaskState
from continuum.workflow import Driver, RunSummary

LIVE_EVERY_S = 0.25
LINE_EVERY_S = 5.0
_WAITING = (TaskState.WAITING, TaskState.READY, TaskState.MOVING)
_AT_SITE = (TaskState.SUBMITTED, TaskState.RUNNING)
_BAD = (TaskState.FAILED, TaskState.CANCELLED)
_STYLES = {"succeeded": "green", "running": "cyan", "waiting": "yellow"}


class Progress:
    """Watches a driver from a thread of its own, between `start` and `stop`."""

    def __init__(self, *, is_quiet: bool) -> None:
        self._is_quiet = is_quiet
        self._console = Console(stderr=True, highlight=False)
        self._driver: Driver | None = None
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def tell(self, text: str) -> None:
        """Say something, once."""
        if not self._is_quiet:
            self._console.print(f"continuum: {text}", style="dim", markup=False)

    def start(self, driver: Driver) -> None:
        """Begin to show."""
        if self._is_quiet:
            return
        self._driver = driver
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
            self._table(),
            console=self._console,
            transient=True,
            auto_refresh=False,
            redirect_stdout=shares_terminal,
            redirect_stderr=True,
        ) as live:
            while not self._ended.wait(LIVE_EVERY_S):
                live.update(self._table(), refresh=True)

    def _show_lines(self) -> None:
        before = ""
        while not self._ended.wait(LINE_EVERY_S):
            line = self._line()
            if line != before:
                before = line
                self._console.print(line, markup=False, soft_wrap=True)

    def _table(self) -> Table:
        table = Table(box=None, pad_edge=False, caption=self._line(), caption_justify="left")
        table.add_column("function")
        for heading in ("waiting", "at a site", "done", "failed"):
            table.add_column(heading, justify="right")
        for name, counts in list(self._watched().graph.counts.items())[-20:]:
            failed = _sum(counts, _BAD)
            table.add_row(
                name,
                str(_sum(counts, _WAITING) or ""),
                str(_sum(counts, _AT_SITE) or ""),
                str(_sum(counts, (TaskState.FINISHED, TaskState.IGNORED)) or ""),
                f"[red]{failed}[/]" if failed else "",
            )
        return table

    def _line(self) -> str:
        driver = self._watched()
        all_counts = list(driver.graph.counts.values())
        total = sum(sum(counts.values()) for counts in all_counts)
        done = sum(counts[TaskState.FINISHED] + counts[TaskState.IGNORED] for counts in all_counts)
        parts = [f"{done} of {total} tasks done"]
        failed = sum(_sum(counts, _BAD) for counts in all_counts)
        if failed:
            parts.append(f"{failed} failed or cancelled")
        for site in list(driver.sites.values()):
            state = "lost" if site.load.is_lost else f"{site.in_flight} there now"
            parts.append(f"{site.name}: {site.finished} done, {state}")
        if driver.moved_bytes:
            parts.append(f"{format_bytes(driver.moved_bytes)} moved")
        return "; ".join(parts)

    def _watched(self) -> Driver:
        assert self._driver is not None  # noqa: S101 - only called after `start`
        return self._driver


def _sum(counts: dict[TaskState, int], states: tuple[TaskState, ...]) -> int:
    return sum(counts[state] for state in states)


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
    if summary.moved_bytes:
        parts.append(f"{format_bytes(summary.moved_bytes)} moved between sites")
    console.print("; ".join(parts), style="dim", soft_wrap=True)
    if outcome.state != "succeeded" and summary.task_count:
        console.print(f"what was kept: {folder}", style="dim", markup=False, soft_wrap=True)
