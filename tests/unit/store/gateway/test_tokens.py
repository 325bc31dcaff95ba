"""Session tokens."""

import hashlib

import pytest

from continuum.model.objects import User
from continuum.store.errors import S3Error
from continuum.store.gateway.tokens import check_token, find_token

LASTING = User(name="ann", access_key="A", secret_key="s")
TEMPORARY = User(
    name="ann",
    access_key="T",
    secret_key="s",
    token_sha256=hashlib.sha256(b"token").hexdigest(),
    expires_at=100.0,
)


@pytest.mark.parametrize(
    ("user", "token", "now", "code"),
    [
        (LASTING, "", 0.0, ""),
        (LASTING, "token", 0.0, "InvalidToken"),
        (TEMPORARY, "token", 99.9, ""),
        (TEMPORARY, "token", 100.0, "ExpiredToken"),
        (TEMPORARY, "", 0.0, "InvalidToken"),
        (TEMPORARY, "Token", 0.0, "InvalidToken"),
        (TEMPORARY, "wrong", 200.0, "InvalidToken"),
    ],
)
def test_a_token_belongs_to_its_key_until_it_ends(user: User, token: str, now: float, code: str) -> None:
    if not code:
        check_token(user, token, now)
        return
    with pytest.raises(S3Error) as caught:
        check_token(user, token, now)
    assert caught.value.code == code


def test_a_token_comes_in_a_header_or_in_the_url() -> None:
    assert find_token(b"", {"x-amz-security-token": "a"}) == "a"
    assert find_token(b"x=1&X-Amz-Security-Token=a%2Bb", {}) == "a+b"
    assert find_token(b"x=1", {}) == ""
