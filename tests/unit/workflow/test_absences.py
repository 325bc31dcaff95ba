"""A site that is away holds up what needs its data, and nothing else; it is given up in the end."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import absent
import pytest

from continuum.testing import wait_until
from continuum.workflow import Driver, LocalExecutor, Run, barrier, pinned, use_run, wait_on
from continuum.workflow.coding import archive_modules
from continuum.workflow.journals import Journal
from continuum.workflow.messages import ObjectName, RunSpec, SiteAway, SiteBack, SiteGone
from continuum.workflow.transferring import SHELF

pytestmark = pytest.mark.timeout(90)


class Cuttable:
    """A site whose link can be cut: what is said to it, and what it says, wait until it is mended."""

    computing_units = 1

    def __init__(self, site: str, folder: Path) -> None:
        self.site = site
        self._inner = LocalExecutor(site, computing_units=1, shelf=folder / "shelf", folder=folder / site)
        self._is_cut = False
        self._waiting: list[Callable[[], None]] = []
        self._lock = threading.RLock()
        self.given_up: list[str] = []

    def start(self, run, sink):
        self._sink = sink
        self._inner.start(run, lambda site, events: self._do(lambda: sink(site, events)))

    def _do(self, work):
        with self._lock:
            if self._is_cut:
                self._waiting.append(work)
            else:
                work()

    def cut(self):
        with self._lock:
            self._is_cut = True
        self._sink(self.site, [SiteAway(reason="cut")])

    def mend(self):
        self._sink(self.site, [SiteBack()])
        with self._lock:
            self._is_cut = False
            waiting, self._waiting = self._waiting, []
            for work in waiting:
                work()

    def is_busy(self):
        return self._inner.load().running_tasks > 0

    def give_up(self, reason):
        self.given_up.append(reason)
        self._sink(self.site, [SiteGone(reason=reason)])

    def read(self, datum, published):
        return self._inner.read(datum, published)

    @property
    def settings(self):
        return self._inner.settings

    def close(self):
        self._inner.close()

    def __getattr__(self, name):
        method = getattr(self._inner, name)
        return lambda *values, **named: self._do(lambda: method(*values, **named))


@pytest.fixture
def sites(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[tuple[Cuttable, Cuttable]]:
    (tmp_path / "shelf").mkdir()
    pair = Cuttable("a", tmp_path), Cuttable("b", tmp_path)
    spec = RunSpec(
        run_id="absent",
        application="test",
        code=archive_modules(Path(__file__)),
        objects=ObjectName(SHELF, "absent"),
        hold_s=300.0,
    )
    driver = Driver(spec, pair, Journal(tmp_path / "journal"), patience_s=getattr(request, "param", 120.0))
    driver.start()
    try:
        with use_run(Run(driver)):
            yield pair
    finally:
        driver.close()


def test_what_needs_nothing_of_a_silent_site_is_not_held_up(sites, tmp_path):
    away, go = sites[0], tmp_path / "go"
    with pinned("a"):
        made = [absent.make(number) for number in range(1, 30)]
    with pinned("b"):
        wait_on(absent.alone(0))
    barrier()
    with pinned("a"):
        held = absent.hold(made[0], str(tmp_path / "begun"), str(go))
    wait_until((tmp_path / "begun").exists)
    away.cut()
    with pinned("b"):
        waiting = [absent.use(each) for each in made]
        free = [absent.alone(number) for number in range(4)]
    assert wait_on(free) == [0, 1, 2, 3]
    assert not any(each.done() for each in waiting)
    go.touch()
    away.mend()
    assert wait_on(waiting) == [bytes([number]) for number in range(1, 30)]
    assert wait_on(held) == 100_000
    assert not away.given_up


@pytest.mark.parametrize("sites", [0.5], indirect=True)
def test_a_site_that_stays_away_is_given_up_and_its_work_done_elsewhere(sites, tmp_path):
    go = tmp_path / "go"
    held = absent.hold(b"unknown", str(tmp_path / "begun"), str(go))
    wait_until((tmp_path / "begun").exists)
    away = next(site for site in sites if site.is_busy())
    (tmp_path / "begun").unlink()
    away.cut()
    wait_until(lambda: bool(away.given_up))
    wait_until((tmp_path / "begun").exists)  # elsewhere
    go.touch()
    assert wait_on(held) == len(b"unknown")
