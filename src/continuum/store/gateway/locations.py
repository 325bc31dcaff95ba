"""The gateway's side of the locator: a session with its lease, questions, and what may be remembered of the
answers.

The session's id is the prefix of the physical keys that this process writes; they are counted, so that none
is used twice. If the lease runs out (the hub was away too long) the session is over: a new one is opened,
with a new prefix, and what was written under the old one and not committed is refused by the locator and
later removed.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import msgspec

from continuum.backbone import Backbone
from continuum.model.errors import ContinuumError, UnavailableError
from continuum.model.objects import Bucket, Store, User, Version
from continuum.store.gateway.leases import Memory, Question, Recent
from continuum.store.locator.client import LocatorClient
from continuum.store.locator.messages import (
    CloseSession,
    Commit,
    Delete,
    Empty,
    FindUser,
    GetBucket,
    GetUpload,
    Invalidate,
    LookUp,
    OpenSession,
    RenewSession,
    Session,
    SessionEndedError,
    Upload,
)

log = logging.getLogger(__name__)

MAX_UPLOADS = 10_000
MAX_PARTS = 50_000
UPLOAD_KNOWN_S = 3600.0  # asked again after this, for the locator aborts uploads that nobody asks about
PUBLISH_S = 8.0
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_RETRY_S = 0.2
_GOODBYE_S = 1.0


class PhysicalKey(msgspec.Struct, frozen=True):
    """A key in a store that was never used before, and the session in which it may be committed."""

    session_id: str
    key: str


class Heard(msgspec.Struct, frozen=True):
    """What the locator's clock said when the lease was renewed last, somewhere between two instants of the
    own one."""

    now: float
    asked_at: float
    answered_at: float


class Standby(Protocol):
    """Who is to know what passes here, and takes over commits that the hub leaves unanswered."""

    def learn(self, answer: Version | Bucket | User) -> None:
        """The locator said this."""

    def doubt(
        self, keys: Iterable[tuple[str, str]], users: Iterable[str] = (), *, is_deletion: bool = False
    ) -> None:
        """These changed, or are about to."""

    async def take_over(self, request: Commit) -> Version | None:
        """Publish what the hub did not answer; None if that is not allowed."""


class Locations:
    """`await open()`, ask, `await close()`."""

    def __init__(
        self,
        backbone: Backbone,
        *,
        site: str,
        gateway: str,
        store: Store,
        max_versions: int,
        users: Sequence[User] = (),
    ) -> None:
        self._backbone = backbone
        self._locator = LocatorClient(backbone)
        self._introduction = OpenSession(site=site, gateway=gateway, store=store)
        self._memory = Memory(max_versions)
        self._given_users = {user.access_key: user for user in users}
        self._uploads: Recent[str, tuple[Upload, float]] = Recent(MAX_UPLOADS)
        self._parts: Recent[tuple[str, int], tuple[str, dict[str, str]]] = Recent(MAX_PARTS)
        self._asked: dict[tuple[str, str], tuple[Question, asyncio.Task[Any]]] = {}
        self._session: Session | None = None
        self._subscription: Any = None
        self._counter = 0
        self._moving = asyncio.Lock()
        self._renewing: asyncio.Task[None] | None = None
        self.round_trips = 0
        self.standin: Standby | None = None
        self.heard = Heard(0.0, 0.0, 0.0)

    @property
    def session_id(self) -> str:
        """The session; empty while there is none."""
        return self._session.session_id if self._session else ""

    @property
    def has_lease(self) -> bool:
        """Whether the locator answered lately enough that what is remembered may be served."""
        return self._memory.holds(time.monotonic())

    # ---- the session ----

    async def open(self) -> None:
        """Open a session and keep it. Raises what the locator or the backbone raise."""
        await self._open_session()
        self._renewing = asyncio.create_task(self._keep_session())

    def open_later(self) -> None:
        """Open a session as soon as the locator answers."""
        self._renewing = asyncio.create_task(self._keep_session())

    async def close(self) -> None:
        """Say goodbye: nothing of this session is in flight any more."""
        if self._renewing is not None:
            self._renewing.cancel()
            await asyncio.gather(self._renewing, return_exceptions=True)
        if self._session is not None:
            with contextlib.suppress(ContinuumError):
                await self._locator.ask(CloseSession(session_id=self.session_id), timeout_s=_GOODBYE_S)
        self._memory.end()

    async def _open_session(self) -> None:
        self._memory.end()
        sent_at, asked_at = time.monotonic(), time.time()
        session: Session = await self._locator.ask(self._introduction, hub="")
        self._locator.hub = session.hub
        await self._listen(session)
        self._session, self._counter = session, 0
        self.heard = Heard(session.now, asked_at, time.time())
        self._memory.renew(sent_at, session.lease_s)
        log.info("opened session %s…", session.session_id[:6])

    async def _listen(self, session: Session) -> None:
        if self._subscription is not None:
            with contextlib.suppress(Exception):
                await self._subscription.unsubscribe()
        self._subscription = await self._backbone.serve(
            f"gateway.{session.session_id}.invalidate", Invalidate, self._invalidate
        )

    async def _invalidate(self, message: Invalidate) -> Empty:
        self._memory.invalidate(message.keys, message.users)
        if self.standin is not None:
            self.standin.doubt(message.keys, message.users)
        return Empty()

    async def _keep_session(self) -> None:
        while True:
            lease_s = self._session.lease_s if self._session else 1.0
            await asyncio.sleep(lease_s / 3)
            try:
                await self._renew(lease_s)
            except SessionEndedError:
                log.warning("the session's lease ran out; opening a new one")
                self._session = None
                await self._reopen()
            except ContinuumError as problem:
                log.warning("the session could not be renewed: %s", problem)

    async def _renew(self, lease_s: float) -> None:
        if self._session is None:
            await self._reopen()
            return
        async with self._moving:  # two at once could move it to two hubs
            await self._renew_session(lease_s)

    async def _renew_session(self, lease_s: float) -> None:
        if self._session is None:
            return
        request, limit_s = RenewSession(session_id=self._session.session_id), max(lease_s / 3, _RETRY_S)
        sent_at, asked_at = time.monotonic(), time.time()
        try:
            renewed: Session = await self._locator.ask(request, timeout_s=limit_s)
        except UnavailableError:
            if not self._locator.hub:
                raise
            sent_at, asked_at = time.monotonic(), time.time()
            renewed = await self._ask_other_hubs(request, limit_s)
        if renewed.hub_epoch != self._session.hub_epoch:
            self._memory.forget_all()
        self._session, self._locator.hub = renewed, renewed.hub
        self.heard = Heard(renewed.now, asked_at, time.time())
        self._memory.renew(sent_at, renewed.lease_s)

    async def _ask_other_hubs(self, request: RenewSession, limit_s: float) -> Session:
        """The session's hub may be gone: any other takes the session over."""
        for hub in self._session.other_hubs if self._session else ():
            with contextlib.suppress(UnavailableError):
                taken: Session = await self._locator.ask(request, timeout_s=limit_s, hub=hub)
                return taken
        session: Session = await self._locator.ask(request, timeout_s=limit_s, hub="")
        return session

    async def _reopen(self) -> None:
        told = ""
        while True:
            try:
                await self._open_session()
            except ContinuumError as problem:
                if str(problem) != told:
                    told = str(problem)
                    log.warning("no session yet: %s", told)
                await asyncio.sleep(_RETRY_S)
            else:
                return

    def make_physical_key(self) -> PhysicalKey:
        """Return a key that nobody used and nobody will. Raises `UnavailableError` while there is no
        session."""
        if self._session is None:
            raise UnavailableError("the locator does not answer, so nothing can be written now")
        self._counter += 1
        return PhysicalKey(
            self._session.session_id, f"{self._session.session_id}/{format_base36(self._counter)}"
        )

    # ---- questions ----

    async def ask(self, request: Any) -> Any:
        """Ask the locator something whose answer is not remembered."""
        self.round_trips += 1
        hub = self._locator.hub
        try:
            return await self._locator.ask(request)
        except UnavailableError:
            if not hub or not await self._has_moved(hub):
                raise
        return await self._locator.ask(request)

    async def _has_moved(self, hub: str) -> bool:
        """Whether the session is, or can be, another hub's now; the same request may be asked there again."""
        async with self._moving:
            if self._locator.hub == hub and self._session is not None:
                with contextlib.suppress(ContinuumError):
                    await self._renew_session(self._session.lease_s)
        return self._locator.hub != hub

    def recall_version(self, bucket: str, key: str) -> Version | None:
        """Return the current version if it is known for certain without asking."""
        return self._memory.find_version(bucket, key, time.monotonic())

    def recall_bucket(self, name: str) -> Bucket | None:
        """Return a bucket if it is known for certain without asking."""
        return self._memory.find_bucket(name, time.monotonic())

    def recall_user(self, access_key: str) -> User | None:
        """Return a user if they are known for certain without asking."""
        given = self._given_users.get(access_key)
        return given or self._memory.find_user(access_key, time.monotonic())

    def find_given_user(self, access_key: str) -> User | None:
        """Return a user whom the settings let in."""
        return self._given_users.get(access_key)

    async def look_up(self, bucket: str, key: str, version_id: str = "") -> Version:
        """Return a version, which may be a delete marker.

        Raises `NoSuchBucketError`, `NoSuchKeyError`, `UnavailableError`.
        """
        known = self._memory.find_version(bucket, key, time.monotonic())
        if known is not None and version_id in {"", known.public_id}:
            return known
        if version_id:
            found: Version = await self.ask(LookUp(bucket=bucket, key=key, version_id=version_id))
            return found
        version: Version = await self._question(
            bucket, key, lambda session_id: LookUp(session_id=session_id, bucket=bucket, key=key)
        )
        return version

    async def get_bucket(self, name: str) -> Bucket:
        """Return a bucket. Raises `NoSuchBucketError`, `UnavailableError`."""
        known = self._memory.find_bucket(name, time.monotonic())
        if known is not None:
            return known
        found: Bucket = await self._question(
            name, "", lambda session_id: GetBucket(session_id=session_id, name=name)
        )
        return found

    async def get_user(self, access_key: str) -> User:
        """Return a user by access key. Raises `NoSuchUserError`, `UnavailableError`."""
        known = self._memory.find_user(access_key, time.monotonic())
        if known is not None:
            return known
        user: User = await self._question(
            "", access_key, lambda session_id: FindUser(session_id=session_id, access_key=access_key)
        )
        return user

    async def _question(self, bucket: str, key: str, make: Callable[[str], Any]) -> Any:
        """Ask; who asks the same meanwhile gets the same answer, unless something changed since it was
        asked."""
        place = (bucket, key)
        running = self._asked.get(place)
        if running is not None and not running[0].is_stale and self.has_lease:
            return await asyncio.shield(running[1])
        question = self._memory.ask(bucket, key)
        asking = asyncio.create_task(self._ask_and_remember(question, make(self.session_id)))
        asking.add_done_callback(_retrieve)
        entry = self._asked[place] = question, asking
        try:
            return await asyncio.shield(asking)
        finally:
            if self._asked.get(place) is entry:
                del self._asked[place]

    async def _ask_and_remember(self, question: Question, request: Any) -> Any:
        question.is_stale = not request.session_id
        answer = None
        try:
            answer = await self.ask(request)
        except SessionEndedError:  # a question needs no session; only remembering does
            return await self.ask(msgspec.structs.replace(request, session_id=""))
        finally:
            self._memory.answer(question, answer)
        if self.standin is not None:
            self.standin.learn(answer)
        return answer

    async def get_upload(self, bucket: str, key: str, upload_id: str) -> Upload:
        """Return an upload. Raises `NoSuchUploadError`, `UnavailableError`. One that ended may be
        remembered; its store knows better."""
        known = self._uploads.get(upload_id)
        if known is not None and time.monotonic() < known[1]:
            upload = known[0]
            if (upload.bucket, upload.key) == (bucket, key):
                return upload
        found: Upload = await self.ask(GetUpload(bucket=bucket, key=key, upload_id=upload_id))
        self.remember_upload(found)
        return found

    def recall_upload(self, upload_id: str) -> Upload | None:
        """Return an upload that was used here lately; it may have ended."""
        known = self._uploads.get(upload_id)
        return known[0] if known is not None else None

    def remember_upload(self, upload: Upload) -> None:
        """An upload was begun here."""
        self._uploads.put(upload.upload_id, (upload, time.monotonic() + UPLOAD_KNOWN_S))

    def forget_upload(self, upload_id: str) -> None:
        """An upload ended."""
        self._uploads.drop(upload_id)

    def remember_part(self, upload_id: str, number: int, etag: str, checksums: dict[str, str]) -> None:
        """A part was sent through here; its checksums are not known to the store."""
        if checksums:
            self._parts.put((upload_id, number), (etag, checksums))

    def recall_part(self, upload_id: str, number: int, etag: str) -> dict[str, str]:
        """Return the checksums of a part if it was sent through here; else nothing."""
        known = self._parts.get((upload_id, number))
        return known[1] if known is not None and known[0] == etag else {}

    def forget(self, bucket: str, key: str) -> None:
        """What was known of a key turned out to be old."""
        self._memory.invalidate([(bucket, key)])

    async def publish(self, request: Commit) -> Version:
        """Commit a version, again while the locator does not answer: committing twice gives the same answer.

        Raises what the locator decides, or `UnavailableError`: then nobody knows whether it was committed. A
        refusal after a question without answer is no decision about that one: it may be on its way.
        """
        deadline = time.monotonic() + PUBLISH_S
        place = (request.version.bucket, request.version.key)
        has_unanswered = False
        while True:
            try:
                return await self._commit(request, place, is_repeated=has_unanswered)
            except UnavailableError:
                has_unanswered = True
                taken = await self.standin.take_over(request) if self.standin is not None else None
                if taken is not None:
                    return taken
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(_RETRY_S)
            except ContinuumError as problem:
                if not has_unanswered:
                    raise
                raise UnavailableError(
                    f"first the locator did not answer, and then: {problem.message}",
                    hint="look whether it was written, and try again",
                ) from problem

    async def _commit(self, request: Commit, place: tuple[str, str], *, is_repeated: bool) -> Version:
        """Commit, and remember the answer: the locator knows who committed as if they had asked.

        The answer to a repeated commit is what was published then; it may have been replaced since.
        """
        self._memory.invalidate([place])
        question = self._memory.ask(*place)
        published: Version | None = None
        try:
            committed: Version = await self.ask(request)
            published = None if is_repeated else committed
        finally:
            self._memory.settle(question, published)
        if self.standin is not None and not is_repeated:
            self.standin.learn(committed)
        return committed

    async def change(self, request: Any, *keys: tuple[str, str]) -> Any:
        """Ask the locator to change something about these keys, and forget what was known of them."""
        self._memory.invalidate(keys)
        try:
            return await self.ask(request)
        finally:
            self._memory.invalidate(keys)
            if self.standin is not None:
                self.standin.doubt(keys, is_deletion=isinstance(request, Delete))


def _retrieve(task: "asyncio.Task[Any]") -> None:
    """Know of a failure that nobody waits for any more."""
    if not task.cancelled():
        task.exception()


def format_base36(number: int) -> str:
    """Write a number with digits and small letters."""
    digits = ""
    while True:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
        if not number:
            return digits
