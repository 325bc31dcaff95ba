"""Servers of tests start on ports that were free a moment before; one that lost its port takes another."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from continuum.sites import choose_free_ports

MOST_STARTS = 5
Server = TypeVar("Server")


class PortLostError(AssertionError):
    """Somebody else listens on a port that a server was to have."""


def start_on_free_ports(
    count: int,
    start: Callable[[list[int]], Server],
    choose: Callable[[int], list[int]] = choose_free_ports,
) -> Server:
    """Return what `start` returns for `count` ports; others are chosen while it raises `PortLostError`."""
    for further_starts in reversed(range(MOST_STARTS)):
        try:
            return start(choose(count))
        except PortLostError:
            if not further_starts:
                raise
    raise AssertionError


def explain_end(log: Path) -> AssertionError:
    """Return why a server ended that should not have, from the end of its log."""
    words = log.read_text(errors="replace")[-2000:]
    return (PortLostError if "address already in use" in words.lower() else AssertionError)(words)
