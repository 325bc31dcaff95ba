"""Which files of secrets are for one reader only: ours, and what Kubernetes mounts."""

import os

import pytest

from continuum.security import is_private

US, ROOT = os.getuid() or 1000, 0


def status(mode: int, owner: int) -> os.stat_result:
    return os.stat_result((0o100000 | mode, 0, 0, 1, owner, 65532, 0, 0, 0, 0))


@pytest.mark.parametrize(
    ("mode", "owner", "expected"),
    [
        (0o600, US, True),
        (0o400, US, True),
        (0o640, US, False),
        (0o604, US, False),
        (0o440, ROOT, True),
        (0o640, ROOT, False),
        (0o444, ROOT, False),
        (0o460, ROOT, False),
    ],
)
def test_only_the_owner_or_the_one_group_of_a_mounted_secret_may_read(
    mode: int, owner: int, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    assert is_private(status(mode, owner)) is expected


def test_root_itself_is_no_pod(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 0)
    assert not is_private(status(0o440, ROOT))
