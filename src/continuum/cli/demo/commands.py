"""Running the project's own commands for a demonstration, as a person would, with what they print shown live.

Each command is a process of its own, from the same virtual environment, so the demonstration proves the
commands and not some inner function. Whatever is still running when the demonstration ends is interrupted and
waited for.
"""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from rich.console import Console
from rich.markup import escape

from continuum.model.errors import ContinuumError, UnavailableError

STOP_S = 15.0


class CommandFailedError(ContinuumError):
    """A command of the demonstration ended with another status than 0."""

    code = "CommandFailed"


@dataclass
class Running:
    """A command that runs; its lines are shown as they come, and kept."""

    words: Sequence[str]
    process: "subprocess.Popen[str]"
    began: float
    lines: list[str] = field(default_factory=list)
    reader: threading.Thread | None = None

    def wait(self, limit_s: float) -> float:
        """Wait for its end and return how long it took. Raises if it fails or takes longer than `limit_s`."""
        try:
            status = self.process.wait(timeout=limit_s)
        except subprocess.TimeoutExpired as problem:
            raise UnavailableError(
                f"`{' '.join(self.words)}` did not end within {limit_s:.0f} s", hint=self._last_lines()
            ) from problem
        took_s = time.monotonic() - self.began
        if self.reader is not None:
            self.reader.join(timeout=STOP_S)
        if status != 0:
            raise CommandFailedError(
                f"`{' '.join(self.words)}` ended with status {status}", hint=self._last_lines()
            )
        return took_s

    def stop(self) -> None:
        """End it if it still runs."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=STOP_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def _last_lines(self) -> str:
        return "it said: " + " / ".join(line for line in self.lines[-8:] if line.strip())


class Commands:
    """Starts commands with one home."""

    def __init__(self, home: Path, console: Console) -> None:
        self._home = home
        self._console = console
        self._started: list[Running] = []

    def continuum(self, *arguments: str, limit_s: float = 60.0) -> str:
        """Run `continuum ARGUMENTS` silently and return what it printed on its standard output."""
        running = self._start(("continuum", *arguments), label=None)
        running.wait(limit_s)
        return "\n".join(running.lines)

    def start_continuum(self, label: str, *arguments: str) -> Running:
        """Start `continuum ARGUMENTS`; its lines are shown behind `label`."""
        return self._start(("continuum", *arguments), label)

    def start_python(self, label: str, *arguments: str) -> Running:
        """Start a Python program in the same environment."""
        return self._start(("python", *arguments), label)

    def stop_all(self) -> None:
        """End what still runs."""
        for running in self._started:
            running.stop()

    def _start(self, words: Sequence[str], label: str | None) -> Running:
        program = Path(sys.executable) if words[0] == "python" else Path(sys.executable).with_name(words[0])
        if label is not None:
            self._console.print(f"  [dim]$ {escape(' '.join(words))}[/]", highlight=False)
        process = subprocess.Popen(
            [str(program), *words[1:]],
            env=os.environ | {"CONTINUUM_HOME": str(self._home), "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if label is not None else None,
            text=True,
        )
        running = Running(words, process, time.monotonic())
        running.reader = threading.Thread(
            target=self._read,
            args=(process.stdout, running.lines, label),
            name=f"reader of {words[1]}",
            daemon=True,
        )
        running.reader.start()
        self._started.append(running)
        return running

    def _read(self, stream: IO[str] | None, lines: list[str], label: str | None) -> None:
        if stream is None:
            return
        with stream:
            for line in stream:
                lines.append(line.rstrip())
                if label is not None and line.strip():
                    self._console.print(f"  [cyan]{label:>9}[/] {escape(line.rstrip())}", highlight=False)
