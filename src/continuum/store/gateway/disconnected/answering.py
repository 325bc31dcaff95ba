"""The locator's answers while the hub is away: from the gateway's own copy of the index.

This stands in for `Locations`, so that the usual operations run over it unchanged. What the copy cannot say,
and what only the hub may decide (buckets, users, policies), is refused as unavailable, in so many words.
"""

import secrets
from collections.abc import Callable
from typing import Any

from continuum.model.errors import UnavailableError
from continuum.model.objects import Bucket, User, Version
from continuum.store.gateway.disconnected import changing
from continuum.store.gateway.disconnected.changing import Writing
from continuum.store.gateway.disconnected.indexes import LocalIndex
from continuum.store.gateway.locations import Locations, PhysicalKey
from continuum.store.locator.database import Connection
from continuum.store.locator.index import listing, objects, uploads
from continuum.store.locator.index.buckets import find_bucket
from continuum.store.locator.messages import (
    AbortUpload,
    ChangeObject,
    Commit,
    CreateUpload,
    Delete,
    DiscardObject,
    Empty,
    GetUpload,
    ListObjects,
    ListUploads,
    ListVersions,
    LookUp,
    NoSuchUploadError,
    Upload,
)

KEY_BYTES = 12
OnChange = Callable[[list[tuple[str, str]]], None]
_READS: dict[type, Any] = {
    ListObjects: listing.list_objects,
    ListVersions: listing.list_versions,
    ListUploads: listing.list_uploads,
    LookUp: objects.look_up,
}


class LocalLocations(Locations):
    """`Locations` over a local index. `usual` is what it stands in for; `writing` says how changes are noted
    and is replaced when the journal or the clock is another one."""

    def __init__(self, index: LocalIndex, usual: Locations, writing: Writing, on_change: OnChange) -> None:
        self._index = index
        self._on_change = on_change
        self._usual = usual
        self.writing = writing
        self.users: dict[str, User] = {}
        self.round_trips = 0

    @property
    def session_id(self) -> str:
        """The journal that changes are written under."""
        return self.writing.journal_id

    @property
    def has_lease(self) -> bool:
        """Never: others may change what is known here."""
        return False

    def make_physical_key(self) -> PhysicalKey:
        """Return a key under the journal's prefix, which no session has."""
        journal_id = self.writing.journal_id
        return PhysicalKey(journal_id, f"{journal_id}/{secrets.token_hex(KEY_BYTES)}")

    # ---- questions ----

    async def ask(self, request: Any) -> Any:
        """Answer from the local index. Raises `UnavailableError` for what only the hub can do."""
        read = _READS.get(type(request))
        if read is not None:
            return await self._index.scan(read, request)
        match request:
            case CreateUpload():
                return await self._write(changing.create_upload, request)
            case AbortUpload():
                upload = self._usual.recall_upload(request.upload_id)
                await self._write(changing.abort_upload, request, upload)
                return Empty()
            case GetUpload():
                return await self.get_upload(request.bucket, request.key, request.upload_id)
            case DiscardObject():
                return Empty()  # it is searched for when the journal is finished
        raise _away(type(request).__name__)

    async def change(self, request: Any, *keys: tuple[str, str]) -> Any:
        """Change something in the local index. Raises `UnavailableError` for what only the hub can do."""
        del keys
        match request:
            case Delete():
                return await self._write(changing.delete, request)
            case ChangeObject():
                return await self._write(changing.change, request)
        raise _away(type(request).__name__)

    async def publish(self, request: Commit) -> Version:
        """Publish a version in the local index."""
        upload = self._usual.recall_upload(request.upload_id) if request.upload_id else None
        published: Version = await self._write(changing.commit, request, upload)
        return published

    async def _write(self, change: Callable[..., Any], *details: Any) -> Any:
        changed = await self._index.write(change, self.writing, *details)
        self._on_change(list_keys(details[0]))
        return changed

    def recall_version(self, bucket: str, key: str) -> Version | None:
        """Nothing is certain here; the local index is asked."""
        del bucket, key
        return None

    def recall_bucket(self, name: str) -> Bucket | None:
        """Nothing is remembered beside the local index."""
        del name
        return None

    def recall_user(self, access_key: str) -> User | None:
        """Return a user who was here while the hub was."""
        return self._usual.find_given_user(access_key) or self.users.get(access_key)

    async def look_up(self, bucket: str, key: str, version_id: str = "") -> Version:
        """Return a version as it is known here."""
        request = LookUp(bucket=bucket, key=key, version_id=version_id)
        return await self._index.point(objects.look_up, request)

    async def get_bucket(self, name: str) -> Bucket:
        """Return a bucket that accepts writes while the hub is away."""
        found = await self._index.point(find_bucket, name)
        if found is None:
            raise UnavailableError(
                f"the hub does not answer, and the bucket {name!r} is not served without it",
                hint='a bucket whose policy says `disconnected = "accept"` is',
            )
        return found

    async def get_user(self, access_key: str) -> User:
        """Return a user who was here while the hub was."""
        found = self.recall_user(access_key)
        if found is None:
            raise UnavailableError(
                "the hub does not answer, and whose access key this is was never asked here before"
            )
        return found

    async def get_upload(self, bucket: str, key: str, upload_id: str) -> Upload:
        """Return an upload that was begun here. Raises `NoSuchUploadError`."""
        known = self._usual.recall_upload(upload_id)
        if known is not None and (known.bucket, known.key) == (bucket, key):
            return known
        request = GetUpload(bucket=bucket, key=key, upload_id=upload_id)
        try:
            return (await self._index.point(_get_upload, request))[0]
        except NoSuchUploadError:
            raise UnavailableError(
                "the hub does not answer, and this upload was not begun here",
                hint="go on with it when the hub is back",
            ) from None

    def remember_upload(self, upload: Upload) -> None:
        """The local index has it."""

    def forget_upload(self, upload_id: str) -> None:
        """An upload ended."""
        self._usual.forget_upload(upload_id)

    def remember_part(self, upload_id: str, number: int, etag: str, checksums: dict[str, str]) -> None:
        """A part was sent through here."""
        self._usual.remember_part(upload_id, number, etag, checksums)

    def recall_part(self, upload_id: str, number: int, etag: str) -> dict[str, str]:
        """Return the checksums of a part if it was sent through here; else nothing."""
        return self._usual.recall_part(upload_id, number, etag)

    def forget(self, bucket: str, key: str) -> None:
        """Nothing is remembered beside the local index."""

    async def close(self) -> None:
        """Nothing to say goodbye to."""


def list_keys(request: Any) -> list[tuple[str, str]]:
    """Return the keys that a request changes."""
    match request:
        case Commit():
            return [(request.version.bucket, request.version.key)]
        case Delete():
            return [(request.bucket, item.key) for item in request.objects]
        case ChangeObject():
            return [(request.bucket, request.key)]
    return []


def _get_upload(connection: Connection, request: GetUpload) -> tuple[Upload, float]:
    return uploads.get_upload(connection, request)


def _away(what: str) -> UnavailableError:
    return UnavailableError(
        f"the hub does not answer, and {what} needs it",
        hint="objects of this bucket can be read, written, listed and deleted meanwhile",
    )
