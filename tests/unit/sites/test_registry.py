"""The registry's memory: who was heard when."""

import pytest

from continuum.model.errors import NotFoundError
from continuum.model.sites import Capacity, Link, SiteKind, SiteReport
from continuum.sites import Registry
from continuum.sites.registry import SILENT_AFTER_S


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def report(name: str, free_units: int = 1) -> SiteReport:
    return SiteReport(
        name=name,
        kind=SiteKind.EDGE,
        capacity=Capacity(computing_units=2, memory_bytes=1),
        free_units=free_units,
        queued_tasks=0,
        engines=("pool",),
        gateway_url="",
        reported_at=0.0,
        started_at=0.0,
        version="",
    )


def test_the_last_report_counts_and_sites_come_in_the_order_of_names() -> None:
    registry = Registry((Link(source="a", target="b", bandwidth_bytes_per_s=1.0, latency_s=1.0),))
    for each in (report("b"), report("a"), report("b", free_units=0)):
        registry.note(each)
    known = registry.sites()
    assert [(site.name, site.report.free_units) for site in known.sites] == [("a", 1), ("b", 0)]
    assert known.links[0].target == "b"


def test_a_silent_site_is_kept_and_shown_as_unreachable() -> None:
    clock = Clock()
    registry = Registry(clock=clock)
    registry.note(report("a"))
    clock.now_s += SILENT_AFTER_S - 0.1
    assert registry.get_site("a").is_reachable
    clock.now_s += 0.2
    assert not registry.get_site("a").is_reachable
    registry.note(report("a"))
    assert registry.get_site("a").is_reachable


def test_a_site_that_never_reported_is_not_known() -> None:
    registry = Registry()
    registry.note(report("a"))
    with pytest.raises(NotFoundError) as caught:
        registry.get_site("b")
    assert "a" in caught.value.hint


def test_the_registry_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("continuum.sites.registry.MAX_SITES", 2)
    clock = Clock()
    registry = Registry(clock=clock)
    for name in ("old", "newer", "newest"):
        clock.now_s += 1
        registry.note(report(name))
    assert [site.name for site in registry.sites().sites] == ["newer", "newest"]
