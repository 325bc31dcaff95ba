"""`continuum run resume` as users do it: the process of a run is killed, and the run goes on."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.system
CONTINUUM = str(Path(sys.executable).with_name("continuum"))

PROGRAM = """
import sys, time
from continuum.workflow import FILE_INOUT, task, wait_on, wait_on_file

CALLS, COUNTER, GATE = sys.argv[1:]

def note(what):
    with open(CALLS, "a") as file:
        file.write(what + "\\n")

class Scale:
    def __init__(self, by):
        self.by = by

@task(returns=1)
def scaled(scale, number):
    note(f"scaled {number}")
    return scale.by * number

@task(counter=FILE_INOUT)
def bump(counter):
    note("bump")
    with open(counter) as file:
        number = int(file.read())
    with open(counter, "w") as file:
        file.write(str(number + 1))

@task(returns=1)
def held_up(number):
    import pathlib
    while not pathlib.Path(GATE).exists():
        time.sleep(0.02)
    return number

made = [scaled(Scale(3), number) for number in range(5)]
bump(COUNTER)
print(sum(wait_on(made)))
wait_on_file(COUNTER)
note("counted")
print(wait_on(held_up(7)))
"""


@pytest.fixture
def killed(tmp_path):
    """The home of a local run that was killed while it waited for its last task."""
    (tmp_path / "app.py").write_text(PROGRAM)
    (tmp_path / "counter").write_text("1")
    command = [CONTINUUM, "run", "--local", "--units", "1", "app.py"]
    process = subprocess.Popen(
        [*command, "calls", "counter", str(tmp_path / "gate")],
        cwd=tmp_path,
        env={**os.environ, "CONTINUUM_HOME": str(tmp_path / "home")},
        stdout=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while "counted" not in calls(tmp_path):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    (tmp_path / "gate").touch()
    return tmp_path


def calls(folder):
    path = folder / "calls"
    return path.read_text().splitlines() if path.exists() else []


def resume(folder, *options):
    return subprocess.run(
        [CONTINUUM, "run", "resume", "last", *options],
        cwd="/",
        env={**os.environ, "CONTINUUM_HOME": str(folder / "home")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_killed_run_goes_on_where_it_was_and_does_nothing_twice(killed):
    before = calls(killed)
    done = resume(killed, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["state"] == "succeeded"
    assert done.stderr.split()[:2] == ["30", "7"]
    assert [call for call in calls(killed)[len(before) :] if call != "counted"] == []
    assert (killed / "counter").read_text() == "2"
    again = resume(killed)
    assert again.returncode == 1
    assert "has succeeded" in again.stderr


def test_a_program_that_was_changed_is_refused_and_goes_on_if_that_is_said(killed):
    before = calls(killed)
    changed = PROGRAM.replace("scale.by * number", "scale.by * number * 2")
    (killed / "app.py").write_text(changed)
    refused = resume(killed)
    assert refused.returncode == 1
    assert "was changed" in refused.stderr
    assert "--changed-ok" in refused.stderr
    done = resume(killed, "--changed-ok")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["60", "7"]
    ran = {call.split()[0] for call in calls(killed)[len(before) :]}
    assert ran == {"scaled", "counted"}
    assert (killed / "counter").read_text() == "2"
