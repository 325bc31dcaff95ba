"""A program in our own words, three ways: by `continuum run`, opening its run itself, and sequentially."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.system

PROGRAM = Path(__file__).parent / "programs" / "waiting.py"


def python(*words, environment):
    done = subprocess.run(
        [sys.executable, PROGRAM, *words],
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.stdout == "waiting ok\n", done.stderr


def test_a_program_in_our_own_words_runs_over_two_sites(embedded):
    done = embedded.continuum("run", "--placement", "load", str(PROGRAM))
    assert done.stdout == "waiting ok\n"


def test_a_program_opens_its_own_run_over_the_sites_of_its_continuum(embedded):
    python("opens", environment=embedded.environment())
    listed = json.loads(embedded.continuum("run", "list", "--json").stdout)
    assert [run["state"] for run in listed if run["name"] == "opened"] == ["succeeded"]


def test_the_same_program_runs_sequentially_with_plain_python(embedded):
    python(environment=embedded.environment())
