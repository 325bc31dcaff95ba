"""Whether two objects have the same content: by what their ends say of it, else by reading one or both."""

import asyncio

from continuum.model.transfers import Line
from continuum.store.transfers.ends import Described, End, patiently
from continuum.store.transfers.streaming import Carried, Expected, Meter, Passing, carry


class _Nowhere:
    """A receiver that keeps nothing: what passes is hashed on the way."""

    def attach(self, passing: Passing) -> None:
        """Nothing is ever too much."""

    def write(self, data: bytes) -> None:
        """Let it go."""

    async def finish(self) -> str:
        """There is no ETag."""
        return ""

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
    if there.md5 or there.crc64 is not None:
        return _fits(there, await _read(source, here, meter))
    if here.md5 or here.crc64 is not None:
        return _fits(here, await _read(target, there, meter))
    first, second = await asyncio.gather(_read(source, here, meter), _read(target, there, meter))
    return (first.md5, first.crc64) == (second.md5, second.crc64)


def _fits(named: Described, read: Carried) -> bool:
    return Expected(named.md5, named.crc64).fits(read.md5, read.crc64)


async def _read(end: End, described: Described, meter: Meter) -> Carried:
    async def read() -> Carried:
        body, _ = await end.open(described)
        return await carry(body, _Nowhere(), described.line.size_bytes, meter)

    return await patiently(read)
