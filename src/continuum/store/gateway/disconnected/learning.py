"""Keeping the local index fresh while the hub is there.

What this gateway looks up, publishes or deletes in the buckets concerned is noted as it passes, and written
in one transaction a fraction of a second later; what others change is told by `Invalidate` where it was known
here, and found by going through each bucket page by page now and then. The larger a bucket, the rarer that
is, so that it costs the hub a hundredth of its time at most. Nothing is learned while the journal has
records: then the local index knows more than the hub.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Collection, Iterable, Iterator, Mapping

import msgspec

from continuum.model.errors import NotFoundError
from continuum.model.objects import Bucket, Store, User, Version
from continuum.store.gateway.disconnected import indexes
from continuum.store.gateway.disconnected.indexes import Clock, LocalIndex
from continuum.store.gateway.locations import Locations
from continuum.store.locator.database import Connection
from continuum.store.locator.index.buckets import list_buckets
from continuum.store.locator.index.sessions import list_stores
from continuum.store.locator.index.versions import purge_versions
from continuum.store.locator.messages import (
    Accepting,
    FindUser,
    GetAccepting,
    KnownPage,
    ListKnown,
    ListStores,
    LookUp,
    NoSuchUserError,
    Stores,
)
from continuum.store.locator.sealing import Sealer

log = logging.getLogger(__name__)

PAGE = 200
MAX_NOTED = 10_000
REMEMBER_S = 3600.0  # how long what was replaced here is remembered, for a commit that is repeated
MAX_USERS = 1_000
MAX_OBJECTS = 500_000  # of one bucket; what comes after is not known while the hub is away
SCAN_SHARE = 100.0  # how much longer than a scan the pause after it is at least
_LAST = "\U0010ffff" * 257  # greater than every key

Key = tuple[str, str]


class Doubt(msgspec.Struct, frozen=True):
    """What is known of a key is old; `is_deletion`: this gateway deleted it, so it must not come back."""

    is_deletion: bool


_IN_DOUBT = Doubt(is_deletion=False)


class Learner:
    """Notes what passes (`learn`, `doubt`), writes it (`flush`), asks for the rest (`refresh`)."""

    def __init__(self, index: LocalIndex, locations: Locations, *, scan_every_s: float) -> None:
        self._index = index
        self._scan_every_s = scan_every_s
        self._locations = locations
        self.buckets: dict[str, Bucket] = {}
        self.users: dict[str, User] = {}
        self.stores: tuple[Store, ...] = ()
        self._noted: dict[Key, Version | Doubt] = {}
        self._certain: set[Key] = set()  # those of the noted keys of which the hub need not be asked
        self._new_users: dict[str, User | None] = {}  # None: to be looked up
        self._touched: set[str] = set()  # keys of the bucket that is being scanned
        self._scan_at: dict[str, float] = {}
        self._flushing = asyncio.Lock()

    # ---- what passes ----

    def learn(self, answer: Version | Bucket | User) -> None:
        """The locator said this."""
        if isinstance(answer, Version):
            if answer.bucket in self.buckets:
                self._note((answer.bucket, answer.key), answer)
        elif isinstance(answer, User):
            is_known = self.users.get(answer.access_key) == answer
            if not is_known and len(self.users) + len(self._new_users) < MAX_USERS:
                self._new_users[answer.access_key] = answer

    def doubt(self, keys: Iterable[Key], users: Iterable[str] = (), *, is_deletion: bool = False) -> None:
        """These changed, or are about to; `is_deletion`: this gateway deleted them."""
        for bucket, key in keys:
            if key and bucket in self.buckets:
                self._note((bucket, key), Doubt(is_deletion))
        for access_key in users:
            if access_key in self.users:
                self._new_users[access_key] = None

    def _note(self, place: Key, version: Version | Doubt) -> None:
        if len(self._noted) >= MAX_NOTED and place not in self._noted:
            self._scan_at.clear()  # the next scans find it
            return
        self._noted[place] = version
        if version == _IN_DOUBT:
            self._certain.discard(place)
        else:
            self._certain.add(place)
        self._touched.add(place[1])

    # ---- writing it ----

    async def flush(self) -> None:
        """Write what was noted while the hub is there; what is in doubt is looked up."""
        if not self._noted and not self._new_users:
            return
        async with self._flushing:
            with self._taking(tuple(self._noted)) as (noted, users):
                doubted = [place for place, doubt in noted.items() if isinstance(doubt, Doubt)]
                found = {place: await self._look_up(place) for place in doubted}
                lost = [name for name, user in users.items() if user is None]
                looked_up = {name: await self._find_user(name) for name in lost}
                await self._write({**noted, **found}, users | looked_up)

    async def flush_alone(self, written: Collection[Key]) -> None:
        """Write what was noted before the hub went away, but of keys that were `written` without it since.
        What is in doubt stays as it was known; what was deleted here goes."""
        if not self._certain and not self._new_users:
            return
        async with self._flushing:
            with self._taking(tuple(self._certain)) as (certain, users):
                put = {
                    place: noted if isinstance(noted, Version) else None
                    for place, noted in certain.items()
                    if place not in written
                }
                await self._write(put, users)

    @contextlib.contextmanager
    def _taking(
        self, places: Collection[Key]
    ) -> Iterator[tuple[dict[Key, Version | Doubt], dict[str, User | None]]]:
        """Take what was noted of these keys, and of all users. What cannot be written is noted again, but for
        what is known better since."""
        noted = {place: self._noted.pop(place) for place in places}
        self._certain.difference_update(places)
        users, self._new_users = self._new_users, {}
        try:
            yield noted, users
        except BaseException:
            self._noted = noted | self._noted
            self._certain = {place for place, each in self._noted.items() if each != _IN_DOUBT}
            self._new_users = users | self._new_users
            raise

    async def _write(
        self, noted: Mapping[Key, Version | Doubt | None], users: dict[str, User | None]
    ) -> None:
        known = [version for version in noted.values() if isinstance(version, Version)]
        gone = [place for place, version in noted.items() if version is None]
        await self._index.write(
            _put_learned, known, gone, users, stores=self._names(), sealer=self._index.sealer
        )
        for access_key, user in users.items():
            if user is None:
                self.users.pop(access_key, None)
            else:
                self.users[access_key] = user

    async def _look_up(self, place: Key) -> Version | None:
        try:
            found: Version = await self._locations.ask(LookUp(bucket=place[0], key=place[1]))
        except NotFoundError:
            return None
        return found

    # ---- asking for the rest ----

    async def find_accepting(self) -> Accepting:
        """Ask which buckets accept writes while the hub is away."""
        found: Accepting = await self._locations.ask(GetAccepting(session_id=self._locations.session_id))
        return found

    async def refresh(self, accepting: Accepting, clock: Clock) -> None:
        """Bring buckets up to date, and what is due of the rest."""
        wanted = {bucket.name: bucket for bucket in accepting.buckets}
        is_new = wanted != self.buckets or not self.stores
        now = time.monotonic()
        due = [name for name in wanted if now >= self._scan_at.get(name, 0.0)]
        if is_new or due:
            await self._refresh_stores()
        if is_new:
            await self._index.write(_put_buckets, self.buckets, wanted)
            self.buckets = wanted
        await self._index.write(indexes.put_clock, clock)
        for name in due:
            begun_at = time.monotonic()
            await self._scan(name)
            took_s = time.monotonic() - begun_at
            self._scan_at[name] = begun_at + max(self._scan_every_s, took_s * SCAN_SHARE)
        if due:
            await self._index.write(purge_versions, before=clock.now() - REMEMBER_S)
        await self.flush()

    async def _refresh_stores(self) -> None:
        found: Stores = await self._locations.ask(ListStores(session_id=self._locations.session_id))
        if found.stores != self.stores:
            await self._index.write(indexes.put_stores, self._index.sealer, found.stores)
            self.stores = found.stores

    async def _find_user(self, access_key: str) -> User | None:
        try:
            found: User = await self._locations.ask(FindUser(session_id="", access_key=access_key))
        except NoSuchUserError:
            return None
        return found

    def _names(self) -> frozenset[str]:
        return frozenset(store.name for store in self.stores)

    async def _scan(self, bucket: str) -> None:
        """Go through a bucket; keys that change meanwhile are left to `flush`."""
        after, count = "", 0
        while count < MAX_OBJECTS:
            self._touched.clear()
            try:
                page: KnownPage = await self._locations.ask(ListKnown(bucket=bucket, after=after, limit=PAGE))
            except NotFoundError:
                return  # deleted; the next refresh says so
            await self._index.write(
                indexes.put_page,
                bucket,
                page.versions,
                self._names(),
                after=after,
                last=page.next_after or _LAST,
                skipped=frozenset(self._touched),
            )
            count += len(page.versions)
            after = page.next_after
            if not after:
                return
        log.warning("of %s only the first %d objects are known while the hub is away", bucket, count)

    async def load(self) -> Clock:
        """Take up what was kept before."""
        self.buckets, self.users, self.stores, clock = await self._index.scan(_load, self._index.sealer)
        return clock


def _load(
    connection: Connection, sealer: Sealer
) -> tuple[dict[str, Bucket], dict[str, User], tuple[Store, ...], Clock]:
    found = {bucket.name: bucket for bucket in list_buckets(connection, "").buckets}
    users = indexes.list_users(connection, sealer)
    return found, users, list_stores(connection, sealer), indexes.find_clock(connection)


def _put_learned(
    connection: Connection,
    known: list[Version],
    gone: list[Key],
    users: dict[str, User | None],
    *,
    stores: frozenset[str],
    sealer: Sealer,
) -> None:
    for place in gone:
        indexes.drop_key(connection, *place)
    for version in known:
        indexes.put_version(connection, version, stores)
    for access_key, user in users.items():
        if user is None:
            indexes.drop_user(connection, access_key)
        else:
            indexes.put_user(connection, sealer, user)


def _put_buckets(connection: Connection, present: dict[str, Bucket], wanted: dict[str, Bucket]) -> None:
    for name in present.keys() - wanted.keys():
        indexes.drop_bucket(connection, name)
    for bucket in wanted.values():
        indexes.put_bucket(connection, bucket)
