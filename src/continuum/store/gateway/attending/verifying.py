"""Verification: what the index says of a store against what the store has, and on demand its bytes.

The list tells what is there, how long and with which ETag; what it lacks is asked for singly. A deep
verification reads every byte and compares with the checksum that was computed when the object was written.
What is found bad is marked at once, so that no read takes it again, repaired or not. What is changed or
missing in an attached bucket is no damage but what others did there: the next scan follows it.
"""

import asyncio

import msgspec

from continuum.model.errors import ContinuumError
from continuum.store.gateway.attending.contents import CONTENT_BAD, CONTENT_UNKNOWN, check_content
from continuum.store.gateway.attending.pages import Page, find_absent, find_present, read_pages
from continuum.store.gateway.attending.repairing import repair
from continuum.store.gateway.attending.scanning import require_client
from continuum.store.gateway.calls import Context
from continuum.store.locator.messages import (
    Attachments,
    DescribeAttachments,
    DiscardObject,
    FilterOrphans,
    Finding,
    IndexedReplica,
    Job,
    JobStep,
    Marked,
    MarkReplicas,
    Orphans,
    ReportJob,
)
from continuum.store.locator.messages.jobs import DONE, RUNNING
from continuum.store.stores.s3 import StoreClient, StoredObject

READS_AT_ONCE = 4
REPORTED, REMOVED = "reported", "removed"


class Place(msgspec.Struct, frozen=True, order=True):
    """A part of a store that is gone through as one. `is_attached`: others write there too."""

    bucket: str
    prefix: str
    is_attached: bool


class Round(msgspec.Struct, kw_only=True):
    """What one page brought up: kinds by physical key, counts, findings."""

    bad: dict[str, str] = {}
    good: list[str] = []
    counts: dict[str, int] = {}
    findings: list[Finding] = []

    def count(self, name: str, number: int = 1) -> None:
        """Add to a count."""
        self.counts[name] = self.counts.get(name, 0) + number


async def verify(context: Context, job: Job, now: float) -> None:
    """Go through a store from the job's cursor on."""
    del now
    client = await require_client(context, job.store)
    places = await _list_places(context, client)
    at: tuple[str, str, str] = (
        msgspec.json.decode(job.cursor, type=tuple[str, str, str]) if job.cursor else ("", "", "")
    )
    left = [place for place in places if (place.bucket, place.prefix) >= at[:2]]
    for place in left:
        cursor = at[2] if (place.bucket, place.prefix) == at[:2] else ""
        async for page in read_pages(context, client, place.bucket, place.prefix, cursor):
            found = await _check_page(context, client, job, place, page)
            is_over = page.is_last and place is left[-1]
            if not (await _report(context, job, place, page.last_key, found, is_over=is_over)).goes_on:
                return
    if not left:
        await _report(context, job, Place("", "", is_attached=False), "", Round(), is_over=True)


async def _list_places(context: Context, client: StoreClient) -> list[Place]:
    known: Attachments = await context.locations.ask(DescribeAttachments())
    places = [
        Place(each.bucket, each.prefix, is_attached=True)
        for each in known.attachments
        if each.store == client.store.name
    ]
    if client.store.bucket:
        places.append(Place(client.store.bucket, "", is_attached=False))
    return sorted(places)


async def _report(
    context: Context, job: Job, place: Place, last_key: str, found: Round, *, is_over: bool
) -> JobStep:
    locations = context.locations
    step: JobStep = await locations.ask(
        ReportJob(
            session_id=locations.session_id,
            job_id=job.job_id,
            cursor=msgspec.json.encode((place.bucket, place.prefix, last_key)).decode(),
            counts=found.counts,
            findings=tuple(found.findings),
            state=DONE if is_over else RUNNING,
        )
    )
    return step


async def _check_page(context: Context, client: StoreClient, job: Job, place: Place, page: Page) -> Round:
    found = Round()
    unlisted = [each for each in page.unlisted() if job.bucket in {"", each.bucket}]
    for replica in await find_absent(client, place.bucket, unlisted):
        if place.is_attached:
            found.count("vanished")
        else:
            found.bad[replica.physical_key] = "missing"
    turns = asyncio.Semaphore(READS_AT_ONCE)
    async with asyncio.TaskGroup() as group:
        for listed in page.listed:
            known = page.indexed.get(listed.key)
            if known is not None and job.bucket in {"", known.bucket}:
                found.count("objects")
                found.count("bytes", listed.size_bytes)
                group.create_task(
                    _check(
                        context,
                        client,
                        job,
                        place=place,
                        listed=listed,
                        replica=known,
                        found=found,
                        turns=turns,
                    )
                )
    await _settle(context, client, job, place=place, page=page, found=found)
    if not place.is_attached and not job.bucket:
        strangers = [listed.key for listed in page.listed if listed.key not in page.indexed]
        await _find_orphans(context, client, job, place=place, keys=strangers, found=found)
    return found


