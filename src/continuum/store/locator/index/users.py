"""Users of the store and their keys; secret keys are sealed."""

from typing import Any

from sqlalchemy import bindparam, delete, insert, select

from continuum.model.errors import ConflictError
from continuum.model.objects import Role, User
from continuum.store.locator.database import Connection, Statement
from continuum.store.locator.messages import NoSuchUserError, Users
from continuum.store.locator.schema import users
from continuum.store.locator.sealing import Sealer

FIND_BY_NAME = Statement(select(users).where(users.c.name == bindparam("name")))
FIND_BY_KEY = Statement(select(users).where(users.c.access_key == bindparam("access_key")))
LIST_USERS = Statement(select(users).order_by(users.c.name))
INSERT_USER = Statement(insert(users))
DELETE_USER = Statement(delete(users).where(users.c.name == bindparam("of_name")))


def find_user(connection: Connection, sealer: Sealer, access_key: str) -> User:
    """Return whose access key this is, with the secret. Raises `NoSuchUserError`."""
    row = connection.row(FIND_BY_KEY, access_key=access_key)
    if row is None:
        raise NoSuchUserError("no user has this access key")
    return _user(row, sealer)


def find_user_by_name(connection: Connection, sealer: Sealer, name: str) -> User | None:
    """Return the user, with the secret, if there is one of this name."""
    row = connection.row(FIND_BY_NAME, name=name)
    return _user(row, sealer) if row else None


def list_users(connection: Connection, sealer: Sealer | None = None) -> Users:
    """Return all users in the order of their names; without secrets if there is no sealer to open them."""
    return Users(users=tuple(_user(row, sealer) for row in connection.rows(LIST_USERS)))


def create_user(connection: Connection, sealer: Sealer, user: User) -> User:
    """Add a user. Raises `ConflictError` if the name is taken."""
    if connection.row(FIND_BY_NAME, name=user.name):
        raise ConflictError(f"there is a user {user.name!r} already", hint="choose another name")
    connection.run(
        INSERT_USER,
        name=user.name,
        access_key=user.access_key,
        sealed_secret_key=sealer.seal(user.secret_key, owner_of(user.name)),
        role=user.role.value,
        created_at=user.created_at,
    )
    return user


def delete_user(connection: Connection, name: str) -> str:
    """Remove a user; return the access key that must not be accepted any more. Raises `NoSuchUserError`."""
    row = connection.row(FIND_BY_NAME, name=name)
    if row is None:
        raise NoSuchUserError(f"there is no user {name!r}")
    connection.run(DELETE_USER, of_name=name)
    return str(row[1])


def _user(row: tuple[Any, ...], sealer: Sealer | None) -> User:
    name, access_key, sealed, role, created_at = row
    return User(
        name=name,
        access_key=access_key,
        secret_key=sealer.unseal(sealed, owner_of(name)) if sealer else "",
        role=Role(role),
        created_at=created_at,
    )


def owner_of(name: str) -> str:
    """Return whom a user's secrets are sealed for."""
    return f"user {name}"
