"""Where other machines reach an embedded continuum: what is taken for an address, and what follows."""

import pytest

from continuum.model.errors import InvalidInputError
from continuum.sites.embedded.listening import choose_listen, find_bind_host, find_peer_host


@pytest.mark.parametrize(
    ("wanted", "before", "chosen"),
    [
        ((), (), ()),
        ((), ("192.0.2.7",), ("192.0.2.7",)),
        (("none",), ("192.0.2.7",), ()),
        (("192.0.2.8",), ("192.0.2.7",), ("192.0.2.8",)),
        (("192.0.2.7", "Hub.Example.org", "192.0.2.7"), (), ("192.0.2.7", "hub.example.org")),
    ],
)
def test_what_is_asked_for_replaces_what_was(
    wanted: tuple[str, ...], before: tuple[str, ...], chosen: tuple[str, ...]
) -> None:
    assert choose_listen(wanted, before) == chosen


@pytest.mark.parametrize(
    "word",
    [
        "0.0.0.0",
        "::",
        "127.0.0.1",
        "localhost",
        "224.0.0.1",
        "a b",
        "-x",
        "192.0.2",
        "x" * 254,
        "2001:db8::7",
        "none,",
    ],
)
def test_what_nobody_else_reaches_is_no_address(word: str) -> None:
    with pytest.raises(InvalidInputError):
        choose_listen((word,), ())


def test_none_stands_alone_and_there_are_bounds() -> None:
    with pytest.raises(InvalidInputError):
        choose_listen(("none", "192.0.2.7"), ())
    with pytest.raises(InvalidInputError):
        choose_listen([f"192.0.2.{number}" for number in range(17)], ())


def test_servers_listen_on_loopback_unless_others_should_reach_them() -> None:
    assert (find_bind_host(()), find_peer_host(())) == ("127.0.0.1", "127.0.0.1")
    assert (find_bind_host(("x",)), find_peer_host(("192.0.2.7", "x"))) == (
        "0.0.0.0",
        "192.0.2.7",
    )
