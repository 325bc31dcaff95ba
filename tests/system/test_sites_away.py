"""Sites that are away for a while in the middle of a run: nothing that they have is done twice."""

import json
import os
import signal
from collections import Counter
from pathlib import Path

import pytest
from embedding import Embedded, wait_until

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]

PROGRAM = """
import sys, time
from pathlib import Path
from continuum.workflow import pinned, task, wait_on

SEEN, GO = Path(sys.argv[1]), Path(sys.argv[2])

def see(name):
    with SEEN.open("a") as file:
        file.write(name + "\\n")

@task(returns=1)
def make(number):
    see(f"make {number}")
    return bytes([number]) * 100_000

@task(returns=1)
def wait(made, number):
    see(f"wait {number}")
    while not GO.exists():
        time.sleep(0.05)
    return made[:1] * 50_000

@task(returns=1)
def join(values):
    see("join")
    return sum(each[0] for each in values)

with pinned("edge"):
    waiting = [wait(make(number), number) for number in range(4)]
with pinned("cloud"):
    print("sum", wait_on(join(waiting)))
"""


class Program:
    """The program in a run of its own; what its tasks did is counted."""

    def __init__(self, embedded: Embedded, folder: Path) -> None:
        self.embedded = embedded
        self.seen, self.go, self.out = folder / "seen", folder / "go", folder / "out"
        self.program = folder / "program.py"
        self.program.write_text(PROGRAM)
        self.seen.touch()

    def counts(self) -> Counter[str]:
        return Counter(self.seen.read_text().splitlines())

    def run(self, *options: str):
        return self.embedded.running(*options, str(self.program), str(self.seen), str(self.go))

    def wait_until_it_waits(self) -> None:
        wait_until(lambda: "wait 0" in self.counts(), 60.0, "no task has begun at edge")

    def has_done_each_once(self) -> bool:
        return self.counts() == Counter(
            ["join", *(f"{name} {number}" for name in ("make", "wait") for number in range(4))]
        )


@pytest.fixture
def program(embedded: Embedded, tmp_path: Path) -> Program:
    embedded.wait_until_ready()
    return Program(embedded, tmp_path)


def test_a_site_that_falls_silent_and_comes_back_reports_what_it_did(program: Program) -> None:
    embedded = program.embedded
    with program.run() as process:
        program.wait_until_it_waits()
        agent = embedded.process("agent.edge")["pid"]
        os.kill(agent, signal.SIGSTOP)
        try:
            assert process.stderr is not None
            said = ""
            while "is silent" not in said:
                said = process.stderr.readline()
                assert said, "the run ended"
            program.go.touch()  # its workers go on meanwhile
        finally:
            os.kill(agent, signal.SIGCONT)
        out, err = process.communicate(timeout=90)
    assert process.returncode == 0, err
    assert "answers again" in err
    assert "sum 6" in out
    assert program.has_done_each_once(), program.counts()


def test_an_agent_that_is_told_to_stop_finishes_what_it_has(program: Program) -> None:
    embedded = program.embedded
    settings_file = embedded.path / "sites" / "edge" / "agent" / "settings.json"
    before = settings_file.read_bytes()
    settings_file.write_text(json.dumps(json.loads(before) | {"drain_s": 60.0}))
    try:
        embedded.kill("agent.edge")
        embedded.wait_until_ready()
        with program.run() as process:
            program.wait_until_it_waits()
            agent = embedded.process("agent.edge")["pid"]
            os.kill(agent, signal.SIGTERM)
            program.go.touch()
            out, err = process.communicate(timeout=90)
    finally:
        settings_file.write_bytes(before)
    wait_until(lambda: embedded.process("agent.edge")["pid"] != agent, 40.0, "the agent has not stopped")
    embedded.wait_until_ready()
    assert process.returncode == 0, err
    assert "leaves" in err
    assert "sum 6" in out
    assert program.has_done_each_once(), program.counts()
