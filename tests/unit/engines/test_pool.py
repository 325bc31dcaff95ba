"""The pool engine: the conformance suite, and what is its own."""

# ruff: noqa: T201 - tasks print

import io
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from continuum.testing import EngineConformance, call, code_of, is_alive, kill
from continuum.workflow.engines.budgets import Budget
from continuum.workflow.engines.pool import PoolEngine
from continuum.workflow.messages import FailureKind, TaskFailed, TaskFinished, TaskStarted


@pytest.fixture
def make_bench(benches, tmp_path):
    def make(computing_units=2, memory_bytes=0, budget=None, **run):
        budget = budget or Budget(computing_units, memory_bytes)
        return benches(lambda folder: PoolEngine(folder, budget, log_file=tmp_path / "output.log"), **run)

    return make


class TestPoolEngine(EngineConformance):
    pass


def test_what_tasks_print_is_in_the_log_with_the_task(make_bench, tmp_path):
    bench = make_bench()

    def speak():
        print("from python\nsecond line")
        print("unfinished", end="")
        print("on stderr", file=sys.stderr)
        sys.stdout.flush()
        os.write(1, b"from C\n")
        subprocess.run(["echo", "from a child"], check=True)

    task = bench.submit(speak)
    bench.wait(task)
    lines = (tmp_path / "output.log").read_text().splitlines()
    tagged = [line for line in lines if line.startswith(f"[task {task} ")]
    assert [line.split("] ", 1)[1] for line in tagged] == [
        "from python",
        "second line",
        "on stderr",
        "unfinished",
        "from C",
        "from a child",
    ]
    assert tagged[2].startswith(f"[task {task} err]")


def test_a_task_that_replaces_or_closes_its_streams_harms_nobody(make_bench, tmp_path):
    bench = make_bench(computing_units=1)

    def spoil():

        sys.stdout = io.StringIO()
        sys.stderr.close()

    bench.wait(bench.submit(spoil))
    assert bench.value(bench.submit(lambda: print("still here"))) is None
    assert "still here" in (tmp_path / "output.log").read_text()


def test_a_task_that_forks_and_forgets_its_child_makes_no_second_worker(make_bench):
    bench = make_bench(computing_units=1)

    def fork():
        return os.fork() == 0

    assert bench.value(bench.submit(fork)) is False
    assert [bench.value(bench.submit(lambda i=i: i)) for i in range(20)] == list(range(20))
    assert bench.count == 21


def test_two_runs_share_the_units_of_a_site_fairly(make_bench):
    budget = Budget(2)
    first, second = make_bench(budget=budget), make_bench(budget=budget)

    def work():
        time.sleep(0.02)

    code = code_of(work)
    specs = {bench: [bench.spec(work, code=code)[1] for _ in range(60)] for bench in (first, second)}
    first.engine.submit([code], specs[first])
    second.engine.submit([code], specs[second])
    second.wait_all(*[spec.task_id for spec in specs[second][:30]])
    assert 15 <= first.count <= 45  # both had half of the site
    for bench in (first, second):
        bench.wait_all(*[spec.task_id for spec in specs[bench]])
    assert budget.free_units == 2


def test_two_runs_of_tiny_tasks_on_one_unit_take_turns(make_bench):
    budget = Budget(1)
    first, second = make_bench(budget=budget), make_bench(budget=budget)

    def tiny():
        return None

    code = code_of(tiny)
    specs = {bench: [bench.spec(tiny, code=code)[1] for _ in range(5000)] for bench in (first, second)}
    first.engine.submit([code], specs[first])
    second.engine.submit([code], specs[second][:10])
    second.wait_all(*[spec.task_id for spec in specs[second][:10]])
    assert first.count < 5000
    first.wait_all(*[spec.task_id for spec in specs[first]])


def test_workers_that_die_at_once_fail_the_tasks_with_the_reason(make_bench, tmp_path):
    bench = make_bench(environment={"OMP_NUM_THREADS": "1"})
    (bench.folder.places[-1] / "work").rmdir()  # no worker can start without it
    (bench.folder.places[-1] / "work").write_text("in the way")
    failure = bench.failure(bench.submit(lambda: 1))
    assert failure.kind is FailureKind.WORKER_LOST
    assert "output.log" in failure.message
    assert "Traceback" in (tmp_path / "output.log").read_text()


