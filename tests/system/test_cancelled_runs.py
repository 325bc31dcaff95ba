"""`continuum run cancel` from another terminal and another home: tasks and what they started are gone."""

import json
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from embedding import Embedded

from continuum.testing import wait_until

pytestmark = pytest.mark.system

PROGRAM = """
import os, subprocess, sys, time
from pathlib import Path
from continuum.workflow import task, wait_on

@task(returns=1)
def endless(folder, number):
    child = subprocess.Popen(["sleep", "3000"])
    made = Path(folder, f"{number}.part")
    made.write_text(f"{os.getpid()} {child.pid}")
    made.rename(Path(folder, f"{number}.pids"))
    time.sleep(3000)

wait_on([endless(sys.argv[1], number) for number in range(2)])
"""


@pytest.fixture
def started(embedded: Embedded, tmp_path):
    """A run whose tasks are running, each with a process of its own."""
    (tmp_path / "app.py").write_text(PROGRAM)
    name = f"endless-{time.monotonic_ns()}"
    command = [embedded.program("continuum"), "run", "-q", "--name", name, "app.py", str(tmp_path)]
    process = subprocess.Popen(command, cwd=tmp_path, env=embedded.environment())
    try:
        wait_until(lambda: len(list(tmp_path.glob("*.pids"))) == 2)
        yield (
            name,
            process,
            [int(pid) for path in tmp_path.glob("*.pids") for pid in path.read_text().split()],
        )
    finally:
        process.kill()
        process.wait()


def is_gone(pid):
    return not Path(f"/proc/{pid}").exists()


def test_a_run_is_cancelled_from_another_terminal(embedded, started):
    name, process, pids = started
    told = embedded.continuum("run", "cancel", name)
    assert told.stdout.split()[-1] == "cancelled"
    assert process.wait(60) == 143
    wait_until(lambda: all(map(is_gone, pids)))
    assert json.loads(embedded.continuum("run", "show", name, "--json").stdout)["state"] == "cancelled"
    again = embedded.continuum("run", "cancel", name, status=1)
    assert "it is cancelled" in again.stderr


def test_a_run_is_cancelled_from_a_home_that_does_not_have_it(embedded, started, tmp_path):
    name, process, pids = started
    elsewhere = Embedded(tmp_path / "elsewhere")
    for folder in ("identities", "ca"):
        shutil.copytree(embedded.path / folder, elsewhere.path / folder)
    for file in embedded.path.glob("*.*"):
        if file.is_file():
            shutil.copy(file, elsewhere.path / file.name)
    wait_until(lambda: name in embedded.continuum("run", "list", "--json").stdout)
    told = elsewhere.continuum("run", "cancel", name)
    assert "is being cancelled" in told.stdout
    assert process.wait(60) == 143
    wait_until(lambda: all(map(is_gone, pids)))
