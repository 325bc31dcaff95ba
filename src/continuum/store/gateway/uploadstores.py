"""What completing, listing and aborting an upload need of the store with its parts: bytes are not sent."""

from collections.abc import Sequence
from typing import Protocol

from continuum.model.objects import Store
from continuum.store.stores.s3 import StoredPart


class UploadStore(Protocol):
    """What is asked of the store of an upload. Raises `StoreReplyError` and `StoreUnavailableError`."""

    store: Store

    async def list_parts(
        self, key: str, upload_id: str, *, bucket: str | None = None, after: int = 0, max_parts: int = 1000
    ) -> tuple[tuple[StoredPart, ...], bool]:
        """Return a page of the parts, and whether more follow."""

    async def complete_upload(
        self, key: str, upload_id: str, parts: Sequence[tuple[int, str]], *, bucket: str | None = None
    ) -> str:
        """Make an object of parts; return its ETag."""

    async def head(self, key: str, *, bucket: str | None = None) -> dict[str, str]:
        """Return the headers of an object."""

    async def abort_upload(self, key: str, upload_id: str, *, bucket: str | None = None) -> None:
        """Abort an upload."""
