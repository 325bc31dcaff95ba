"""The locator's answers about uploads in parts, and about bytes that nobody needs any more."""

from continuum.store.locator import messages as m
from continuum.store.locator.families import Family, Handlers
from continuum.store.locator.index import garbage, listing, uploads
from continuum.store.locator.validating import (
    MAX_CLAIM,
    check_count,
    check_marker,
    check_place,
    check_upload,
)

TOUCH_EVERY_S = 3600.0  # an upload's last use is noted this often; it is compared with days


class UploadKeeper(Family):
    """Answers about uploads."""

    def handlers(self) -> Handlers:
        """Return what answers which request."""
        return {
            m.CreateUpload: self._create_upload,
            m.GetUpload: self._get_upload,
            m.AbortUpload: self._abort_upload,
            m.ListUploads: self._list_uploads,
        }

    async def _create_upload(self, request: m.CreateUpload) -> m.Upload:
        check_upload(request.upload)
        self._require_live(request.session_id)
        return await self._writer.write(uploads.create_upload, request, now=self._clock())

    async def _get_upload(self, request: m.GetUpload) -> m.Upload:
        upload, touched_at = await self._reader.point(uploads.get_upload, request)
        if self._clock() - touched_at > TOUCH_EVERY_S:
            await self._writer.write(uploads.touch_upload, request.upload_id, now=self._clock())
        return upload

    async def _abort_upload(self, request: m.AbortUpload) -> m.Empty:
        self._require_live(request.session_id)
        await self._writer.write(
            uploads.abort_upload, request, now=self._clock(), grace_s=self._settings.grace_s
        )
        return m.Empty()

    async def _list_uploads(self, request: m.ListUploads) -> m.UploadPage:
        for text in (request.prefix, request.delimiter, request.key_marker, request.upload_id_marker):
            check_marker(text)
        return await self._reader.scan(listing.list_uploads, request)


class GarbageKeeper(Family):
    """Answers about what is to be removed from stores."""

    def handlers(self) -> Handlers:
        """Return what answers which request."""
        return {
            m.ClaimGarbage: self._claim_garbage,
            m.FilterOrphans: self._filter_orphans,
            m.ReportGarbage: self._report_garbage,
            m.DiscardObject: self._discard_object,
        }

    async def _claim_garbage(self, request: m.ClaimGarbage) -> m.Garbage:
        self._require_live(request.session_id)
        limit = max(0, min(request.limit, MAX_CLAIM))
        if not await self._reader.point(garbage.has_due, request.store, now=self._clock()):
            return m.Garbage(items=())
        return await self._writer.write(
            garbage.claim_garbage, request.store, limit, now=self._clock(), claim_s=self._settings.claim_s
        )

    async def _filter_orphans(self, request: m.FilterOrphans) -> m.Orphans:
        check_count(request.keys, "keys")
        return await self._reader.scan(garbage.filter_orphans, request)

    async def _report_garbage(self, request: m.ReportGarbage) -> m.Empty:
        check_count(request.item_ids, "items")
        await self._writer.write(garbage.report_garbage, request.session_id, request.item_ids)
        return m.Empty()

    async def _discard_object(self, request: m.DiscardObject) -> m.Empty:
        check_place(request.store, request.bucket, request.key)
        await self._writer.write(
            garbage.discard_object, request, now=self._clock(), grace_s=self._settings.grace_s
        )
        return m.Empty()
