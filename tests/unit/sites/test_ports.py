"""Ports: claimed by whoever chose them, and a start that loses one to somebody else is made again."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from continuum.model.errors import UnavailableError
from continuum.sites import Home
from continuum.sites.ports import INTERNAL_PORTS, choose_free_ports, claim_port
from continuum.sites.supervision.folders import ensure_home
from continuum.sites.supervision.plans import Plan, PlannedProcess, ReadyLine
from continuum.sites.supervision.starting import Progress, StartFailedError, supervise

CLAIM = "from continuum.sites import choose_free_ports; print(*choose_free_ports(3), flush=True); input()"
LISTEN = """
import socket, sys, time
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("ready", flush=True)
time.sleep(60)
"""


def test_a_port_that_another_process_chose_is_not_chosen_until_that_process_has_ended() -> None:
    other = subprocess.Popen(
        [sys.executable, "-c", CLAIM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert other.stdout is not None
        theirs = [int(word) for word in other.stdout.readline().split()]
        others = set(INTERNAL_PORTS) - set(theirs)
        assert not any(map(claim_port, theirs))
        with pytest.raises(UnavailableError):
            choose_free_ports(1, others)
    finally:
        other.communicate("that is all\n")
    assert sorted(choose_free_ports(3, others)) == sorted(theirs)
    assert all(map(claim_port, theirs)), "they are ours now"


def listening_plan(folder: Path, port: int) -> Plan:
    listener = PlannedProcess(
        name="listener",
        argv=(sys.executable, "-S", "-c", LISTEN, str(port)),
        environment={},
        folder=folder,
        probe=ReadyLine(),
        ports=(port,),
    )
    return Plan(home=folder, run_folder=folder, identities=(), folders=(), files=(), processes=(listener,))


def start(folder: Path, ports: list[int]) -> list[Progress]:
    """Supervise a process that listens on the first of the ports, at the next start on the next one."""
    told: list[Progress] = []
    plans = (listening_plan(folder, port) for port in ports)

    def hear(progress: Progress) -> None:
        told.append(progress)
        if progress.ready:
            signal.raise_signal(signal.SIGTERM)

    home = Home(folder)
    ensure_home(home, min_free_bytes=0)
    supervise(home, lambda _: next(plans), hear, hint="")
    return told


def test_a_start_that_loses_a_port_is_made_again_with_another_one(tmp_path: Path, taken: int) -> None:
    told = start(tmp_path, [taken, *choose_free_ports(1)])
    assert "listener lost a port to another program: all is started again" in [each.note for each in told]
    assert [each.ready for each in told].count(True) == 1


def test_a_port_that_stays_lost_ends_the_start_with_the_words_of_who_needed_it(
    tmp_path: Path, taken: int
) -> None:
    with pytest.raises(StartFailedError) as caught:
        start(tmp_path, [taken] * 9)
    assert any("Address already in use" in line for line in caught.value.lines)
