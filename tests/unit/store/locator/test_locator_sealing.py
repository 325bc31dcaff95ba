"""Secrets at rest."""

from pathlib import Path

import pytest
from locator_making import SEALER, Index

from continuum.model.errors import ConflictError
from continuum.model.objects import Role, User
from continuum.store.locator.index import users
from continuum.store.locator.sealing import Sealer


def test_a_secret_opens_for_its_owner_only_and_looks_different_each_time(tmp_path: Path) -> None:
    sealer = Sealer.open(tmp_path / "hub" / "key", is_new=True)
    first, second = sealer.seal("secret", "user a"), sealer.seal("secret", "user a")
    assert first != second
    assert b"secret" not in first
    assert sealer.unseal(first, "user a") == "secret"
    with pytest.raises(ConflictError, match="user b"):
        sealer.unseal(first, "user b")


def test_a_changed_secret_does_not_open(tmp_path: Path) -> None:
    sealer = Sealer.open(tmp_path / "key", is_new=True)
    sealed = bytearray(sealer.seal("secret", "user a"))
    sealed[-1] ^= 1
    with pytest.raises(ConflictError):
        sealer.unseal(bytes(sealed), "user a")


def test_the_key_file_is_private_and_read_again(tmp_path: Path) -> None:
    sealed = Sealer.open(tmp_path / "key", is_new=True).seal("secret", "user a")
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    assert Sealer.open(tmp_path / "key", is_new=False).unseal(sealed, "user a") == "secret"


def test_a_lost_or_damaged_key_file_is_said_and_never_replaced(tmp_path: Path) -> None:
    with pytest.raises(ConflictError, match="missing"):
        Sealer.open(tmp_path / "key", is_new=False)
    assert not (tmp_path / "key").exists()
    (tmp_path / "key").write_bytes(b"short")
    with pytest.raises(ConflictError, match="damaged"):
        Sealer.open(tmp_path / "key", is_new=True)


def test_users_are_kept_sealed_and_listed_without_secrets(index: Index) -> None:
    user = User(name="ann", access_key="AK", secret_key="very secret", role=Role.MEMBER, created_at=1.0)
    users.create_user(index.connection, SEALER, user)
    assert users.find_user(index.connection, SEALER, "AK") == user
    assert users.find_user_by_name(index.connection, SEALER, "ann") == user
    assert [listed.secret_key for listed in users.list_users(index.connection).users] == [""]
    assert "very secret" not in repr(user)
    with pytest.raises(ConflictError, match="already"):
        users.create_user(index.connection, SEALER, user)
    assert users.delete_user(index.connection, "ann") == "AK"
    assert users.find_user_by_name(index.connection, SEALER, "ann") is None
    with pytest.raises(Exception, match="no user"):
        users.delete_user(index.connection, "ann")
    with pytest.raises(Exception, match="no user"):
        users.find_user(index.connection, SEALER, "AK")
