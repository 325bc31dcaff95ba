"""Invitations: what is written is read again, and nothing else is."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from continuum.model.errors import InvalidInputError
from continuum.model.sites import SiteKind
from continuum.security import create_identity
from continuum.sites import Home, IdentityPems, Invitation, JoinedSite, list_joined
from continuum.sites.joining.invitations import (
    MAX_FILE_BYTES,
    find_end,
    parse_invitation,
    read_invitation,
    read_pems,
    write_invitation,
)
from continuum.sites.joining.joined import forget_joined, joined_folder, note_joined
from continuum.store import StoreKeys

SECRETS = ("store-secret", "user-secret", "master-secret", "PRIVATE KEY")


def pems(home: Path, role: str, site: str = "lab") -> IdentityPems:
    return read_pems(create_identity(home, f"{role}.{site}", role))


@pytest.fixture
def invitation(tmp_path: Path) -> Invitation:
    agent = pems(tmp_path, "agent")
    return Invitation(
        continuum="test",
        site="lab",
        kind=SiteKind.KUBERNETES,
        ca=(tmp_path / "ca" / "ca.pem").read_text(),
        backbone_url="tls://192.0.2.1:4222",
        hub_url="https://192.0.2.1:3000",
        agent=agent,
        gateway=pems(tmp_path, "gateway"),
        store=pems(tmp_path, "store"),
        store_keys=StoreKeys(
            site_access_key="A",
            site_secret_key="store-secret",
            peer_access_key="B",
            peer_secret_key="store-secret",
        ),
        access_key="C",
        secret_key="user-secret",
        policy="write_local",
        ends_at=find_end(agent),
        master_keys="master-secret",
    )


def test_what_is_written_is_read_and_nobody_else_may(invitation: Invitation, tmp_path: Path) -> None:
    path = tmp_path / "lab.join"
    write_invitation(path, invitation)
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_invitation(path) == invitation


def test_nothing_secret_is_shown(invitation: Invitation) -> None:
    assert not any(secret in repr(invitation) for secret in SECRETS)
    with pytest.raises(InvalidInputError) as refused:
        parse_invitation(msgspec.json.encode(invitation)[:-40])
    assert not any(secret in str(refused.value) for secret in SECRETS)


def changed(invitation: Invitation, **fields: Any) -> bytes:
    return msgspec.json.encode(msgspec.structs.replace(invitation, **fields))


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda _: b"", "no invitation"),
        (lambda _: b"[]", "no invitation"),
        (lambda _: b" " * (MAX_FILE_BYTES + 1), "larger"),
        (lambda good: msgspec.json.encode(good)[:-1] + b',"further":1}', "further"),
        (lambda good: changed(good, version=2), "version 2"),
        (lambda good: changed(good, site="../etc"), "site"),
        (lambda good: changed(good, site="other"), "agent.other"),
        (lambda good: changed(good, backbone_url="tls://u:p@h:1"), "HOST:PORT"),
        (lambda good: changed(good, backbone_url="nats://h:1"), "HOST:PORT"),
        (lambda good: changed(good, hub_url="https://h:1/x"), "HOST:PORT"),
        (lambda good: changed(good, hub_url="https://h:99999"), "HOST:PORT"),
        (lambda good: changed(good, policy="write_everywhere"), "policy"),
        (lambda good: changed(good, ca="no PEM"), "authority"),
        (lambda good: changed(good, agent=good.gateway), "agent.lab"),
        (lambda good: changed(good, store=msgspec.structs.replace(good.store, certificate="")), "store.lab"),
    ],
)
def test_what_is_no_invitation_is_refused(
    invitation: Invitation, spoil: Callable[[Invitation], bytes], says: str
) -> None:
    with pytest.raises(InvalidInputError, match=says):
        parse_invitation(spoil(invitation))


def test_certificates_of_another_authority_are_refused(invitation: Invitation, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="another one"):
        parse_invitation(changed(invitation, agent=pems(tmp_path / "elsewhere", "agent")))


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="cannot read"):
        read_invitation(tmp_path / "none")


def test_who_was_invited_is_remembered_by_the_home(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert list_joined(home) == ()
    sites = [
        JoinedSite(name=name, kind=SiteKind.EDGE, invited_at=1.0, ends_at=2.0) for name in ("lab", "attic")
    ]
    for site in sites:
        note_joined(home, site)
    assert list_joined(home) == (sites[1], sites[0])
    joined_folder(home, "lab").joinpath("kubernetes.json").write_text("{}")
    for site in sites:
        forget_joined(home, site.name)
    assert list_joined(home) == ()
    assert [path.name for path in joined_folder(home, "lab").iterdir()] == ["kubernetes.json"]
    assert not joined_folder(home, "attic").exists()


DAY_S = 86_400.0


@pytest.mark.parametrize(
    ("life_days", "age_days", "is_due"),
    [
        (90, 59, False),
        (90, 61, True),
        (90, 91, True),
        (365, 330, False),
        (365, 336, True),
        (3, 1.9, False),
        (3, 2.1, True),
    ],
)
def test_certificates_are_due_a_month_before_their_end_or_a_third_of_a_short_life(
    life_days: float, age_days: float, is_due: bool
) -> None:
    site = JoinedSite(name="lab", kind=SiteKind.EDGE, invited_at=0.0, ends_at=life_days * DAY_S)
    assert site.is_due(age_days * DAY_S) is is_due
