"""Parts of an encrypted upload, as clients see them and as the store has them.

Each part is a stream of its own. What the store tells of a part is enough to know it: the plain size follows
from the stored one, and a client sees the part's ETag as `<the store's ETag>-<plain size>`. So no gateway has
to remember a part, any of them can complete an upload, and if the upload was joined already the ETags in the
repeated request still tell the sizes. S3 promises that a part's ETag is opaque unless it is an MD5; clients
take one with a dash for none.
"""

from collections.abc import Sequence

import msgspec

from continuum.model.encryption import (
    SSE_S3,
    Encryption,
    format_encryption,
    opened_size,
    read_encryption,
    sealed_size,
)
from continuum.store.gateway.encrypting import Protection, rewrap
from continuum.store.gateway.vaults import Vault
from continuum.store.locator.messages import Upload
from continuum.store.stores.s3 import StoredPart


def show_etag(protection: Protection | None, stored_etag: str, plain_bytes: int) -> str:
    """Return a part's ETag as clients see it."""
    return stored_etag if protection is None else f"{stored_etag}-{plain_bytes}"


def show_parts(upload: Upload, parts: Sequence[StoredPart]) -> list[StoredPart]:
    """Return parts as clients see them."""
    encryption = read_encryption(upload.encryption)
    return list(parts) if encryption is None else [_show(part, encryption) for part in parts]


def _show(part: StoredPart, encryption: Encryption) -> StoredPart:
    size_bytes = opened_size(part.size_bytes, encryption.segment_bytes)
    return msgspec.structs.replace(part, size_bytes=size_bytes, etag=f"{part.etag}-{size_bytes}")


def stored_part_etag(upload: Upload, etag: str) -> str:
    """Return the store's ETag of a part whose ETag a client gave."""
    return etag.rpartition("-")[0] if upload.encryption else etag


def find_sizes(upload: Upload, etags: Sequence[str], stored_bytes: int) -> tuple[int, ...] | None:
    """Return the plain sizes of the parts of a joined object; empty if it is not encrypted; None if these
    are not its parts."""
    encryption = read_encryption(upload.encryption)
    if encryption is None:
        return ()
    texts = [etag.rpartition("-")[2] for etag in etags]
    if not all(text.isascii() and text.isdigit() and len(text) <= 15 for text in texts):  # noqa: PLR2004
        return None
    sizes = tuple(map(int, texts))
    whole = sum(sealed_size(size, encryption.segment_bytes) for size in sizes)
    return sizes if whole == stored_bytes else None


def describe_joined(upload: Upload, numbers: Sequence[int], stored_etag: str, vault: Vault) -> bytes:
    """Return what is kept of the encryption of the object that an upload becomes; empty if there is none."""
    encryption = read_encryption(upload.encryption)
    if encryption is None:
        return b""
    if encryption.mode == SSE_S3 and not vault.master_keys.is_current(encryption.key_id):
        encryption = rewrap(vault, encryption)
    are_plain = list(numbers) == list(range(1, len(numbers) + 1))
    return format_encryption(
        msgspec.structs.replace(
            encryption,
            stored_etag=stored_etag,
            part_numbers=() if are_plain else tuple(numbers),
            is_in_parts=True,
        )
    )
