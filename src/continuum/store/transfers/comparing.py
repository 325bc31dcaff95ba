"""Whether two objects have the same content: by what their ends say of it, else by reading both."""

import asyncio
import hashlib

from continuum.model.transfers import Line
from continuum.store.transfers.ends import Described, End, patiently
from continuum.store.transfers.streaming import Meter, Passing, carry


class _Hashing:
    """A receiver that keeps nothing but the hash."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def attach(self, passing: Passing) -> None:
        """Nothing is ever too much."""

    def write(self, data: bytes) -> None:
        """Hash the next bytes."""
        self._hash.update(data)

    async def finish(self) -> str:
        """Return the hash."""
        return self._hash.hexdigest()

    def abort(self) -> None:
        """Nothing is left."""


async def have_same_content(source: End, target: End, line: Line, meter: Meter) -> bool:
    """Compare an object of the source with that of the target, which is as long."""
    here, there = await asyncio.gather(source.describe(line.key), target.describe(line.key))
    if here is None or there is None or here.line.size_bytes != there.line.size_bytes:
        return False
    if here.md5 and there.md5:
        return here.md5 == there.md5
    if here.crc64 is not None and there.crc64 is not None:
        return here.crc64 == there.crc64
    hashes = await asyncio.gather(_hash(source, here, meter), _hash(target, there, meter))
    return hashes[0] == hashes[1]


async def _hash(end: End, described: Described, meter: Meter) -> str:
    async def read() -> str:
        body, _ = await end.open(described)
        carried = await carry(body, _Hashing(), described.line.size_bytes, meter)
        return carried.etag

    return await patiently(read)
