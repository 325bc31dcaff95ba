"""Bytes out of stores that nobody elsewhere can connect to: objects, and data of runs."""

import hashlib
import os
import re
import signal
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from embedding import Embedded, wait_until

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]

BUCKET = "reach"

PROGRAM = """
import sys
from pathlib import Path
from continuum.workflow import pinned, task, wait_on

def see(name):
    with Path(sys.argv[1]).open("a") as file:
        file.write(name + "\\n")

@task(returns=1)
def make(number):
    see(f"make {number}")
    return bytes([number]) * 200_000

@task(returns=1)
def follow(value, site):
    see(f"follow {value[0]} {site}")
    return value

@task(returns=1)
def join(values):
    see("join")
    return sum(each[0] for each in values)

made = []
for number in range(3):
    with pinned("edge"):
        value = make(number)
    for site in ("lab", "cloud", "edge"):
        with pinned(site):
            value = follow(value, site)
    made.append(value)
with pinned("lab"):
    last = join(made)
print("sum", wait_on(last), len(wait_on(made[0])))
"""


WRITING = """
from pathlib import Path
from continuum.workflow import pinned, task, barrier
from pycompss.api.parameter import FILE_OUT

@task(target=FILE_OUT)
def write(target):
    Path(target).write_text("written at the edge")

with pinned("edge"):
    write("s3://reach/written")
barrier()
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    """Sites `edge` and `lab`, whose stores nobody else can connect to, and `cloud`."""
    running = Embedded(tmp_path_factory.mktemp("reach") / "home")
    running.up(
        *("--sites", "edge,lab,cloud", "--store", "directory", "--hub-port", "0", "--gateway-ports", "0,0,0"),
        *("--offer", "edge:reach=site", "--offer", "lab:reach=site"),
    )
    running.boto3_client("edge").create_bucket(Bucket=BUCKET)
    try:
        yield running
    finally:
        running.down()


def put(world: Embedded, site: str, key: str, size_bytes: int, **options: Any) -> bytes:
    body = hashlib.sha256(key.encode()).digest() * (size_bytes // 32)
    world.boto3_client(site).put_object(Bucket=BUCKET, Key=key, Body=body, **options)
    return body


def get(world: Embedded, site: str, key: str) -> bytes:
    body: bytes = world.boto3_client(site).get_object(Bucket=BUCKET, Key=key)["Body"].read()
    return body


@pytest.mark.parametrize("site", ["cloud", "lab"])
def test_an_object_of_a_store_out_of_reach_is_read_elsewhere(world: Embedded, site: str) -> None:
    body = put(world, "edge", f"object-{site}", 3_000_000)
    client = world.boto3_client(site)
    part = client.get_object(Bucket=BUCKET, Key=f"object-{site}", Range="bytes=1000000-1000099")[
        "Body"
    ].read()
    assert part == body[1_000_000:1_000_100]
    assert get(world, site, f"object-{site}") == body
    assert get(world, "edge", f"object-{site}") == body


def test_an_encrypted_object_is_brought_as_it_is_stored(world: Embedded) -> None:
    body = put(world, "edge", "sealed", 320_000, ServerSideEncryption="AES256")
    assert get(world, "cloud", "sealed") == body


def test_many_readers_wait_for_one_export(world: Embedded) -> None:
    body = put(world, "edge", "herd", 6_400_000)
    before = exports_of(world)
    with ThreadPoolExecutor(16) as pool:
        read = list(pool.map(lambda _: get(world, "cloud", "herd"), range(16)))
    assert set(map(len, read)) == {len(body)}
    assert all(each == body for each in read)
    assert exports_of(world) - before == 1


def exports_of(world: Embedded) -> int:
    """How many versions the gateway of `edge` has brought out."""
    with urllib.request.urlopen(f"{world.gateways['edge']}/-/metrics", timeout=10) as answer:
        text = answer.read().decode()
    found = re.findall(r'continuum_gateway_exports_total\{.*outcome="made".*\} (\d+)', text)
    return sum(map(int, found))


def test_a_new_version_is_brought_and_not_the_old_one(world: Embedded) -> None:
    put(world, "edge", "changing", 96_000)
    get(world, "cloud", "changing")
    body = b"new" * 100_000
    world.boto3_client("edge").put_object(Bucket=BUCKET, Key="changing", Body=body)
    assert get(world, "cloud", "changing") == body


def test_a_gateway_that_dies_while_it_brings_something_out_costs_a_repetition(world: Embedded) -> None:
    body = put(world, "edge", "large", 64_000_000)
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(get, world, "cloud", "large")
        os.kill(world.process("gateway.edge")["pid"], signal.SIGKILL)
        try:
            assert reading.result(timeout=90) == body
        except ClientError as problem:
            if problem.response["Error"]["Code"] not in {"ServiceUnavailable", "SlowDown"}:
                raise
    world.wait_until_ready()
    assert get(world, "cloud", "large") == body


def test_a_run_over_sites_out_of_reach_computes_everything_once(world: Embedded, tmp_path: Path) -> None:
    seen, program = tmp_path / "seen", tmp_path / "program.py"
    program.write_text(PROGRAM)
    done = world.continuum("run", str(program), str(seen), timeout_s=150)
    assert "sum 3 200000" in done.stdout
    counts = Counter(seen.read_text().splitlines())
    assert set(counts.values()) == {1}, counts
    assert len(counts) == 3 + 9 + 1


def test_an_upload_that_was_begun_there_is_completed_elsewhere(world: Embedded) -> None:
    there, here = world.boto3_client("edge"), world.boto3_client("cloud")
    named = {"Bucket": BUCKET, "Key": "joined"}
    upload = there.create_multipart_upload(**named)["UploadId"]
    part = there.upload_part(**named, UploadId=upload, PartNumber=1, Body=b"part" * 50_000)
    assert [each["Size"] for each in here.list_parts(**named, UploadId=upload)["Parts"]] == [200_000]
    with pytest.raises(ClientError, match="Send its parts to the gateway there"):
        here.upload_part(**named, UploadId=upload, PartNumber=2, Body=b"more")
    chosen = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    here.complete_multipart_upload(**named, UploadId=upload, MultipartUpload=chosen)
    assert get(world, "lab", "joined") == b"part" * 50_000
    again = here.complete_multipart_upload(**named, UploadId=upload, MultipartUpload=chosen)
    assert again["Key"] == "joined"
    gone = there.create_multipart_upload(**named)["UploadId"]
    here.abort_multipart_upload(**named, UploadId=gone)
    with pytest.raises(ClientError, match="NoSuchUpload"):
        there.list_parts(**named, UploadId=gone)


def test_a_task_there_writes_objects_for_a_driver_that_is_elsewhere(world: Embedded, tmp_path: Path) -> None:
    program = tmp_path / "writing.py"
    program.write_text(WRITING)
    world.continuum("run", "--site", "cloud", "--placement", "data", str(program), timeout_s=150)
    assert get(world, "cloud", "written") == b"written at the edge"


def test_the_store_says_who_can_reach_it(world: Embedded) -> None:
    assert "nobody elsewhere can connect" in world.continuum("site", "show", "edge").stdout
    assert world.continuum("store", "list").stdout.count("site") >= 2


def test_two_sites_out_of_reach_without_a_third_are_told_so(tmp_path: Path) -> None:
    lonely = Embedded(tmp_path / "home")
    lonely.up(
        *("--sites", "edge,lab", "--store", "directory", "--hub-port", "0", "--gateway-ports", "0,0"),
        *("--offer", "edge:reach=site", "--offer", "lab:reach=site"),
    )
    try:
        lonely.boto3_client("edge").create_bucket(Bucket=BUCKET)
        put(lonely, "edge", "here", 64_000)
        with pytest.raises(ClientError, match="nobody else can connect there"):
            lonely.boto3_client("lab", attempts=1).get_object(Bucket=BUCKET, Key="here")
    finally:
        lonely.down()
    wait_until(lambda: lonely.state == "down", 30.0, "it is still up")
