"""What carries data and messages between sites is killed in the middle of a run that depends on it."""

import subprocess
from pathlib import Path

import pytest
from embedding import wait_until

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

PROGRAM = Path(__file__).parent / "programs" / "crossing.py"
LIMIT_S = 90.0
STEPS_BETWEEN = 3


def wait_for_steps(folder: Path, process: "subprocess.Popen[str]") -> None:
    """Wait until the run has gone on for a few steps."""
    target = len(list(folder.glob("step-*"))) + STEPS_BETWEEN

    def has_gone_on() -> bool:
        assert process.poll() is None, (folder / "out.txt").read_text()
        return len(list(folder.glob("step-*"))) >= target

    wait_until(has_gone_on, LIMIT_S, "the run does not go on")


def test_a_run_outlives_the_death_of_backbone_hub_and_gateways_one_after_the_other(embedded, tmp_path):
    with (
        (tmp_path / "out.txt").open("w") as out,
        embedded.running(str(PROGRAM), str(tmp_path), out=out, err=subprocess.STDOUT) as process,
    ):
        for victim in ("nats", "hub", "gateway.edge", "gateway.cloud"):
            wait_for_steps(tmp_path, process)
            embedded.kill(victim)
        wait_for_steps(tmp_path, process)
        (tmp_path / "enough").touch()
        status = process.wait(timeout=LIMIT_S)
    text = (tmp_path / "out.txt").read_text()
    assert status == 0, text
    assert "right after" in text
    embedded.wait_until_ready()
