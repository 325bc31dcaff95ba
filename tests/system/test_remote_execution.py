"""Tasks at sites behind the backbone: a real nats-server, a real store, agents in processes of their own."""

import asyncio
import contextlib
import hashlib
import io
import json
import os
import subprocess
import sys
import textwrap
import threading
import time
import zipfile
from pathlib import Path

import cloudpickle
import msgspec
import numpy as np
import pytest
from backbone_server import BackboneServer
from plain_store import PlainStore

from continuum.backbone import Backbone
from continuum.model.errors import AccessDeniedError, ContinuumError, UnavailableError
from continuum.security import Signer, create_identity
from continuum.store import ObjectClient
from continuum.workflow import posting
from continuum.workflow.messages import (
    DatumKind,
    DatumPublished,
    FailureKind,
    FunctionCode,
    Input,
    ObjectName,
    Output,
    RunSpec,
    SiteGone,
    SiteReturned,
    TaskFailed,
    TaskFinished,
    TaskSpec,
    TaskStarted,
)
from continuum.workflow.remoting import DriverConnection, RemoteExecutor
from continuum.workflow.serialising import dump_call, dumps, load

pytestmark = pytest.mark.system

PATIENCE_S = 40.0
HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    store = PlainStore(tmp_path_factory.mktemp("store"))
    store.start()
    yield store
    store.stop()


class World:
    """A backbone, a store, agents, and one driver with a run at the sites that it asks for."""

    def __init__(self, home: Path, store: PlainStore):
        self.home = home
        self.store = store
        self.server = BackboneServer(home)
        self.server.start()
        self.agents: dict[str, subprocess.Popen] = {}
        self.executors: dict[str, RemoteExecutor] = {}
        self.connection = None
        self.events: list[tuple[str, object]] = []
        self.answers: dict[int, object] = {}
        self._heard = threading.Condition()
        self._next_id = 0

    # ---- agents ----

    def start_agent(self, site="edge", **settings):
        backbone = msgspec.to_builtins(self.server.settings(f"agent.{site}"), enc_hook=str)
        settings |= {"site": site, "home": str(self.home), "backbone": backbone}
        settings |= {"store": [self.store.endpoint, self.store.access_key, self.store.secret_key]}
        with (self.home / f"agent.{site}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, HERE / "agent_process.py", json.dumps(settings, default=str)],
                stdout=subprocess.PIPE,
                stderr=log,
            )
        assert process.stdout.readline() == b"ready\n", self.agent_log(site)
        self.agents[site] = process

    def agent_log(self, site="edge"):
        return (self.home / f"agent.{site}.log").read_text()

    def data_folders(self, site="edge"):
        folder = self.home / "data" / site
        return list(folder.iterdir()) if folder.exists() else []

    # ---- the driver ----

    def connect(self):
        settings = self.server.settings("driver")
        objects = ObjectClient(self.store.endpoint, self.store.access_key, self.store.secret_key)
        self.connection = DriverConnection(settings, create_identity(self.home, "driver", "driver"), objects)
        self.connection.open()

    def join(self, *sites, **run):
        if self.connection is None:
            self.connect()
        self.run_id = f"run-{time.monotonic_ns()}"
        standard = {"run_id": self.run_id, "application": "app.py"}
        spec = RunSpec(**(standard | {"objects": ObjectName("continuum-runs", self.run_id)} | run))
        for site in sites or ("edge",):
            executor = RemoteExecutor(self.connection, site)
            executor.start(spec, self.sink)
            self.executors[site] = executor
        return self.executors[(sites or ("edge",))[0]]

    def sink(self, site, events):
        with self._heard:
            for event in events:
                self.events.append((site, event))
                if isinstance(event, TaskFinished | TaskFailed):
                    assert event.task_id not in self.answers, "answered twice"
                    self.answers[event.task_id] = event
            self._heard.notify_all()

    def spec(self, function, *args, **changes):
        pickled = cloudpickle.dumps(function)
        code = FunctionCode(
            function=hashlib.sha256(pickled).hexdigest(), name=function.__name__, pickled=pickled
        )
        self._next_id += 1
        standard = {
            "task_id": self._next_id,
            "attempt": 1,
            "function": code.function,
            "call": dump_call(args, {}, lambda x: x.index if isinstance(x, Slot) else None),
            "return_count": 1,
            "outputs": (Output(datum=f"d{self._next_id}"),),
        }
        return code, TaskSpec(**(standard | changes))

    def submit(self, function, *args, site="edge", **changes):
        code, spec = self.spec(function, *args, **changes)
        self.executors[site].submit([code], [spec])
        return spec.task_id

    def wait(self, *task_ids):
        self.wait_for(lambda: all(task_id in self.answers for task_id in task_ids))
        answers = [self.answers[task_id] for task_id in task_ids]
        return answers[0] if len(answers) == 1 else answers

    def wait_for(self, condition):
        with self._heard:
            assert self._heard.wait_for(condition, PATIENCE_S), self.events[-3:]

    def value(self, task_id, site="edge"):
        answer = self.wait(task_id)
        assert isinstance(answer, TaskFinished), answer
        output = answer.outputs[0]
        data = output.inline or self.executors[site].read(output.datum, output.published)
        return load(data)

    def gone(self, site="edge"):
        found = [event for where, event in self.events if where == site and isinstance(event, SiteGone)]
        return found[0] if found else None

    def close(self):
        for executor in self.executors.values():
            executor.close()
        if self.connection is not None:
            self.connection.close()
        for agent in self.agents.values():
            agent.kill()
            agent.wait()
            agent.stdout.close()
        self.server.kill()


