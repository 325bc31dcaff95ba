"""Supervision with real processes: start in order, restart, stop, and nothing left behind."""

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import psutil
import pytest

from continuum.model.errors import ConflictError
from continuum.sites import Home
from continuum.sites.ports import choose_free_ports
from continuum.sites.supervision import probing, supervising
from continuum.sites.supervision.controlling import find_status, find_supervisor, pid_file, stop
from continuum.sites.supervision.folders import choose_run_folder, ensure_private
from continuum.sites.supervision.logs import MAX_LOG_BYTES, LogFile
from continuum.sites.supervision.plans import Plan, PlannedProcess, ReadyLine, ReadyPort
from continuum.sites.supervision.processes import ProcessFailedError, State, SupervisedProcess
from continuum.sites.supervision.supervising import Lock, Supervisor

SERVE = "print('ready', flush=True); import time; time.sleep(60)"


@pytest.fixture(autouse=True)
def _no_sockets_are_left(tmp_path: Path) -> Iterator[None]:
    yield
    if not choose_run_folder(tmp_path).is_relative_to(tmp_path):
        shutil.rmtree(choose_run_folder(tmp_path), ignore_errors=True)


HANG = """
import socket, sys, time
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    server.accept()[0].sendall(b"hello")
"""


def planned(folder: Path, name: str, program: str, after: tuple[str, ...] = ()) -> PlannedProcess:
    return PlannedProcess(
        name=name,
        argv=(sys.executable, "-S", "-c", program),
        environment={},
        folder=folder,
        probe=ReadyLine(),
        after=after,
        ready_s=5.0,
        stop_s=2.0,
    )


def a_plan(folder: Path, *processes: PlannedProcess) -> Plan:
    (folder / "logs").mkdir(exist_ok=True)
    run_folder = choose_run_folder(folder)
    ensure_private(run_folder)
    return Plan(home=folder, run_folder=run_folder, identities=(), folders=(), files=(), processes=processes)


class Watch:
    """Notes every change of a process, and wakes who waits for one."""

    def __init__(self) -> None:
        self.changes: list[tuple[str, State]] = []
        self._something = asyncio.Event()

    def __call__(self, process: SupervisedProcess) -> None:
        self.changes.append((process.name, process.state))
        self._something.set()

    async def until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not is_so():
                self._something.clear()
                await self._something.wait()

    def order(self, state: State) -> list[str]:
        return [name for name, reached in self.changes if reached is state]


async def running(supervisor: Supervisor) -> "asyncio.Task[None]":
    """Run the supervisor and return when all is ready."""
    ready = asyncio.Event()
    task = asyncio.create_task(supervisor.run(ready.set))
    await asyncio.wait({task, asyncio.create_task(ready.wait())}, return_when=asyncio.FIRST_COMPLETED)
    assert ready.is_set(), task
    return task


async def test_processes_start_after_what_they_need_and_stop_before_it(tmp_path: Path) -> None:
    watch = Watch()
    supervisor = Supervisor(
        a_plan(
            tmp_path,
            planned(tmp_path, "roof", SERVE, ("walls",)),
            planned(tmp_path, "walls", SERVE, ("ground",)),
            planned(tmp_path, "ground", SERVE),
        ),
        watch,
    )
    task = await running(supervisor)
    assert watch.order(State.READY) == ["ground", "walls", "roof"]
    assert supervisor.status().state == "up"
    signal.raise_signal(signal.SIGTERM)
    await task
    assert watch.order(State.STOPPED) == ["roof", "walls", "ground"]


async def test_a_process_that_dies_is_started_again_and_counted(tmp_path: Path) -> None:
    watch = Watch()
    supervisor = Supervisor(a_plan(tmp_path, planned(tmp_path, "one", SERVE)), watch)
    task = await running(supervisor)
    psutil.Process(supervisor.status().processes[0].pid).kill()
    await watch.until(lambda: watch.order(State.READY) == ["one", "one"])
    status = supervisor.status().processes[0]
    assert (status.restarts, status.last_failure) == (1, "was killed by SIGKILL")
    signal.raise_signal(signal.SIGINT)
    await task


async def test_a_process_that_hangs_is_started_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("WATCH_EVERY_S", 0.05), ("WATCH_ATTEMPT_S", 0.2), ("SILENT_PROBES", 2)):
        monkeypatch.setattr(probing, name, value)
    port = choose_free_ports(1, set())[0]
    hangs = planned(tmp_path, "one", HANG)
    hangs = msgspec.structs.replace(hangs, argv=(*hangs.argv, str(port)), probe=ReadyPort(port))
    watch = Watch()
    supervisor = Supervisor(a_plan(tmp_path, hangs), watch)
    task = await running(supervisor)
    await asyncio.sleep(0.5)  # it is probed, answers, and is left in peace
    assert supervisor.status().processes[0].restarts == 0
    psutil.Process(supervisor.status().processes[0].pid).suspend()
    await watch.until(lambda: watch.order(State.READY) == ["one", "one"])
    status = supervisor.status().processes[0]
    assert (status.restarts, status.last_failure) == (1, "ran but did not answer")
    signal.raise_signal(signal.SIGINT)
    await task


