"""Programs in a pod of a cluster, their tasks in worker pods: output, exit status, Ctrl-C, coming back."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from embedding import Embedded

from benchmarks.clusters import Cluster, wait_until

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(600)]

PROGRAM = """
import sys, time
from pycompss.api.api import compss_wait_on
from pycompss.api.task import task

@task(returns=1)
def square(number, run_s):
    time.sleep(run_s)
    return number * number

if __name__ == "__main__":
    count, run_s, status = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
    print("begins", flush=True)
    results = compss_wait_on([square(number, run_s) for number in range(count)])
    print("sum", sum(results), flush=True)
    sys.exit(status)
"""


class Launcher:
    """`runcompss-k8s` for the site `east`."""

    def __init__(self, listening: Embedded, cluster: Cluster, folder: Path) -> None:
        self.cluster = cluster
        self._command = [str(listening.program("runcompss-k8s"))]
        self._environment = listening.environment() | cluster.environment()
        self._program = folder / "app.py"
        self._program.write_text(PROGRAM)

    def command(self, *options: str, arguments: tuple[str, ...]) -> list[str]:
        """Return the words that run the program at the site."""
        where = ("--site", "east", "--context", self.cluster.context)
        return [*self._command, *where, *options, str(self._program), *arguments]

    def run(self, *options: str, arguments: tuple[str, ...] = ()) -> "subprocess.CompletedProcess[str]":
        """Run to the end. Without arguments for the program: the options alone."""
        words = self.command(*options, arguments=arguments) if arguments else [*self._command, *options]
        return subprocess.run(
            words, env=self._environment, capture_output=True, text=True, timeout=300, check=False
        )

    @contextmanager
    def running(self, *options: str, arguments: tuple[str, ...]) -> Iterator["subprocess.Popen[str]"]:
        """Have it run; it does not outlive the block."""
        process = subprocess.Popen(
            self.command(*options, arguments=arguments),
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.communicate()

    def in_cluster(self) -> set[str]:
        """Return what is in the namespace of runs."""
        objects = self.cluster.list_objects()
        return {each for each in objects if each.startswith("continuum-east-runs/")}


@pytest.fixture
def launcher(sites: tuple[Cluster, Cluster], listening: Embedded, tmp_path: Path) -> Iterator[Launcher]:
    made = Launcher(listening, sites[1], tmp_path)
    before = made.in_cluster()
    yield made
    wait_until(lambda: not made.in_cluster() - before, 120.0, "something is left in the cluster")


def read_until(process: "subprocess.Popen[str]", word: str) -> str:
    assert process.stdout is not None
    said = ""
    while word not in said:
        line = process.stdout.readline()
        assert line, f"it ended: {said}"
        said += line
    return said


def run_of(text: str) -> str:
    """Return the id of the run that the launcher names."""
    return next(word for word in text.split() if word.startswith("app-"))


def test_a_program_runs_in_a_pod_and_its_exit_status_comes_home(
    launcher: Launcher, listening: Embedded
) -> None:
    done = launcher.run("--workers", "1-2", arguments=("4", "0.1", "3"))
    assert done.returncode == 3, done.stdout + done.stderr
    assert "begins" in done.stdout
    assert "sum 14" in done.stdout
    run = run_of(done.stdout + done.stderr)
    summary = json.loads(listening.continuum("run", "show", run, "--json").stdout)
    assert str(summary).count("finished")


def test_a_program_here_has_its_tasks_there(launcher: Launcher) -> None:
    done = launcher.run("--deploy-mode", "client", "--workers", "1", arguments=("4", "0.1", "0"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "sum 14" in done.stdout


def test_an_interrupted_program_leaves_nothing_and_the_next_one_runs(launcher: Launcher) -> None:
    with launcher.running("--workers", "1", arguments=("50", "5", "0")) as process:
        read_until(process, "begins")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=120)
    assert process.returncode == 130
    done = launcher.run("--workers", "1", arguments=("2", "0.1", "0"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "sum 1" in done.stdout


def test_a_program_goes_on_without_its_launcher_which_comes_back(launcher: Launcher) -> None:
    detached = launcher.run("--detach", "--workers", "1", arguments=("4", "0.5", "5"))
    assert detached.returncode == 0, detached.stdout + detached.stderr
    attached = launcher.run("--attach", run_of(detached.stdout + detached.stderr))
    assert attached.returncode == 5, attached.stdout + attached.stderr
    assert "sum 14" in attached.stdout
    with launcher.running("--workers", "1", arguments=("4", "2", "7")) as process:
        said = read_until(process, "begins")
        os.kill(process.pid, signal.SIGKILL)
    attached = launcher.run("--attach", run_of(said))
    assert attached.returncode == 7, attached.stdout + attached.stderr
    assert "sum 14" in attached.stdout


def test_what_would_be_made_is_accepted_by_the_server(launcher: Launcher) -> None:
    told = launcher.run("--dry-run", "--workers", "2", arguments=("1", "0", "0"))
    assert told.returncode == 0, told.stderr
    assert "PRIVATE KEY" not in told.stdout
    accepted = launcher.cluster.kubectl("apply", "--dry-run=server", "-f", "-", text=told.stdout)
    assert "job.batch/" in accepted
