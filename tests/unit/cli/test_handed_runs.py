"""Programs handed as a whole to COMPSs: by a stand-in for `runcompss`, and by the real one if it is here."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from continuum.model.errors import InvalidInputError
from continuum.workflow import RunOptions
from continuum.workflow.compss import check_options

CONTINUUM = str(Path(sys.executable).with_name("continuum"))
STAND_IN = Path(__file__).with_name("handed_runcompss.py")
PROGRAM = """
import os, sys
import beside
print("arguments", *sys.argv[1:], os.environ.get("COLOUR"))
print("told", file=sys.stderr)
sys.exit(beside.STATUS)
"""
ENDLESS = """
import os, time
from pathlib import Path
Path("here").write_text(str(os.getpid()))
os.rename("here", "program.pid")
time.sleep(3000)
"""
REAL = """
from pycompss.api.api import compss_wait_on
from pycompss.api.task import task

@task(returns=1)
def double(number):
    return 2 * number

if __name__ == "__main__":
    print("doubled", sum(compss_wait_on([double(n) for n in range(5)])))
"""


class Machine:
    def __init__(self, folder):
        self.folder = folder
        (folder / "beside.py").write_text("STATUS = 0\n")
        (folder / "app.py").write_text(PROGRAM)
        (folder / "endless.py").write_text(ENDLESS)
        (folder / "bin").mkdir()
        runcompss = folder / "bin" / "runcompss"
        runcompss.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{STAND_IN}" "$@"\n')
        runcompss.chmod(0o700)

    def environment(self, **more):
        path = os.pathsep.join([str(self.folder / "bin"), os.environ["PATH"]])
        return os.environ | {"CONTINUUM_HOME": str(self.folder / "home"), "PATH": path, **more}

    def continuum(self, *words, status=0, **more):
        done = subprocess.run(
            [CONTINUUM, *words],
            cwd=self.folder,
            env=self.environment(**more),
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done

    def start(self):
        """Start the program that does not end, and return the command and everything that then runs."""
        process = subprocess.Popen(
            [CONTINUUM, "run", "-q", "--engine", "compss", "endless.py"],
            cwd=self.folder,
            env=self.environment(),
        )
        wait_until((self.folder / "program.pid").exists)
        files = [self.folder / "program.pid", *self.folder.glob("home/runs/*/compss/.COMPSs/*/worker.pid")]
        assert len(files) == 2
        return process, [int(path.read_text()) for path in files]

    def last(self):
        return json.loads(self.continuum("run", "show", "last", "--json").stdout)


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def wait_until(condition, limit_s=60):
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_gone(process):
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_a_program_is_handed_over_and_its_run_is_kept(machine):
    done = machine.continuum(
        *("run", "--engine", "compss", "--name", "mine", "--env", "COLOUR=red"),
        *("--compss-option=-d", "--compss-option=--wall_clock_limit=60", "app.py", "7", "--graph"),
    )
    assert done.stdout == "arguments 7 --graph red\n"
    assert "told\n" in done.stderr
    run = machine.last()
    assert (run["state"], run["name"], run["engine"]) == ("succeeded", "mine", "compss")
    assert run["handed_over"][-3:] == [str(machine.folder / "app.py"), "7", "--graph"]
    log = (
        machine.folder / "home" / "runs" / run["run_id"] / "compss" / ".COMPSs" / "app.py_01" / "runtime.log"
    )
    given = log.read_text()
    assert "'-d': ''" in given
    assert "'--wall_clock_limit': '60'" in given
    assert "'--graph': 'true'" in given
    printed = machine.continuum("run", "log", "last").stdout
    assert sorted(printed.splitlines()) == ["local arguments 7 --graph red", "local told"]
    again = machine.continuum("run", "resume", "last", status=1)
    assert "was handed to compss" in again.stderr


def test_the_exit_status_is_the_programs_and_what_it_left_running_is_ended(machine):
    (machine.folder / "beside.py").write_text("STATUS = 3\n")
    done = machine.continuum(
        "runcompss", "--engine=compss", "--no-such-option", "app.py", status=1, LEAVE_WORKER="1"
    )
    assert "no option --no-such-option" in done.stderr
    machine.continuum(
        "runcompss", "--engine=compss", "--log_level=debug", "app.py", status=3, LEAVE_WORKER="1"
    )
    assert (machine.last()["state"], machine.last()["exit_status"]) == ("failed", 3)
    (worker,) = machine.folder.glob("home/runs/*/compss/.COMPSs/*/worker.pid")
    assert is_gone(int(worker.read_text()))


@pytest.mark.parametrize(("how", "status"), [("cancel", 143), (signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_however_a_run_ends_nothing_of_it_stays(machine, how, status):
    process, below = machine.start()
    try:
        if how == "cancel":
            machine.continuum("run", "cancel", "last")
        else:
            process.send_signal(how)
        assert process.wait(60) == status
    finally:
        process.kill()
        process.wait()
    wait_until(lambda: all(map(is_gone, below)))
    assert machine.last()["state"] == ("lost" if how == signal.SIGKILL else "cancelled")


def test_a_machine_without_it_is_told(machine):
    nothing = machine.folder / "nothing"
    nothing.mkdir()
    done = machine.continuum(
        "run", "--engine", "compss", "app.py", status=1, PATH=str(nothing), COMPSS_HOME=str(nothing)
    )
    assert "there is no runcompss on this machine" in done.stderr
    assert not (machine.folder / "home" / "runs").exists()


def test_it_is_found_in_its_home_and_json_is_alone_on_standard_output(machine):
    scripts = machine.folder / "COMPSs" / "Runtime" / "scripts" / "user"
    scripts.mkdir(parents=True)
    shutil.move(machine.folder / "bin" / "runcompss", scripts)
    home = str(machine.folder / "COMPSs")
    words = ("run", "-q", "--engine", "compss", "--json", "app.py")
    done = machine.continuum(*words, PATH="/usr/bin:/bin", COMPSS_HOME=home)
    assert json.loads(done.stdout)["engine"] == "compss"
    assert "arguments" in done.stderr


@pytest.mark.parametrize(
    ("options", "handed", "says"),
    [
        (RunOptions(placement="edge"), (), "--placement means nothing"),
        (RunOptions(computing_units=2, is_local=True), (), "--units means nothing"),
        (RunOptions(keeps_crate=True), (), "--provenance means nothing"),
        (RunOptions(site="edge"), (), "--site means nothing"),
        (RunOptions(), ("graph",), "--compss-option=graph is no option of runcompss"),
        (RunOptions(), ("--lang=java",), "--lang=java is not supported"),
    ],
)
def test_what_means_nothing_to_it_is_refused(options, handed, says):
    with pytest.raises(InvalidInputError, match=says):
        check_options(options, handed)


def test_a_program_is_not_handed_over_at_a_site():
    with pytest.raises(InvalidInputError) as refused:
        check_options(RunOptions(site="edge"), ())
    assert "on this machine only" in refused.value.hint


def test_options_for_it_are_not_ignored_without_it(machine):
    done = machine.continuum("run", "--compss-option=--graph", "app.py", status=1)
    assert "--compss-option is for programs that COMPSs runs" in done.stderr


def test_the_real_runtime_runs_a_program(tmp_path):
    if shutil.which("runcompss") is None:
        pytest.skip("COMPSs is not installed here: its own runcompss was not tried")
    (tmp_path / "app.py").write_text(REAL)
    done = subprocess.run(
        [CONTINUUM, "run", "--engine", "compss", "app.py"],
        cwd=tmp_path,
        env=os.environ | {"CONTINUUM_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "doubled 20" in done.stdout