async def test_after_a_full_disk_what_needs_space_is_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervising, "DISK_EVERY_S", 0.05)
    monkeypatch.setattr(supervising, "FULL_BYTES", 2**62)  # no disk has that
    store = msgspec.structs.replace(planned(tmp_path, "store", SERVE), needs_space=True)
    watch = Watch()
    supervisor = Supervisor(a_plan(tmp_path, store, planned(tmp_path, "other", SERVE)), watch)
    task = await running(supervisor)
    async with asyncio.timeout(10):
        while supervisor.status().state != "degraded":  # noqa: ASYNC110 -- nothing tells of it
            await asyncio.sleep(0.02)
    assert supervisor.status().is_full
    monkeypatch.setattr(supervising, "FULL_BYTES", 0)
    monkeypatch.setattr(supervising, "ROOM_BYTES", 0)
    await watch.until(lambda: watch.order(State.READY).count("store") == 2)
    status = {process.name: process for process in supervisor.status().processes}
    assert status["store"].last_failure == "was started again: the disk had been full"
    assert status["other"].restarts == 0
    assert not supervisor.status().is_full
    signal.raise_signal(signal.SIGINT)
    await task


async def test_a_process_that_cannot_come_back_is_tried_again_and_again(tmp_path: Path) -> None:
    once = tmp_path / "once"
    program = f"import os,sys; os.path.exists('{once}') and sys.exit(7); open('{once}','w'); " + SERVE
    watch = Watch()
    supervisor = Supervisor(a_plan(tmp_path, planned(tmp_path, "one", program)), watch)
    task = await running(supervisor)
    psutil.Process(supervisor.status().processes[0].pid).kill()
    await watch.until(lambda: supervisor.status().processes[0].restarts >= 3)
    assert supervisor.status().state == "degraded"
    assert "exit status 7" in supervisor.status().processes[0].last_failure
    signal.raise_signal(signal.SIGTERM)
    await task


async def test_when_one_cannot_start_the_others_are_stopped_and_its_words_are_told(tmp_path: Path) -> None:
    watch = Watch()
    failing = planned(tmp_path, "bad", "print('the cellar is flooded'); raise SystemExit(3)")
    supervisor = Supervisor(a_plan(tmp_path, planned(tmp_path, "good", SERVE), failing), watch)
    with pytest.raises(ProcessFailedError) as caught:
        await supervisor.run(lambda: pytest.fail("it is not ready"))
    assert caught.value.message == "bad ended with exit status 3"
    assert caught.value.last_lines == ["the cellar is flooded"]
    assert all(process.pid == 0 for process in supervisor.status().processes)


async def test_a_program_that_is_not_there_is_said(tmp_path: Path) -> None:
    missing = PlannedProcess(
        name="x", argv=("/not/there",), environment={}, folder=tmp_path, probe=ReadyLine()
    )
    with pytest.raises(ProcessFailedError, match="cannot be started: No such file"):
        await Supervisor(a_plan(tmp_path, missing), Watch()).run(lambda: None)


async def test_a_process_that_is_never_ready_is_given_up(tmp_path: Path) -> None:
    silent = planned(tmp_path, "silent", "import time; time.sleep(60)")
    silent = msgspec.structs.replace(silent, ready_s=0.3)
    with pytest.raises(ProcessFailedError, match="was not ready after 0 s"):
        await Supervisor(a_plan(tmp_path, silent), Watch()).run(lambda: None)


async def test_what_a_stubborn_process_left_is_killed_with_its_group(tmp_path: Path) -> None:
    program = (
        "import signal,subprocess,sys; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "child = subprocess.Popen([sys.executable, '-S', '-c', 'import time; time.sleep(60)']);"
        "print('child', child.pid); " + SERVE
    )
    stubborn = msgspec.structs.replace(planned(tmp_path, "stubborn", program), stop_s=0.2)
    supervisor = Supervisor(a_plan(tmp_path, stubborn), Watch())
    task = await running(supervisor)
    pid = supervisor.status().processes[0].pid
    child = next(iter(psutil.Process(pid).children()))
    signal.raise_signal(signal.SIGTERM)
    await task
    assert not psutil.pid_exists(pid)
    psutil.wait_procs([child], timeout=5)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


async def test_status_and_stop_come_over_the_control_socket(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert find_status(home).state == "down"
    supervisor = Supervisor(a_plan(tmp_path, planned(tmp_path, "one", SERVE)), Watch())
    task = await running(supervisor)
    found = await asyncio.to_thread(find_status, home)
    assert (found.state, [process.name for process in found.processes]) == ("up", ["one"])
    assert not await asyncio.to_thread(stop, home), "nobody holds the lock here, so nothing is waited for"
    signal.raise_signal(signal.SIGTERM)
    await task
    assert find_status(home).state == "down"


def test_the_lock_is_held_by_one_and_left_empty_when_given_back(tmp_path: Path) -> None:
    first, second = Lock(tmp_path, hint="go away"), Lock(tmp_path, hint="go away")
    first.acquire()
    with pytest.raises(ConflictError) as caught:
        second.acquire()
    assert caught.value.hint == "go away"
    file = pid_file(choose_run_folder(tmp_path))
    assert file.read_text().strip() == str(os.getpid())
    assert find_supervisor(Home(tmp_path)) == os.getpid()
    first.release()
    assert not file.exists() or file.read_text() == ""
    second.acquire()
    second.release()
    assert find_supervisor(Home(tmp_path)) == 0


def test_a_log_is_bounded_and_remembers_the_last_lines(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "x.log")
    line = b"x" * 1023 + b"\n"
    for _ in range(3 * MAX_LOG_BYTES // len(line)):
        log.write(line)
    assert log.write(b"last\nhalf") == ["last"]
    assert log.write(b" line\n") == ["half line"]
    log.close()
    sizes = [path.stat().st_size for path in tmp_path.iterdir()]
    assert len(sizes) == 2
    assert max(sizes) <= MAX_LOG_BYTES
    assert list(log.last_lines)[-2:] == ["last", "half line"]
    assert len(log.last_lines) == 40
