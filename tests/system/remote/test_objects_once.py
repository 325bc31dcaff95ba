"""Objects that tasks write are written once, whatever is paused, lost or killed on the way."""

import signal
import uuid
from pathlib import Path
from types import SimpleNamespace

import pytest
from worlds import World, poll
from writing_tasks import count, write

from continuum.store import ObjectClient
from continuum.workflow import Driver, LocalExecutor, Run, use_run
from continuum.workflow.checkpointing import Checkpoints, parse_policy
from continuum.workflow.coding import archive_modules
from continuum.workflow.committing import settle_decided
from continuum.workflow.completing import are_completed
from continuum.workflow.journals import Journal
from continuum.workflow.memories import Memory, recall
from continuum.workflow.messages import ObjectName, RunSpec
from continuum.workflow.operations import Found
from continuum.workflow.remoting import RemoteExecutor

pytestmark = pytest.mark.system
PATIENCE_S = 60.0


class Bucket:
    """A versioned bucket at the gateway of a site."""

    def __init__(self, embedded):
        self.name = f"once-{uuid.uuid4().hex[:10]}"
        self.s3 = embedded.boto3_client("edge")
        self.endpoint, keys = embedded.gateways["edge"], embedded.credentials
        self.access_key, self.secret_key = keys
        self.s3.create_bucket(Bucket=self.name)
        versioning = {"Status": "Enabled"}
        self.s3.put_bucket_versioning(Bucket=self.name, VersioningConfiguration=versioning)

    def put(self, key, data):
        self.s3.put_object(Bucket=self.name, Key=key, Body=data)

    def read(self, key):
        return self.s3.get_object(Bucket=self.name, Key=key)["Body"].read()

    def versions(self, key):
        found = self.s3.list_object_versions(Bucket=self.name, Prefix=key)
        return len(found.get("Versions", []))

    def uploads(self):
        return len(self.s3.list_multipart_uploads(Bucket=self.name).get("Uploads", []))

    def client(self):
        return ObjectClient(self.endpoint, self.access_key, self.secret_key)

    def locate(self, names, then):
        found = [self.s3.head_object(Bucket=name.bucket, Key=name.key) for name in names]
        then([Found(each["ContentLength"], ("edge",), etag=each["ETag"].strip('"')) for each in found])


@pytest.fixture
def bucket(embedded):
    embedded.wait_until_ready()
    return Bucket(embedded)


@pytest.fixture
def world(tmp_path, bucket):
    gateway = SimpleNamespace(
        endpoint=bucket.endpoint, access_key=bucket.access_key, secret_key=bucket.secret_key
    )
    world = World(tmp_path, gateway)
    yield world
    for agent in world.agents.values():
        agent.send_signal(signal.SIGCONT)
    world.close()


def spec_of(incarnation=0):
    run_id = f"once-{uuid.uuid4().hex[:8]}"
    return RunSpec(
        run_id=run_id,
        application="tests",
        code=archive_modules(Path(__file__)),
        objects=ObjectName("continuum-runs", run_id),
        incarnation=incarnation,
    )


def test_a_try_whose_site_fell_silent_does_not_count_a_second_time(world, bucket, tmp_path):
    bucket.put("counter", b"1")
    for site in ("one", "two"):
        world.start_agent(site)
    world.connect()
    executors = [RemoteExecutor(world.connection, site) for site in ("one", "two")]
    driver = Driver(spec_of(), executors, Journal(None), locate=bucket.locate)
    driver.start()
    try:
        with use_run(run := Run(driver)):
            count(f"s3://{bucket.name}/counter", str(tmp_path))
            poll(lambda: list(tmp_path.glob("begun-*")))
            [called] = list(driver.graph.tasks.values())
            slow = world.agents[called.site]
            slow.send_signal(signal.SIGSTOP)
            (tmp_path / "gate").touch()
            run.finish()
        assert bucket.read("counter") == b"2"
        slow.send_signal(signal.SIGCONT)
        poll(lambda: not any(site.load.is_lost for site in driver.sites.values()), PATIENCE_S)
        assert len(list(tmp_path.glob("begun-1-*"))) == 2
        assert bucket.read("counter") == b"2"
        assert bucket.versions("counter") == 2
        poll(lambda: bucket.uploads() == 0, PATIENCE_S)
    finally:
        driver.close()


