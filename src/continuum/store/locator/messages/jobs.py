"""Long work in stores, done by the gateways of a store's site page by page; the locator keeps its state.

A job has a cursor: whoever claims it goes on from there, so that neither a killed gateway nor a killed
command loses more than a page. What is claimed is leased for a minute and leased anew with every report.
"""

import msgspec

SCAN, VERIFY = "scan", "verify"
WAITING, RUNNING, DONE, FAILED = "waiting", "running", "done", "failed"


class Finding(msgspec.Struct, frozen=True, array_like=True):
    """Something that is wrong. `kind`: `missing`, `size`, `etag`, `corrupted`, `orphan`, `unreadable`;
    `outcome`: `reported`, `repaired`, `removed`, `lost` (no good copy is left) or why a repair failed."""

    kind: str
    store: str
    physical: str
    bucket: str
    key: str
    version_id: str
    outcome: str


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """`counts` are what was met so far, by name. `expected`: how many objects the last time had. `is_deep`,
    `is_repairing`: how a verification goes; `cancelled`: it ends at the next page."""

    job_id: int
    kind: str
    store: str
    bucket: str
    state: str
    cursor: str = ""
    counts: dict[str, int] = {}
    findings: tuple[Finding, ...] = ()
    problem: str = ""
    expected: int = 0
    is_deep: bool = False
    is_repairing: bool = False
    started_at: float = 0.0
    finished_at: float = 0.0


class StartJob(msgspec.Struct, frozen=True, kw_only=True):
    """Start a job, or join the one that runs. Answer: `Job`; `ConflictError` if one runs that goes another
    way, unless `joins_any`."""

    kind: str
    store: str
    bucket: str = ""
    is_deep: bool = False
    is_repairing: bool = False
    joins_any: bool = False


class CancelJob(msgspec.Struct, frozen=True, kw_only=True):
    """Answer: `Empty`."""

    job_id: int


class GetJob(msgspec.Struct, frozen=True, kw_only=True):
    """Answer: `Job`."""

    job_id: int


class ClaimWork(msgspec.Struct, frozen=True, kw_only=True):
    """A gateway asks for work in these stores. Answer: `Work`."""

    session_id: str
    stores: tuple[str, ...]
    limit: int = 100
    wants_job: bool = True


class WriteBack(msgspec.Struct, frozen=True, kw_only=True):
    """The current state of `bucket`/`key` is to be brought to its own name in an attached store."""

    item_id: int
    bucket: str
    key: str
    store: str
    physical_bucket: str
    physical_key: str


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """What to do now; `now` is the locator's clock."""

    now: float
    job: Job | None = None
    write_backs: tuple[WriteBack, ...] = ()


class ReportJob(msgspec.Struct, frozen=True, kw_only=True):
    """A page is done. `counts` are to be added. Answer: `JobStep`."""

    session_id: str
    job_id: int
    cursor: str
    counts: dict[str, int] = {}
    findings: tuple[Finding, ...] = ()
    state: str = RUNNING
    problem: str = ""


class JobStep(msgspec.Struct, frozen=True, kw_only=True):
    """`goes_on` false: stop. `now` is the locator's clock, to be given with the next page."""

    goes_on: bool
    now: float


class FindIndexed(msgspec.Struct, frozen=True, kw_only=True):
    """What does the index have at these physical keys, and between `after` and `until` (empty: to the end)?

    Answer: `Indexed`.
    """

    store: str
    bucket: str
    keys: tuple[str, ...] = ()
    after: str = ""
    until: str = ""


class IndexedReplica(msgspec.Struct, frozen=True, kw_only=True):
    """A replica and the version whose it is, as far as its bytes go."""

    physical_key: str
    bucket: str
    key: str
    version_id: str
    version_etag: str
    etag: str
    size_bytes: int
    created_at: float
    is_bad: bool
    is_encrypted: bool


class Indexed(msgspec.Struct, frozen=True, kw_only=True):
    """Replicas, each once. `next_after` not empty: there are more in the range, after it."""

    replicas: tuple[IndexedReplica, ...]
    next_after: str = ""


class SettleWriteBack(msgspec.Struct, frozen=True, kw_only=True):
    """Done, or put off with a `problem`. Answer: `Empty`.

    `version_id` empty: the object was removed at its own name. Else its bytes are there, with the store's
    `etag`.
    """

    session_id: str
    item_id: int
    version_id: str = ""
    etag: str = ""
    problem: str = ""