def test_the_fork_server_may_die_and_the_run_goes_on(make_bench):
    bench = make_bench()

    def parent():
        return os.getppid()

    def sleep():
        time.sleep(60)

    server = bench.value(bench.submit(parent))
    running = bench.submit(sleep)
    bench.wait_for(
        lambda: any(isinstance(each, TaskStarted) and each.task_id == running for each in bench.events)
    )
    kill(server)
    assert bench.failure(running).kind is FailureKind.WORKER_LOST
    assert bench.value(bench.submit(parent)) != server


def test_a_task_keeps_its_own_attempts_apart(make_bench):
    bench = make_bench()
    code, spec = bench.spec(lambda: 1)
    again = type(spec)(task_id=spec.task_id, attempt=2, function=spec.function, call=spec.call)
    bench.engine.submit([code], [spec])
    assert bench.wait(spec.task_id).attempt == 1
    bench.answers.clear()
    bench.engine.submit([], [again])
    assert bench.wait(spec.task_id).attempt == 2


def test_killing_workers_again_and_again_loses_no_task(make_bench, tmp_path):
    bench = make_bench()
    victims = range(60, 600, 120)

    def work(i):
        if i in victims:
            note = tmp_path / f"victim-{i}"
            note.with_suffix(".new").write_text(str(os.getpid()))
            note.with_suffix(".new").rename(note)
            time.sleep(60)
        time.sleep(0.002)
        return os.getpid(), i

    code = code_of(work)
    specs = [bench.spec(work, call(i), code=code, return_count=1)[1] for i in range(600)]
    bench.engine.submit([code], specs)
    for i in victims:
        note = tmp_path / f"victim-{i}"
        bench.wait_for_file(note)
        kill(int(note.read_text()))
    answers = bench.wait_all(*[spec.task_id for spec in specs])
    assert bench.count == 600
    lost = [answer for answer in answers if isinstance(answer, TaskFailed)]
    assert len(victims) <= len(lost) <= 3 * len(victims)
    assert all(answer.kind is FailureKind.WORKER_LOST for answer in lost)
    assert sum(isinstance(answer, TaskFinished) for answer in answers) == 600 - len(lost)


def _is_engine(pid: int) -> bool:
    """Whether a child of ours is an engine's; other tests may have left theirs running."""
    try:
        return b"continuum.workflow.engines.forking" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def _children(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            found += [int(child) for child in (task / "children").read_text().split()]
        except FileNotFoundError:
            continue
    return found


OWNER = """
    import sys, time
    from pathlib import Path
    from continuum.testing import EngineBench
    from continuum.workflow.engines.budgets import Budget
    from continuum.workflow.engines.pool import PoolEngine
    from continuum.workflow.folders import RunFolder

    folder = RunFolder("run-1", disk=Path({disk!r}))
    bench = EngineBench(PoolEngine(folder, Budget(2), log_file=Path({disk!r}) / "log"), folder)

    def busy():
        import os, subprocess
        child = subprocess.Popen(["sleep", "300"])
        open({pids!r}, "w").write(f"{{os.getpid()}} {{os.getppid()}} {{child.pid}}")
        child.wait()

    bench.submit(busy)
    print("\\n".join(str(place) for place in folder.places), flush=True)
    time.sleep(300)
"""


@pytest.mark.parametrize("with_signal", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_is_left_when_the_owner_is_killed(tmp_path, with_signal):
    pids_file = tmp_path / "pids"
    program = textwrap.dedent(OWNER).format(disk=str(tmp_path / "disk"), pids=str(pids_file))
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as owner:
        places = [Path(owner.stdout.readline().strip())]
        _poll(lambda: pids_file.exists() and len(pids_file.read_text().split()) == 3)
        pids = [int(pid) for pid in pids_file.read_text().split()]
        assert all(is_alive(pid) for pid in pids)
        owner.send_signal(with_signal)
    _poll(lambda: not any(is_alive(pid) for pid in pids))
    _poll(lambda: not any(place.exists() for place in places))


def _poll(condition, patience_s=10.0):
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)
