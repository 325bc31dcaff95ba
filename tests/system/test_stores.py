"""Stores and attached buckets by command, as a user would: the edge's SeaweedFS as a store that was added."""

import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from embedding import Embedded, wait_until

pytestmark = pytest.mark.system


class Lab:
    """A store that was added under a name, and its own S3 client."""

    def __init__(self, embedded: Embedded, name: str) -> None:
        self.embedded = embedded
        self.name = name
        self.bucket = f"lab-{secrets.token_hex(4)}"
        folder = embedded.home.site_folder("edge")
        keys = json.loads((folder / "store-secrets.json").read_text())
        self.access_key, self.secret_key = keys["site_access_key"], keys["site_secret_key"]
        self.endpoint = f"https://127.0.0.1:{embedded.home.continuum().ports['store.edge.s3']}"
        self.s3 = boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            region_name="us-east-1",
            verify=str(embedded.home.ca_file),
            config=Config(s3={"addressing_style": "path"}),
        )
        self.s3.create_bucket(Bucket=self.bucket)

    def put(self, key: str, data: bytes, **options: Any) -> None:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=data, **options)

    def keys(self) -> list[str]:
        return [found["Key"] for found in self.s3.list_objects_v2(Bucket=self.bucket).get("Contents", [])]


@pytest.fixture
def lab(embedded: Embedded, tmp_path: Path) -> Iterator[Lab]:
    made = Lab(embedded, f"lab{secrets.token_hex(3)}")
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps({"access_key": made.access_key, "secret_key": made.secret_key}))
    description = tmp_path / "stores.toml"
    description.write_text(
        f'[stores.{made.name}]\nendpoint = "{made.endpoint}"\nsite = "cloud"\n'
        f'credentials = "file:{keys}"\nca_file = "{embedded.home.ca_file}"\ncapacity = "2 TB"\n'
    )
    embedded.continuum("store", "add", "--file", str(description))
    yield made
    embedded.continuum("store", "remove", made.name)


def test_a_bucket_of_an_added_store_is_attached_followed_and_let_go(embedded: Embedded, lab: Lab) -> None:
    for number in range(30):
        lab.put(f"folder/{number:02}", b"x" * number, Metadata={"number": str(number)})
    shown = json.loads(embedded.continuum("store", "show", lab.name, "--json").stdout)
    assert (shown["endpoint"], shown["capacity_bytes"], shown["is_added"]) == (lab.endpoint, 2 * 10**12, True)
    assert lab.secret_key not in json.dumps(shown)
    name = f"survey-{secrets.token_hex(4)}"
    arguments = ("--store", lab.name, "--bucket", lab.bucket, "--rescan-every", "0")
    job = json.loads(embedded.continuum("bucket", "attach", name, *arguments, "--json").stdout)
    assert (job["state"], job["counts"]["new"]) == ("done", 30)
    edge = embedded.boto3_client("edge")
    found = edge.get_object(Bucket=name, Key="folder/07")
    assert (found["Body"].read(), found["Metadata"]) == (b"x" * 7, {"number": "7"})
    lab.put("late", b"late")
    embedded.continuum("bucket", "rescan", name)
    assert edge.head_object(Bucket=name, Key="late")["ContentLength"] == 4
    edge.put_object(Bucket=name, Key="ours", Body=b"through the gateway")
    verified = json.loads(embedded.continuum("store", "verify", name, "--deep", "--json").stdout)
    assert [job["findings"] for job in verified] == [[]] * len(verified)
    embedded.continuum("store", "remove", lab.name, status=1)
    embedded.continuum("bucket", "detach", name)
    assert sorted(lab.keys()) == sorted(["late", "ours", *(f"folder/{number:02}" for number in range(30))])
    assert lab.s3.get_object(Bucket=lab.bucket, Key="ours")["Body"].read() == b"through the gateway"


def test_what_cannot_work_says_why(embedded: Embedded, lab: Lab) -> None:
    missing = embedded.continuum(
        "bucket", "attach", "nothing-here", "--store", lab.name, "--bucket", "no-such-bucket", status=1
    )
    assert "failed" in missing.stderr
    embedded.continuum("bucket", "detach", "nothing-here")
    secret = embedded.continuum(
        "store", "add", "x", "--endpoint", "https://h", "--site", "cloud", "--credentials", "AKIA:s", status=1
    )
    assert "by reference" in secret.stderr
    assert "AKIA" not in secret.stderr
    listed = embedded.continuum("store", "list").stdout
    assert lab.name in listed
    assert "store.edge" in listed


def test_a_folder_becomes_a_store_whose_files_are_objects(embedded: Embedded, tmp_path: Path) -> None:
    name, there = f"shelf{secrets.token_hex(3)}", tmp_path / "shelf" / "finds"
    there.mkdir(parents=True)
    (there / "a.txt").write_text("one")
    (there / "link").symlink_to("a.txt")
    added = embedded.continuum("store", "add", name, "--directory", str(there.parent), "--site", "edge")
    assert "files that can be objects: 1" in added.stderr
    assert "finds/link: it is a symbolic link" in added.stderr
    embedded.continuum("bucket", "attach", name, "--store", name, "--bucket", "finds", "--rescan-every", "0")
    s3 = embedded.boto3_client("cloud")
    assert s3.get_object(Bucket=name, Key="a.txt")["Body"].read() == b"one"
    embedded.continuum("store", "remove", name, status=1)
    process = f"directory.{name}"
    embedded.kill(process)
    embedded.wait_until_ready()
    s3.put_object(Bucket=name, Key="new/b.txt", Body=b"two")
    wait_until((there / "new/b.txt").exists, 30, "the write has no file")
    embedded.continuum("bucket", "detach", name)
    embedded.continuum("store", "remove", name)
    assert process not in [each["name"] for each in embedded.status()["processes"]]
    assert sorted(path.name for path in there.rglob("*")) == ["a.txt", "b.txt", "link", "new"]
