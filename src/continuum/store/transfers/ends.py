"""What a transfer needs of its two ends, whatever they are: buckets or folders.

Keys are relative to the end. An end that was given one object (or file) exactly has one key, the empty one.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Protocol, TypeVar

import msgspec

from continuum.model.errors import UnavailableError
from continuum.model.transfers import Line, Part
from continuum.store.stores.exchanges import StoreProtocolError, StoreUnavailableError
from continuum.store.stores.s3 import StoreReplyError
from continuum.store.transfers.streaming import Body, Receiver

TRIES = 6
FIRST_WAIT_S = 0.2
LONGEST_WAIT_S = 5.0
_SERVER_FAULT = 500
_SLOW_DOWN = frozenset({"SlowDown", "RequestTimeout", "TooManyRequests", "RequestTimeTooSkewed", "Http429"})

Result = TypeVar("Result")


class Described(msgspec.Struct, frozen=True, kw_only=True):
    """An object before it is sent.

    `headers` are those that go with it (content headers, metadata, tags once they were asked for). It has
    `tag_count` tags. `md5` (hex) and `crc64` are what the
    end says its bytes have, empty and None if it does not say. `part_bytes` is the size of its parts, 0 if it
    has none.
    """

    line: Line
    headers: dict[str, str] = {}
    tag_count: int = 0
    md5: str = ""
    crc64: int | None = None
    part_bytes: int = 0


class End(Protocol):
    """One end of a transfer. All verbs raise `ContinuumError`s."""

    @property
    def problems(self) -> dict[str, str]:
        """Keys that cannot take part, and why."""

    def lines(self) -> AsyncIterator[Line]:
        """What is there."""

    def takes(self, line: Line) -> bool:
        """Whether such a key can be written here; if not, `problems` may say why."""

    async def describe(self, key: str) -> Described | None:
        """What is known of one object; None if there is none."""

    async def open(self, described: Described, part: Part | None = None) -> tuple[Body, Described]:
        """Begin to read an object, or a part of it, as it was described; raises `SourceChangedError` if it
        is another by now. What the answer says of the object is added to what is known."""

    async def remove(self, described: Described) -> None:
        """Remove an object, if it is still the one that was described."""

    async def remove_many(self, keys: Sequence[str]) -> dict[str, str]:
        """Remove objects; return those that remain, with the reason."""

    async def receive(self, described: Described) -> Receiver:
        """Begin to write a whole object."""

    async def begin_upload(self, described: Described) -> str:
        """Begin to write an object in parts; return the upload's id."""

    async def receive_part(self, key: str, upload_id: str, part: Part) -> Receiver:
        """Begin to write a part."""

    async def find_parts(self, key: str, upload_id: str) -> "dict[int, tuple[str, int]] | None":
        """Return the ETag and length of the parts that are there; None if the upload is gone."""

    async def complete_upload(self, described: Described, upload_id: str, etags: Mapping[int, str]) -> str:
        """Make the object of its parts; return its ETag (empty: there is none)."""

    async def abort_upload(self, key: str, upload_id: str) -> None:
        """Forget an upload and its parts."""

    async def close(self) -> None:
        """Close all connections."""


def asks_to_slow_down(problem: BaseException) -> bool:
    """Whether a failure may be one of too much at once, or passes by itself."""
    if isinstance(problem, StoreReplyError):
        return problem.status >= _SERVER_FAULT or problem.code in _SLOW_DOWN
    return isinstance(problem, StoreUnavailableError | StoreProtocolError | UnavailableError)


async def patiently(
    attempt: Callable[[], Awaitable[Result]], failed: Callable[[], None] | None = None
) -> Result:
    """Try, and try again with growing pauses as long as that may help; `failed` hears of each failure."""
    wait_s = FIRST_WAIT_S
    for left in reversed(range(TRIES)):
        try:
            return await attempt()
        except Exception as problem:
            if not left or not asks_to_slow_down(problem):
                raise
            if failed is not None:
                failed()
        await asyncio.sleep(wait_s)
        wait_s = min(wait_s * 2, LONGEST_WAIT_S)
    raise AssertionError("unreachable")
