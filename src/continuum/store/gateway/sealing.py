"""Writing an object in one piece, encrypted or not: what seals its bytes, its ETag, what is kept of it.

ETags. SSE-S3: the MD5 of the plain bytes, as S3 promises; the store sees only the stored bytes, so it is
computed here (or taken from a `Content-MD5` that was found right). SSE-C: the store's ETag of the stored
bytes and `-1`, since S3 promises only that it is not the MD5 of the object, and clients take an ETag with a
dash for no MD5.
"""

import hashlib

import msgspec

from continuum.model.encryption import SSE_S3, format_encryption
from continuum.store.encryption.segments import Sealer
from continuum.store.gateway.encrypting import Protection, renew
from continuum.store.gateway.vaults import Vault


class Sealing:
    """One object on its way into a store; `content_md5` is what its request declares, if it does. `sealer` is
    None if it is not encrypted."""

    def __init__(self, protection: Protection | None, content_md5: bytes | None = None) -> None:
        self._protection = protection
        self._content_md5 = content_md5
        self.sealer: Sealer | None = None
        if protection is not None:
            self.sealer = protection.open_sealer()
            if protection.encryption.mode == SSE_S3 and content_md5 is None:
                self.sealer.digest = hashlib.md5(usedforsecurity=False)

    @property
    def headers(self) -> dict[str, str]:
        """What the reply says of it."""
        return self._protection.headers if self._protection is not None else {}

    def measure(self, plain_bytes: int) -> int:
        """Return how many bytes the store gets."""
        return plain_bytes if self.sealer is None else self.sealer.measure(plain_bytes)

    def choose_etag(self, stored_etag: str) -> str:
        """Return the ETag that clients see, when all bytes were written."""
        if self._protection is None or self.sealer is None:
            return stored_etag
        if self._protection.encryption.mode != SSE_S3:
            return f"{stored_etag}-1"
        if self._content_md5 is not None:
            return self._content_md5.hex()
        return self.sealer.digest.hexdigest() if self.sealer.digest is not None else ""

    def describe(self, stored_etag: str, vault: Vault) -> bytes:
        """Return what is kept of the encryption; empty if there is none."""
        if self._protection is None or self.sealer is None:
            return b""
        encryption = renew(vault, self._protection.encryption, self._protection.key)
        whole = msgspec.structs.replace(encryption, header=self.sealer.header, stored_etag=stored_etag)
        return format_encryption(whole)
