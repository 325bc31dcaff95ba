"""Whether bytes are those of a version: by the checksum that the gateway computed when it received them, else
by the ETag where that is an MD5 (of the whole, or of its parts)."""

import asyncio
import base64
import hashlib
import re

from continuum.model.encryption import stored_etag, stored_size
from continuum.model.objects import Version
from continuum.store.gateway.calls import Context
from continuum.store.gateway.checksums import ALGORITHMS, ChecksumType, start_hash
from continuum.store.locator.messages import IndexedReplica, LookUp, NoSuchKeyError
from continuum.store.stores.s3 import StoreClient

CONTENT_GOOD, CONTENT_BAD, CONTENT_UNKNOWN = "good", "bad", "unknown"
_MD5 = re.compile(r"[0-9a-f]{32}")


class ContentCheck:
    """A sink that computes what a version's bytes should give. `verdict` once it has ended."""

    def __init__(self, etag: str, size_bytes: int, version: Version | None, *, is_trusted: bool) -> None:
        self._etag = etag
        self._left = size_bytes
        self._is_trusted = is_trusted
        self._expected: list[tuple[str, str]] = []
        self._hashes = []
        if version is not None and version.checksum_type == ChecksumType.FULL_OBJECT:
            known = [(name, value) for name, value in version.checksums.items() if name in ALGORITHMS]
            self._expected = known
            self._hashes = [start_hash(name) for name, _ in known]
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._parts = _Parts(version.part_sizes) if version is not None and version.part_sizes else None
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        self._left -= len(data)
        for each in self._hashes:
            each.update(data)
        if not self._hashes:
            self._md5.update(data)
            if self._parts is not None:
                self._parts.update(data)

    def end(self) -> None:
        """The bytes are complete."""
        if not self.done.done():
            self.done.set_result(None)

    def fail(self, problem: Exception) -> None:
        """They will never be."""
        if not self.done.done():
            self.done.set_exception(problem)

    def verdict(self) -> str:
        """Say whether these were the version's bytes."""
        if self._left:
            return CONTENT_BAD
        if self._hashes:
            computed = [base64.b64encode(each.digest()).decode() for each in self._hashes]
            same = computed == [value for _, value in self._expected]
            return CONTENT_GOOD if same else CONTENT_BAD
        if _MD5.fullmatch(self._etag):
            if self._md5.hexdigest() == self._etag:
                return CONTENT_GOOD
            return CONTENT_BAD if self._is_trusted else CONTENT_UNKNOWN
        if self._parts is not None and self._is_trusted and "-" in self._etag:
            return CONTENT_GOOD if self._parts.etag() == self._etag else CONTENT_UNKNOWN
        return CONTENT_UNKNOWN


class _Parts:
    """The ETag of an object that came in parts: the MD5 of its parts' MD5s, and how many they were."""

    def __init__(self, sizes: tuple[int, ...]) -> None:
        self._sizes = list(sizes)
        self._count = len(sizes)
        self._left = self._sizes.pop(0)
        self._part = hashlib.md5(usedforsecurity=False)
        self._whole = hashlib.md5(usedforsecurity=False)

    def update(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            piece = view[: self._left]
            self._part.update(piece)
            self._left -= len(piece)
            view = view[len(piece) :]
            if not self._left:
                self._next()
                if not self._left:
                    return

    def _next(self) -> None:
        self._whole.update(self._part.digest())
        self._part = hashlib.md5(usedforsecurity=False)
        self._left = self._sizes.pop(0) if self._sizes else 0

    def etag(self) -> str:
        return f"{self._whole.hexdigest()}-{self._count}"


async def find_version(context: Context, replica: IndexedReplica) -> Version | None:
    """Return the version whose copy this is; None if that cannot be told."""
    for version_id in ("", replica.version_id):
        request = LookUp(bucket=replica.bucket, key=replica.key, version_id=version_id)
        try:
            version: Version = await context.locations.ask(request)
        except NoSuchKeyError:
            continue
        if version.version_id == replica.version_id:
            return version
    return None


def check_stored(version: Version, *, is_trusted: bool = True) -> ContentCheck:
    """Return what compares a version's stored bytes. Of encrypted ones only the store's ETag tells."""
    told = None if version.encryption else version
    return ContentCheck(stored_etag(version), stored_size(version), told, is_trusted=is_trusted)


async def check_content(context: Context, client: StoreClient, bucket: str, replica: IndexedReplica) -> str:
    """Read a copy and say whether it is what it should be. Raises what `StoreClient` raises."""
    version = await find_version(context, replica)
    if version is None:
        return CONTENT_UNKNOWN
    exchange = await client.get(replica.physical_key, bucket=bucket)
    # The ETag of what others wrote need not be an MD5 (some stores encrypt), so it convicts nobody.
    check = check_stored(version, is_trusted=not replica.etag)
    exchange.start(check)
    await check.done
    return check.verdict()
