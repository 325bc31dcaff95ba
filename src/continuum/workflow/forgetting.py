"""Forgetting runs: what a home, the store and the sites keep of runs that have ended.

Of a run there is its folder (journal, memory, results of a local run, crate and pictures), what it put into
the store for itself (below `continuum-runs/RUN/` and `continuum-runs/checkpoints/RUN/`), and, if its driver
died, what its sites hold. The folder goes last: who is interrupted can forget the run again. Objects
that the program named stay, they are the user's. The hub's list of runs is its own, and goes on naming them.
"""

import asyncio
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import msgspec

from continuum.model.errors import ConflictError, NotFoundError, UnavailableError
from continuum.sites import Home
from continuum.workflow import posting
from continuum.workflow.connecting import connection_of, remove_objects
from continuum.workflow.driving import DriverConnection
from continuum.workflow.journals import DAMAGED, LOST, RUNNING, SUCCEEDED, WAITING, RunSummary, list_summaries
from continuum.workflow.keeping import CHECKPOINTS, lock_run

LOCAL = "local"
END_PATIENCE_S = 10.0
REMOVE_PATIENCE_S = 600.0


class Remains(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of a run. `uses_continuum`: also in the store, and maybe at its sites."""

    run_id: str
    state: str
    started_at: float
    folder: Path
    size_bytes: int
    uses_continuum: bool


def remains_of(runs: Path, summary: RunSummary) -> Remains:
    """Return what is kept of a run. Raises `ConflictError` if it goes on."""
    if summary.state in {RUNNING, WAITING}:
        raise ConflictError(
            f"the run {summary.run_id} is {summary.state}",
            hint=f"`continuum run cancel {summary.run_id}` ends it",
        )
    folder = runs / summary.run_id
    is_local = summary.home_site == LOCAL or bool(summary.handed_over)
    return Remains(
        run_id=summary.run_id,
        state=summary.state,
        started_at=summary.started_at,
        folder=folder,
        size_bytes=sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir()),
        uses_continuum=not is_local and summary.state not in {SUCCEEDED, DAMAGED},
    )


def find_old(runs: Path, before: float) -> list[Remains]:
    """Return what is kept of all runs that have ended and began before then, the oldest first."""
    return [
        remains_of(runs, summary)
        for summary in list_summaries(runs)
        if summary.state not in {RUNNING, WAITING} and max(summary.started_at, summary.ended_at) < before
    ]


def forget_runs(home: Home, wanted: Sequence[Remains]) -> None:
    """Remove all that is kept of runs. Raises `UnavailableError` if it needs a continuum that is not up, and
    `ConflictError` if somebody resumes one of them."""
    connection = _connect(home) if any(each.uses_continuum for each in wanted) else None
    try:
        for each in wanted:
            lock = lock_run(each.folder, each.run_id)
            try:
                if connection is not None and each.uses_continuum:
                    connection.wait(_remove_elsewhere(home, connection, each), REMOVE_PATIENCE_S)
                shutil.rmtree(each.folder)
            finally:
                os.close(lock)
    finally:
        if connection is not None:
            connection.close()


def end_lost_run(home: Home, run_id: str) -> None:
    """Have all sites end a run whose driver died, which they hold. Raises `UnavailableError`."""
    connection = _connect(home)
    try:
        connection.wait(_end_at_sites(home, connection, run_id), 2 * END_PATIENCE_S)
    finally:
        connection.close()


def _connect(home: Home) -> DriverConnection:
    try:
        connection = connection_of(home, "")
        connection.open()
    except NotFoundError as problem:
        raise UnavailableError(
            f"no continuum is up in {home.path}, and the run has put something there",
            hint="`continuum up` starts one",
        ) from problem
    return connection


async def _remove_elsewhere(home: Home, connection: DriverConnection, remains: Remains) -> None:
    if remains.state == LOST:
        await _end_at_sites(home, connection, remains.run_id)
    for folder in (remains.run_id, f"{CHECKPOINTS}/{remains.run_id}"):
        await remove_objects(connection.objects, folder)


async def _end_at_sites(home: Home, connection: DriverConnection, run_id: str) -> None:
    sites = [site.name for site in home.continuum().sites]
    answers = await asyncio.gather(
        *[_end_at_site(connection, site, run_id) for site in sites], return_exceptions=True
    )
    for answer in answers:  # a site that is not up holds nothing
        if isinstance(answer, BaseException) and not isinstance(answer, UnavailableError):
            raise answer


async def _end_at_site(connection: DriverConnection, site: str, run_id: str) -> None:
    closing = posting.CloseRun(run_id=run_id)
    sealed = posting.seal(connection.signer, closing, posting.audience_of_site(site))
    subject = posting.site_subject(site, posting.CloseRun)
    await connection.backbone.request(subject, sealed, posting.Noted, timeout_s=END_PATIENCE_S)
