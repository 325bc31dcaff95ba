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
from continuum.model.objects import Role, User
from continuum.store.locator import messages as m
from continuum.store.locator.changing import Changes
from continuum.store.locator.client import own_subject
from continuum.store.locator.database import Database
from continuum.store.locator.expiring import Expirer
from continuum.store.locator.families import Duty, Family, Handlers, Workings
from continuum.store.locator.holding import SessionKeeper
from continuum.store.locator.index import sessions, users
from continuum.store.locator.invalidating import Invalidator, send_over
from continuum.store.locator.keeping import StoreKeeper
from continuum.store.locator.keying import UserKeeper
from continuum.store.locator.leases import Leases
from continuum.store.locator.notifying import Notifier
from continuum.store.locator.peers import Alone, Peers
from continuum.store.locator.placing import Placer
from continuum.store.locator.publishing import BucketKeeper, ObjectKeeper
from continuum.store.locator.reading import Reader
from continuum.store.locator.reconciling import Reconciler
from continuum.store.locator.replaying import ReplayKeeper
from continuum.store.locator.sealing import Sealer
from continuum.store.locator.settings import LocatorSettings
from continuum.store.locator.uploading import GarbageKeeper, UploadKeeper
from continuum.store.locator.wrapping import WrappingKeeper
from continuum.store.locator.writing import Writer

log = logging.getLogger(__name__)

QUEUE = "hub"
STOP_WAIT_S = 5.0
FAMILIES: tuple[type[Family], ...] = (
    *(SessionKeeper, BucketKeeper, ObjectKeeper, UploadKeeper, GarbageKeeper),
    *(StoreKeeper, WrappingKeeper, ReplayKeeper),
)


class Locator:
    """The location database as a service. `start` it on a backbone; `stop` it before the backbone closes."""

    def __init__(self, settings: LocatorSettings, *, clock: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._clock = clock
        self._database = Database(settings.database_url, busy_timeout_s=settings.busy_timeout_s)
        self._leases = Leases(lease_s=settings.lease_s, max_held=settings.max_held_keys)
        self._epoch = secrets.token_hex(8)
        self._subscriptions: list[Subscription] = []
        self._own_subscriptions: list[Subscription] = []
        self._by_kind: Handlers = {}
        self._active = 0
        self._is_idle = asyncio.Event()
        self._is_idle.set()
        self._sealer: Sealer
        self._backbone: Backbone
        self._peers: Alone | Peers
        self._workings: Workings
        self._users: UserKeeper
        self._placer: Placer
        self._notifier: Notifier
        self._duties: tuple[Duty, ...] = ()

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

    async def _serve(self, backbone: Backbone, old_leases_s: float) -> None:
        self._backbone = backbone
        self._make(old_leases_s)
        self._workings.reader.start()
        self._workings.writer.start()
        for duty in self._duties:
            duty.start()
        await self._notifier.start()
        if isinstance(self._peers, Peers):
            await self._join(self._peers)
            self._peers.start()
        for kind, handler in self._by_kind.items():
            self._subscriptions.append(await backbone.serve(m.SUBJECTS[kind], kind, handler, queue=QUEUE))

    def _make(self, old_leases_s: float) -> None:
        """Put together what serves."""
        settings, connect = self._settings, self._database.connect
        self._peers = Alone()
        if not self._database.is_sqlite:
            self._peers = Peers(
                connect, self._backbone, lease_s=settings.hub_lease_s, on_lapse=self._begin_anew
            )
        self._workings = workings = Workings(
            settings=settings,
            reader=Reader(connect, are_points_inline=self._database.is_sqlite),
            writer=Writer(connect, max_waiting=settings.max_waiting_changes, begin=self._peers.look),
            sealer=self._sealer,
            leases=self._leases,
            invalidator=Invalidator(
                self._leases,
                send_over(self._backbone),
                time.monotonic,
                lease_s=settings.lease_s,
                old_leases_s=old_leases_s,
                others=self._peers,
            ),
            changes=Changes(),
            peers=self._peers,
            clock=self._clock,
            epoch=self._epoch,
        )
        self._users = UserKeeper(workings)
        self._placer, expirer = Placer(workings), Expirer(workings)
        self._notifier = Notifier(workings, self._backbone)
        reconciler = Reconciler(settings, self._leases, workings.writer, self._clock, self._peers)
        self._duties = (reconciler, expirer, self._placer)
        families: list[Family] = [self._users, self._placer, expirer, self._notifier]
        families += [family(workings) for family in FAMILIES]
        self._by_kind = {
            kind: self._counted(handler) for family in families for kind, handler in family.handlers().items()
        }

    async def _join(self, peers: Peers) -> None:
        """Be one of the hubs, under a new epoch, and answer what goes to this one alone."""
        await peers.join(self._workings.invalidator.tell_here)
        self._own_subscriptions += [
            await self._backbone.serve(own_subject(kind, peers.epoch), kind, handler)
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
        for duty in self._duties:
            await duty.stop()
        if isinstance(self._peers, Peers):
            await self._peers.stop()
        await self._workings.invalidator.close()
        await self._workings.writer.stop()
        await self._workings.reader.stop()
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

    # ---- for the hub itself ----

    async def ensure_user(self, name: str, role: Role | str = Role.ADMIN) -> User:
        """Return the user of this name, made with fresh keys if there is none; with the secret key."""
        return await self._users.ensure_user(name, role)

    async def find_user(self, access_key: str) -> User | None:
        """Return the user of an access key as of now, with the secret key, for the hub's own door."""
        return await self._users.find_user(access_key)
