"""Ctrl-C, SIGTERM and standard output of a command that has a run in its hands."""

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Protocol

CANCELLED_STATUS = 130
TERMINATED_STATUS = 143


class Abandoned(Protocol):
    """A run that can be left as it is."""

    def abandon(self, exit_status: int) -> None:
        """Keep how it ended, for a process that ends at once."""


class _Terminated(KeyboardInterrupt):
    """SIGTERM: ends a run as Ctrl-C does, with its own exit status."""


def interrupt_on_sigterm() -> None:
    """Let SIGTERM be raised in the main thread as a kind of `KeyboardInterrupt`."""
    signal.signal(signal.SIGTERM, _terminate)


def _terminate(_number: int, _frame: FrameType | None) -> None:
    raise _Terminated


def status_of(interrupt: KeyboardInterrupt) -> int:
    """Return the exit status after an interrupt."""
    return TERMINATED_STATUS if isinstance(interrupt, _Terminated) else CANCELLED_STATUS


def end_at_once_on_signals(run: Abandoned) -> None:
    """Let the next signal end this process where it is."""

    def end(number: int, _: FrameType | None) -> None:
        status = CANCELLED_STATUS if number == signal.SIGINT else TERMINATED_STATUS
        run.abandon(status)
        os._exit(status)

    signal.signal(signal.SIGINT, end)
    signal.signal(signal.SIGTERM, end)


@contextlib.contextmanager
def output_to_stderr() -> Iterator[None]:
    """Let what the program and its processes print go to standard error: standard output is for the JSON."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)
