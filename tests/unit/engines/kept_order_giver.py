"""Gives three tasks to a Dask and waits, as an agent would: `python kept_order_giver.py FOLDER ADDRESS`."""

import sys
import time
from pathlib import Path

import msgspec

from continuum.testing import EngineBench
from continuum.workflow.engines import Budget, RunFolder
from continuum.workflow.engines.clusters import ClusterAddress
from continuum.workflow.engines.dask import DaskEngine
from continuum.workflow.engines.keeping import OrderBook


def open_bench(folder: Path, address: ClusterAddress) -> EngineBench:
    """Return an engine with the orders that are kept in `folder`."""
    data = RunFolder("run-1", disk=folder / "disk")
    engine = DaskEngine(data, Budget(2), address, log_file=folder / "log", book=OrderBook(folder / "orders"))
    return EngineBench(engine, data)


def give(bench: EngineBench, folder: Path) -> list[int]:
    """Give out three tasks, of which two run at once; each says that it was executed."""
    marks = str(folder)

    def work(name: str) -> str:
        import pathlib  # noqa: PLC0415 - where it runs
        import time  # noqa: PLC0415
        import uuid  # noqa: PLC0415

        pathlib.Path(marks, f"executed-{name}-{uuid.uuid4().hex}").touch()
        while not pathlib.Path(marks, "go").exists():
            time.sleep(0.01)
        return name

    return [bench.submit(work, name) for name in "abc"]


if __name__ == "__main__":
    place = Path(sys.argv[1])
    give(open_bench(place, msgspec.json.decode(sys.argv[2], type=ClusterAddress)), place)
    print("given", flush=True)  # noqa: T201
    time.sleep(600)
