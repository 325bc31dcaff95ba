"""The locator: answers every request of `messages` over the backbone.

One locator at a time serves an SQLite database, several at once one of PostgreSQL (`peers`). Each request is
validated, noted in the leases where it may be kept by who asks, executed by the reader or the writer, and, if
it changed something, acknowledged once nobody serves what was before (`invalidating`). Requests that fail
because the disk is full or read-only are answered with `UnavailableError`; the process goes on, and works
again when the cause is gone.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any

from continuum.backbone import Backbone, Subscription
from continuum.model.errors import ConflictError, ContinuumError, InvalidInputError
from continuum.model.objects import Bucket, Role, User, Version
from continuum.store.locator import messages as m
from continuum.store.locator.changing import Changes
from continuum.store.locator.client import own_subject
from continuum.store.locator.database import Database
from continuum.store.locator.expiring import Expirer
from continuum.store.locator.index import (
    buckets,
    counts,
    garbage,
    hubs,
    keys,
    listing,
    objects,
    sessions,
    uploads,
    users,
)
from continuum.store.locator.invalidating import Invalidator, send_over
from continuum.store.locator.keeping import StoreKeeper
from continuum.store.locator.keying import KeyKeeper
from continuum.store.locator.leases import Leases, Thing
from continuum.store.locator.notifying import Notifier
from continuum.store.locator.peers import Alone, Peers
from continuum.store.locator.placing import Placer
from continuum.store.locator.reading import Reader
from continuum.store.locator.reconciling import Reconciler
from continuum.store.locator.replaying import ReplayKeeper
from continuum.store.locator.sealing import Sealer
from continuum.store.locator.settings import LocatorSettings
from continuum.store.locator.validating import (
    MAX_CLAIM,
    MAX_DELETES,
    check_attributes,
    check_count,
    check_key,
    check_marker,
    check_name,
    check_place,
    check_settings,
    check_store,
    check_upload,
    check_user_name,
    check_version,
    parse_role,
)
from continuum.store.locator.wrapping import WrappingKeeper
from continuum.store.locator.writing import Writer

log = logging.getLogger(__name__)

QUEUE = "hub"
TOUCH_EVERY_S = 3600.0  # an upload's last use is noted this often; it is compared with days
STOP_WAIT_S = 5.0


class Locator:
    """The location database as a service. `start` it on a backbone; `stop` it before the backbone closes."""

    def __init__(self, settings: LocatorSettings, *, clock: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._clock = clock
        self._database = Database(settings.database_url, busy_timeout_s=settings.busy_timeout_s)
        self._leases = Leases(lease_s=settings.lease_s, max_held=settings.max_held_keys)
        self._reader = Reader(self._database.connect, are_points_inline=self._database.is_sqlite)
        self._peers: Alone | Peers = Alone()
        self._writer = Writer(
            self._database.connect,
            max_waiting=settings.max_waiting_changes,
            begin=lambda connection: self._peers.look(connection),  # noqa: PLW0108 -- they come with the start
        )
        self._reconciler = Reconciler(settings, self._leases, self._writer, clock, self._standing)
        self._expirer = Expirer(settings, self._reader, self._writer, clock, self._standing)
        self._notifier = Notifier(settings, self._reader, self._writer, clock, self._standing)
        self._changes = Changes()
        self._epoch = secrets.token_hex(8)
        self._subscriptions: list[Subscription] = []
        self._own_subscriptions: list[Subscription] = []
        self._by_kind: dict[type, Callable[[Any], Awaitable[Any]]] = {}
        self._needed_users: set[str] = set()  # those whom the continuum itself is
        self._active = 0
        self._is_idle = asyncio.Event()
        self._is_idle.set()
        self._sealer: Sealer
        self._invalidator: Invalidator
        self._backbone: Backbone
        self._placer: Placer | None = None

    # ---- life ----

    async def start(self, backbone: Backbone) -> None:
        """Open the database, take over the sessions that go on, and answer from now on.

        Raises `ConflictError` (another hub uses the database, or its key file is another one's) and
        `UnavailableError` (the database cannot be opened).
        """
        old_leases_s = await asyncio.to_thread(self._open)
        try:
            await self._serve(backbone, old_leases_s)
        except BaseException:
            await self.stop()
            raise

    def _standing(self) -> Alone | Peers:
        return self._peers

    async def _serve(self, backbone: Backbone, old_leases_s: float) -> None:
        self._backbone = backbone
        if not self._database.is_sqlite:
            self._peers = Peers(
                self._database.connect,
                backbone,
                lease_s=self._settings.hub_lease_s,
                on_lapse=self._begin_anew,
            )
        self._invalidator = Invalidator(
            self._leases,
            send_over(backbone),
            time.monotonic,
            lease_s=self._settings.lease_s,
            old_leases_s=old_leases_s,
            others=self._peers,
        )
        self._reader.start()
        self._writer.start()
        self._reconciler.start()
        self._expirer.start(self._invalidator.tell)
        await self._notifier.start(backbone, self._sealer)
        self._placer = Placer(
            self._settings,
            self._reader,
            self._writer,
            self._invalidator,
            self._clock,
            standing=self._standing,
        )
        self._placer.start()
        handlers = self._handlers() | self._placer.handlers()
        self._by_kind = {kind: self._counted(handler) for kind, handler in handlers.items()}
        if isinstance(self._peers, Peers):
            await self._join(self._peers)
            self._peers.start()
        for kind, handler in self._by_kind.items():
            self._subscriptions.append(await backbone.serve(m.SUBJECTS[kind], kind, handler, queue=QUEUE))

    async def _join(self, peers: Peers) -> None:
        """Be one of the hubs, under a new epoch, and answer what goes to this one alone."""
        await peers.join(self._invalidator.tell_here)
        self._epoch = peers.epoch
        self._own_subscriptions += [
            await self._backbone.serve(own_subject(kind, self._epoch), kind, handler)
            for kind, handler in self._by_kind.items()
        ]

    async def _begin_anew(self) -> None:
        """This hub's lease is over, so are its sessions': let them be taken over, also by this one."""
        peers = self._peers
        if isinstance(peers, Peers):
            await self._leave_sessions()
            await peers.withdraw()
            self._leases.drop_all()
            await self._join(peers)

    async def _leave_sessions(self) -> None:
        for subscription in self._own_subscriptions:
            await subscription.unsubscribe()
        self._own_subscriptions.clear()

    def _open(self) -> float:
        """Open the database; return how long leases from before this start may last."""
        self._database.open()
        connection = self._database.connect()
        try:
            is_new = not connection.row(users.LIST_USERS) and not connection.row(sessions.LIST_STORES)
            self._sealer = Sealer.open(self._settings.key_file, is_new=is_new)
            sessions.list_stores(connection, self._sealer)  # these fail if the key is another one's
            users.list_users(connection, self._sealer)
            live = sessions.list_live_sessions(connection) if self._database.is_sqlite else ()
            with connection.writing():
                before_s = sessions.record_start(
                    connection, epoch=self._epoch, now=self._clock(), lease_s=self._settings.lease_s
                )
        except BaseException:
            self._database.close()
            raise
        finally:
            connection.close()
        for session in live:
            self._leases.open(session.session_id, session.site, time.monotonic())
        return before_s if live else 0.0

    async def stop(self) -> None:
        """Answer what has arrived, within bounds, then close everything."""
        for subscription in self._subscriptions:
            await subscription.unsubscribe()
        self._subscriptions.clear()
        await self._leave_sessions()
        try:
            await asyncio.wait_for(self._is_idle.wait(), STOP_WAIT_S)
        except TimeoutError:
            log.warning("stopping with %d requests unanswered", self._active)
        await self._notifier.stop()
        await self._expirer.stop()
        await self._reconciler.stop()
        if self._placer is not None:
            await self._placer.stop()
        if isinstance(self._peers, Peers):
            await self._peers.stop()
        await self._invalidator.close()
        await self._writer.stop()
        await self._reader.stop()
        self._database.close()

    def _counted(self, handler: Callable[[Any], Awaitable[Any]]) -> Callable[[Any], Awaitable[Any]]:
        async def handle(request: Any) -> Any:
            self._active += 1
            self._is_idle.clear()
            try:
                return await handler(request)
            finally:
                self._active -= 1
                if not self._active:
                    self._is_idle.set()

        return handle

    def _handlers(self) -> dict[type, Callable[[Any], Awaitable[Any]]]:
        return {
            m.OpenSession: self._open_session,
            m.RenewSession: self._renew_session,
            m.CloseSession: self._close_session,
            m.ListStores: self._list_stores,
            m.FindUser: self._find_user,
            m.CreateUser: self._create_user,
            m.ListUsers: self._list_users,
            m.DeleteUser: self._delete_user,
            m.CreateBucket: self._create_bucket,
            m.GetBucket: self._get_bucket,
            m.ListBuckets: self._list_buckets,
            m.CountObjects: self._count_objects,
            m.ChangeBucket: self._change_bucket,
            m.DeleteBucket: self._delete_bucket,
            m.LookUp: self._look_up,
            m.Locate: self._locate,
            m.Commit: self._commit,
            m.Delete: self._delete,
            m.AddReplica: self._add_replica,
            m.ChangeObject: self._change_object,
            m.ListObjects: self._list_objects,
            m.ListVersions: self._list_versions,
            m.CreateUpload: self._create_upload,
            m.GetUpload: self._get_upload,
            m.AbortUpload: self._abort_upload,
            m.ListUploads: self._list_uploads,
            m.ClaimGarbage: self._claim_garbage,
            m.FilterOrphans: self._filter_orphans,
            m.ReportGarbage: self._report_garbage,
            m.DiscardObject: self._discard_object,
            **KeyKeeper(self._reader, self._writer, self._sealer, self._invalidator, self._clock).handlers(),
            **self._keeper().handlers(),
            **self._expirer.handlers(),
            **WrappingKeeper(self._reader, self._writer, self._invalidator).handlers(),
            **self._notifier.handlers(),
            **self._replay_keeper().handlers(),
        }

    def _replay_keeper(self) -> ReplayKeeper:
        return ReplayKeeper(
            self._reader,
            self._writer,
            self._invalidator,
            changes=self._changes,
            settings=self._settings,
            clock=self._clock,
        )

    def _keeper(self) -> StoreKeeper:
        return StoreKeeper(
            self._reader,
            self._writer,
            self._sealer,
            invalidator=self._invalidator,
            settings=self._settings,
            clock=self._clock,
        )

    # ---- sessions ----

    async def _open_session(self, request: m.OpenSession) -> m.Session:
        check_store(request.site, request.store)
        check_name(request.gateway, "a gateway's name")
        session_id = secrets.token_hex(16)
        await self._writer.write(
            sessions.open_session,
            self._sealer,
            session_id=session_id,
            gateway=request.gateway,
            store=request.store,
            now=self._clock(),
            hub=self._peers.epoch,
        )
        self._leases.open(session_id, request.site, time.monotonic())
        return self._session(session_id)

    async def _renew_session(self, request: m.RenewSession) -> m.Session:
        if not self._leases.renew(request.session_id, time.monotonic()):
            await self._take_over(request.session_id)
        return self._session(request.session_id)

    async def _take_over(self, session_id: str) -> None:
        """Go on with a session of another hub. Raises `SessionEndedError` if there is none."""
        has_ended = self._leases.is_live(session_id) or self._leases.has_ended(session_id)
        if self._peers.is_alone or has_ended:
            raise _ended()
        epoch = self._peers.epoch
        site = await self._writer.write(hubs.take_over, session_id, epoch=epoch)
        if site is None:
            raise _ended()
        if epoch == self._peers.epoch:
            self._leases.open(session_id, site, time.monotonic())
            log.info("took over session %.8s…", session_id)

    async def _close_session(self, request: m.CloseSession) -> m.Empty:
        self._leases.end(request.session_id)
        await self._writer.write(
            sessions.end_session, request.session_id, now=self._clock(), hub=self._peers.epoch
        )
        return m.Empty()

    def _session(self, session_id: str) -> m.Session:
        return m.Session(
            session_id=session_id,
            lease_s=self._peers.bound(self._settings.lease_s),
            hub_epoch=self._epoch,
            now=self._clock(),
            hub=self._peers.epoch,
            other_hubs=self._peers.others,
        )

    async def _list_stores(self, request: m.ListStores) -> m.Stores:
        self._require_live(request.session_id)
        return m.Stores(stores=await self._reader.point(sessions.list_stores, self._sealer))

    def _require_live(self, session_id: str) -> None:
        if self._leases.is_live(session_id):
            return
        if self._peers.is_alone or self._leases.has_ended(session_id):
            raise _ended()
        raise m.SessionElsewhereError("this hub does not have the session", hint="renew it first")

    def _hold(self, session_id: str, *things: Thing) -> None:
        """Note that who asks may keep the answer; before the index is read."""
        if not session_id:
            return
        self._require_live(session_id)
        for thing in things:
            self._leases.hold(session_id, thing)
        self._invalidator.shed()

    # ---- users ----

    async def ensure_user(self, name: str, role: Role | str = Role.ADMIN) -> User:
        """Return the user of this name, made with fresh keys if there is none; with the secret key."""
        self._needed_users.add(name)
        present = await self._reader.point(users.find_user_by_name, self._sealer, name)
        if present is not None:
            return present
        try:
            return await self._add_user(name, parse_role(role))
        except ConflictError:  # another hub was faster
            present = await self._reader.point(users.find_user_by_name, self._sealer, name)
            if present is None:
                raise
            return present

    async def find_user(self, access_key: str) -> User | None:
        """Return the user of an access key as of now, with the secret key, for the hub's own door."""
        try:
            user = await self._find_user(m.FindUser(session_id="", access_key=access_key))
        except (m.NoSuchUserError, InvalidInputError):
            return None
        return None if user.is_temporary else user  # whose token and policy only gateways check

    async def _add_user(self, name: str, role: Role) -> User:
        check_user_name(name)
        user = User(
            name=name,
            access_key="CTNM" + secrets.token_hex(8).upper(),
            secret_key=secrets.token_urlsafe(30),
            role=role,
            created_at=self._clock(),
        )
        return await self._writer.write(users.create_user, self._sealer, user)

    async def _find_user(self, request: m.FindUser) -> User:
        check_name(request.access_key, "an access key")
        self._hold(request.session_id, ("", request.access_key))
        return await self._reader.point(keys.find_holder, self._sealer, request.access_key)

    async def _create_user(self, request: m.CreateUser) -> User:
        return await self._add_user(request.name, parse_role(request.role))

    async def _list_users(self, request: m.ListUsers) -> m.Users:
        del request
        return await self._reader.scan(users.list_users)

    async def _delete_user(self, request: m.DeleteUser) -> m.Empty:
        if request.name in self._needed_users:
            raise ConflictError(
                f"the user {request.name!r} belongs to the continuum itself",
                hint="people get users of their own: `continuum user add NAME`",
            )
        access_keys = await self._writer.write(keys.remove_user, request.name)
        await self._invalidator.tell([("", access_key) for access_key in access_keys])
        return m.Empty()

    # ---- buckets ----

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

    # ---- objects ----

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
            raise _ended()
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

    # ---- uploads ----

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

    # ---- garbage ----

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


def _ended() -> m.SessionEndedError:
    return m.SessionEndedError(
        "the session has ended", hint="open a new one; what was under way must be done again"
    )
