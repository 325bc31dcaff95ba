"""The task of a gateway process that claims work in the stores of its site and does it.

One job at a time, beside it some write-backs at once. What fails is put off: the locator offers it again.
"""

import asyncio
import logging

from continuum.model.errors import ContinuumError, UnavailableError
from continuum.store.gateway.attending.scanning import scan
from continuum.store.gateway.attending.verifying import verify
from continuum.store.gateway.attending.writingback import write_back
from continuum.store.gateway.calls import Context
from continuum.store.locator.messages import ClaimWork, Job, ReportJob, Work
from continuum.store.locator.messages.jobs import FAILED, SCAN

log = logging.getLogger(__name__)

WRITE_BACKS_AT_ONCE = 8
BATCH = 100


class Attendant:
    """Claims and works, every few seconds, until it is cancelled."""

    def __init__(self, context: Context, *, every_s: float) -> None:
        self._context = context
        self._every_s = every_s
        self._job: asyncio.Task[None] | None = None
        self._turns = asyncio.Semaphore(WRITE_BACKS_AT_ONCE)

    async def run(self) -> None:
        """Attend for ever; what does not work now is tried again later."""
        try:
            while True:
                await asyncio.sleep(self._every_s)
                try:
                    while await self.attend() >= BATCH:
                        pass
                except ContinuumError as problem:
                    log.info("the stores are attended to later: %s", problem)
        finally:
            if self._job is not None:
                self._job.cancel()
                await asyncio.gather(self._job, return_exceptions=True)

    async def attend(self) -> int:
        """Do one round; return how many write-backs there were."""
        locations, peers = self._context.locations, self._context.peers
        if not locations.session_id:
            return 0
        await peers.refresh()
        names = [name for name, client in peers.known.items() if client.store.site == self._context.site]
        is_free = self._job is None or self._job.done()
        work: Work = await locations.ask(
            ClaimWork(session_id=locations.session_id, stores=tuple(names), limit=BATCH, wants_job=is_free)
        )
        if work.job is not None:
            self._job = asyncio.create_task(self._work(work.job, work.now))
        async with asyncio.TaskGroup() as group:
            for item in work.write_backs:
                group.create_task(write_back(self._context, item, self._turns))
        return len(work.write_backs)

    async def _work(self, job: Job, now: float) -> None:
        """Do a job; say why if it cannot be done, or not now."""
        try:
            await (scan if job.kind == SCAN else verify)(self._context, job, now)
        except UnavailableError as problem:
            log.info("%s of %s goes on later: %s", job.kind, job.store, problem)
        except ContinuumError as problem:
            log.warning("%s of %s %s failed: %s", job.kind, job.store, job.bucket, problem)
            await self._give_up(job, problem)
        except Exception:
            log.exception("%s of %s failed", job.kind, job.store)
            raise

    async def _give_up(self, job: Job, problem: ContinuumError) -> None:
        locations = self._context.locations
        report = ReportJob(
            session_id=locations.session_id,
            job_id=job.job_id,
            cursor="",
            state=FAILED,
            problem=problem.message,
        )
        try:
            await locations.ask(report)
        except ContinuumError as again:
            log.info("that is told later: %s", again)
