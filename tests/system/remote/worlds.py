"""A backbone, a store, agents in processes of their own, and one driver: what tests of remote tasks share."""

import hashlib
import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import cloudpickle
import msgspec
from backbone_server import BackboneServer
from plain_store import PlainStore

from continuum.security import create_identity
from continuum.store import ObjectClient
from continuum.workflow.driving import DriverConnection
from continuum.workflow.messages import (
    FunctionCode,
    ObjectName,
    Output,
    RunSpec,
    SiteGone,
    TaskFailed,
    TaskFinished,
    TaskSpec,
)
from continuum.workflow.remoting import RemoteExecutor
from continuum.workflow.serialising import dump_call, load

PATIENCE_S = 40.0
HERE = Path(__file__).parent.parent


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


def poll(condition, patience_s=PATIENCE_S):
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
