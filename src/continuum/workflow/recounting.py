"""The numbers of a run from its journal: what its summary does not say while it goes on, or its driver died.

As far as the journal goes: the last half second of a run that goes on is not in it yet.
"""

from collections.abc import Iterable
from pathlib import Path

import msgspec

from continuum.model import stories
from continuum.model.errors import InvalidInputError
from continuum.model.stories import Record
from continuum.model.tasks import TaskState
from continuum.workflow.journals import (
    LOST,
    RUNNING,
    FunctionSummary,
    RunSummary,
    SiteSummary,
    read_records,
)


def with_counts(summary: RunSummary, folder: Path) -> RunSummary:
    """Return the summary of a run that has not ended with what its journal says so far."""
    if summary.state not in {RUNNING, LOST}:
        return summary
    try:
        return count(summary, read_records(folder))
    except InvalidInputError:
        return summary  # whoever asks for the journal is told


def count(summary: RunSummary, records: Iterable[Record]) -> RunSummary:
    """Return `summary` with tasks, sites and bytes counted from records."""
    functions: dict[int, str] = {}
    states: dict[int, str] = {}
    sites: dict[str, SiteSummary] = {}
    for record in records:
        match record:
            case stories.Submitted():
                functions[record.task], states[record.task] = record.function, TaskState.WAITING
            case stories.SiteJoined():
                site = SiteSummary(name=record.site, computing_units=record.computing_units)
                sites[record.site] = _changed(sites.get(record.site, site), is_lost=False)
            case stories.SiteLost():
                sites[record.site] = _changed(sites[record.site], is_lost=True)
            case stories.Finished():
                states[record.task] = TaskState.FINISHED
                sites[record.site] = _with_finished(sites[record.site], record)
            case _:
                _count_other(record, states)
    if summary.state == LOST:
        states = {task: _at_the_end(state) for task, state in states.items()}
    return msgspec.structs.replace(
        summary,
        functions=_by_function(functions, states),
        sites=tuple(sites.values()),
        moved_bytes=sum(site.moved_bytes for site in sites.values()),
    )


def _count_other(record: Record, states: dict[int, str]) -> None:
    match record:
        case stories.Placed():
            states[record.task] = TaskState.SUBMITTED
        case stories.Started():
            states[record.task] = TaskState.RUNNING
        case stories.Failed():
            states[record.task] = TaskState.FAILED  # another try begins with `Placed`
        case stories.Cancelled():
            states[record.task] = TaskState.CANCELLED
        case stories.Repeated():
            states[record.task] = TaskState.WAITING
        case stories.Remembered():
            states[record.task] = TaskState.FINISHED
        case _:
            pass


def _at_the_end(state: str) -> str:
    return state if state in {TaskState.FINISHED, TaskState.FAILED, TaskState.CANCELLED} else LOST


def _with_finished(site: SiteSummary, record: stories.Finished) -> SiteSummary:
    return _changed(
        site,
        tasks=site.tasks + 1,
        run_s=site.run_s + record.run_s,
        moved_bytes=site.moved_bytes + record.moved_bytes,
    )


def _changed(site: SiteSummary, **changes: float) -> SiteSummary:
    return msgspec.structs.replace(site, **changes)


def _by_function(functions: dict[int, str], states: dict[int, str]) -> tuple[FunctionSummary, ...]:
    counts: dict[str, dict[str, int]] = {}
    for task, function in functions.items():
        by_state = counts.setdefault(function, {})
        state = str(states[task])
        by_state[state] = by_state.get(state, 0) + 1
    return tuple(FunctionSummary(name=name, tasks=by_state) for name, by_state in counts.items())