async def _check(
    context: Context,
    client: StoreClient,
    job: Job,
    *,
    place: Place,
    listed: StoredObject,
    replica: IndexedReplica,
    found: Round,
    turns: asyncio.Semaphore,
) -> None:
    """Check one copy that the store lists."""
    kind = _compare(listed, replica)
    if kind and place.is_attached:
        found.count("changed")
    elif kind:
        found.bad[listed.key] = kind
    elif job.is_deep:
        async with turns:
            await _check_deeply(context, client, place, replica, found)
    elif replica.is_bad:
        found.bad[listed.key] = "corrupted"


def _compare(listed: StoredObject, replica: IndexedReplica) -> str:
    """Return what is wrong with a copy as far as its list line tells; empty if nothing."""
    if replica.is_encrypted:
        return ""
    if listed.size_bytes != replica.size_bytes:
        return "size"
    expected = replica.etag or replica.version_etag
    are_comparable = bool(replica.etag) or ("-" not in listed.etag and "-" not in expected)
    return "etag" if are_comparable and listed.etag != expected else ""


async def _check_deeply(
    context: Context, client: StoreClient, place: Place, replica: IndexedReplica, found: Round
) -> None:
    try:
        verdict = await check_content(context, client, place.bucket, replica)
    except ContinuumError as problem:
        found.count("unreadable")
        found.findings.append(_finding(client, place, replica, "unreadable", problem.message))
        return
    if verdict == CONTENT_BAD:
        found.bad[replica.physical_key] = "corrupted"
    elif verdict == CONTENT_UNKNOWN:
        found.count("unchecked")
    elif replica.is_bad:
        found.good.append(replica.physical_key)


async def _settle(
    context: Context, client: StoreClient, job: Job, *, place: Place, page: Page, found: Round
) -> None:
    """Mark what is bad, and repair it if that is wanted."""
    if not found.bad and not found.good:
        return
    locations = context.locations
    marked: Marked = await locations.ask(
        MarkReplicas(
            session_id=locations.session_id,
            store=client.store.name,
            bucket=place.bucket,
            bad=tuple(found.bad),
            good=tuple(found.good),
        )
    )
    for key in marked.keys:
        replica = page.indexed[key]
        locations.forget(replica.bucket, replica.key)
        outcome = await repair(context, client, replica) if job.is_repairing else REPORTED
        found.count(found.bad[key])
        found.count(outcome if outcome in {"repaired", "lost", REPORTED} else "failed")
        found.findings.append(_finding(client, place, replica, found.bad[key], outcome))


async def _find_orphans(
    context: Context, client: StoreClient, job: Job, *, place: Place, keys: list[str], found: Round
) -> None:
    """Find bytes of ended sessions that nothing points at and that are not waiting for the collector.

    The collector may have removed them since they were listed; only what is still there is an orphan.
    """
    if not keys:
        return
    locations = context.locations
    orphans: Orphans = await locations.ask(
        FilterOrphans(store=job.store, bucket=place.bucket, keys=tuple(keys))
    )
    still_there = await find_present(client, place.bucket, orphans.keys)
    for key in sorted(still_there):
        if job.is_repairing:
            await locations.ask(
                DiscardObject(session_id=locations.session_id, store=job.store, bucket=place.bucket, key=key)
            )
        found.count("orphan")
        outcome = REMOVED if job.is_repairing else REPORTED
        found.findings.append(Finding("orphan", job.store, f"{place.bucket}/{key}", "", "", "", outcome))


def _finding(client: StoreClient, place: Place, replica: IndexedReplica, kind: str, outcome: str) -> Finding:
    return Finding(
        kind,
        client.store.name,
        f"{place.bucket}/{replica.physical_key}",
        replica.bucket,
        replica.key,
        replica.version_id,
        outcome,
    )
