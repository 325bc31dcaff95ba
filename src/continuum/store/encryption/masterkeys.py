"""Master keys: they wrap the data keys of objects (SSE-S3). And what a customer's key gives (SSE-C).

A ring of master keys is a text of lines, each the base64 of 32 random bytes; the first wraps, all unwrap;
`#` begins a comment. It comes from a file that only its owner may read, or from an environment variable. A
key's id is derived from the key, so a key that was damaged is a key that is not there. The file is looked at
again when it changed (at most once a second) and when a key is asked for that is not known, so rotation needs
no restart; who takes keys out of the file has re-wrapped first.

A data key is wrapped with AES-256-GCM under a random nonce: NIST SP 800-38D allows 2^32 of them per master
key, so rotate before four billion objects. Nothing here is written to logs or shown in a `repr`.
"""

import base64
import binascii
import hashlib
import hmac
import os
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from continuum.model.errors import InvalidInputError, UnavailableError
from continuum.security import is_private
from continuum.store.encryption.segments import KEY_BYTES, CorruptError, derive

ENVIRONMENT_VARIABLE = "CONTINUUM_STORE_MASTER_KEYS"
LOOK_EVERY_S = 1.0
MAX_KEYS = 1000
MAX_FILE_BYTES = 256 * 1024
CHECK_BYTES = 32
_NONCE_BYTES = 12
_ID_CHARACTERS = 16


class MissingMasterKeyError(UnavailableError):
    """A data key is wrapped by a master key that this gateway does not have."""

    code = "MissingMasterKey"


class MasterKeys:
    """A ring of master keys; it may be empty. `wrap` uses the current one, `unwrap` the one that is named."""

    def __init__(
        self,
        keys: Sequence[bytes] = (),
        *,
        path: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        self._clock = clock
        self._looked_at = clock()
        self._seen: tuple[int, int, int] | None = None
        self._take(keys)
        if path is not None:
            self._read()

    def __repr__(self) -> str:
        return f"MasterKeys(current={self.current_id!r}, count={len(self._keys)})"

    def _take(self, keys: Sequence[bytes]) -> None:
        self._keys: dict[str, AESGCM] = {identify(key): AESGCM(key) for key in keys}
        self.current_id = next(iter(self._keys), "")

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the keys, the current one first."""
        return tuple(self._keys)

    def is_current(self, key_id: str) -> bool:
        """Whether a data key under this master key need not be wrapped anew."""
        self._look()
        return key_id == self.current_id

    def wrap(self, data_key: bytes) -> tuple[str, bytes]:
        """Return the current master key's id and the wrapped data key. Raises `MissingMasterKeyError`."""
        self._look()
        if not self.current_id:
            raise MissingMasterKeyError(
                "this gateway has no master key, so it cannot encrypt",
                hint=f"set master_keys_file in its settings, or {ENVIRONMENT_VARIABLE}",
            )
        nonce = secrets.token_bytes(_NONCE_BYTES)
        key_id = self.current_id
        return key_id, nonce + self._keys[key_id].encrypt(nonce, data_key, _bind(key_id))

    def unwrap(self, key_id: str, wrapped: bytes) -> bytes:
        """Return a data key. Raises `MissingMasterKeyError`, `CorruptError`."""
        key = self._keys.get(key_id)
        if key is None:
            self._look(now=True)
            key = self._keys.get(key_id)
        if key is None:
            raise MissingMasterKeyError(
                f"the master key {key_id[:_ID_CHARACTERS]} is not known here",
                hint="put it back into the ring of master keys, behind the current one",
            )
        try:
            return key.decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], _bind(key_id))
        except (InvalidTag, ValueError) as problem:
            raise CorruptError("a wrapped data key does not open") from problem

    def _look(self, *, now: bool = False) -> None:
        """Read the file again if it changed; a file that is gone or wrong changes nothing."""
        at = self._clock()
        if self._path is None or (not now and at - self._looked_at < LOOK_EVERY_S):
            return
        self._looked_at = at
        try:
            if _state_of(self._path) != self._seen:
                self._read()
        except (OSError, InvalidInputError):
            return  # it is being replaced, or was damaged: what is known goes on

    def _read(self) -> None:
        if self._path is None:
            return
        seen = _state_of(self._path) if self._path.exists() else None
        self._take(read_master_keys(self._path))
        self._seen = seen


