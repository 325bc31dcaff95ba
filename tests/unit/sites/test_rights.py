"""Who may use which site."""

from pathlib import Path

import pytest

from continuum.model.errors import InvalidInputError, NotFoundError
from continuum.sites import Home, RightsFile, parse_user_name, read_rights, write_rights
from continuum.sites.rights import Rights, rights_file


def test_a_right_is_granted_once_and_taken_back_once() -> None:
    rights = Rights().grant("lab", "bob").grant("lab", "alice").grant("lab", "bob").grant("edge", "bob")
    assert rights.of("lab") == ("alice", "bob")
    assert rights.of("cloud") == ()
    less = rights.revoke("lab", "bob")
    assert (less.of("lab"), less.of("edge")) == (("alice",), ("bob",))
    with pytest.raises(NotFoundError, match="bob has no right on site lab"):
        less.revoke("lab", "bob")


def test_who_is_forgotten_has_no_right_anywhere() -> None:
    rights = Rights().grant("lab", "bob").grant("edge", "bob").grant("edge", "alice")
    assert rights.forget("bob") == Rights(sites={"edge": ("alice",)})


def test_the_hub_sees_each_change_of_the_file(tmp_path: Path) -> None:
    home = Home(tmp_path)
    seen = RightsFile(rights_file(home))
    assert seen.users_of("lab") == ()
    write_rights(home, read_rights(home).grant("lab", "alice"))
    assert seen.users_of("lab") == ("alice",)
    write_rights(home, read_rights(home).revoke("lab", "alice"))
    assert seen.users_of("lab") == ()
    rights_file(home).unlink()
    assert seen.users_of("lab") == ()


@pytest.mark.parametrize("name", ["", "Alice", "a.b", "-a", "a-", "a/b", "*", "x" * 60])
def test_what_cannot_be_part_of_an_identity_names_no_user(name: str) -> None:
    with pytest.raises(InvalidInputError, match="cannot name a user"):
        parse_user_name(name)


def test_a_home_without_the_owner_s_identity_drives_runs_as_its_user(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert home.driver == "driver"
    (tmp_path / "identities" / "driver.alice").mkdir(parents=True)
    assert home.driver == "driver.alice"
    (tmp_path / "identities" / "driver").mkdir()
    assert home.driver == "driver"
    assert home.list_drivers() == ("driver.alice",)
