"""dislib, a library of machine learning on PyCOMPSs, unmodified, over two sites; in its own environment."""

import os
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.system

PROGRAM = Path(__file__).parents[1] / "programs" / "learning.py"
ENVIRONMENT = Path(sys.prefix) / "dislib" / "lib" / f"python3.{sys.version_info.minor}" / "site-packages"


def test_dislib_works_unmodified_over_two_sites(embedded, monkeypatch):
    assert ENVIRONMENT.exists(), "scripts/prepare dislib"
    monkeypatch.setenv("PYTHONPATH", str(ENVIRONMENT))
    monkeypatch.setenv("ComputingUnits", "1")  # what dislib asks of whoever runs it
    variables = [f"--env={name}={os.environ[name]}" for name in ("PYTHONPATH", "ComputingUnits")]
    done = embedded.continuum("run", *variables, "--no-graph", str(PROGRAM), timeout_s=110)
    assert done.stdout.endswith("learning ok\n"), done.stderr
