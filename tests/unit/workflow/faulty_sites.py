"""A run over two sites of this machine to which faults happen at chosen moments.

A moment is a command that a site gets or an event that it says, for a task of a certain function. When it
comes, the fault gets the site and the message, which goes on only if the fault passes it on. What crosses
sites lies in a folder (the shelf) that all of them reach, as the global store is.
"""

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from continuum.testing import wait_until
from continuum.workflow import Driver, LocalExecutor, Run
from continuum.workflow.checkpointing import Checkpoints, parse_policy
from continuum.workflow.coding import archive_modules
from continuum.workflow.journals import Journal
from continuum.workflow.memories import Memory
from continuum.workflow.messages import DatumPublished, ObjectName, RunSpec, SiteGone, SiteReturned
from continuum.workflow.transferring import SHELF

SITES = ("edge", "cloud")


class Moment(NamedTuple):
    """`what`: the name of an event or of a command; `function`: of the task or of who makes the datum."""

    what: str
    function: str


class FaultySite:
    """This machine as a site that a world of faults watches. Commands to a lost site come to nothing."""

    computing_units = 1

    def __init__(self, site: str, world: "World") -> None:
        self.site = site
        self.is_lost = False
        self.world = world
        self._life = 0
        self._inner: LocalExecutor | None = None

    def start(self, run, sink) -> None:
        self._run, self._sink = run, sink
        self._open()

    def _open(self) -> None:
        self._life += 1
        life, before = self._life, children_of(os.getpid())
        inner = LocalExecutor(
            self.site, computing_units=1, shelf=self.world.shelf, folder=self.world.folder / self.site
        )
        inner.start(self._run, lambda _, events: self._hear(life, events))
        self._servers = children_of(os.getpid()) - before
        self._inner = inner
        self.is_lost = False

    # ---- faults ----

    def kill_workers(self) -> None:
        for server in self._servers:
            for worker in children_of(server):
                os.kill(worker, signal.SIGKILL)

    def fall_silent(self) -> None:
        """Be cut off: what runs goes on, and nobody hears of it."""
        self.is_lost = True
        self.say(SiteGone(reason="it does not answer"))

    def die(self) -> None:
        self.fall_silent()
        self.end()

    def come_back(self) -> None:
        """Open the run again, with nothing of what there was."""
        self.end()
        self._open()
        self.say(SiteReturned(computing_units=1))

    def end(self) -> None:
        inner, self._inner = self._inner, None
        if inner is not None:
            inner.close()

    def forget(self) -> None:
        """Lose all data of the run."""
        self._inner.drop(sorted(self.world.functions_of_data))

    # ---- what passes ----

    def _hear(self, life, events) -> None:
        for event in events:
            if getattr(event, "problem", ""):
                self.world.refusals.append(event.problem)
            if life == self._life and not self.is_lost:
                name = self.world.function_of(event)
                if not self.world.strikes(
                    Moment(type(event).__name__, name), self, lambda e=event: self.say(e)
                ):
                    self.say(event)

    def say(self, event) -> None:
        self._sink(self.site, [event])

    def _command(self, what, function, work: Callable[[LocalExecutor], None]) -> None:
        life, numbers = self._life, iter((0,))  # as agents do: each command once, and none of another life

        def go_on() -> None:
            if self._inner is not None and life == self._life and next(numbers, None) is not None:
                work(self._inner)

        if not self.is_lost and not self.world.strikes(Moment(what, function), self, go_on):
            go_on()

    def submit(self, functions, tasks) -> None:
        for code in functions:
            self.world.names[code.function] = code.name.rsplit(".", 1)[-1]
        for spec in tasks:
            self.world.note(spec)
        function = self.world.names[tasks[0].function]
        self._command("submit", function, lambda inner: inner.submit(functions, tasks))

    def publish(self, data) -> None:
        for each in data:
            function = self.world.functions_of_data.get(each[0], "")
            self._command("publish", function, lambda inner, each=each: inner.publish([each]))

    def put(self, datum, source, name) -> None:
        """As behind the backbone: through the gateway of the driver, whatever has become of the site."""
        threading.Thread(target=self._put, args=(datum, source, name)).start()

    def _put(self, datum, source, name) -> None:
        path = self.world.shelf / name.key
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(source if isinstance(source, bytes) else source.read_bytes())
        except OSError as problem:
            self.say(DatumPublished(datum=datum, problem=str(problem)))
        else:
            self.say(DatumPublished(datum=datum, published=name))

    def bring(self, data) -> None:
        self._command("bring", "", lambda inner: inner.bring(data))

    def drop(self, data) -> None:
        self._command("drop", "", lambda inner: inner.drop(data))

    def cancel(self, task_ids) -> None:
        function = self.world.functions_of_tasks.get(task_ids[0], "")
        self._command("cancel", function, lambda inner: inner.cancel(task_ids))

    def read(self, datum, published) -> bytes:
        if published is not None:
            return (self.world.shelf / published.key).read_bytes()
        return self._inner.read(datum, published)

    def close(self) -> None:
        self.end()


