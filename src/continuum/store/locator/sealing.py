"""Secrets at rest: sealed with AES-256-GCM under a key that is kept in a file beside the database, not in it.

Secret keys of users and stores cannot be hashed, because signatures are checked with them, so they are
encrypted. Each is bound to its owner (additional data), so that a sealed secret cannot be moved to another
row. Whoever has both the database and the key file has the secrets: the file is made with mode 0600.
"""

import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from continuum.model.errors import ConflictError
from continuum.security import write_private

KEY_BYTES = 32
NONCE_BYTES = 12  # what GCM is made for; random, since far fewer than 2**32 secrets are ever sealed


class Sealer:
    """Seals and opens secrets with one key."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    @classmethod
    def open(cls, key_file: Path, *, is_new: bool) -> "Sealer":
        """Read the key; if the database `is_new` and there is no key file, make one.

        Raises `ConflictError` if the key of a database with secrets is missing or damaged.
        """
        if is_new and not key_file.exists():
            key_file.parent.mkdir(parents=True, exist_ok=True)
            write_private(key_file, secrets.token_bytes(KEY_BYTES))
        try:
            key = key_file.read_bytes()
        except FileNotFoundError as problem:
            raise ConflictError(
                f"the key file {key_file} is missing, so the secrets in the database cannot be read",
                hint="restore it from the backup that the database came from",
            ) from problem
        if len(key) != KEY_BYTES:
            raise ConflictError(
                f"the key file {key_file} is damaged: {len(key)} bytes instead of {KEY_BYTES}",
                hint="restore it from the backup that the database came from",
            )
        return cls(key)

    def seal(self, secret: str, owner: str) -> bytes:
        """Encrypt `secret` such that it opens for `owner` only."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, secret.encode(), owner.encode())

    def unseal(self, sealed: bytes, owner: str) -> str:
        """Decrypt; raises `ConflictError` if the key is another one or the value was changed or moved."""
        try:
            return self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], owner.encode()).decode()
        except InvalidTag as problem:
            raise ConflictError(
                f"the secret of {owner} does not open with this key file",
                hint="key file and database must come from the same backup",
            ) from problem
