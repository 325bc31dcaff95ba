"""What a home remembers for placement from run to run: what functions took, what links did.

One small document (`HOME/placement.json`), read when a run begins and merged with what it learnt when it
ends, under a lock, because runs end side by side. Functions are known by their program's path and their own
name. What was not met for longest is forgotten first. A document that cannot be read is begun anew: placement
is then as good as in a first run, no worse.
"""

import fcntl
import logging
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from continuum.model.placement import FunctionFacts, History, Links
from continuum.model.sites import Link
from continuum.workflow.journals import write_atomically

MOST_FUNCTIONS = 4000
MOST_LINKS = 2000
MOST_BYTES = 4_000_000
FILE = "placement.json"

log = logging.getLogger(__name__)


class _Function(msgspec.Struct, frozen=True, kw_only=True):
    program: str
    facts: FunctionFacts
    met_at: float


class _Link(msgspec.Struct, frozen=True, kw_only=True):
    link: Link
    met_at: float


Met = TypeVar("Met", _Function, _Link)


class Remembered(msgspec.Struct, frozen=True, kw_only=True):
    """All that a home remembers."""

    functions: tuple[_Function, ...] = ()
    links: tuple[_Link, ...] = ()


class Experience:
    """What one program has of a home's memory. `home` None: nothing is remembered."""

    def __init__(self, home: Path | None, program: str) -> None:
        self._file = home / FILE if home is not None else None
        self._program = program

    def recall(self, declared: Iterable[Link] = ()) -> tuple[History, Links]:
        """Return what is known of this program's functions and of the links."""
        known = self._read()
        facts = [each.facts for each in known.functions if each.program == self._program]
        links = {(link.source, link.target): link for link in declared}
        for each in known.links:
            key = (each.link.source, each.link.target)
            links[key] = _measured(links.get(key), each.link)
        return History(facts), Links(links.values())

    def keep(self, history: History, links: Links) -> None:
        """Merge what a run learnt. A home that cannot be written learns nothing."""
        facts, measured = history.facts(), links.measured()
        if self._file is None or not (facts or measured):
            return
        try:
            with (self._file.with_suffix(".lock")).open("ab") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                merged = _merge(self._read(), self._program, facts, measured, time.time())
                write_atomically(self._file, msgspec.json.encode(merged))
        except OSError as problem:
            log.warning("%s cannot be written: %s", self._file, problem.strerror or problem)

    def _read(self) -> Remembered:
        if self._file is None:
            return Remembered()
        try:
            with self._file.open("rb") as file:
                data = file.read(MOST_BYTES + 1)
            return msgspec.json.decode(data[:MOST_BYTES], type=Remembered)
        except FileNotFoundError:
            return Remembered()
        except (OSError, msgspec.MsgspecError) as problem:
            log.warning("%s is begun anew, it cannot be read: %s", self._file, problem)
            return Remembered()


def _measured(declared: Link | None, link: Link) -> Link:
    """Speed as measured, price as declared."""
    if declared is None:
        return link
    return msgspec.structs.replace(
        declared, bandwidth_bytes_per_s=link.bandwidth_bytes_per_s, latency_s=link.latency_s
    )


def _merge(
    known: Remembered, program: str, facts: Iterable[FunctionFacts], measured: Iterable[Link], at: float
) -> Remembered:
    functions = {(each.program, each.facts.function, each.facts.site): each for each in known.functions}
    for fact in facts:
        functions[program, fact.function, fact.site] = _Function(program=program, facts=fact, met_at=at)
    links = {(each.link.source, each.link.target): each for each in known.links}
    for link in measured:
        links[link.source, link.target] = _Link(link=link, met_at=at)
    return Remembered(
        functions=tuple(_newest(functions, MOST_FUNCTIONS)), links=tuple(_newest(links, MOST_LINKS))
    )


def _newest(found: Mapping[Any, Met], most: int) -> list[Met]:
    return sorted(found.values(), key=lambda each: -each.met_at)[:most]
