"""Watching jobs that gateways do: progress on a terminal, nothing elsewhere. The jobs go on without us."""

import asyncio
from collections.abc import Sequence

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from continuum.cli.options import open_console
from continuum.store import GetJob, Job, LocatorClient

LOOK_EVERY_S = 0.2
STARTING_S = 15.0
_OVER = frozenset({"done", "failed"})


async def watch(client: LocatorClient, started: Sequence[Job], what: str, *, is_quiet: bool) -> list[Job]:
    """Return the jobs as they ended, showing how they go."""
    console = open_console(stderr=True)
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("objects"),
        TimeElapsedColumn(),
        console=console,
        disable=is_quiet or not console.is_terminal,
        transient=True,
    )
    jobs = {job.job_id: job for job in started}
    began = asyncio.get_running_loop().time()
    with progress:
        lines = {job.job_id: progress.add_task(_title(what, job, started), total=None) for job in started}
        while any(job.state not in _OVER for job in jobs.values()):
            await asyncio.sleep(LOOK_EVERY_S)
            for job_id, job in jobs.items():
                if job.state not in _OVER:
                    jobs[job_id] = await client.ask(GetJob(job_id=job_id))
                _show(progress, lines[job_id], jobs[job_id])
            waited_s = asyncio.get_running_loop().time() - began
            if waited_s > STARTING_S and any(job.state == "waiting" for job in jobs.values()):
                began = float("inf")
                stores = ", ".join(job.store for job in jobs.values() if job.state == "waiting")
                console.print(f"no gateway near {stores} has begun yet; it starts when one is up")
    return list(jobs.values())


def _title(what: str, job: Job, started: Sequence[Job]) -> str:
    return what if len(started) == 1 else f"{what} {job.store}"


def _show(progress: Progress, line: object, job: Job) -> None:
    progress.update(line, completed=job.counts.get("objects", 0), total=job.expected or None)  # type: ignore[arg-type]