class Place:
    """A folder in which a run begins, dies, and is resumed; its tasks write through a gateway."""

    def __init__(self, folder, bucket):
        self.folder = folder
        self.bucket = bucket

    def drive(self, executor):
        before = recall(self.folder)
        memory = Memory(self.folder)
        settle_decided(before, memory, self.complete)
        policy = parse_policy("results")
        checkpoints = Checkpoints(memory, policy, place_of=lambda _: None, before=before)
        driver = Driver(spec_of(), [executor], Journal(None), checkpoints=checkpoints)
        driver.start()
        return driver

    def complete(self, staged):
        executor = LocalExecutor(objects=self.bucket.client())
        try:
            return executor._loop.run(are_completed(executor._objects, staged)).result(PATIENCE_S)
        finally:
            executor._loop.run(executor._objects.close()).result(PATIENCE_S)
            executor._loop.stop()

    def calls(self):
        return len((self.folder / "calls").read_text().splitlines())


class Dying(LocalExecutor):
    """The driver dies as it is about to complete what a task has staged, or has just done so."""

    def __init__(self, bucket, *, before):
        super().__init__(objects=bucket.client(), computing_units=1)
        self._before = before
        self.staged = []

    def complete(self, task_id, attempt, staged):
        if not self._before:
            objects = self._objects
            self._loop.run(are_completed(objects, staged)).result(PATIENCE_S)
        self.staged += staged

    def unstage(self, staged, *, is_complete):
        pass  # nobody is there to say it

    def close(self):
        self._run._transfers._staged.clear()  # a process that is killed removes nothing
        super().close()


@pytest.mark.parametrize("before", [True, False], ids=["before it writes", "after it has written"])
def test_a_driver_that_dies_when_it_writes_has_written_once_after_it_was_resumed(bucket, tmp_path, before):
    place = Place(tmp_path, bucket)
    uri = f"s3://{bucket.name}/result"
    driver = place.drive(dying := Dying(bucket, before=before))
    with use_run(Run(driver)):
        write(uri, "once", str(tmp_path))
        poll(lambda: dying.staged)
    driver.close()
    assert bucket.versions("result") == (0 if before else 1)

    driver = place.drive(LocalExecutor(objects=bucket.client(), computing_units=1))
    with use_run(run := Run(driver)):
        write(uri, "once", str(tmp_path))
        assert run.finish() == []
    driver.close()
    assert place.calls() == 1
    assert bucket.read("result") == b"once"
    assert bucket.versions("result") == 1
    assert bucket.uploads() == 0


def test_what_was_decided_and_is_gone_is_done_again(bucket, tmp_path):
    place = Place(tmp_path, bucket)
    uri = f"s3://{bucket.name}/result"
    driver = place.drive(dying := Dying(bucket, before=True))
    with use_run(Run(driver)):
        write(uri, "again", str(tmp_path))
        poll(lambda: dying.staged)
    driver.close()
    [staged] = dying.staged
    bucket.s3.abort_multipart_upload(Bucket=bucket.name, Key="result", UploadId=staged.upload_id)

    driver = place.drive(LocalExecutor(objects=bucket.client(), computing_units=1))
    with use_run(run := Run(driver)):
        write(uri, "again", str(tmp_path))
        assert run.finish() == []
    driver.close()
    assert place.calls() == 2
    assert bucket.read("result") == b"again"
    assert bucket.versions("result") == 1


def test_an_empty_object_and_a_missing_bucket(bucket, tmp_path):
    missing = f"once-{uuid.uuid4().hex[:10]}"
    driver = Place(tmp_path, bucket).drive(LocalExecutor(objects=bucket.client(), computing_units=1))
    with use_run(run := Run(driver)):
        write(f"s3://{missing}/empty", "", str(tmp_path))
        assert run.finish() == []
    driver.close()
    assert bucket.s3.head_object(Bucket=missing, Key="empty")["ContentLength"] == 0
