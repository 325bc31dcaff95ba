"""What tests of engines share: benches over engines of any kind, closed in the end."""

import pytest

from continuum.testing import EngineBench
from continuum.workflow.folders import RunFolder


@pytest.fixture
def benches(tmp_path):
    """Return what opens a bench over the engine that `make_engine` makes of a run's folder."""
    opened = []

    def open_bench(make_engine, folder=None, **run):
        folder = folder or RunFolder("run-1", disk=tmp_path / "disk")
        bench = EngineBench(make_engine(folder), folder, **run)
        opened.append(bench)
        return bench

    yield open_bench
    for bench in opened:
        bench.engine.close()
        bench.folder.close()
        assert not any(place.exists() for place in bench.folder.places)