class Slot:
    def __init__(self, index):
        self.index = index


@pytest.fixture
def world(tmp_path, store):
    world = World(tmp_path, store)
    yield world
    world.close()


def poll(condition, patience_s=PATIENCE_S):
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


# ---- tasks and data ----


def test_tasks_run_at_a_site_and_their_results_come_back(world):
    world.start_agent()
    executor = world.join()
    assert executor.computing_units == 2

    def add(a, b):
        return a + b

    def fail():
        raise ValueError("wrong")

    tasks = [world.submit(add, i, 1) for i in range(50)]
    assert [world.value(task) for task in tasks] == list(range(1, 51))
    failure = world.wait(world.submit(fail))
    assert failure.kind is FailureKind.RAISED
    assert "in fail" in failure.traceback
    assert isinstance(load(failure.exception), ValueError)
    world.executors["edge"].close()
    assert world.data_folders() == []


def test_large_results_stay_at_their_site_until_somebody_needs_them(world):
    world.start_agent("edge")
    world.start_agent("cloud")
    world.join("edge", "cloud")

    def make(n):
        return np.arange(float(n))

    def total(array):
        return float(array.sum())

    made = world.submit(make, 200_000)
    produced = world.wait(made).outputs[0]
    assert produced.inline is None
    assert produced.published is None
    here = world.submit(total, Slot(0), inputs=(Input(datum=produced.datum),))
    name = ObjectName("continuum-runs", f"{world.run_id}/{produced.datum}")
    world.executors["edge"].publish([(produced.datum, name)])
    world.wait_for(lambda: any(isinstance(event, DatumPublished) for _, event in world.events))
    there = [
        world.submit(total, Slot(0), site="cloud", inputs=(Input(datum=produced.datum, published=name),))
        for _ in range(5)
    ]
    assert {world.value(task) for task in [here, *there]} == {float(np.arange(200_000.0).sum())}
    moved = [world.wait(task).move_s for task in there]
    assert max(moved) > 0
    assert np.array_equal(world.value(made), np.arange(200_000.0))


def test_the_driver_reads_what_was_never_published(world):
    world.start_agent()
    world.join()

    def make():
        return b"x" * 100_000

    assert world.value(world.submit(make)) == b"x" * 100_000


