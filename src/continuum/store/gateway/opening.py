"""Reading an encrypted version: which stored bytes a range needs, and the body that opens them as they pass.

Only the segments that a range touches are fetched and opened. What reaches the client was authenticated
before, whole segments at a time. A segment that does not open is counted and logged; the read goes on with
another replica from the last byte that was good, and if there is none the client's connection is cut.
"""

import logging
from collections.abc import Callable, Mapping, Sequence

import msgspec

from continuum.model.encryption import (
    HEADER_BYTES,
    SSE_S3,
    Encryption,
    Stream,
    list_streams,
    plan_read,
    read_encryption,
)
from continuum.model.objects import Version
from continuum.store.encryption.segments import CorruptError, Opener
from continuum.store.gateway.blocks import BlockReader, read_all
from continuum.store.gateway.bodies import ReplyBody
from continuum.store.gateway.calls import Context
from continuum.store.gateway.encrypting import (
    CUSTOMER,
    check_plain,
    parse_customer_key,
    tell,
    unlock,
)
from continuum.store.gateway.metrics import Counts
from continuum.store.gateway.reading import ReadStream, ReplicaSource
from continuum.store.gateway.vaults import Vault
from continuum.store.stores.exchanges import Sink

log = logging.getLogger(__name__)


class Unlocked(msgspec.Struct, frozen=True):
    """An encrypted version, its data key, and what a reply says of it. The key is never in a repr."""

    encryption: Encryption
    key: bytes
    headers: dict[str, str]

    def __repr__(self) -> str:
        return f"Unlocked({self.encryption!r})"


def unlock_version(
    version: Version, headers: Mapping[str, str], vault: Vault, prefix: str = CUSTOMER
) -> Unlocked | None:
    """Return what opens a version; None if it is not encrypted. Raises `S3Error`."""
    customer = parse_customer_key(headers, vault, prefix)
    encryption = read_encryption(version.encryption)
    if encryption is None:
        check_plain(customer)
        return None
    return Unlocked(encryption, unlock(encryption, customer, vault), tell(customer))


def describe_encryption(version: Version, headers: Mapping[str, str], vault: Vault) -> dict[str, str]:
    """Return what a reply without bytes says of a version's encryption. Raises `S3Error` unless the request
    brings the customer's key that the version needs."""
    customer = parse_customer_key(headers, vault)
    encryption = read_encryption(version.encryption)
    if encryption is None or encryption.mode == SSE_S3:
        check_plain(customer)
        return {} if encryption is None else tell(None)
    unlock(encryption, customer, vault)
    return tell(customer)


class SealedRange:
    """A range of an encrypted version: which stored bytes it needs (`start`, `length`), and what opens
    them."""

    def __init__(self, version: Version, unlocked: Unlocked, start: int, length: int, vault: Vault) -> None:
        self._unlocked = unlocked
        self._vault = vault
        self._streams: Sequence[Stream] = list_streams(version, unlocked.encryption)
        self._plan = plan_read(self._streams, start, length, unlocked.encryption.segment_bytes)
        self._place = (version.version_id, self._plan.stream_start)
        self.start = self._plan.stored_start
        self.length = self._plan.stored_bytes

    def find_header(self) -> bytes | None:
        """Return the header of the first stream if the range needs none or it is known; else None."""
        known = self._unlocked.encryption.header
        return known if known or not self._plan.segment else self._vault.headers.get(self._place)

    async def read_header(self, version: Version, context: Context) -> bytes:
        """Return the header of the first stream from a store: ranges of objects in parts need it."""
        start, blocks = self._place[1], context.blocks
        if blocks is not None and blocks.suits(version, HEADER_BYTES):
            header = await read_all(blocks.read(version, start, HEADER_BYTES))
        else:
            source = ReplicaSource(
                version, context.peers, context.locations, start=start, length=HEADER_BYTES
            )
            exchange, _ = await source.open()
            header = await exchange.read(HEADER_BYTES)
        self._vault.headers.put(self._place, header)
        return header

    def forget_header(self) -> None:
        """What was read did not open: maybe the header was wrong."""
        self._vault.headers.drop(self._place)

    def open(self, header: bytes) -> Opener:
        """Return what opens the stored bytes. Raises `CorruptError` for what is no header."""
        return Opener(
            self._unlocked.key,
            self._streams,
            self._plan,
            header=header,
            segment_bytes=self._unlocked.encryption.segment_bytes,
        )


