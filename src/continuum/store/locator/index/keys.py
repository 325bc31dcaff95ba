"""Further keys of users: lasting ones, for rotation, and temporary ones, which end by themselves.

A user's first key stands with the user. When it is removed the oldest further one takes its place, so that a
user always has a lasting key. A temporary key comes with a session token, of which only the hash is kept, and
maybe with a policy that narrows it; it goes with its user.
"""

from typing import Any

from sqlalchemy import bindparam, delete, func, insert, select, update

from continuum.model.errors import ConflictError
from continuum.model.objects import Role, User
from continuum.store.locator.database import Connection, Statement
from continuum.store.locator.index.users import FIND_BY_KEY, FIND_BY_NAME, delete_user, find_user, owner_of
from continuum.store.locator.messages import Key, Keys, NoSuchUserError
from continuum.store.locator.schema import keys, users
from continuum.store.locator.sealing import Sealer

MAX_LASTING = 5
MAX_TEMPORARY = 10_000
REMEMBERED_S = 24 * 3600.0
"""So long after its end a temporary key is told to have expired; later nobody knows it."""

_OF_USER = keys.c.user == bindparam("of_user")
_KEY = (keys.c.access_key, keys.c.created_at, keys.c.expires_at)
FIND_KEY = Statement(
    select(
        users.c.name,
        keys.c.access_key,
        keys.c.sealed_secret_key,
        users.c.role,
        keys.c.created_at,
        keys.c.expires_at,
        keys.c.token_sha256,
        keys.c.policy,
    ).where(keys.c.access_key == bindparam("of_key"), users.c.name == keys.c.user)
)
LIST_LASTING = Statement(
    select(*_KEY, keys.c.sealed_secret_key)
    .where(_OF_USER, keys.c.expires_at == 0)
    .order_by(keys.c.created_at, keys.c.access_key)
)
LIST_ACCESS_KEYS = Statement(select(keys.c.access_key).where(_OF_USER))
COUNT_TEMPORARY = Statement(
    select(func.count()).select_from(keys).where(_OF_USER, keys.c.expires_at > bindparam("now"))
)
INSERT_KEY = Statement(insert(keys))
DELETE_KEY = Statement(delete(keys).where(keys.c.access_key == bindparam("of_key")))
DELETE_OF_USER = Statement(delete(keys).where(_OF_USER))
DELETE_EXPIRED = Statement(
    delete(keys).where(keys.c.expires_at > 0, keys.c.expires_at < bindparam("expired_before"))
)
REPLACE_FIRST = Statement(
    update(users)
    .where(users.c.name == bindparam("of_user"))
    .values(access_key=bindparam("new_key"), sealed_secret_key=bindparam("new_secret"))
)


def find_holder(connection: Connection, sealer: Sealer, access_key: str) -> User:
    """Return whose key this is, lasting or temporary, with its secret. Raises `NoSuchUserError`."""
    if connection.row(FIND_BY_KEY, access_key=access_key) is not None:
        return find_user(connection, sealer, access_key)
    row = connection.row(FIND_KEY, of_key=access_key)
    if row is None:
        raise NoSuchUserError("no user has this access key")
    name, found, sealed, role, created_at, expires_at, token_sha256, policy = row
    return User(
        name=name,
        access_key=found,
        secret_key=sealer.unseal(sealed, owner_of(name)),
        role=Role(role),
        created_at=created_at,
        session_policy=bytes(policy or b""),
        token_sha256=token_sha256,
        expires_at=expires_at,
    )


def list_keys(connection: Connection, name: str) -> Keys:
    """Return a user's lasting keys, the oldest first, without secrets. Raises `NoSuchUserError`."""
    first = _require(connection, name)
    found = [Key(access_key=first[1], created_at=first[4])]
    found += [
        Key(access_key=row[0], created_at=row[1]) for row in connection.rows(LIST_LASTING, of_user=name)
    ]
    return Keys(keys=tuple(found))


def add_key(connection: Connection, sealer: Sealer, key: User) -> User:
    """Give a user a further lasting key. Raises `NoSuchUserError`, `ConflictError`."""
    row = _require(connection, key.name)
    if len(connection.rows(LIST_LASTING, of_user=key.name)) + 1 >= MAX_LASTING:
        raise ConflictError(
            f"{key.name!r} has {MAX_LASTING} keys", hint="remove one that is not used any more"
        )
    return _insert(connection, sealer, key, row)


def issue_key(connection: Connection, sealer: Sealer, key: User, *, now: float) -> User:
    """Give a user a temporary key. Raises `NoSuchUserError`, `ConflictError`."""
    connection.run(DELETE_EXPIRED, expired_before=now - REMEMBERED_S)
    row = _require(connection, key.name)
    counted = connection.row(COUNT_TEMPORARY, of_user=key.name, now=now)
    if counted is not None and counted[0] >= MAX_TEMPORARY:
        raise ConflictError(f"{key.name!r} has {MAX_TEMPORARY} temporary keys already")
    return _insert(connection, sealer, key, row)


def _insert(connection: Connection, sealer: Sealer, key: User, row: tuple[Any, ...]) -> User:
    connection.run(
        INSERT_KEY,
        access_key=key.access_key,
        user=key.name,
        sealed_secret_key=sealer.seal(key.secret_key, owner_of(key.name)),
        created_at=key.created_at,
        expires_at=key.expires_at,
        token_sha256=key.token_sha256,
        policy=key.session_policy or None,
    )
    return User(
        name=key.name,
        access_key=key.access_key,
        secret_key=key.secret_key,
        role=Role(row[3]),
        created_at=key.created_at,
        session_policy=key.session_policy,
        token_sha256=key.token_sha256,
        expires_at=key.expires_at,
    )


def remove_key(connection: Connection, name: str, access_key: str) -> None:
    """Take a key away from a user. Raises `NoSuchUserError`, and `ConflictError` for the last lasting one."""
    first = _require(connection, name)
    further = connection.rows(LIST_LASTING, of_user=name)
    if access_key == first[1]:
        if not further:
            raise ConflictError(
                f"this is the only key of {name!r}", hint="add another first, or remove the user"
            )
        heir = further[0]
        connection.run(DELETE_KEY, of_key=heir[0])
        connection.run(REPLACE_FIRST, of_user=name, new_key=heir[0], new_secret=heir[3])
        return
    row = connection.row(FIND_KEY, of_key=access_key)
    if row is None or row[0] != name:
        raise NoSuchUserError(f"{name!r} has no key {access_key[:40]!r}")
    connection.run(DELETE_KEY, of_key=access_key)


def remove_user(connection: Connection, name: str) -> list[str]:
    """Remove a user with all keys; return the keys that must not be accepted any more. Raises
    `NoSuchUserError`."""
    further = [row[0] for row in connection.rows(LIST_ACCESS_KEYS, of_user=name)]
    connection.run(DELETE_OF_USER, of_user=name)
    return [delete_user(connection, name), *further]


def _require(connection: Connection, name: str) -> tuple[Any, ...]:
    row = connection.row(FIND_BY_NAME, name=name)
    if row is None:
        raise NoSuchUserError(f"there is no user {name!r}")
    return row
