"""Orders outlive the process that gave them: the next one takes their answers, and nothing is done twice."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
from kept_order_giver import give, open_bench

from continuum.workflow.engines.clusters import DaskCluster

PATIENCE_S = 60.0


def wait_until(condition, what):
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def executed(folder: Path, name="*"):
    return sorted(path.name.split("-")[1] for path in folder.glob(f"executed-{name}-*"))


def test_what_a_process_gave_out_is_taken_by_the_next_and_not_done_again(tmp_path):
    cluster = DaskCluster(tmp_path / "dask", units_per_worker=2)
    address = cluster.start(1)
    script = Path(__file__).with_name("kept_order_giver.py")
    command = [sys.executable, str(script), str(tmp_path), msgspec.json.encode(address).decode()]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "given\n"
        wait_until(lambda: len(executed(tmp_path)) == 2, "two run")
        process.send_signal(signal.SIGKILL)
        process.wait()
        bench = open_bench(tmp_path, address)
        tasks = give(bench, tmp_path)
        (tmp_path / "go").touch()
        assert [bench.value(task) for task in tasks] == ["a", "b", "c"]
        assert executed(tmp_path) == ["a", "b", "c"]
        again = give(bench, tmp_path)
        assert [bench.value(task) for task in again] == ["a", "b", "c"]
        bench.engine.close()
        bench.folder.close()
    finally:
        process.kill()
        process.communicate()
        cluster.close()


def test_nothing_is_kept_of_orders_whose_answers_were_taken(tmp_path):
    cluster = DaskCluster(tmp_path / "dask", units_per_worker=2)
    bench = open_bench(tmp_path, cluster.start(0))
    try:
        cluster.hire(1)  # it comes later and lacks the run, so that its first orders are given twice
        (tmp_path / "go").touch()
        assert [bench.value(task) for task in give(bench, tmp_path)] == ["a", "b", "c"]
        gone = []
        wait_until(lambda: gone.append(cluster.retire(1)) or sum(gone) == 1, "a worker without data goes")
    finally:
        bench.engine.close()
        bench.folder.close()
        cluster.close()