class OpenRange(msgspec.Struct, frozen=True):
    """A source of stored bytes, and what opens them (both None: they are plain)."""

    source: ReplicaSource
    sealed: SealedRange | None = None
    opener: Opener | None = None

    def wrap(
        self, stream: ReadStream | BlockReader, counts: Counts
    ) -> "ReadStream | BlockReader | OpenedBody":
        """Return the plain body of a stream of the source's bytes."""
        if self.sealed is None or self.opener is None:
            return stream
        return OpenedBody(
            stream, self.opener, counts, retry=stream.reject, on_corrupt=self.sealed.forget_header
        )


async def open_range(
    context: Context, version: Version, unlocked: Unlocked | None, start: int, length: int
) -> OpenRange:
    """Return where to read a range of a version, at least one byte, and how it opens. Raises what stores
    raise, and `CorruptError`."""
    peers, locations = context.peers, context.locations
    if unlocked is None:
        return OpenRange(ReplicaSource(version, peers, locations, start=start, length=length))
    sealed = SealedRange(version, unlocked, start, length, context.vault)
    header = sealed.find_header()
    if header is None:
        header = await sealed.read_header(version, context)
    source = ReplicaSource(version, peers, locations, start=sealed.start, length=sealed.length)
    return OpenRange(source, sealed, sealed.open(header))


class OpenedBody:
    """A body that opens what another gives. `retry` (None: there is no other way) has the bytes from an
    offset come again from elsewhere."""

    def __init__(
        self,
        body: ReplyBody,
        opener: Opener,
        counts: Counts,
        *,
        retry: Callable[[int, Exception], None] | None = None,
        on_corrupt: Callable[[], None] | None = None,
    ) -> None:
        self._body = body
        self._opener = opener
        self._counts = counts
        self._retry = retry
        self._on_corrupt = on_corrupt
        self._sink: Sink | None = None
        self._problem: Exception | None = None

    # ---- as a source ----

    def take_first(self) -> bytes:
        """Return what of the plain bytes is there already."""
        opened = self._opener.feed(self._body.take_first())
        self._check()
        return b"".join(opened)

    def start(self, sink: Sink) -> None:
        """Push the rest into `sink`."""
        if self._problem is not None:
            sink.fail(self._problem)
            return
        self._sink = sink
        self._body.start(self)

    def pause(self) -> None:
        """Give no more for now."""
        self._body.pause()

    def resume(self) -> None:
        """Go on."""
        self._body.resume()

    def abort(self) -> None:
        """Nobody wants the rest."""
        self._body.abort()

    # ---- as a sink ----

    def feed(self, data: bytes) -> None:
        """Open what came and pass it on."""
        if self._problem is not None:
            return
        for piece in self._opener.feed(data):
            if self._sink is not None:
                self._sink.feed(piece)  # type: ignore[arg-type]  # whoever takes bytes takes views of them
        self._check()

    def end(self) -> None:
        """The stored bytes are complete."""
        try:
            self._opener.finish()
        except CorruptError as problem:
            self.fail(problem)
            return
        if self._sink is not None and self._problem is None:
            self._sink.end()

    def fail(self, problem: Exception) -> None:
        """The stored bytes will never be complete."""
        first, self._problem = self._problem is None, self._problem or problem
        if first and self._sink is not None:
            self._sink.fail(problem)

    def _check(self) -> None:
        problem = self._opener.problem
        if problem is not None:
            self._reject(problem)

    def _reject(self, problem: CorruptError) -> None:
        """Go on elsewhere, or end; after what was good is passed on."""
        self._counts.corrupt_segments += 1
        log.error("a store gave bytes that are not what was stored: %s", problem.message)
        if self._on_corrupt is not None:
            self._on_corrupt()
        if self._retry is not None:
            self._opener.rewind()
            self._retry(self._opener.verified_bytes, problem)
            return
        self._body.abort()
        self.fail(problem)
