"""Programs as tutorials of PyCOMPSs teach them: the same results on one site, on two, and sequentially."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.system

PROGRAMS = Path(__file__).parent / "programs"
TUTORIALS = [("counters.py", ("FOLDER",)), ("sorting.py", ("50",)), ("cholesky.py", ("3", "24"))]


@pytest.mark.parametrize(("program", "arguments"), TUTORIALS)
def test_a_tutorial_program_gives_the_same_on_one_site_on_two_and_sequentially(
    embedded, tmp_path, program, arguments
):
    words = [str(tmp_path) if word == "FOLDER" else word for word in arguments]
    said = f"{program.removesuffix('.py')} ok\n"
    for options in (("--placement", "edge"), ("--placement", "load")):
        done = embedded.continuum("run", *options, "--no-graph", str(PROGRAMS / program), *words)
        assert done.stdout == said, options
    alone = subprocess.run(
        [sys.executable, "-m", "continuum.workflow.pycompss", PROGRAMS / program, *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert alone.stdout == said, alone.stderr
