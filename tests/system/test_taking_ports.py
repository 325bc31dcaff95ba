"""Servers of tests that lose a port between its choice and their start choose another one."""

from collections.abc import Callable
from pathlib import Path

import pytest
from backbone_server import BackboneServer, greets
from plain_store import PlainStore
from taking_ports import PortLostError, start_on_free_ports

from continuum.sites import choose_free_ports

pytestmark = pytest.mark.system
Choose = Callable[[int], list[int]]


@pytest.fixture
def choose(taken: int) -> Choose:
    """Choose ports of which the last one is taken, the first time."""
    is_first = iter([True])

    def choose(count: int) -> list[int]:
        free = choose_free_ports(count)
        return [*free[:-1], taken] if next(is_first, False) else free

    return choose


def test_a_backbone_that_lost_its_port_starts_on_another_one(
    tmp_path: Path, taken: int, choose: Choose
) -> None:
    server = BackboneServer(tmp_path)
    try:
        server.start(choose)
        assert server.port != taken
        assert greets(server.port)
    finally:
        server.kill()


def test_a_store_that_lost_one_of_its_ports_starts_on_others(tmp_path: Path, choose: Choose) -> None:
    store = PlainStore(tmp_path)
    try:
        store.start(choose)
        assert "address already in use" not in (tmp_path / "weed.log").read_text()
        assert store._process is not None
        assert store._process.poll() is None
    finally:
        store.stop()


def test_ports_that_stay_taken_are_given_up(tmp_path: Path, taken: int) -> None:
    with pytest.raises(PortLostError):
        BackboneServer(tmp_path).start(lambda count: [taken] * count)


def test_what_fails_for_another_reason_is_not_tried_again() -> None:
    tried: list[list[int]] = []

    def start(ports: list[int]) -> None:
        tried.append(ports)
        raise AssertionError("out of memory")

    with pytest.raises(AssertionError, match="out of memory"):
        start_on_free_ports(2, start)
    assert len(tried) == 1
