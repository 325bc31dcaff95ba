"""The locator's answers about buckets and the objects in them.

What a session may keep is noted in the leases before the index is read; a change is acknowledged once nobody
serves what was before it (`invalidating`), and an answer that may show a change under way waits for that too
(`changing`).
"""

from continuum.model.errors import ContinuumError
from continuum.model.objects import Bucket, Version
from continuum.store.locator import messages as m
from continuum.store.locator.families import Family, Handlers, session_ended
from continuum.store.locator.index import buckets, counts, listing, objects
from continuum.store.locator.leases import Thing
from continuum.store.locator.validating import (
    MAX_DELETES,
    check_attributes,
    check_count,
    check_key,
    check_marker,
    check_name,
    check_place,
    check_settings,
    check_version,
)


class BucketKeeper(Family):
    """Answers about buckets."""

    def handlers(self) -> Handlers:
        """Return what answers which request."""
        return {
            m.CreateBucket: self._create_bucket,
            m.GetBucket: self._get_bucket,
            m.ListBuckets: self._list_buckets,
            m.CountObjects: self._count_objects,
            m.ChangeBucket: self._change_bucket,
            m.DeleteBucket: self._delete_bucket,
        }

    async def _create_bucket(self, request: m.CreateBucket) -> Bucket:
        check_name(request.owner, "an owner")
        check_name(request.home, "a home")
        check_settings(request.settings)
        bucket = await self._writer.write(buckets.create_bucket, request, now=self._clock())
        await self._invalidator.tell([(request.name, "")])
        return bucket

    async def _get_bucket(self, request: m.GetBucket) -> Bucket:
        check_name(request.name, "a bucket's name")
        self._hold(request.session_id, (request.name, ""))
        return await self._reader.point(buckets.require_bucket, request.name)

    async def _list_buckets(self, request: m.ListBuckets) -> m.Buckets:
        return await self._reader.scan(buckets.list_buckets, request.owner)

    async def _count_objects(self, request: m.CountObjects) -> m.Counts:
        return await self._reader.point(counts.count_objects, request)

    async def _change_bucket(self, request: m.ChangeBucket) -> Bucket:
        check_settings(request.settings)
        bucket = await self._writer.write(buckets.change_bucket, request)
        await self._invalidator.tell([(request.name, "")], but=request.session_id)
        return bucket

    async def _delete_bucket(self, request: m.DeleteBucket) -> m.Empty:
        await self._writer.write(buckets.delete_bucket, request.name)
        await self._invalidator.tell([(request.name, "")], but=request.session_id)
        return m.Empty()


class ObjectKeeper(Family):
    """Answers about objects and their versions."""

    def handlers(self) -> Handlers:
        """Return what answers which request."""
        return {
            m.LookUp: self._look_up,
            m.Locate: self._locate,
            m.Commit: self._commit,
            m.Delete: self._delete,
            m.AddReplica: self._add_replica,
            m.ChangeObject: self._change_object,
            m.ListObjects: self._list_objects,
            m.ListVersions: self._list_versions,
        }

    async def _look_up(self, request: m.LookUp) -> Version:
        check_key(request.key)
        check_name(request.bucket, "a bucket's name")
        thing = (request.bucket, request.key)
        self._hold(request.session_id, thing)
        try:
            return await self._reader.point(objects.look_up, request)
        finally:
            await self._changes.settle(thing)

    async def _locate(self, request: m.Locate) -> m.Located:
        check_count(request.objects, "objects")
        return await self._reader.scan(objects.locate, request)

    async def _commit(self, request: m.Commit) -> Version:
        check_version(request.version)
        thing = (request.version.bucket, request.version.key)
        try:
            self._hold(request.session_id, thing)
        except m.SessionEndedError:
            return await self._recall(request, thing)
        try:
            with self._changes.under_way([thing]):
                version = await self._writer.write(
                    objects.commit, request, now=self._clock(), grace_s=self._settings.grace_s
                )
                await self._invalidator.tell([thing], but=request.session_id)
        except ContinuumError:  # what refused it may itself be under way
            await self._changes.settle(thing)
            raise
        return version

    async def _recall(self, request: m.Commit, thing: Thing) -> Version:
        """Answer who asks again after their session ended: it was committed before that, or will not be."""
        published = await self._reader.point(objects.find_published, request)
        if published is None:
            raise session_ended()
        await self._invalidator.tell([thing])
        return published

    async def _delete(self, request: m.Delete) -> m.Deleted:
        check_count(request.objects, "deletions", MAX_DELETES)
        for item in request.objects:
            check_key(item.key)
        things = [(request.bucket, item.key) for item in request.objects]
        self._hold(request.session_id, *things)
        with self._changes.under_way(things):
            deleted = await self._writer.write(
                objects.delete_objects, request, now=self._clock(), grace_s=self._settings.grace_s
            )
            await self._invalidator.tell(things, but=request.session_id)
        if any(result.error_code for result in deleted.results):
            await self._changes.settle(*things)
        return deleted

    async def _add_replica(self, request: m.AddReplica) -> m.Empty:
        check_place(request.replica.store, request.replica.bucket, request.replica.key)
        self._require_live(request.session_id)
        await self._writer.write(objects.add_replica, request, now=self._clock())
        self._invalidator.hint(request.session_id, (request.bucket, request.key))
        return m.Empty()

    async def _change_object(self, request: m.ChangeObject) -> Version:
        check_key(request.key)
        check_attributes(request)
        thing = (request.bucket, request.key)
        with self._changes.under_way([thing]):
            version = await self._writer.write(objects.change_object, request, now=self._clock())
            await self._invalidator.tell([thing], but=request.session_id)
        return version

    async def _list_versions(self, request: m.ListVersions) -> m.VersionPage:
        for text in (request.prefix, request.delimiter, request.key_marker, request.version_id_marker):
            check_marker(text)
        page = await self._reader.scan(listing.list_versions, request)
        await self._changes.settle_all(request.bucket, request.prefix)
        return page

    async def _list_objects(self, request: m.ListObjects) -> m.ObjectPage:
        for text in (request.prefix, request.delimiter, request.after):
            check_marker(text)
        page = await self._reader.scan(listing.list_objects, request)
        await self._changes.settle_all(request.bucket, request.prefix)
        return page