def open_master_keys(path: Path | None, environment: Mapping[str, str]) -> MasterKeys:
    """Return the ring that a file holds, or the environment, or an empty one. Raises `InvalidInputError`."""
    if path is not None:
        return MasterKeys(path=path)
    text = environment.get(ENVIRONMENT_VARIABLE, "")
    return MasterKeys(parse_keys(text.replace(",", "\n"), ENVIRONMENT_VARIABLE) if text else ())


def identify(key: bytes) -> str:
    """Return the id of a master key; it tells nothing of the key."""
    return hashlib.sha256(b"continuum master key id" + key).hexdigest()[:_ID_CHARACTERS]


def make_master_key() -> bytes:
    """Return a new master key."""
    return secrets.token_bytes(KEY_BYTES)


def read_master_keys(path: Path) -> list[bytes]:
    """Return the keys in a file, the current one first. Raises `InvalidInputError` with what is wrong."""
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            text = file.read(MAX_FILE_BYTES + 1)
    except OSError as problem:
        raise InvalidInputError(
            f"cannot read the master keys {path}: {problem.strerror}",
            hint="without them what they encrypt cannot be read: restore the file from your backup",
        ) from problem
    if not is_private(status):
        raise InvalidInputError(
            f"others than its owner may use the master keys {path}", hint=f"chmod 600 {path}"
        )
    return parse_keys(text.decode("ascii", "replace"), str(path))


def parse_keys(text: str, source: str) -> list[bytes]:
    """Return the keys in a text. Raises `InvalidInputError`, which does not show them."""
    lines = [line.partition("#")[0].strip() for line in text.splitlines()]
    keys = [_parse_key(line, number, source) for number, line in enumerate(lines, start=1) if line]
    if not keys or len(keys) > MAX_KEYS or len(text) > MAX_FILE_BYTES:
        raise InvalidInputError(f"{source} does not hold 1 to {MAX_KEYS} master keys")
    return keys


def _parse_key(line: str, number: int, source: str) -> bytes:
    try:
        key = base64.b64decode(line, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise InvalidInputError(
            f"line {number} of {source} is not the base64 of {KEY_BYTES} bytes",
            hint="make a key with `openssl rand -base64 32`",
        )
    return key


def format_keys(keys: Sequence[bytes]) -> str:
    """Return the text that `parse_keys` reads."""
    lines = (f"{base64.b64encode(key).decode()}  # {identify(key)}\n" for key in keys)
    return (
        "# Master keys of the store: the first encrypts, all decrypt. Losing them loses what they encrypt.\n"
        + ("".join(lines))
    )


def write_master_keys(path: Path, keys: Sequence[bytes]) -> None:
    """Replace the keys in a file, for nobody else to read; on disk when this returns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(format_keys(keys))
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def ensure_master_keys(path: Path) -> None:
    """Make a ring with one key unless there is one. Raises `InvalidInputError` if what is there is wrong."""
    if path.exists():
        read_master_keys(path)
    else:
        write_master_keys(path, [make_master_key()])


def _state_of(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_ino, found.st_mtime_ns, found.st_size


def _bind(key_id: str) -> bytes:
    return b"continuum data key " + key_id.encode()


# ---- keys of customers ----


def derive_customer_keys(customer_key: bytes, salt: bytes) -> tuple[bytes, bytes]:
    """Return the data key and the check value that a customer's key gives with a salt."""
    both = derive(customer_key, salt, b"continuum customer key", KEY_BYTES + CHECK_BYTES)
    return both[:KEY_BYTES], both[KEY_BYTES:]


def open_customer_key(customer_key: bytes, salt: bytes, check: bytes) -> bytes | None:
    """Return the data key if the customer's key is the one that made `check`, else None."""
    data_key, found = derive_customer_keys(customer_key, salt)
    return data_key if hmac.compare_digest(found, check) else None
