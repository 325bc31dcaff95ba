"""Tasks of several kinds on a continuum of two sites and on this machine alone, as a user runs them."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from embedding import Embedded

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(shutil.which("mpirun") is None, reason="Debian's openmpi-bin is not installed"),
]

PROGRAMS = Path(__file__).parent / "programs"
PROGRAM = str(PROGRAMS / "kinds.py")


@pytest.mark.parametrize("site", ["edge", "cloud"])
def test_programs_ranks_and_reductions_run_at_each_site(offering: Embedded, tmp_path, site):
    way = "gpus 0,1" if site == "cloud" else "plain"
    done = offering.continuum("run", "--placement", site, PROGRAM, str(tmp_path), way)
    assert done.stdout == "kinds ok\n"


def test_the_way_that_a_task_was_done_is_told(offering: Embedded, tmp_path):
    words = ("--name", "kinds", "--json", PROGRAM, str(tmp_path), "gpus 0,1", "plain")
    run_id = json.loads(offering.continuum("run", *words).stdout)["run_id"]
    assert "as where" in offering.continuum("run", "explain", run_id).stdout


def test_programs_and_ranks_run_on_this_machine_alone(embedded: Embedded, tmp_path):
    local = ["run", "--local", "--units", "2", "--gpus", "2"]
    assert embedded.continuum(*local, PROGRAM, str(tmp_path), "gpus 0,1").stdout == "kinds ok\n"


def test_they_run_sequentially_with_plain_python(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "continuum.workflow.pycompss", PROGRAM, str(tmp_path), "plain"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "COMPSS_NUM_THREADS": "1"},
    )
    assert done.stdout == "kinds ok\n" or done.stdout.endswith("kinds ok\n"), done.stderr


def test_what_a_site_does_not_have_is_said(offering: Embedded, tmp_path):
    program = tmp_path / "asking.py"
    program.write_text(
        "from continuum.workflow import constraint, task, wait_on\n"
        "@constraint(gpus=3, storage_type='ssd')\n"
        "@task(returns=1)\n"
        "def f():\n    return 1\n"
        "wait_on(f())\n"
    )
    done = offering.continuum("run", str(program), status=1)
    assert "cloud: needs 3 GPUs, has 2" in done.stderr
    assert "edge: needs 3 GPUs, has 0" in done.stderr


@pytest.fixture(scope="module")
def offering(tmp_path_factory):
    """A continuum whose site `cloud` says that it has two GPUs. Both have two computing units."""
    running = Embedded(tmp_path_factory.mktemp("offering") / "home")
    running.up(
        *("--hub-port", "0", "--gateway-ports", "0,0", "--store", "directory"),
        *("--offer", "edge:units=2,gpus=0", "--offer", "cloud:units=2,gpus=2,storage_type=ssd"),
    )
    try:
        yield running
    finally:
        running.down()