def test_data_and_files_of_the_driver_reach_a_site(world, tmp_path):
    world.start_agent()
    executor = world.join()
    file = tmp_path / "input.txt"
    file.write_text("line\n" * 2000)
    names = {datum: ObjectName("continuum-runs", f"{world.run_id}/{datum}") for datum in ("v1", "f1")}
    executor.put("v1", dumps(list(range(10_000))), names["v1"])
    executor.put("f1", file, names["f1"])
    world.wait_for(lambda: len([1 for _, event in world.events if isinstance(event, DatumPublished)]) == 2)

    def look(values, path):
        return len(values), Path(path).name, Path(path).read_text().count("line")

    given = (
        Input(datum="v1", published=names["v1"]),
        Input(datum="f1", kind=DatumKind.FILE, published=names["f1"], file_name="input.txt"),
    )
    assert world.value(world.submit(look, Slot(0), Slot(1), inputs=given)) == (10_000, "input.txt", 2000)


def test_a_file_is_published_before_its_task_counts_as_finished(world):
    world.start_agent()
    world.join()
    name = ObjectName("results", f"{world.run_id}/out.txt")

    def write(path):
        Path(path).write_text("result")

    file = Output(datum="f1", kind=DatumKind.FILE, parameter="path", file_name="out.txt", publish_as=name)
    answer = world.wait(world.submit(write, "s3://x/out.txt", return_count=0, outputs=(file,)))
    assert answer.outputs[0].published == name
    objects = world.connection.objects
    assert world.connection.wait(objects.get(name.bucket, name.key), 20) == b"result"


def test_what_a_run_published_for_itself_is_removed_with_it_and_what_it_was_told_to_stays(world):
    world.start_agent()
    executor = world.join()

    def make(n):
        return "x" * n

    own = ObjectName("continuum-runs", f"{world.run_id}/d1")
    told = ObjectName("results", f"{world.run_id}/kept")
    outputs = [(Output(datum=f"d{i}", publish_as=name),) for i, name in enumerate((own, told))]
    for output in outputs:
        world.wait(world.submit(make, 5000, outputs=output))
    objects = world.connection.objects
    assert world.connection.wait(objects.exists(own.bucket, own.key), 20)
    executor.close()
    assert not world.connection.wait(objects.exists(own.bucket, own.key), 20)
    assert world.connection.wait(objects.exists(told.bucket, told.key), 20)


def test_an_input_that_is_nowhere_is_said_with_its_name(world):
    world.start_agent()
    world.join()
    name = ObjectName("continuum-runs", "no/such/object")
    task = world.submit(lambda x: x, Slot(0), inputs=(Input(datum="gone", published=name),))
    failure = world.wait(task)
    assert failure.kind is FailureKind.INPUT_LOST
    assert failure.lost_datum == "gone"
    assert "no/such/object" in failure.message


def test_a_site_with_little_room_fetches_again_what_it_had_to_forget(world):
    world.start_agent(data_limit_bytes=250_000)
    executor = world.join()

    def measure(data):
        return len(data)

    for i in range(5):
        executor.put(f"v{i}", dumps(b"x" * 100_000), ObjectName("continuum-runs", f"{world.run_id}/v{i}"))
    world.wait_for(lambda: len(world.events) == 5)
    for i in (0, 1, 2, 3, 4, 0):
        given = Input(datum=f"v{i}", published=ObjectName("continuum-runs", f"{world.run_id}/v{i}"))
        assert world.value(world.submit(measure, Slot(0), inputs=(given,))) == 100_000


def test_modules_larger_than_a_message_reach_the_site(world):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as modules:
        modules.writestr("beside_the_program.py", "def answer(): return 42\n")
        modules.writestr("ballast.bin", os.urandom(9 * 1024 * 1024))
    world.start_agent()
    world.join(code=archive.getvalue())

    def look():
        from beside_the_program import answer  # noqa: PLC0415 - only the workers have it

        return answer()

    assert world.value(world.submit(look)) == 42


def test_a_task_too_large_for_a_message_fails_and_says_so(world):
    world.start_agent()
    world.join()
    failure = world.wait(world.submit(len, "x" * 8_000_000))
    assert "too large" in failure.message


def test_cancelling_reaches_the_site(world):
    world.start_agent()
    executor = world.join()

    def sleep():
        time.sleep(60)

    task = world.submit(sleep)
    world.wait_for(lambda: any(isinstance(event, TaskStarted) for _, event in world.events))
    executor.cancel([task])
    assert world.wait(task).kind is FailureKind.CANCELLED


