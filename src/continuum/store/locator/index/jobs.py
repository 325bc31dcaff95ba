"""Jobs: started, claimed by gateways, reported page by page, and where they stand."""

from typing import Any

import msgspec
from sqlalchemy import bindparam, delete, insert, literal, select, update

from continuum.model.errors import ConflictError, NotFoundError
from continuum.store.locator.database import Connection, Statement
from continuum.store.locator.index.sessions import FIND_STORE, require_session
from continuum.store.locator.messages import Finding, Job, JobStep, ReportJob, StartJob
from continuum.store.locator.messages.jobs import DONE, FAILED, RUNNING, SCAN, WAITING
from continuum.store.locator.schema import jobs

NEVER = 1e18
MAX_FINDINGS = 1000
_ONE = literal(1)


class Details(msgspec.Struct, frozen=True, array_like=True):
    """What is kept of a job in one value."""

    counts: dict[str, int] = {}
    findings: tuple[Finding, ...] = ()
    problem: str = ""
    expected: int = 0
    is_deep: bool = False
    is_repairing: bool = False
    started_at: float = 0.0
    finished_at: float = 0.0
    every_s: float = 0.0


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Details).decode

_COLUMNS = (
    jobs.c.number,
    jobs.c.kind,
    jobs.c.store,
    jobs.c.bucket,
    jobs.c.state,
    jobs.c.cursor,
    jobs.c.details,
)
FIND_JOB = Statement(select(*_COLUMNS).where(jobs.c.number == bindparam("number")))
FIND_JOB_FOR = Statement(
    select(*_COLUMNS).where(
        jobs.c.kind == bindparam("kind"),
        jobs.c.store == bindparam("store"),
        jobs.c.bucket == bindparam("bucket"),
    )
)
FIND_DUE_JOB = Statement(
    select(*_COLUMNS)
    .where(jobs.c.store == bindparam("store"), jobs.c.due_at <= bindparam("now"))
    .order_by(jobs.c.due_at)
    .limit(_ONE)
)
INSERT_JOB = Statement(
    insert(jobs).values({column.name: bindparam(column.name) for column in jobs.c if column.name != "number"})
)
SET_JOB = Statement(
    update(jobs)
    .where(jobs.c.number == bindparam("of_number"))
    .values(
        state=bindparam("to_state"),
        cursor=bindparam("to_cursor"),
        due_at=bindparam("to_due_at"),
        details=bindparam("to_details"),
    )
)
SET_DETAILS = Statement(
    update(jobs).where(jobs.c.number == bindparam("of_number")).values(details=bindparam("to_details"))
)
DELETE_JOB = Statement(delete(jobs).where(jobs.c.number == bindparam("of_number")))


def start_job(connection: Connection, request: StartJob, *, now: float, every_s: float = 0.0) -> Job:
    """Start a job or join the one that runs. `every_s` not 0: it starts again so long after its end."""
    if connection.row(FIND_STORE, name=request.store) is None:
        raise NotFoundError(f"there is no store {request.store!r}", hint="`continuum store list` lists them")
    place = {"kind": request.kind, "store": request.store, "bucket": request.bucket}
    row = connection.row(FIND_JOB_FOR, **place)
    fresh = Details(is_deep=request.is_deep, is_repairing=request.is_repairing, every_s=every_s)
    if row is None:
        connection.run(INSERT_JOB, **place, state=WAITING, cursor="", due_at=now, details=_encode(fresh))
        return get_job_for(connection, **place)
    job, details = _job(row)
    if job.state == RUNNING or (job.state == WAITING and not details.finished_at):
        is_same = (job.is_deep, job.is_repairing) == (request.is_deep, request.is_repairing)
        if not is_same and not request.joins_any:
            raise ConflictError(
                f"a verification of {job.store} runs already, in another way",
                hint="wait for it, or end it with `continuum store verify --cancel`",
            )
        return job
    renewed = msgspec.structs.replace(
        fresh, every_s=every_s or details.every_s, expected=details.counts.get("objects", 0)
    )
    _set(connection, job.job_id, WAITING, cursor="", due_at=now, details=renewed)
    return get_job(connection, job.job_id)


def get_job(connection: Connection, job_id: int) -> Job:
    """Return a job. Raises `NotFoundError`."""
    return _require(connection, job_id)[0]


def get_job_for(connection: Connection, kind: str, store: str, bucket: str) -> Job:
    """Return the job of this kind and place. Raises `NotFoundError`."""
    row = connection.row(FIND_JOB_FOR, kind=kind, store=store, bucket=bucket)
    if row is None:
        raise NotFoundError(f"there is no {kind} of {store} {bucket}")
    return _job(row)[0]


