"""Further keys of users, lasting and temporary."""

import msgspec


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """A lasting key without its secret."""

    access_key: str
    created_at: float


class Keys(msgspec.Struct, frozen=True, kw_only=True):
    """A user's lasting keys, the oldest first."""

    keys: tuple[Key, ...]


class AddKey(msgspec.Struct, frozen=True, kw_only=True):
    """Answer: `User` with a fresh key. Conflict if there are too many."""

    name: str


class ListKeys(msgspec.Struct, frozen=True, kw_only=True):
    """Answer: `Keys`."""

    name: str


class RemoveKey(msgspec.Struct, frozen=True, kw_only=True):
    """Answer: `Empty` once no gateway accepts the key any more. Conflict for a user's only lasting key."""

    name: str
    access_key: str


class IssueKey(msgspec.Struct, frozen=True, kw_only=True):
    """A gateway asks for a temporary key for somebody whose signature it verified, made with a lasting key.

    Answer: `IssuedKey`. `policy` (may be empty) narrows what it may do.
    """

    access_key: str
    duration_s: int
    policy: bytes = b""


class IssuedKey(msgspec.Struct, frozen=True, kw_only=True):
    """The secret and the session token are told this once."""

    access_key: str
    secret_key: str
    session_token: str
    expires_at: float

    def __repr__(self) -> str:
        return f"IssuedKey(access_key={self.access_key!r}, expires_at={self.expires_at!r})"
