"""Users and their keys."""

import msgspec

from continuum.model.objects import User


class FindUser(msgspec.Struct, frozen=True, kw_only=True):
    """Answer: `User`, or `NoSuchUserError`. Cacheable under the session's lease."""

    session_id: str
    access_key: str


class CreateUser(msgspec.Struct, frozen=True, kw_only=True):
    """Answer: `User` with fresh keys. Conflict if the name is taken."""

    name: str
    role: str


class ListUsers(msgspec.Struct, frozen=True, kw_only=True):
    """Answer: `Users`, without secrets (empty strings)."""


class Users(msgspec.Struct, frozen=True, kw_only=True):
    """Users in the order of their names."""

    users: tuple[User, ...]


class DeleteUser(msgspec.Struct, frozen=True, kw_only=True):
    """Answer: `Empty` once no gateway accepts the user's keys any more."""

    name: str
