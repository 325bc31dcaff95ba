"""The short way of the most frequent request: GET of a small object, or a small range of a plain one, when
everything is at hand.

User, version and a free connection to the own store are known without asking anybody, so the request goes
on to the store in the callback that received it, and the reply's head goes to the client in the callback
that received that: no task, no future, half the time. Whatever is not that simple, and every refusal and
every failure before the reply began, is left to the usual way (`handling`), which starts from the
beginning; so there is one place where errors are worded.
"""

import time
from functools import partial

import msgspec

from continuum.model.errors import ContinuumError
from continuum.model.objects import Bucket, Replica, User, Version
from continuum.store.encryption.segments import Opener
from continuum.store.errors import S3Error
from continuum.store.gateway.attributes import format_attributes
from continuum.store.gateway.authorizing import may_all
from continuum.store.gateway.bodies import ReplyBody
from continuum.store.gateway.calls import Context
from continuum.store.gateway.connections import Connection, Request
from continuum.store.gateway.encrypting import CUSTOMER_HEADERS
from continuum.store.gateway.lifecycles import format_expiration
from continuum.store.gateway.opening import OpenedBody, SealedRange, unlock_version
from continuum.store.gateway.operations.reads import SMALL_BYTES, SOURCE_SITE_HEADER
from continuum.store.gateway.ranges import ByteRange, parse_range
from continuum.store.gateway.replies import Reply
from continuum.store.gateway.routes import route
from continuum.store.signing import parse_authorization, verify
from continuum.store.stores.exchanges import Exchange

_OPERATION = "GetObject"
_OK, _PARTIAL = 200, 206
_DECIDING = frozenset(
    {
        *("if-match", "if-none-match", "if-modified-since", "if-unmodified-since"),
        *("origin", "x-amz-expected-bucket-owner", "x-amz-security-token"),
        *CUSTOMER_HEADERS,
    }
)


class Sealed(msgspec.Struct, frozen=True):
    """What opens an encrypted object."""

    stored_bytes: int
    opener: Opener
    headers: dict[str, str]


class Wanted(msgspec.Struct, frozen=True):
    """What is read: a version, or a range of it, and what opens it if it is encrypted."""

    version: Version
    chosen: ByteRange | None
    sealed: Sealed | None

    @property
    def length(self) -> int:
        """How many bytes the client gets."""
        return self.version.size_bytes if self.chosen is None else self.chosen.length_bytes

    @property
    def stored_bytes(self) -> int:
        """How many bytes the store gives for them."""
        return self.length if self.sealed is None else self.sealed.stored_bytes

    @property
    def status(self) -> int:
        """The status of the store's reply and of ours."""
        return _OK if self.chosen is None else _PARTIAL


class ShortWay:
    """Takes requests that are simple enough."""

    def __init__(self, context: Context, *, domain: str) -> None:
        self._context = context
        self._domain = domain
        self._own = context.own.store.name

    def take(self, request: Request, connection: Connection) -> bool:
        """Begin to answer the request, or return False and leave no trace."""
        if request.method != "GET" or request.raw_query or not _DECIDING.isdisjoint(request.headers):
            return False
        try:
            version = self._find(request)
            wanted = None if version is None else self._choose(version, request.headers.get("range"))
        except S3Error:
            return False
        if version is None or wanted is None or not request.body.is_complete:
            return False
        replica = self._find_own(version)
        if replica is None:
            return False
        chosen = wanted.chosen
        byte_range = f"bytes={chosen.first}-{chosen.last}" if chosen is not None else ""
        exchange = self._context.own.begin_get(replica.key, replica.bucket, byte_range=byte_range)
        if exchange is None:
            return False
        if replica.expires_at:
            self._context.keeper.take_read(version, replica, wanted.length)
        exchange.on_over = partial(self._answer, request, connection, wanted, exchange)
        return True

    def _choose(self, version: Version, header: str | None) -> Wanted | None:
        """Return what is to be read if it is small, and plain or easily opened. Raises `S3Error`."""
        if version.is_delete_marker:
            return None
        chosen = parse_range(header, version.size_bytes) if header else None
        length = version.size_bytes if chosen is None else chosen.length_bytes
        if not 0 < length <= SMALL_BYTES:
            return None
        if not version.encryption:
            return Wanted(version, chosen, None)
        sealed = self._unlock(version) if chosen is None else None
        return None if sealed is None else Wanted(version, None, sealed)

    def _find_own(self, version: Version) -> Replica | None:
        for replica in version.replicas:
            if replica.store == self._own and not replica.etag and version.is_described:
                return replica
        return None

    def _find(self, request: Request) -> Version | None:
        """Return the version that the request asks for, if it is signed by a user who may read it. Raises
        `S3Error`."""
        path, headers, locations = request.raw_path, request.headers, self._context.locations
        routed = route("GET", path, b"", headers, domain=self._domain)
        if routed.operation != _OPERATION:
            return None
        version = locations.recall_version(routed.bucket, routed.key)
        if version is None:
            return None
        authorization = parse_authorization("GET", path, b"", headers)
        user = locations.recall_user(authorization.access_key) if authorization is not None else None
        if authorization is None or user is None:
            return None
        verify(
            authorization,
            user.secret_key,
            method="GET",
            raw_path=path,
            raw_query=b"",
            headers=headers,
            now=time.time(),
        )
        return version if self._may_read(user, routed.bucket) else None

    def _may_read(self, user: User, name: str) -> bool:
        """Whether this is an owner or admin to whom nothing can be denied; all others go the usual way."""
        bucket = self._context.locations.recall_bucket(name)
        return bucket is not None and not user.is_temporary and may_all(user, bucket)

    def _unlock(self, version: Version) -> Sealed | None:
        """Return what opens an encrypted object, if everything for it is at hand."""
        try:
            unlocked = unlock_version(version, {}, self._context.vault)
            if unlocked is None or not unlocked.encryption.header:
                return None
            sealed = SealedRange(version, unlocked, 0, version.size_bytes, self._context.vault)
            return Sealed(sealed.length, sealed.open(unlocked.encryption.header), unlocked.headers)
        except ContinuumError:
            return None

    def _answer(
        self,
        request: Request,
        connection: Connection,
        wanted: Wanted,
        exchange: Exchange,
    ) -> None:
        """The store's reply began, or failed to."""
        exchange.on_over = None
        version, status = wanted.version, wanted.status
        bucket = self._context.locations.recall_bucket(version.bucket)
        if bucket is None or exchange.status != status or exchange.length != wanted.stored_bytes:
            exchange.abort()
            connection.start(request)
            return
        counts = self._context.counts
        counts.count_read(self._context.site, wanted.length)
        counts.count_request(_OPERATION, status)
        headers = self._describe(request, wanted, bucket)
        body: ReplyBody = exchange
        if wanted.sealed is not None:
            body = OpenedBody(exchange, wanted.sealed.opener, counts)
        connection.answer(request, Reply(status=status, headers=headers, stream=body, length=wanted.length))

    def _describe(self, request: Request, wanted: Wanted, bucket: Bucket) -> dict[str, str]:
        version, chosen = wanted.version, wanted.chosen
        headers = format_attributes(
            version,
            with_checksums="x-amz-checksum-mode" in request.headers and chosen is None,
            is_versioned=bool(bucket.versioning),
        )
        headers[SOURCE_SITE_HEADER] = self._context.site
        if bucket.settings:
            headers.update(format_expiration(bucket, version))
        if chosen is not None:
            headers["Content-Range"] = chosen.content_range
        if wanted.sealed is not None:
            headers.update(wanted.sealed.headers)
        return headers
