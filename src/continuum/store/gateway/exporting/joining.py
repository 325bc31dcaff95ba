"""Uploads whose parts lie in a store out of reach: its own gateways tell of the parts, and join them.

Bytes do not move: whoever completes an upload asks what the store would be asked, over the backbone, and
publishes the object itself. So a driver completes what a task has written at a site that nobody can connect
to, and an S3 client may complete there what it began elsewhere; parts are sent to the gateway that has them.
"""

import asyncio
from collections.abc import Sequence
from typing import NoReturn

import msgspec

from continuum.backbone import Backbone, BackboneUnavailableError, Subscription
from continuum.model.errors import InvalidInputError
from continuum.model.objects import Store
from continuum.store.gateway.exporting.requests import REPLY_S, format_subject
from continuum.store.gateway.peers import Peers
from continuum.store.gateway.uploadstores import UploadStore
from continuum.store.stores.exchanges import StoreUnavailableError
from continuum.store.stores.s3 import StoredPart, StoreReplyError

JOIN = "join"
MAX_PARTS = 10_000


class AskUpload(msgspec.Struct, frozen=True, kw_only=True):
    """Do `verb` (`list`, `complete`, `head`, `abort`) in `store`. On `gateway.SITE.join`.

    Answer: `UploadSaid`.
    """

    verb: str
    store: str
    key: str
    bucket: str
    upload_id: str = ""
    after: int = 0
    max_parts: int = 1000
    parts: tuple[tuple[int, str], ...] = ()


class UploadSaid(msgspec.Struct, frozen=True, kw_only=True):
    """What the store said; `status` not 0: its refusal."""

    parts: tuple[StoredPart, ...] = ()
    has_more: bool = False
    etag: str = ""
    headers: dict[str, str] = {}
    status: int = 0
    code: str = ""
    message: str = ""


class DistantStore:
    """The store of a site that nobody else can connect to, as far as uploads go. See `UploadStore`."""

    def __init__(self, store: Store, backbone: Backbone) -> None:
        self.store = store
        self._backbone = backbone

    async def list_parts(
        self, key: str, upload_id: str, *, bucket: str | None = None, after: int = 0, max_parts: int = 1000
    ) -> tuple[tuple[StoredPart, ...], bool]:
        """Return a page of the parts, and whether more follow."""
        said = await self._ask("list", key, bucket, upload_id=upload_id, after=after, max_parts=max_parts)
        return said.parts, said.has_more

    async def complete_upload(
        self, key: str, upload_id: str, parts: Sequence[tuple[int, str]], *, bucket: str | None = None
    ) -> str:
        """Make an object of parts; return its ETag."""
        return (await self._ask("complete", key, bucket, upload_id=upload_id, parts=tuple(parts))).etag

    async def head(self, key: str, *, bucket: str | None = None) -> dict[str, str]:
        """Return the headers of an object."""
        return (await self._ask("head", key, bucket)).headers

    async def abort_upload(self, key: str, upload_id: str, *, bucket: str | None = None) -> None:
        """Abort an upload."""
        await self._ask("abort", key, bucket, upload_id=upload_id)

    async def _ask(
        self,
        verb: str,
        key: str,
        bucket: str | None,
        *,
        upload_id: str = "",
        after: int = 0,
        max_parts: int = 1000,
        parts: tuple[tuple[int, str], ...] = (),
    ) -> UploadSaid:
        request = AskUpload(
            verb=verb,
            store=self.store.name,
            key=key,
            bucket=bucket or self.store.bucket,
            upload_id=upload_id,
            after=after,
            max_parts=max_parts,
            parts=parts,
        )
        subject = format_subject(self.store.site, JOIN)
        try:
            said = await self._backbone.request(subject, request, UploadSaid, timeout_s=REPLY_S)
        except BackboneUnavailableError as problem:
            raise StoreUnavailableError(
                f"the gateway of {self.store.site} does not answer, and nobody else can connect to its store"
            ) from problem
        if said.status:
            _refuse(said)
        return said


class Joiner:
    """Answers for the stores of the own site. `serve` it on the backbone, `close` it."""

    def __init__(self, peers: Peers, backbone: Backbone) -> None:
        self._peers = peers
        self._backbone = backbone
        self._subscription: Subscription | None = None

    async def serve(self) -> None:
        """Answer from now on. Raises `BackboneUnavailableError`."""
        subject = format_subject(self._peers.own.store.site, JOIN)
        self._subscription = await self._backbone.serve(subject, AskUpload, self._answer, queue="gateway")

    async def close(self) -> None:
        """Answer no more."""
        if self._subscription is not None:
            await self._subscription.unsubscribe()

    async def _answer(self, asked: AskUpload) -> UploadSaid:
        client = self._peers.find(asked.store)
        if client is None or client.store.site != self._peers.own.store.site:
            raise InvalidInputError(f"{asked.store} is no store of {self._peers.own.store.site}")
        try:
            return await asyncio.wait_for(_do(client, asked), REPLY_S)
        except StoreReplyError as problem:
            return UploadSaid(status=problem.status, code=problem.code, message=problem.message)


async def _do(client: UploadStore, asked: AskUpload) -> UploadSaid:
    key, bucket = asked.key, asked.bucket
    match asked.verb:
        case "list":
            parts, has_more = await client.list_parts(
                key, asked.upload_id, bucket=bucket, after=asked.after, max_parts=min(asked.max_parts, 1000)
            )
            return UploadSaid(parts=parts, has_more=has_more)
        case "complete" if len(asked.parts) <= MAX_PARTS:
            etag = await client.complete_upload(key, asked.upload_id, asked.parts, bucket=bucket)
            return UploadSaid(etag=etag)
        case "head":
            return UploadSaid(headers=dict(await client.head(key, bucket=bucket)))
        case "abort":
            await client.abort_upload(key, asked.upload_id, bucket=bucket)
            return UploadSaid()
        case _:
            raise InvalidInputError(f"nobody does {asked.verb[:20]!r} to an upload")


def _refuse(said: UploadSaid) -> NoReturn:
    raise StoreReplyError(said.status, said.code, said.message, {})