def cancel_job(connection: Connection, job_id: int, *, now: float) -> None:
    """End a job; who works at it learns it with the next report."""
    job, details = _require(connection, job_id)
    if job.state in {WAITING, RUNNING}:
        ended = msgspec.structs.replace(details, problem="cancelled", finished_at=now)
        _set(connection, job_id, FAILED, cursor="", due_at=NEVER, details=ended)


def has_due_job(connection: Connection, store: str, *, now: float) -> bool:
    """Whether there is a job to claim."""
    return connection.row(FIND_DUE_JOB, store=store, now=now) is not None


def claim_job(connection: Connection, store: str, *, now: float, claim_s: float) -> Job | None:
    """Give out the job that waits longest."""
    row = connection.row(FIND_DUE_JOB, store=store, now=now)
    if row is None:
        return None
    job, details = _job(row)
    if job.state != RUNNING:  # it starts; else it goes on where it stood
        expected = details.counts.get("objects", details.expected)
        details = msgspec.structs.replace(
            details, counts={}, findings=(), problem="", expected=expected, started_at=now, finished_at=0.0
        )
    _set(connection, job.job_id, RUNNING, cursor=job.cursor, due_at=now + claim_s, details=details)
    return get_job(connection, job.job_id)


def report_job(connection: Connection, request: ReportJob, *, now: float, claim_s: float) -> JobStep:
    """Note a page. A job that was cancelled or let go of does not go on."""
    require_session(connection, request.session_id)
    row = connection.row(FIND_JOB, number=request.job_id)
    if row is None:
        return JobStep(goes_on=False, now=now)
    job, details = _job(row)
    if job.state != RUNNING:
        return JobStep(goes_on=False, now=now)
    counts = dict(details.counts)
    for name, number in request.counts.items():
        counts[name] = counts.get(name, 0) + number
    is_over = request.state in {DONE, FAILED}
    details = msgspec.structs.replace(
        details,
        counts=counts,
        findings=(details.findings + request.findings)[:MAX_FINDINGS],
        problem=request.problem[:500],
        finished_at=now if is_over else 0.0,
    )
    state, due_at = _next(job, details, request.state, now=now, claim_s=claim_s)
    cursor = "" if is_over else request.cursor
    _set(connection, job.job_id, state, cursor=cursor, due_at=due_at, details=details)
    return JobStep(goes_on=not is_over, now=now)


def add_counts(connection: Connection, job_id: int, more: dict[str, int]) -> None:
    """Add to what a job has met."""
    row = connection.row(FIND_JOB, number=job_id)
    if row is None or not more:
        return
    job, details = _job(row)
    counts = {name: details.counts.get(name, 0) + more.get(name, 0) for name in details.counts | more}
    connection.run(
        SET_DETAILS, of_number=job.job_id, to_details=_encode(msgspec.structs.replace(details, counts=counts))
    )


def delete_job_for(connection: Connection, kind: str, store: str, bucket: str) -> None:
    """Forget a job."""
    connection.run(DELETE_JOB, of_number=get_job_for(connection, kind, store, bucket).job_id)


def _next(job: Job, details: Details, state: str, *, now: float, claim_s: float) -> tuple[str, float]:
    """Return the state of a job after a report, and when it is due."""
    if state == RUNNING:
        return RUNNING, now + claim_s
    if job.kind == SCAN and details.every_s:
        return (DONE if state == DONE else FAILED), now + details.every_s
    return state, NEVER


def _require(connection: Connection, job_id: int) -> tuple[Job, Details]:
    row = connection.row(FIND_JOB, number=job_id)
    if row is None:
        raise NotFoundError(f"there is no job {job_id}")
    return _job(row)


def _set(
    connection: Connection, number: int, state: str, *, cursor: str, due_at: float, details: Details
) -> None:
    connection.run(
        SET_JOB,
        of_number=number,
        to_state=state,
        to_cursor=cursor,
        to_due_at=due_at,
        to_details=_encode(details),
    )


def _job(row: tuple[Any, ...]) -> tuple[Job, Details]:
    number, kind, store, bucket, state, cursor, encoded = row
    details = _decode(encoded)
    job = Job(
        job_id=number,
        kind=kind,
        store=store,
        bucket=bucket,
        state=state,
        cursor=cursor,
        counts=details.counts,
        findings=details.findings,
        problem=details.problem,
        expected=details.expected,
        is_deep=details.is_deep,
        is_repairing=details.is_repairing,
        started_at=details.started_at,
        finished_at=details.finished_at,
    )
    return job, details
