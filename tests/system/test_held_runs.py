"""Runs over two sites whose driver is killed: what ran goes on, and who resumes them does nothing twice."""

import collections
import json
import signal
import subprocess
import time
import uuid
from pathlib import Path

import pytest
from embedding import Embedded

from continuum.testing import wait_until

pytestmark = pytest.mark.system
PROGRAM = Path(__file__).parent / "programs" / "held.py"


@pytest.fixture
def bucket(embedded):
    embedded.wait_until_ready()
    s3, name = embedded.boto3_client("edge"), f"held-{uuid.uuid4().hex[:10]}"
    s3.create_bucket(Bucket=name)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=name, Key="counter", Body=b"0")
    return name


def calls(folder):
    path = folder / "calls"
    return path.read_text().splitlines() if path.exists() else []


def begin_and_kill(embedded: Embedded, folder, name, bucket, *options):
    """Run until two tasks wait for the gate, and kill the driver."""
    command = [embedded.program("continuum"), "run", "-q", "--name", name, "--placement", "load"]
    process = subprocess.Popen(
        [*command, *options, str(PROGRAM), str(folder), bucket],
        env=embedded.environment(),
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_until(
            lambda: {"slow 7 begun", "late 8 begun"} <= set(calls(folder)) or process.poll() is not None
        )
        assert process.poll() is None
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def test_a_run_over_two_sites_goes_on_after_its_driver_was_killed_and_does_nothing_twice(
    embedded, bucket, tmp_path
):
    name = f"held-{time.monotonic_ns()}"
    begin_and_kill(embedded, tmp_path, name, bucket)
    (tmp_path / "gate").touch()
    wait_until(lambda: {"slow 7 done", "late 8 done"} <= set(calls(tmp_path)))  # without any driver
    done = embedded.continuum("run", "resume", name)
    assert done.stdout.split("\n")[-2] == "200000"
    times = collections.Counter(calls(tmp_path))
    assert {call: number for call, number in times.items() if number > 1} == {}
    assert len(times) == 3 + 3 + 4 + 2 * 2 + 4
    s3 = embedded.boto3_client("cloud")
    versions = s3.list_object_versions(Bucket=bucket)["Versions"]
    assert collections.Counter(each["Key"] for each in versions) == {
        **{f"out-{number}": 1 for number in range(3)},
        "late": 1,
        "counter": 1 + 4,
    }
    assert s3.get_object(Bucket=bucket, Key="counter")["Body"].read() == b"4"
    assert s3.list_multipart_uploads(Bucket=bucket).get("Uploads", []) == []


@pytest.mark.parametrize("command", ["cancel", "forget"])
def test_what_sites_hold_of_a_run_ends_when_it_is_cancelled_or_forgotten(embedded, bucket, tmp_path, command):
    name = f"held-{time.monotonic_ns()}"
    begin_and_kill(embedded, tmp_path, name, bucket)
    pids = [int(path.stem) for path in tmp_path.glob("*.pid")]
    run_id = json.loads(embedded.continuum("run", "show", name, "--json").stdout)["run_id"]
    planned = embedded.continuum("run", "forget", name, "--plan").stdout
    assert f"run {run_id} (lost, " in planned
    assert all(Path(f"/proc/{pid}").exists() for pid in pids)
    embedded.continuum("run", command, name)
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))
    assert (embedded.home.runs() / run_id).exists() is (command == "cancel")
    if command == "forget":
        objects = embedded.boto3_client("edge").list_objects_v2(Bucket="continuum-runs", Prefix=f"{run_id}/")
        assert objects.get("Contents", []) == []
        again = embedded.continuum("run", "forget", run_id, status=1)
        assert "there is no run called" in again.stderr