Fault = Callable[[FaultySite, Callable[[], None]], None]


class World:
    """A run over two such sites. `folder` is where tasks hold; one fault at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.shelf = folder / "shelf"
        self.names: dict[str, str] = {}
        self.functions_of_tasks: dict[int, str] = {}
        self.functions_of_data: dict[str, str] = {}
        self.refusals: list[str] = []
        self.submissions = 0
        self.sites = [FaultySite(site, self) for site in SITES]
        self._armed: tuple[Moment, Fault] | None = None
        self._striking: threading.Thread | None = None
        self._problem: BaseException | None = None
        spec = RunSpec(
            run_id="faulty",
            application="tests",
            code=archive_modules(Path(__file__)),
            objects=ObjectName(SHELF, "faulty"),
        )
        checkpoints = Checkpoints(
            Memory(folder),
            parse_policy("results"),
            place_of=lambda datum: ObjectName(SHELF, f"kept/{datum.id}"),
        )
        self.driver = Driver(spec, self.sites, Journal(folder / "story"), checkpoints=checkpoints)
        self.driver.start()
        self.run = Run(self.driver)

    # ---- what tests call ----

    def arm(self, moment: Moment, fault: Fault) -> None:
        self._armed, self._striking, self._problem = (moment, fault), None, None
        self.refusals.clear()
        (self.folder / "ran").write_text("")
        (self.folder / "hold").touch()

    @property
    def runs(self) -> int:
        """How often tasks that hold have begun since the fault was prepared."""
        return len((self.folder / "ran").read_text())

    def release(self) -> None:
        (self.folder / "hold").unlink(missing_ok=True)

    def heal(self) -> None:
        """After a fault: fail if its moment never came, and have both sites again."""
        self.release()
        assert self._armed is None, f"{self._armed[0]} never came"
        self._striking.join()
        if self._problem is not None:
            raise self._problem
        self.mend_store()
        for site in self.sites:
            if site.is_lost:
                site.come_back()
        wait_until(lambda: not any(queue.load.is_lost for queue in self.driver.sites.values()))

    def await_submission(self, before: int) -> None:
        """Wait a moment for sites to get a task beyond those `before`; there need not be one."""
        deadline = time.monotonic() + 0.3
        while self.submissions == before and time.monotonic() < deadline:
            time.sleep(0.005)

    def break_store(self) -> None:
        self.shelf.rename(self.folder / "shelf aside")
        self.shelf.touch()

    def mend_store(self) -> None:
        if self.shelf.is_file():
            self.shelf.unlink()
            (self.folder / "shelf aside").rename(self.shelf)

    # ---- what sites call ----

    def note(self, spec) -> None:
        name = self.names[spec.function]
        self.submissions += 1
        self.functions_of_tasks[spec.task_id] = name
        for output in spec.outputs:
            self.functions_of_data[output.datum] = name

    def function_of(self, event) -> str:
        if hasattr(event, "task_id"):
            return self.functions_of_tasks.get(event.task_id, "")
        return self.functions_of_data.get(getattr(event, "datum", ""), "")

    def strikes(self, moment: Moment, site: FaultySite, go_on: Callable[[], None]) -> bool:
        if self._armed is None or self._armed[0] != moment:
            return False
        fault, self._armed = self._armed[1], None
        self._striking = threading.Thread(target=self._strike, args=(fault, site, go_on), name="fault")
        self._striking.start()
        return True

    def _strike(self, fault: Fault, site: FaultySite, go_on: Callable[[], None]) -> None:
        try:
            fault(site, go_on)
        except BaseException as problem:  # noqa: BLE001 - told by `heal`
            self._problem = problem
        finally:
            self.release()

    def close(self) -> None:
        self.driver.close()


def children_of(process_id: int) -> set[int]:
    """Return the processes whose parent this one is."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(fields[1]) == process_id and fields[0] != "Z":
                found.add(int(entry.name))
    return found
