"""Descriptions of encryptions, for who wraps their data keys anew. The locator does not read them."""

import msgspec


class ListEncrypted(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the encrypted versions, or with `of_uploads` of the uploads under way. Answer:
    `EncryptedPage`.

    `limit` counts what is looked at, encrypted or not.
    """

    of_uploads: bool = False
    after: str = ""
    limit: int = 1000


class EncryptedEntry(msgspec.Struct, frozen=True, array_like=True):
    """`name` is the locator's own for the version or upload. `encryption` as in `Version`."""

    name: str
    encryption: bytes


class EncryptedPage(msgspec.Struct, frozen=True, kw_only=True):
    """`looked_at` versions or uploads, encrypted or not. `next_after` is empty if this is the last page."""

    entries: tuple[EncryptedEntry, ...]
    looked_at: int
    next_after: str = ""


class ReplaceEncryption(msgspec.Struct, frozen=True, array_like=True):
    """One description in the place of another."""

    name: str
    before: bytes
    after: bytes


class ReplaceEncryptions(msgspec.Struct, frozen=True, kw_only=True):
    """Replace those descriptions that are still as `before`. Answer: `Replaced`, once no gateway serves the
    old ones."""

    of_uploads: bool = False
    items: tuple[ReplaceEncryption, ...]


class Replaced(msgspec.Struct, frozen=True, kw_only=True):
    """How many were replaced; the others are gone or were changed meanwhile."""

    count: int
