"""Further keys of users in the index."""

import pytest
from locator_making import Index

from continuum.model.errors import ConflictError
from continuum.model.objects import User
from continuum.store.locator.index import keys, users
from continuum.store.locator.messages import NoSuchUserError
from continuum.store.locator.sealing import Sealer

SEALER = Sealer(bytes(32))


def make(access_key: str, created_at: float = 0.0, **more: object) -> User:
    return User(
        name="ann", access_key=access_key, secret_key=f"of {access_key}", created_at=created_at, **more
    )


@pytest.fixture
def known(index: Index) -> Index:
    users.create_user(index.connection, SEALER, make("A"))
    return index


def holder(index: Index, access_key: str) -> User:
    return keys.find_holder(index.connection, SEALER, access_key)


def test_every_key_finds_its_user_with_its_own_secret(known: Index) -> None:
    keys.add_key(known.connection, SEALER, make("B", 2.0))
    assert holder(known, "A").secret_key == "of A"
    assert holder(known, "B") == make("B", 2.0)
    listed = keys.list_keys(known.connection, "ann").keys
    assert [key.access_key for key in listed] == ["A", "B"]


def test_the_first_key_is_followed_by_the_oldest_other(known: Index) -> None:
    keys.add_key(known.connection, SEALER, make("C", 3.0))
    keys.add_key(known.connection, SEALER, make("B", 2.0))
    keys.remove_key(known.connection, "ann", "A")
    assert [key.access_key for key in keys.list_keys(known.connection, "ann").keys] == ["B", "C"]
    assert holder(known, "B").secret_key == "of B"
    with pytest.raises(NoSuchUserError):
        holder(known, "A")
    keys.remove_key(known.connection, "ann", "C")
    with pytest.raises(ConflictError):
        keys.remove_key(known.connection, "ann", "B")
    with pytest.raises(NoSuchUserError):
        keys.remove_key(known.connection, "ann", "X")


def test_nobody_removes_the_key_of_another(known: Index) -> None:
    users.create_user(known.connection, SEALER, User(name="bob", access_key="Z", secret_key="z"))
    keys.add_key(known.connection, SEALER, make("B"))
    with pytest.raises(NoSuchUserError):
        keys.remove_key(known.connection, "bob", "B")
    assert holder(known, "B").name == "ann"


def test_a_user_has_a_bounded_number_of_keys(known: Index) -> None:
    for number in range(keys.MAX_LASTING - 1):
        keys.add_key(known.connection, SEALER, make(f"B{number}"))
    with pytest.raises(ConflictError):
        keys.add_key(known.connection, SEALER, make("C"))


def test_temporary_keys_end_and_are_forgotten_a_day_later(known: Index) -> None:
    first = make("T", 0.0, token_sha256="hash", expires_at=1000.0, session_policy=b"{}")
    keys.issue_key(known.connection, SEALER, first, now=0.0)
    assert holder(known, "T") == first
    assert [key.access_key for key in keys.list_keys(known.connection, "ann").keys] == ["A"]
    later = 1000.0 + keys.REMEMBERED_S + 1
    keys.issue_key(known.connection, SEALER, make("U", token_sha256="h", expires_at=later + 1), now=later)
    with pytest.raises(NoSuchUserError):
        holder(known, "T")


def test_all_keys_go_with_the_user(known: Index) -> None:
    keys.add_key(known.connection, SEALER, make("B"))
    keys.issue_key(known.connection, SEALER, make("T", token_sha256="h", expires_at=9.0), now=0.0)
    assert sorted(keys.remove_user(known.connection, "ann")) == ["A", "B", "T"]
    for access_key in ("A", "B", "T"):
        with pytest.raises(NoSuchUserError):
            holder(known, access_key)
