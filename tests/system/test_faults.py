"""Every process is killed in turn while clients write and a workflow runs; nothing acknowledged may be lost.

After each kill the supervisor brings the process back (the supervisor itself: `continuum up` does). Then each
acknowledged write is read through both gateways, byte for byte, and the run has finished with the right
result or says why it did not.
"""

import contextlib
import subprocess
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from embedding import wait_until
from s3_loads import Load, read_digest

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]

PROGRAM = Path(__file__).parent / "programs" / "steady.py"
TASKS = 120
EXPECTED = sum(number * number for number in range(TASKS))
ACKNOWLEDGED_BEFORE = 20
ACKNOWLEDGED_AFTER = 20
MARKS_BEFORE = 5
RUN_LIMIT_S = 90.0


@contextlib.contextmanager
def running_workflow(embedded: Any, tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """Run the program over the continuum until its tasks are under way; end it whatever happens."""
    marks = tmp_path / "marks"
    marks.mkdir()
    with (tmp_path / "run.out").open("w") as out, (tmp_path / "run.err").open("w") as err:
        process = subprocess.Popen(
            [
                embedded.program("continuum"),
                "run",
                "--name",
                tmp_path.name,
                str(PROGRAM),
                str(TASKS),
                str(marks),
            ],
            env=embedded.environment(),
            stdout=out,
            stderr=err,
            text=True,
        )
        try:
            wait_until(lambda: len(list(marks.iterdir())) >= MARKS_BEFORE, RUN_LIMIT_S, "no task ran")
            assert len(list(marks.iterdir())) < TASKS
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()


def wait_for_more(load: Load, count: int, limit_s: float = 60.0) -> None:
    """Wait until `count` further writes were acknowledged."""
    target, deadline = load.acknowledged + count, time.monotonic() + limit_s
    while load.acknowledged < target:
        assert time.monotonic() < deadline, f"no more than {load.acknowledged} writes were acknowledged"
        time.sleep(0.05)


def check_run(process: "subprocess.Popen[str]", tmp_path: Path, *, may_fail: bool) -> None:
    """The run gave the right result, or (where that is allowed) failed and says why."""
    status = process.wait(timeout=RUN_LIMIT_S)
    out, err = (tmp_path / "run.out").read_text(), (tmp_path / "run.err").read_text()
    if status == 0:
        assert f"total {EXPECTED}" in out
    else:
        assert may_fail, f"the run failed with status {status}:\n{out}\n{err}"
        assert "rror" in err or "lost" in err, f"the run failed without saying why:\n{out}\n{err}"


@pytest.mark.parametrize(
    "victim",
    [
        "gateway.edge",
        "gateway.cloud",
        "hub",
        "nats",
        "store.edge",
        "store.cloud",
        "agent.edge",
        "agent.cloud",
    ],
)
def test_what_was_acknowledged_survives_the_death_of(victim, embedded, tmp_path):
    bucket = "faults-" + victim.replace(".", "-")
    embedded.boto3_client("edge").create_bucket(Bucket=bucket)
    clients = [partial(embedded.boto3_client, site, attempts=8) for site in embedded.gateways]
    with Load(clients, bucket) as load:
        wait_for_more(load, ACKNOWLEDGED_BEFORE)
        with running_workflow(embedded, tmp_path) as process:
            embedded.kill(victim)
            embedded.wait_until_ready()
            wait_for_more(load, ACKNOWLEDGED_AFTER)
            check_run(process, tmp_path, may_fail=False)
    check_books(load, bucket, clients)


def test_what_was_acknowledged_survives_the_death_of_the_supervisor_and_with_it_of_everything(
    embedded, tmp_path
):
    bucket = "faults-supervisor"
    embedded.boto3_client("edge").create_bucket(Bucket=bucket)
    clients = [partial(embedded.boto3_client, site, attempts=8) for site in embedded.gateways]
    with Load(clients, bucket) as load:
        wait_for_more(load, ACKNOWLEDGED_BEFORE)
        with running_workflow(embedded, tmp_path) as process:
            embedded.kill("supervisor")
            embedded.up()
            wait_for_more(load, ACKNOWLEDGED_AFTER)
            check_run(process, tmp_path, may_fail=True)
    check_books(load, bucket, clients)


def check_books(load: Load, bucket: str, clients: list[Any]) -> None:
    """Every key gives, at every gateway, a value that it may have; the gateways agree."""
    assert load.problems == []
    assert load.acknowledged >= ACKNOWLEDGED_BEFORE + ACKNOWLEDGED_AFTER
    readers = [make() for make in clients]
    for key, book in load.books.items():
        seen = [read_digest(reader, bucket, key) for reader in readers]
        assert seen[0] in book.possible, f"{key} lost an acknowledged write"
        assert len(set(seen)) == 1, f"the gateways disagree on {key}"