def test_two_drivers_use_a_site_at_once(world):
    world.start_agent()
    executor = world.join()
    first_run = world.run_id

    def where():
        return os.getpid()

    one = world.value(world.submit(where))
    world.executors["first"] = executor
    world.join()
    assert world.run_id != first_run
    assert world.value(world.submit(where)) != one
    assert world.value(world.submit(where, site="first"), site="first") > 0


# ---- faults ----


def test_a_restart_of_the_backbone_in_the_middle_of_a_run_loses_nothing(world):
    world.start_agent()
    executor = world.join()

    def step(i):
        time.sleep(0.005)
        return i

    sent = []
    for i in range(300):
        code, spec = world.spec(step, i)
        executor.submit([code], [spec])
        sent.append((spec.task_id, i))
        if i in (100, 200):
            world.server.kill()
            time.sleep(0.5)
            world.server.start()
        time.sleep(0.002)
    answers = world.wait(*[task_id for task_id, _ in sent])
    assert all(isinstance(answer, TaskFinished) for answer in answers)
    assert [world.value(task_id) for task_id, _ in sent] == [i for _, i in sent]
    assert world.gone() is None


def test_a_killed_agent_is_gone_within_seconds_and_its_workers_too(world):
    world.start_agent()
    world.join()

    worker = world.value(world.submit(os.getpid))
    world.submit(lambda: time.sleep(300))
    begin = time.monotonic()
    world.agents["edge"].kill()
    world.wait_for(lambda: world.gone() is not None)
    assert 4 < time.monotonic() - begin < 15
    assert "not answered" in world.gone().reason
    poll(lambda: not Path(f"/proc/{worker}").exists())
    poll(lambda: world.data_folders() == [])


def test_an_agent_that_was_started_again_is_lost_to_the_run_and_opened_again_for_it(world):
    world.start_agent()
    world.join()
    world.value(world.submit(lambda: 1))
    world.agents["edge"].kill()
    world.agents["edge"].wait()
    world.agents["edge"].stdout.close()
    world.start_agent()
    world.wait_for(lambda: world.gone() is not None)
    assert "started again" in world.gone().reason or "refused" in world.gone().reason
    world.wait_for(lambda: any(isinstance(event, SiteReturned) for _, event in world.events))
    assert world.value(world.submit(lambda: 2)) == 2


def test_an_agent_that_is_stopped_says_so_and_leaves_nothing(world):
    world.start_agent()
    world.join()
    worker = world.value(world.submit(os.getpid))
    world.agents["edge"].terminate()
    world.wait_for(lambda: world.gone() is not None)
    assert "stopped" in world.gone().reason
    assert world.agents["edge"].wait(20) == 0
    assert not Path(f"/proc/{worker}").exists()
    assert world.data_folders() == []


def test_a_site_without_an_agent_cannot_take_part(world):
    world.connect()
    begin = time.monotonic()
    with pytest.raises(UnavailableError, match="edge does not answer"):
        world.join()
    assert time.monotonic() - begin < 15


DRIVER = """
    import json, sys, time
    sys.path.insert(0, {here!r})
    from pathlib import Path
    from test_remote_execution import World, os

    world = World.__new__(World)
    world.__dict__.update(home=Path({home!r}), executors={{}}, connection=None, events=[], answers={{}})
    world._next_id = 0
    import threading
    world._heard = threading.Condition()
    class Server:
        def settings(self, name):
            import msgspec
            from continuum.backbone import BackboneSettings
            return msgspec.convert(
                json.loads({settings!r}), BackboneSettings, dec_hook=lambda kind, text: kind(text)
            )
    class Store:
        endpoint, access_key, secret_key = {store!r}
    world.server, world.store = Server(), Store()
    world.join()
    print(world.value(world.submit(lambda: os.getpid())), flush=True)
    time.sleep(300)
"""


