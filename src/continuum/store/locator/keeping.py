"""The locator's answers about stores and the work in them."""

from continuum.store.locator import messages as m
from continuum.store.locator.database import Connection
from continuum.store.locator.families import Family, Handlers
from continuum.store.locator.index import attached, indexed, jobs, leaving, stores, verified, writebacks
from continuum.store.locator.messages.jobs import SCAN
from continuum.store.locator.validating import (
    MAX_CLAIM,
    check_added_store,
    check_count,
    check_key,
    check_marker,
    check_name,
    check_place,
)


class StoreKeeper(Family):
    """Answers what people and gateways ask about stores."""

    def handlers(self) -> Handlers:
        """Return what answers which request."""
        return {
            m.AddStore: self._add_store,
            m.RemoveStore: self._remove_store,
            m.DescribeStores: self._describe_stores,
            m.ListSoleCopies: self._list_sole_copies,
            m.ForgetSite: self._forget_site,
            m.AttachBucket: self._attach_bucket,
            m.DetachBucket: self._detach_bucket,
            m.DescribeAttachments: self._describe_attachments,
            m.ApplyPage: self._apply_page,
            m.FollowObject: self._follow_object,
            m.StartJob: self._start_job,
            m.CancelJob: self._cancel_job,
            m.GetJob: self._get_job,
            m.ClaimWork: self._claim_work,
            m.ReportJob: self._report_job,
            m.FindIndexed: self._find_indexed,
            m.SettleWriteBack: self._settle_write_back,
            m.MarkReplicas: self._mark_replicas,
            m.ReplaceReplica: self._replace_replica,
        }

    # ---- stores ----

    async def _add_store(self, request: m.AddStore) -> m.Empty:
        check_added_store(request.store)
        await self._writer.write(stores.add_store, self._sealer, request.store)
        return m.Empty()

    async def _remove_store(self, request: m.RemoveStore) -> m.Empty:
        await self._writer.write(stores.remove_store, request.name)
        return m.Empty()

    async def _describe_stores(self, request: m.DescribeStores) -> m.StoreDescriptions:
        return await self._reader.scan(stores.describe_stores, self._sealer, measured=request.measured)

    async def _list_sole_copies(self, request: m.ListSoleCopies) -> m.SoleCopies:
        check_name(request.site, "a site")
        return await self._reader.scan(leaving.list_sole_copies, request)

    async def _forget_site(self, request: m.ForgetSite) -> m.SiteForgotten:
        check_name(request.site, "a site")
        return await self._writer.write(leaving.forget_site, request)

    # ---- attached buckets ----

    async def _attach_bucket(self, request: m.AttachBucket) -> m.Job:
        check_name(request.owner, "an owner")
        check_name(request.bucket, "a physical bucket")
        check_marker(request.prefix)
        job = await self._writer.write(attached.attach_bucket, request, now=self._clock())
        await self._invalidator.tell([(request.name, "")])
        return job

    async def _detach_bucket(self, request: m.DetachBucket) -> m.Detaching:
        step = await self._writer.write(
            attached.detach_step, request, now=self._clock(), grace_s=self._settings.grace_s
        )
        await self._invalidator.tell([(request.name, "")])
        return step

    async def _describe_attachments(self, request: m.DescribeAttachments) -> m.Attachments:
        del request
        return await self._reader.scan(attached.describe_attachments)

    async def _apply_page(self, request: m.ApplyPage) -> m.JobStep:
        check_count(request.entries, "objects")
        check_count(request.gone, "objects")
        for entry in request.entries:
            check_key(entry.key)
            check_name(entry.etag, "an ETag")
        step, changed = await self._writer.write(
            attached.apply_page,
            request,
            now=self._clock(),
            grace_s=self._settings.grace_s,
            claim_s=self._settings.claim_s,
        )
        await self._invalidator.tell([(request.bucket, key) for key in changed])
        return step

    async def _follow_object(self, request: m.FollowObject) -> m.Followed:
        check_key(request.key)
        if request.found is not None:
            check_name(request.found.etag, "an ETag")
        followed = await self._writer.write(
            attached.follow_object, request, now=self._clock(), grace_s=self._settings.grace_s
        )
        await self._invalidator.tell([(request.bucket, request.key)], but=request.session_id)
        return followed

    # ---- jobs ----

    async def _start_job(self, request: m.StartJob) -> m.Job:
        if request.kind == SCAN:
            return await self._writer.write(attached.rescan_bucket, request, now=self._clock())
        return await self._writer.write(jobs.start_job, request, now=self._clock())

    async def _cancel_job(self, request: m.CancelJob) -> m.Empty:
        await self._writer.write(jobs.cancel_job, request.job_id, now=self._clock())
        return m.Empty()

    async def _get_job(self, request: m.GetJob) -> m.Job:
        return await self._reader.point(jobs.get_job, request.job_id)

    async def _claim_work(self, request: m.ClaimWork) -> m.Work:
        check_count(request.stores, "stores", MAX_CLAIM)
        now = self._clock()
        if not await self._reader.point(_has_work, request.stores, now=now):
            return m.Work(now=now)
        return await self._writer.write(_claim, request, now=now, claim_s=self._settings.claim_s)

    async def _report_job(self, request: m.ReportJob) -> m.JobStep:
        return await self._writer.write(
            jobs.report_job, request, now=self._clock(), claim_s=self._settings.claim_s
        )

    async def _find_indexed(self, request: m.FindIndexed) -> m.Indexed:
        check_count(request.keys, "keys")
        return await self._reader.scan(indexed.find_indexed, request)

    async def _settle_write_back(self, request: m.SettleWriteBack) -> m.Empty:
        await self._writer.write(writebacks.settle_write_back, request, now=self._clock())
        return m.Empty()

    async def _mark_replicas(self, request: m.MarkReplicas) -> m.Marked:
        check_count(request.bad, "keys")
        check_count(request.good, "keys")
        marked, things = await self._writer.write(verified.mark_replicas, request, now=self._clock())
        await self._invalidator.tell(things)
        return marked

    async def _replace_replica(self, request: m.ReplaceReplica) -> m.Empty:
        check_place(request.replica.store, request.replica.bucket, request.replica.key)
        await self._writer.write(
            verified.replace_replica, request, now=self._clock(), grace_s=self._settings.grace_s
        )
        await self._invalidator.tell([(request.bucket, request.key)], but=request.session_id)
        return m.Empty()


def _has_work(connection: Connection, names: tuple[str, ...], *, now: float) -> bool:
    return any(
        jobs.has_due_job(connection, name, now=now)
        or writebacks.has_due_write_back(connection, name, now=now)
        for name in names
    )


def _claim(connection: Connection, request: m.ClaimWork, *, now: float, claim_s: float) -> m.Work:
    """Give out one job and some write-backs in the stores of who asks."""
    job = None
    items: list[m.WriteBack] = []
    limit = max(0, min(request.limit, MAX_CLAIM))
    for name in request.stores:
        if request.wants_job and job is None:
            job = jobs.claim_job(connection, name, now=now, claim_s=claim_s)
        items += writebacks.claim_write_backs(connection, name, limit - len(items), now=now, claim_s=claim_s)
    return m.Work(now=now, job=job, write_backs=tuple(items))
