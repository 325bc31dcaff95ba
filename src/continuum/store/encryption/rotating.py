"""Rotating the master key: a new one encrypts from now on, data keys are wrapped anew, old ones go.

Bytes of objects stay as they are; only the wrapped data keys in the index change, page by page. What a page
finds changed meanwhile is left alone; a second round finds what was written under an old key while the first
one ran. Uploads under way are wrapped anew like versions. It may be broken off and repeated at any time.

A gateway looks at the file of master keys every second and wraps the data key of a long write anew before it
commits. So an old key may go once a whole round finds nothing under it that began `SETTLED_S` after the last
change of the file.
"""

import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from continuum.model.encryption import SSE_S3, Encryption, format_encryption, read_encryption
from continuum.model.errors import ConflictError
from continuum.store.encryption.masterkeys import (
    MasterKeys,
    identify,
    make_master_key,
    read_master_keys,
    write_master_keys,
)
from continuum.store.locator.client import LocatorClient
from continuum.store.locator.messages import (
    EncryptedPage,
    ListEncrypted,
    Replaced,
    ReplaceEncryption,
    ReplaceEncryptions,
)

SETTLED_S = 60.0
MAX_ROUNDS = 5


class Rewrapped(msgspec.Struct, frozen=True, kw_only=True):
    """How far it is: versions and uploads looked at, and wrapped anew; `left` are under old keys still."""

    looked_at: int = 0
    rewrapped: int = 0
    left: int = 0


Report = Callable[[Rewrapped], None]


def add_master_key(path: Path) -> str:
    """Make a new key the current one of the file; return its id."""
    key = make_master_key()
    write_master_keys(path, [key, *read_master_keys(path)])
    return identify(key)


def list_master_keys(path: Path) -> tuple[str, ...]:
    """Return the ids of the keys in a file, the current one first."""
    return tuple(map(identify, read_master_keys(path)))


async def rewrap_data_keys(locator: LocatorClient, path: Path, report: Report) -> Rewrapped:
    """Bring all data keys under the current master key; `left` of the result is 0 unless writes went on under
    an old one. Raises `MissingMasterKeyError` if one is under a key that the file does not have."""
    ring = MasterKeys(path=path)
    total = Rewrapped()
    for _ in range(MAX_ROUNDS):
        found = await _go_through(locator, ring, total, report)
        total = msgspec.structs.replace(found, left=0)
        if not found.left:
            return total
    return found


async def _go_through(
    locator: LocatorClient, ring: MasterKeys, so_far: Rewrapped, report: Report
) -> Rewrapped:
    """Wrap anew what a whole round finds; `left` is how much that was."""
    for of_uploads in (False, True):
        after = ""
        while True:
            page: EncryptedPage = await locator.ask(ListEncrypted(of_uploads=of_uploads, after=after))
            items = _rewrap_page(ring, page)
            done = 0
            if items:
                replaced: Replaced = await locator.ask(
                    ReplaceEncryptions(of_uploads=of_uploads, items=tuple(items))
                )
                done = replaced.count
            so_far = Rewrapped(
                looked_at=so_far.looked_at + page.looked_at,
                rewrapped=so_far.rewrapped + done,
                left=so_far.left + len(items),
            )
            report(so_far)
            after = page.next_after
            if not after:
                break
    return so_far


def _rewrap_page(ring: MasterKeys, page: EncryptedPage) -> list[ReplaceEncryption]:
    items = []
    for entry in page.entries:
        encryption = read_encryption(entry.encryption)
        if encryption is not None and encryption.mode == SSE_S3 and encryption.key_id != ring.current_id:
            after = format_encryption(_rewrap(ring, encryption))
            items.append(ReplaceEncryption(entry.name, entry.encryption, after))
    return items


def _rewrap(ring: MasterKeys, encryption: Encryption) -> Encryption:
    key_id, wrapped = ring.wrap(ring.unwrap(encryption.key_id, encryption.wrapped_key))
    return msgspec.structs.replace(encryption, key_id=key_id, wrapped_key=wrapped)


def _age_s(path: Path) -> float:
    return time.time() - path.stat().st_mtime


async def retire_master_keys(
    locator: LocatorClient, path: Path, report: Report, *, settled_s: float = SETTLED_S
) -> tuple[str, ...]:
    """Take all keys but the current one out of the file, once nothing needs them; return their ids.

    Raises `ConflictError` if the key was rotated just now, or data keys are under an old one.
    """
    keys = read_master_keys(path)
    if len(keys) == 1:
        return ()
    if _age_s(path) < settled_s:
        raise ConflictError(
            "the master key was changed just now, and gateways may not know of it",
            hint=f"try again in {settled_s:.0f} s",
        )
    ring = MasterKeys(path=path)
    found = await _go_through(locator, ring, Rewrapped(), report)
    if found.left:
        raise ConflictError(
            f"{found.left} objects were under an old key until now",
            hint="they are wrapped anew; run this again, it retires keys when it finds none",
        )
    write_master_keys(path, keys[:1])
    return tuple(map(identify, keys[1:]))
