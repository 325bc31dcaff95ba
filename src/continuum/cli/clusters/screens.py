"""Showing how a site comes up: a line that changes on a terminal, lines elsewhere; always on stderr."""

import time

from rich.console import Console
from rich.status import Status

from continuum.sites import Diagnosis, Observed, describe_pods  # pure: loads no client


class JoinScreen:
    """Hears what is applied and how the pods are. Use it as a context manager."""

    def __init__(self, *, is_quiet: bool) -> None:
        self._is_quiet = is_quiet
        self._console = Console(stderr=True, highlight=False)
        self._status = Status("", console=self._console)
        self._is_live = self._console.is_terminal and not is_quiet
        self._began = time.monotonic()
        self._shown = ""

    def __enter__(self) -> "JoinScreen":
        if self._is_live:
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._status.stop()

    def tell(self, text: str) -> None:
        """Say what happened."""
        if not self._is_quiet:
            self._console.print(f"{self._elapsed()} {text}", style="dim", markup=False, soft_wrap=True)

    def show(self, observed: Observed, reason: Diagnosis | None) -> None:
        """Show how the pods are and what holds them up, when that has changed."""
        states = ", ".join(f"{name}: {state}" for name, state in sorted(describe_pods(observed).items()))
        held = f" -- {reason.what} {reason.reason}" if reason is not None else ""
        text = (states or "no pods yet") + held
        if self._is_live:
            self._status.update(text[:500].replace("[", "\\["))
        elif text != self._shown:
            self.tell(text)
        self._shown = text

    def _elapsed(self) -> str:
        return f"{time.monotonic() - self._began:5.1f} s "
