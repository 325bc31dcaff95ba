"""Scans of attached buckets: a page of the store's list, what the index has there, the differences, one
transaction. The cursor moves with that transaction."""

from continuum.model.attachments import Attachment, read_attachment
from continuum.model.errors import ConflictError, UnavailableError
from continuum.model.objects import MAX_KEY_BYTES, Setting
from continuum.store.gateway.attending.pages import Page, find_absent, read_pages
from continuum.store.gateway.calls import Context
from continuum.store.gateway.wire import parse_instant
from continuum.store.locator.messages import ApplyPage, FoundObject, Job, JobStep, ReportJob
from continuum.store.locator.messages.jobs import DONE, RUNNING
from continuum.store.stores.s3 import StoreClient, StoredObject


async def scan(context: Context, job: Job, now: float) -> None:
    """Bring the index of a bucket to what its store has; from the job's cursor on."""
    attachment = await _find_attachment(context, job)
    client = await require_client(context, job.store)
    async for page in read_pages(context, client, attachment.bucket, attachment.prefix, job.cursor):
        step = await _apply(context, client, job, attachment=attachment, page=page, now=now)
        if not step.goes_on:
            return
        now = step.now


async def _find_attachment(context: Context, job: Job) -> Attachment:
    bucket = await context.locations.get_bucket(job.bucket)
    attachment = read_attachment(bucket.settings.get(Setting.ATTACHMENT))
    if attachment is None:
        raise ConflictError(f"the bucket {job.bucket!r} is not attached any more")
    return attachment


async def require_client(context: Context, store: str) -> StoreClient:
    """Return the client of a store. Raises `UnavailableError`."""
    client = context.peers.find(store)
    if client is None:
        await context.peers.refresh(at_most_every_s=1.0)
        client = context.peers.find(store)
    if client is None:
        raise UnavailableError(f"the store {store!r} is not known here yet")
    return client


async def _apply(
    context: Context, client: StoreClient, job: Job, *, attachment: Attachment, page: Page, now: float
) -> JobStep:
    entries = tuple(
        entry
        for entry in (_read_entry(found, attachment.prefix) for found in page.listed)
        if entry is not None
    )
    mine = [replica for replica in page.unlisted() if replica.bucket == job.bucket]
    gone = await find_absent(client, attachment.bucket, mine)
    counts = {"objects": len(entries), "bytes": sum(entry.size_bytes for entry in entries)}
    if len(entries) < len(page.listed):
        counts["skipped"] = len(page.listed) - len(entries)
    locations = context.locations
    step: JobStep = await locations.ask(
        ApplyPage(
            bucket=job.bucket,
            entries=entries,
            gone=tuple(replica.key for replica in gone),
            listed_at=now,
            step=ReportJob(
                session_id=locations.session_id,
                job_id=job.job_id,
                cursor=page.last_key,
                counts=counts,
                state=DONE if page.is_last else RUNNING,
            ),
        )
    )
    return step


def _read_entry(found: StoredObject, prefix: str) -> FoundObject | None:
    """Return a line of the list as an object of the name space; None for what cannot be one."""
    key = found.key.removeprefix(prefix)
    if not key or len(key.encode()) > MAX_KEY_BYTES or "\0" in key or not found.etag:
        return None
    modified = parse_instant(found.modified)
    return FoundObject(key, found.etag, found.size_bytes, modified.timestamp() if modified else 0.0)
