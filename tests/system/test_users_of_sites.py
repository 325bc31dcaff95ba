"""A user besides the owner: let in by the backbone, by sites where it was granted, and out again."""

import subprocess
from pathlib import Path

import pytest
from embedding import Embedded, wait_until

PROGRAM = """
from pycompss.api.task import task
from pycompss.api.api import compss_wait_on

@task(returns=1)
def double(x):
    return 2 * x

if __name__ == "__main__":
    print(compss_wait_on([double(number) for number in range(4)]))
"""

pytestmark = pytest.mark.system


def run_until(user: Embedded, program: Path, *, is_let_in: bool) -> "subprocess.CompletedProcess[str]":
    """Run a program again and again, until it may be run or may not; return what it said."""
    said = []

    def attempt() -> bool:
        said.append(user.continuum("run", str(program), status=None))
        return (said[-1].returncode == 0) == is_let_in

    wait_until(attempt, 60.0, "the right did not change")
    return said[-1]


def test_a_user_runs_tasks_where_it_was_granted_and_nowhere_else(embedded: Embedded, tmp_path: Path) -> None:
    embedded.wait_until_ready()
    program, file = tmp_path / "program.py", tmp_path / "alice.user"
    program.write_text(PROGRAM)
    embedded.continuum("user", "invite", "alice", "--out", str(file))
    assert file.stat().st_mode & 0o777 == 0o600
    alice = Embedded(tmp_path / "alice")
    alice.continuum("user", "accept", str(file))

    refused = alice.continuum("run", str(program), status=None)
    assert refused.returncode != 0
    assert "edge: alice may not use site edge" in refused.stderr

    embedded.continuum("site", "grant", "edge", "alice")
    assert embedded.continuum("site", "rights", "edge").stdout == "alice\n"
    done = run_until(alice, program, is_let_in=True)
    assert "[0, 2, 4, 6]" in done.stdout
    assert "(edge 4)" in done.stdout + done.stderr

    embedded.continuum("site", "revoke", "edge", "alice")
    run_until(alice, program, is_let_in=False)
    embedded.continuum("user", "uninvite", "alice")
    embedded.continuum("user", "remove", "alice")