def test_the_run_of_a_driver_that_died_is_ended(world):
    world.start_agent(driver_silence_limit_s=2.0)
    settings = msgspec.json.encode(world.server.settings("driver"), enc_hook=str).decode()
    program = textwrap.dedent(DRIVER).format(
        here=str(HERE),
        home=str(world.home),
        settings=settings,
        store=(world.store.endpoint, world.store.access_key, world.store.secret_key),
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as driver:
        worker = int(driver.stdout.readline())
        assert Path(f"/proc/{worker}").exists()
        driver.kill()
    poll(lambda: not Path(f"/proc/{worker}").exists())
    poll(lambda: world.data_folders() == [])
    assert "its driver is gone" in world.agent_log()


# ---- who may ---


@contextlib.asynccontextmanager
async def intruder(world, name="driver"):
    async with world.server.connected(name) as backbone:
        yield backbone


def opening(run_id="run-x"):
    run = RunSpec(run_id=run_id, application="evil.py", objects=ObjectName("b", "k"))
    return posting.OpenRun(run=run, code_sha256=hashlib.sha256(b"").hexdigest())


async def ask(backbone: Backbone, message, site="edge"):
    return await backbone.request(f"site.{site}.open", message, posting.RunOpened)


async def test_messages_that_are_not_rightly_signed_are_refused_and_logged(world, tmp_path):
    world.start_agent()
    driver = Signer(create_identity(world.home, "driver", "driver"))
    gateway = Signer(create_identity(world.home, "gateway.edge", "gateway"))
    foreign = Signer(create_identity(tmp_path / "elsewhere", "driver", "driver"))
    audience = posting.audience_of_site("edge")
    refused = [
        ("the message is not signed", opening()),
        ("the message is not signed", b"garbage"),
        ("which may not send", posting.seal(gateway, opening(), audience)),
        ("no certificate of this continuum", posting.seal(foreign, opening(), audience)),
        ("is for 'site.cloud'", posting.seal(driver, opening(), posting.audience_of_site("cloud"))),
        ("stands where", posting.seal(driver, posting.Beat(run_id="run-x"), audience)),
    ]
    async with intruder(world) as backbone:
        for reason, message in refused:
            with pytest.raises(ContinuumError, match=reason):
                await ask(backbone, message)
        good = posting.seal(driver, opening(), audience)
        tampered = bytearray(good.envelope)
        tampered[-600] ^= 1
        with pytest.raises(ContinuumError):
            await ask(backbone, posting.Signed(bytes(tampered)))
        assert (await ask(backbone, good)).computing_units == 2
        with pytest.raises(ContinuumError, match="received before"):
            await ask(backbone, good)
    log = world.agent_log()
    assert all(reason in log for reason, _ in refused)
    assert "received before" in log
    assert "evil.py" in log  # the one that was rightly signed


async def test_a_run_belongs_to_whom_opened_it(world):
    world.start_agent()
    audience = posting.audience_of_site("edge")
    owner = Signer(create_identity(world.home, "driver", "driver"))
    other = Signer(create_identity(world.home, "driver.other", "driver"))
    async with intruder(world) as backbone:
        await ask(backbone, posting.seal(owner, opening(), audience))
        for message in (posting.Beat(run_id="run-x"), posting.CloseRun(run_id="run-x")):
            with pytest.raises(AccessDeniedError, match="belongs to driver"):
                await backbone.request(
                    posting.site_subject("edge", type(message)),
                    posting.seal(other, message, audience),
                    posting.Noted,
                )


async def test_a_driver_refuses_events_of_whoever_is_not_the_site(world):
    world.start_agent()
    await asyncio.to_thread(world.join)
    events = posting.Events(
        run_id=world.run_id, site="edge", number=1, items=(SiteGone(reason="so says somebody"),)
    )
    audience = posting.audience_of_run(world.run_id)
    async with intruder(world, "agent.cloud") as backbone:
        for name, role, reason in (
            ("agent.cloud", "agent", "speaks for site edge"),
            ("gateway.edge", "gateway", "may not send"),
        ):
            signer = Signer(create_identity(world.home, name, role))
            with pytest.raises(ContinuumError, match=reason):
                await backbone.request(
                    posting.events_subject(world.run_id),
                    posting.seal(signer, events, audience),
                    posting.Noted,
                )
    assert world.gone() is None
