"""The fork server: a small process with everything imported that makes workers by forking, in milliseconds.

It is the parent of all workers of a pool and the only one that ends them, so that no process id is ever
taken for another's. It ends with its owner, however that dies, and then takes with it every worker and what
they started, and removes the run's folders.
"""

import contextlib
import ctypes
import gc
import os
import select
import signal
import socket
import sys
import time
import traceback
from pathlib import Path
from typing import NoReturn

import msgspec

from continuum.workflow.engines.frames import KillWorker, StartWorker, WorkerEnded, WorkerSettings
from continuum.workflow.engines.pages import Page, open_pages
from continuum.workflow.engines.sessions import kill_session
from continuum.workflow.engines.worker import run_worker
from continuum.workflow.folders import remove_tree

PARENT_DEATH_SIGNAL = 1  # prctl(2), PR_SET_PDEATHSIG
MESSAGE_BYTES = 64 * 1024
GRACE_S = 0.3  # for idle workers to end by themselves
SOFT_GRACE_S = 3.0  # for those that have a program to end, and a container to remove

_libc = ctypes.CDLL(None, use_errno=True)
_decode = msgspec.msgpack.Decoder(StartWorker | KillWorker).decode
_encode = msgspec.msgpack.Encoder().encode


class ForkServer:
    """Starts and ends workers on behalf of the process at the other end of `control`."""

    def __init__(self, control: socket.socket, settings: WorkerSettings) -> None:
        self._control = control
        self._settings = settings
        self._pages = open_pages(Path(settings.pages_file))
        self._workers: dict[int, int] = {}  # process id -> name
        self._sessions: set[int] = set()  # of workers that lead one
        self._waker, waker = socket.socketpair()
        self._waker.setblocking(False)
        waker.setblocking(False)
        self._waker_end = waker
        self._is_ending = False

    def serve(self) -> None:
        """Work until the owner is gone."""
        signal.set_wakeup_fd(self._waker_end.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self._end)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(self._waker, select.POLLIN)
        while not self._is_ending:
            ready = {descriptor for descriptor, _ in poll.poll()}
            if self._waker.fileno() in ready:
                self._drain_waker()
                self._reap()
            if self._control.fileno() in ready and not self._obey():
                break
        self._end_all()

    def _end(self, *_: object) -> None:
        self._is_ending = True

    def _drain_waker(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._waker.recv(4096):
                pass

    def _obey(self) -> bool:
        data, descriptors, _, _ = socket.recv_fds(self._control, MESSAGE_BYTES, 1)
        if not data:
            return False
        message = _decode(data)
        if isinstance(message, KillWorker):
            for process_id, name in self._workers.items():
                if name == message.name:
                    self._kill(process_id, is_soft=message.is_soft)
            return True
        self._start(message, socket.socket(fileno=descriptors[0]))
        return True

    def _start(self, message: StartWorker, connection: socket.socket) -> None:
        parent = os.getpid()
        try:
            process_id = os.fork()
        except OSError:
            connection.close()
            self._tell(WorkerEnded(message.name, -1))
            return
        if process_id == 0:
            self._become_worker(message, connection, parent)
        connection.close()
        self._workers[process_id] = message.name
        if message.environment is not None:
            self._sessions.add(process_id)

    def _kill(self, process_id: int, *, is_soft: bool = False) -> None:
        if is_soft:
            os.kill(process_id, signal.SIGTERM)
            return
        if process_id in self._sessions:
            kill_session(process_id)
        _kill_tree(process_id)

    def _become_worker(self, message: StartWorker, connection: socket.socket, parent: int) -> NoReturn:
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            for each in (signal.SIGCHLD, signal.SIGTERM):
                signal.signal(each, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            end_with_parent(signal.SIGKILL, parent)
            if message.environment is None:
                os.setpgid(0, 0)
            else:
                os.setsid()
            for each_socket in (self._control, self._waker, self._waker_end):
                each_socket.close()
            page = Page(self._pages, message.page)
            units, environment = message.computing_units, message.environment
            run_worker(connection, page, message.name, units, self._settings, environment)
            status = 0
        except (BrokenPipeError, ConnectionResetError):
            status = 0  # who gave us work is gone
        except BaseException:  # noqa: BLE001 - the process ends here, and its log says why
            traceback.print_exc()
        finally:
            with contextlib.suppress(Exception):
                sys.stderr.flush()
            os._exit(status)

    def _reap(self) -> None:
        while self._workers:
            try:
                process_id, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if process_id == 0:
                return
            name = self._workers.pop(process_id, None)
            self._kill(process_id)  # what it started and left behind
            self._sessions.discard(process_id)
            if name is not None:
                self._tell(WorkerEnded(name, status))

    def _tell(self, message: WorkerEnded) -> None:
        with contextlib.suppress(OSError):  # the owner is gone: the loop notices
            self._control.send(_encode(message))

    def _end_all(self) -> None:
        self._control.close()
        for process_id in self._sessions:
            os.kill(process_id, signal.SIGTERM)
        deadline = time.monotonic() + (SOFT_GRACE_S if self._sessions else GRACE_S)
        while self._workers and time.monotonic() < deadline:
            self._reap()
            time.sleep(0.005)
        for process_id in self._workers:
            self._kill(process_id)
        while self._workers:
            process_id, _ = os.waitpid(-1, 0)
            self._workers.pop(process_id, None)
        for place in self._settings.owned:
            remove_tree(Path(place))


def end_with_parent(with_signal: int, parent: int) -> None:
    """Have the kernel send this process `with_signal` when its parent dies, however it dies."""
    _libc.prctl(PARENT_DEATH_SIGNAL, with_signal, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)  # it died before we asked


def _kill_tree(process_id: int) -> None:
    """Kill a worker with all that it started: each worker leads a process group."""
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(process_id, signal.SIGKILL)


def main() -> None:
    """`python -m continuum.workflow.engines.forking DESCRIPTOR SETTINGS`: be the fork server of a pool."""
    control = socket.socket(fileno=int(sys.argv[1]))
    settings = msgspec.json.decode(sys.argv[2], type=WorkerSettings)
    end_with_parent(signal.SIGTERM, settings.owner_pid)
    gc.collect()
    gc.freeze()  # keeps pages shared with the workers
    ForkServer(control, settings).serve()


if __name__ == "__main__":
    main()
