"""Tasks at sites while agents, drivers and the backbone die and come back."""

import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import msgspec
import pytest
from worlds import HERE, poll

from continuum.model.errors import UnavailableError
from continuum.workflow.messages import (
    DatumPublished,
    ObjectName,
    SiteReturned,
    TaskFinished,
)

pytestmark = pytest.mark.system


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
    assert time.monotonic() - begin > 4  # it may be away for a moment
    assert "not answered" in world.gone().reason
    poll(lambda: not Path(f"/proc/{worker}").exists())
    poll(lambda: world.data_folders() == [])
    name = ObjectName("continuum-runs", "a value of the program")
    world.executors["edge"].put("d0", b"bytes", name)  # through the driver's own gateway
    world.wait_for(lambda: any(isinstance(event, DatumPublished) for _, event in world.events))
    assert world.events[-1] == ("edge", DatumPublished(datum="d0", published=name))


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
    assert time.monotonic() - begin < 45


DRIVER = """
    import json, sys, time
    sys.path[:0] = [{here!r}, {here!r} + "/remote"]
    from pathlib import Path
    import os
    from worlds import World

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
