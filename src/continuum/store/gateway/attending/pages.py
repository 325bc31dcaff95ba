"""Pages of a store's list beside what the index has there.

Stores list keys by their bytes; some (SeaweedFS) go through folders instead, so that the order is another
one. Therefore nothing is concluded from a key that a page lacks: the store is asked for that very object. All
intervals between the last keys of pages together cover all keys, whatever the order, so none is missed.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable

import msgspec

from continuum.store.gateway.calls import Context
from continuum.store.locator.messages import FindIndexed, Indexed, IndexedReplica
from continuum.store.stores.s3 import StoreClient, StoredObject, StoreReplyError

HEADS_AT_ONCE = 16
_NOT_FOUND = 404
_LAST = "\U0010ffff"


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """`listed` by the store; `indexed` by physical key: all that the index has there and between.

    `last_key` is where to go on; `is_last`: nothing follows.
    """

    listed: tuple[StoredObject, ...]
    indexed: dict[str, IndexedReplica]
    last_key: str
    is_last: bool

    def unlisted(self) -> list[IndexedReplica]:
        """What the index has and the page lacks."""
        listed = {found.key for found in self.listed}
        return [replica for key, replica in self.indexed.items() if key not in listed]


async def read_pages(
    context: Context, client: StoreClient, bucket: str, prefix: str, cursor: str
) -> AsyncIterator[Page]:
    """Give the pages after `cursor`, one by one."""
    token, after = "", cursor or prefix
    while True:
        found = await client.list(
            prefix,
            bucket=bucket,
            token=token,
            start_after="" if token else cursor,
            max_keys=context.limits.scan_page,
        )
        token = found.next_token
        last_key = found.objects[-1].key if found.objects else after
        until = last_key if token else (prefix + _LAST if prefix else "")
        indexed = await _find_indexed(
            context, client.store.name, bucket, [each.key for each in found.objects], after=after, until=until
        )
        yield Page(listed=found.objects, indexed=indexed, last_key=last_key, is_last=not token)
        if not token:
            return
        after = last_key


async def _find_indexed(
    context: Context, store: str, bucket: str, keys: Iterable[str], *, after: str, until: str
) -> dict[str, IndexedReplica]:
    """Return what the index has at `keys` and in the interval."""
    found: dict[str, IndexedReplica] = {}
    wanted = tuple(keys)
    while True:
        answer: Indexed = await context.locations.ask(
            FindIndexed(store=store, bucket=bucket, keys=wanted, after=after, until=until)
        )
        found |= {replica.physical_key: replica for replica in answer.replicas}
        if not answer.next_after:
            return found
        wanted, after = (), answer.next_after


async def find_absent(
    client: StoreClient, bucket: str, replicas: Iterable[IndexedReplica]
) -> list[IndexedReplica]:
    """Return those that the store, asked for each of them, does not have."""
    wanted = list(replicas)
    there = await find_present(client, bucket, [replica.physical_key for replica in wanted])
    return [replica for replica in wanted if replica.physical_key not in there]


async def find_present(client: StoreClient, bucket: str, keys: Iterable[str]) -> set[str]:
    """Return the keys that the store, asked for each of them, has now."""
    turns = asyncio.Semaphore(HEADS_AT_ONCE)

    async def is_there(key: str) -> bool:
        async with turns:
            try:
                await client.head(key, bucket=bucket)
            except StoreReplyError as problem:
                if problem.status == _NOT_FOUND:
                    return False
                raise
            return True

    wanted = list(keys)
    there = await asyncio.gather(*map(is_there, wanted))
    return {key for key, is_found in zip(wanted, there, strict=True) if is_found}
