"""Receiving an object's bytes: decoded, checked and passed on to the own store as they come.

The last piece is held back until everything that was declared of the body holds (length, payload hash,
checksums, chunk signatures). If anything fails the request to the store is cut off before it is complete,
so the store never has the object.
"""

import asyncio
from collections.abc import Sequence

from continuum.store.encryption.segments import Sealer
from continuum.store.errors import S3Error
from continuum.store.gateway.bodies import RequestBody
from continuum.store.gateway.calls import Call
from continuum.store.gateway.checksums import BodyChecksums, parse_declaration
from continuum.store.gateway.chunks import ChunkDecoder, open_decoder
from continuum.store.stores.exchanges import Exchange, StoreUnavailableError
from continuum.store.stores.s3 import StoreClient, StoreReplyError, raise_reply

MAX_PUT_BYTES = 5 * 1024**3
DEFAULT_CHECKSUM = "crc64nvme"

SMALL_BYTES = 256 * 1024

_FAILED_STATUS = 300

Query = Sequence[tuple[str, str]]


class Payload:
    """What the body of a request carries: decodes `aws-chunked`, computes checksums, compares at the end."""

    def __init__(self, call: Call, *, default_checksum: str = "") -> None:
        declared = parse_declaration(call.headers, call.verified.payload_hash)
        self._decoder: ChunkDecoder | None = open_decoder(call.verified, call.headers)
        self._checksums = BodyChecksums(declared, default=default_checksum)
        self.content_md5 = declared.content_md5
        self.length = _payload_length(call.request.body, self._decoder)
        self._left = self.length

    def take(self, data: bytes) -> list[bytes] | list[memoryview]:
        """Return the payload in `data`. Raises `S3Error`."""
        if self._decoder is None:
            self._left -= len(data)
            self._checksums.update(data)
            return [data]
        pieces = self._decoder.feed(data)
        for piece in pieces:
            self._left -= len(piece)
            self._checksums.update(piece)
        return pieces

    def take_whole(self, body: bytes) -> tuple[bytes, dict[str, str]]:
        """Return the payload of a whole body and its checksums. Raises `S3Error`."""
        pieces = self.take(body)
        checksums = self.finish()
        return (bytes(pieces[0]) if len(pieces) == 1 else b"".join(pieces)), checksums

    def finish(self) -> dict[str, str]:
        """Return the checksums of the payload once it is complete and right. Raises `S3Error`."""
        trailers = self._decoder.finish() if self._decoder is not None else {}
        if self._left:
            raise S3Error("IncompleteBody")
        return self._checksums.finish(trailers)


def _payload_length(body: RequestBody, decoder: ChunkDecoder | None) -> int:
    length = decoder.length_bytes if decoder is not None else body.length
    if length is None:
        raise S3Error("MissingContentLength")
    if length > MAX_PUT_BYTES:
        raise S3Error(
            "EntityTooLarge", extra={"ProposedSize": str(length), "MaxSizeAllowed": str(MAX_PUT_BYTES)}
        )
    return length


class Transfer:
    """The sink between a client's body and a request to the store."""

    def __init__(self, payload: Payload, exchange: Exchange, sealer: Sealer | None = None) -> None:
        self._payload = payload
        self._exchange = exchange
        self._sealer = sealer
        self._held: bytes | memoryview = b""
        self.done: asyncio.Future[dict[str, str]] = asyncio.get_running_loop().create_future()
        exchange.on_over = self._store_is_over

    def feed(self, data: bytes) -> None:
        """Check the next bytes and pass on those before them."""
        if self.done.done():
            return
        try:
            pieces = self._payload.take(data)
            for piece in pieces if self._sealer is None else _seal(self._sealer, pieces):
                if self._held:
                    self._exchange.write(self._held)
                self._held = piece
        except S3Error as problem:
            self.fail(problem)

    def end(self) -> None:
        """The body is complete: let the store have the last piece if everything holds."""
        if self.done.done():
            return
        try:
            checksums = self._payload.finish()
        except S3Error as problem:
            self.fail(problem)
            return
        self.done.set_result(checksums)
        if self._held:
            self._exchange.write(self._held)
        if self._sealer is not None:
            self._exchange.write(self._sealer.finish())

    def fail(self, problem: Exception) -> None:
        """Cut the request to the store off."""
        if not self.done.done():
            self.done.set_exception(problem)
        self._exchange.abort()

    def _store_is_over(self) -> None:
        if not self.done.done():
            self.done.set_exception(StoreUnavailableError("the store took only a part of the body"))


def _seal(sealer: Sealer, pieces: list[bytes] | list[memoryview]) -> list[bytes]:
    return [segment for piece in pieces for segment in sealer.feed(piece)]


async def read_document(call: Call) -> bytes:
    """Return the whole body of a request that carries XML, checked as it declares. Raises `S3Error`."""
    payload = Payload(call)
    limit_bytes = call.context.limits.xml_bytes
    if payload.length > limit_bytes:
        raise S3Error("MaxMessageLengthExceeded", extra={"MaxMessageLengthBytes": str(limit_bytes)})
    body = await call.request.body.read(limit_bytes * 2)
    return payload.take_whole(body)[0]


async def write_body(
    call: Call,
    payload: Payload,
    client: StoreClient,
    key: str,
    bucket: str,
    *,
    query: Query = (),
    sealer: Sealer | None = None,
) -> tuple[str, dict[str, str]]:
    """Write the body of a request to a store, as an object or a part, encrypted by `sealer` if there is one;
    return its ETag there and the payload's checksums.

    A small body that is here already goes out in one write (and again, if the kept connection turns out to
    be closed).
    """
    body = call.request.body
    if body.is_complete and payload.length <= SMALL_BYTES:
        data, checksums = payload.take_whole(body.take_all())
        if sealer is not None:
            data = sealer.seal_whole(data)
        exchange = await client.exchange("PUT", key, bucket=bucket, query=query, body=data)
        if exchange.status >= _FAILED_STATUS:
            await raise_reply(exchange)
        await exchange.read()
    else:
        length = payload.length if sealer is None else sealer.measure(payload.length)
        exchange = await client.begin("PUT", key, bucket=bucket, query=query, length=length)
        checksums = await send_body(body, payload, exchange, sealer)
    call.context.counts.written_bytes += payload.length
    return exchange.etag, checksums


async def send_body(
    body: RequestBody, payload: Payload, exchange: Exchange, sealer: Sealer | None = None
) -> dict[str, str]:
    """Pass the body of a request on as that of `exchange`, wait for the store's reply and return the
    payload's checksums.

    Raises `S3Error` for what is wrong with the body, `ClientGoneError` if it ends too early, and what
    `StoreClient` raises. In every case but success the exchange is over and the store was not given the
    whole body, or has said that it does not want it.
    """
    transfer = Transfer(payload, exchange, sealer)
    exchange.source = body
    try:
        body.start(transfer)
        try:
            checksums = await transfer.done
        except StoreUnavailableError:
            await _raise_early_reply(exchange)
            raise
        await exchange.reply()
        if exchange.status >= _FAILED_STATUS:
            await raise_reply(exchange)
        await exchange.read()
    except BaseException:
        exchange.abort()
        raise
    return checksums


async def _raise_early_reply(exchange: Exchange) -> None:
    """Raise what the store said, if it refused the body before it had all of it."""
    if exchange.status >= _FAILED_STATUS:
        await raise_reply(exchange)
    if exchange.status:
        raise StoreReplyError(exchange.status, "UnexpectedReply", "a reply before the body", exchange.headers)
