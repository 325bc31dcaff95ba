"""`continuum bucket copy|move|sync` between the name space, another store and folders, as users run them."""

import contextlib
import io
import json
import os
import secrets
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from embedding import Embedded, wait_until
from plain_store import PlainStore
from spoiling_relay import SpoilingRelay
from typer.main import get_command

from continuum.cli.main import cli
from continuum.model.errors import ContinuumError

pytestmark = pytest.mark.system

MIB = 1024 * 1024
COMMAND = get_command(cli)
ODD_KEYS = ("plain.txt", "empty", "sub/ünï cödé/+&<x>?#%20.txt", "sub/\U0001f9c0", "a b", "a-b", "a/b")


class Other:
    """Another store, its S3 client, and buckets in it."""

    def __init__(self, folder: Path) -> None:
        self.store = PlainStore(folder)
        self.store.start()
        self.port = int(self.store.endpoint.rpartition(":")[2])
        self.s3 = boto3.client(
            "s3",
            endpoint_url=self.store.endpoint,
            aws_access_key_id=self.store.access_key,
            aws_secret_access_key=self.store.secret_key,
            region_name="us-east-1",
        )

    def make_bucket(self) -> str:
        name = f"other-{secrets.token_hex(4)}"
        self.s3.create_bucket(Bucket=name)
        return name


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Other]:
    found = Other(tmp_path_factory.mktemp("other"))
    yield found
    found.s3.close()
    found.store.stop()


class Bulk:
    """Runs transfers of one test, with the store `other` known by reference."""

    def __init__(self, embedded: Embedded, other: Other, folder: Path) -> None:
        self.embedded = embedded
        self.other = other
        self.folder = folder
        self.s3 = embedded.boto3_client("cloud")
        self.stores = folder / "stores.toml"
        self.describe(other.port)

    def describe(self, port: int, keys: str = "OTHER") -> None:
        self.stores.write_text(
            f'[stores.other]\nendpoint = "http://127.0.0.1:{port}"\nsite = "elsewhere"\n'
            f'credentials = "env:{keys}"\n'
        )

    def command(self, *words: str) -> list[str]:
        program = str(self.embedded.program("continuum"))
        return [program, "bucket", *words, "--stores", str(self.stores), "--json"]

    def environment(self) -> dict[str, str]:
        return self.embedded.environment() | {
            "OTHER_ACCESS_KEY_ID": self.other.store.access_key,
            "OTHER_SECRET_ACCESS_KEY": self.other.store.secret_key,
            "WRONG_ACCESS_KEY_ID": self.other.store.access_key,
            "WRONG_SECRET_ACCESS_KEY": "wrong",
        }

    def run(self, *words: str, status: int = 0) -> dict[str, Any]:
        """Run a command in this process, which takes a tenth of the time; return its JSON or its error."""
        printed, found, told = io.StringIO(), 0, ""
        with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(printed):
            for name, value in self.environment().items():
                patch.setenv(name, value)
            try:
                COMMAND(args=self.command(*words)[1:], standalone_mode=False)
            except SystemExit as end:
                found = int(end.code or 0)
            except ContinuumError as problem:
                found, told = 1, str(problem)
        assert found == status, f"{found}: {told} {printed.getvalue()}"
        return json.loads(printed.getvalue()) if printed.getvalue().strip() else {"told": told}

    def begin(self, *words: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            self.command(*words),
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def make_bucket(self) -> str:
        name = f"bulk-{secrets.token_hex(4)}"
        self.s3.create_bucket(Bucket=name)
        return name

    def parts_written(self) -> int:
        """Return how many parts the journals of running transfers name."""
        count = 0
        for file in (self.embedded.path / "transfers").glob("*/journal.sqlite"):
            with (
                contextlib.suppress(sqlite3.OperationalError),
                contextlib.closing(sqlite3.connect(file)) as found,
            ):
                count += found.execute("SELECT count(*) FROM parts").fetchone()[0]
        return count


@pytest.fixture
def bulk(embedded: Embedded, other: Other, tmp_path: Path) -> Iterator[Bulk]:
    found = Bulk(embedded, other, tmp_path)
    yield found
    found.s3.close()


def read_all(s3: Any, bucket: str) -> dict[str, bytes]:
    listed = s3.list_objects_v2(Bucket=bucket).get("Contents", [])
    return {each["Key"]: s3.get_object(Bucket=bucket, Key=each["Key"])["Body"].read() for each in listed}


def test_objects_go_round_over_all_kinds_of_places(bulk: Bulk, other: Other) -> None:
    here, there = bulk.make_bucket(), other.make_bucket()
    written = {key: b"" if key == "empty" else secrets.token_bytes(2000) for key in ODD_KEYS[:-2]}
    for key, data in written.items():
        bulk.s3.put_object(Bucket=here, Key=key, Body=data, ContentType="text/x-odd", Metadata={"who": "me"})
    planned = bulk.run("copy", f"s3://{here}", f"other:{there}", "--plan")
    assert (planned["send_objects"], planned["send_bytes"]) == (5, 8000)
    assert read_all(other.s3, there) == {}
    done = bulk.run("copy", f"s3://{here}", f"other:{there}")
    assert (done["sent_objects"], done["failed_objects"], done["journal"]) == (5, 0, "")
    assert read_all(other.s3, there) == written
    head = other.s3.head_object(Bucket=there, Key="a b")
    assert (head["ContentType"], head["Metadata"]) == ("text/x-odd", {"who": "me"})
    folder = bulk.folder / "out"
    assert bulk.run("copy", f"other:{there}", f"file://{folder}")["sent_objects"] == 5
    assert {key: (folder / key).read_bytes() for key in written} == written
    assert bulk.run("sync", f"other:{there}", f"file://{folder}")["sent_objects"] == 0


def test_sync_sends_what_changed_and_deletes_only_when_told(bulk: Bulk) -> None:
    bucket, folder = bulk.make_bucket(), bulk.folder / "tree"
    folder.mkdir()
    for name in ("same", "changed", "skipped.tmp"):
        (folder / name).write_bytes(b"first")
    first = bulk.run("sync", f"file://{folder}", f"s3://{bucket}/p", "--exclude", "*.tmp")
    assert first["sent_objects"] == 2
    bulk.s3.put_object(Bucket=bucket, Key="p/surplus", Body=b"x")
    bulk.s3.put_object(Bucket=bucket, Key="beside", Body=b"x")
    (folder / "changed").write_bytes(b"other")
    os.utime(folder / "changed", (0, 0))  # older and as long: only its content tells
    again = bulk.run("sync", f"file://{folder}", f"s3://{bucket}/p", "--checksum", "--exclude", "*.tmp")
    assert (again["sent_objects"], again["deleted_objects"]) == (1, 0)
    last = bulk.run("sync", f"file://{folder}", f"s3://{bucket}/p", "--delete", "--exclude", "*.tmp")
    assert (last["sent_objects"], last["deleted_objects"]) == (0, 1)
    assert read_all(bulk.s3, bucket) == {"beside": b"x", "p/changed": b"other", "p/same": b"first"}


def test_a_move_within_the_name_space_leaves_nothing_behind(bulk: Bulk) -> None:
    bucket = bulk.make_bucket()
    written = {f"from/{key}": secrets.token_bytes(100) for key in ODD_KEYS}
    written["from/large"] = secrets.token_bytes(33 * MIB)  # in parts that the gateway copies by itself
    for key, data in written.items():
        bulk.s3.put_object(Bucket=bucket, Key=key, Body=data)
    done = bulk.run("move", f"s3://{bucket}/from/", f"s3://{bucket}/to")
    assert (done["sent_objects"], done["removed_objects"]) == (len(written), len(written))
    assert read_all(bulk.s3, bucket) == {key.replace("from/", "to/"): data for key, data in written.items()}


def test_one_object_is_copied_like_one_file(bulk: Bulk, other: Other) -> None:
    bucket, there = bulk.make_bucket(), other.make_bucket()
    bulk.s3.put_object(Bucket=bucket, Key="p/one", Body=b"1")
    bulk.s3.put_object(Bucket=bucket, Key="p/one/more", Body=b"2")
    bulk.run("copy", f"s3://{bucket}/p/one", f"other:{there}/kept/")
    bulk.run("copy", f"s3://{bucket}/p/one", f"other:{there}/renamed")
    bulk.run("copy", f"s3://{bucket}/p/one", f"file://{bulk.folder}")
    assert read_all(other.s3, there) == {"kept/one": b"1", "renamed": b"1"}
    assert (bulk.folder / "one").read_bytes() == b"1"


def test_nothing_to_copy_is_no_error_and_no_bucket_is(bulk: Bulk, other: Other) -> None:
    assert bulk.run("copy", f"s3://{bulk.make_bucket()}", f"other:{other.make_bucket()}")["objects"] == 0
    assert "no bucket" in bulk.run("copy", f"s3://{bulk.make_bucket()}", "other:none-such", status=1)["told"]
    assert "no bucket" in bulk.run("copy", "s3://none-such", f"file://{bulk.folder}/x", status=1)["told"]


def test_who_may_not_is_told_so(bulk: Bulk, other: Other) -> None:
    bucket, there = bulk.make_bucket(), other.make_bucket()
    bulk.s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    bulk.describe(other.port, keys="WRONG")
    told = bulk.run("copy", f"s3://{bucket}", f"other:{there}", status=1)["told"]
    assert "does not allow" in told
    assert "wrong" not in told


def test_after_a_kill_only_the_cut_parts_are_sent_again(bulk: Bulk, other: Other) -> None:
    bucket, there = bulk.make_bucket(), other.make_bucket()
    data = secrets.token_bytes(48 * MIB)
    bulk.s3.put_object(Bucket=bucket, Key="large", Body=data)
    words = ("copy", f"s3://{bucket}", f"other:{there}")
    before = bulk.parts_written()
    process = bulk.begin(*words, "--lanes", "2", "--bandwidth", "30M")
    with process:
        wait_until(lambda: bulk.parts_written() > before, 30.0, "no part was sent")
        process.send_signal(signal.SIGKILL)
    upload = other.s3.list_multipart_uploads(Bucket=there)["Uploads"][0]
    parts = other.s3.list_parts(Bucket=there, Key="large", UploadId=upload["UploadId"])["Parts"]
    there_bytes = sum(part["Size"] for part in parts)
    done = bulk.run(*words)
    assert (
        done["resumed_bytes"] >= there_bytes >= 16 * MIB
    )  # a last part may have come to rest after the kill
    assert done["resumed_bytes"] + done["sent_bytes"] == len(data)
    assert other.s3.get_object(Bucket=there, Key="large")["Body"].read() == data
    assert "Uploads" not in other.s3.list_multipart_uploads(Bucket=there)


def test_a_source_that_changes_meanwhile_is_sent_as_it_is_then(bulk: Bulk) -> None:
    bucket, folder = bulk.make_bucket(), bulk.folder / "out"
    bulk.s3.put_object(Bucket=bucket, Key="large", Body=secrets.token_bytes(48 * MIB))
    before = bulk.parts_written()
    process = bulk.begin("copy", f"s3://{bucket}", f"file://{folder}", "--lanes", "1", "--bandwidth", "16M")
    with process:
        wait_until(lambda: bulk.parts_written() > before, 30.0, "no part was sent")
        new = b"new and shorter"
        bulk.s3.put_object(Bucket=bucket, Key="large", Body=new)
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, output + errors
    assert (folder / "large").read_bytes() == new
    assert [path.name for path in folder.iterdir()] == ["large"]


def test_an_interrupted_transfer_says_how_to_go_on(bulk: Bulk) -> None:
    bucket, folder = bulk.make_bucket(), bulk.folder / "in"
    folder.mkdir()
    (folder / "large").write_bytes(secrets.token_bytes(48 * MIB))
    words = ("move", f"file://{folder}", f"s3://{bucket}")
    before = bulk.parts_written()
    process = bulk.begin(*words, "--lanes", "1", "--bandwidth", "32M")
    with process:
        wait_until(lambda: bulk.parts_written() > before, 30.0, "no part was sent")
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=30)
    assert process.returncode == 130, output + errors
    assert "the same command goes on" in errors
    assert (folder / "large").exists()
    data = (folder / "large").read_bytes()
    done = bulk.run(*words)
    assert done["resumed_bytes"] >= 16 * MIB
    assert not (folder / "large").exists()
    assert read_all(bulk.s3, bucket) == {"large": data}


def test_a_corrupted_source_never_becomes_visible_and_stays(bulk: Bulk, other: Other) -> None:
    bucket, there = bulk.make_bucket(), other.make_bucket()
    spoilt = b"x" * 5000 + SpoilingRelay.MARK + b"y" * 5000
    other.s3.put_object(Bucket=there, Key="spoilt", Body=spoilt)
    other.s3.put_object(Bucket=there, Key="well", Body=b"well")
    relay = SpoilingRelay(other.port)
    relay.start()
    try:
        bulk.describe(relay.port)
        done = bulk.run("move", f"other:{there}", f"s3://{bucket}", status=1)
    finally:
        relay.stop()
    assert [failure["key"] for failure in done["failures"]] == ["spoilt"]
    assert "checksum" in done["failures"][0]["reason"]
    assert read_all(bulk.s3, bucket) == {"well": b"well"}
    assert read_all(other.s3, there) == {"spoilt": spoilt}


def test_keys_that_cannot_be_files_are_told_and_leave_the_folder(bulk: Bulk, other: Other) -> None:
    there, folder = other.make_bucket(), bulk.folder / "deep" / "out"
    other.s3.put_object(Bucket=there, Key="fine", Body=b"1")
    bucket = bulk.make_bucket()
    for key in ("fine", "../escaped", "a//b", "folder/"):
        bulk.s3.put_object(Bucket=bucket, Key=key, Body=b"" if key == "folder/" else b"1")
    done = bulk.run("copy", f"s3://{bucket}", f"file://{folder}", status=1)
    assert {failure["key"] for failure in done["failures"]} == {"../escaped", "a//b"}
    assert [path.name for path in folder.parent.rglob("*")] == ["out", "fine"]


def test_copies_are_made_at_a_site_under_the_same_names(bulk: Bulk) -> None:
    bucket = bulk.make_bucket()
    for number in range(3):
        bulk.s3.put_object(Bucket=bucket, Key=f"p/{number}", Body=b"data")
    bulk.s3.put_object(Bucket=bucket, Key="beside", Body=b"data")
    planned = bulk.run("copy", f"s3://{bucket}/p", "--to", "edge", "--plan")
    assert (planned["queued_objects"], planned["queued_bytes"]) == (3, 12)
    assert planned["estimated_s"] > 0
    done = bulk.run("copy", f"s3://{bucket}/p", "--to", "edge")
    assert (done["queued_objects"], done["waiting_objects"]) == (3, 0)
    assert bulk.run("copy", f"s3://{bucket}/p", "--to", "edge")["present_objects"] == 3
    edge = bulk.embedded.boto3_client("edge")
    for key, site in (("p/0", "edge"), ("p/2", "edge"), ("beside", "cloud")):
        found = edge.get_object(Bucket=bucket, Key=key)
        assert found["Body"].read() == b"data"
        assert found["ResponseMetadata"]["HTTPHeaders"]["x-continuum-source-site"] == site
    edge.close()
    assert "no store of nowhere" in bulk.run("copy", f"s3://{bucket}", "--to", "nowhere", status=1)["told"]


def test_tags_and_metadata_go_along_with_small_and_large_objects(bulk: Bulk, other: Other) -> None:
    there, here = other.make_bucket(), bulk.make_bucket()
    words = {"Tagging": "who=me%20%2B%20you&kind=%C3%BC", "Metadata": {"a": "b"}, "ContentType": "text/x"}
    other.s3.put_object(Bucket=there, Key="small", Body=b"s", **words)
    other.s3.put_object(Bucket=there, Key="large", Body=secrets.token_bytes(33 * MIB), **words)
    bulk.run("copy", f"other:{there}", f"s3://{here}")
    within = bulk.make_bucket()
    bulk.run("copy", f"s3://{here}", f"s3://{within}")
    for bucket in (here, within):
        for key in ("small", "large"):
            tags = bulk.s3.get_object_tagging(Bucket=bucket, Key=key)["TagSet"]
            assert {tag["Key"]: tag["Value"] for tag in tags} == {"who": "me + you", "kind": "ü"}
            head = bulk.s3.head_object(Bucket=bucket, Key=key)
            assert (head["Metadata"], head["ContentType"]) == ({"a": "b"}, "text/x")


def test_histories_go_along_in_their_order_and_on_from_where_they_ended(bulk: Bulk, other: Other) -> None:
    there, here = other.make_bucket(), bulk.make_bucket()
    kept = {"Status": "Enabled"}
    other.s3.put_bucket_versioning(Bucket=there, VersioningConfiguration=kept)
    for data in (b"one", b"two"):
        other.s3.put_object(Bucket=there, Key="p/a", Body=data, Metadata={"n": data.decode()})
    other.s3.delete_object(Bucket=there, Key="p/a")
    large = secrets.token_bytes(33 * MIB)
    for data in (large, b"small"):
        other.s3.put_object(Bucket=there, Key="p/b", Body=data)
    words = ("copy", f"other:{there}/p", f"s3://{here}", "--versions")
    assert "does not keep versions" in bulk.run(*words, status=1)["told"]
    bulk.s3.put_bucket_versioning(Bucket=here, VersioningConfiguration=kept)
    assert bulk.run(*words)["sent_objects"] == 5
    other.s3.put_object(Bucket=there, Key="p/a", Body=b"three")
    assert bulk.run(*words)["sent_objects"] == 1
    assert bulk.run(*words)["sent_objects"] == 0
    assert read_histories(bulk.s3, here) == {"a": [b"one", b"two", None, b"three"], "b": [large, b"small"]}
    bulk.s3.put_object(Bucket=here, Key="b", Body=b"another")
    other.s3.put_object(Bucket=there, Key="p/b", Body=b"the next")
    failed = bulk.run(*words, status=1)
    assert [each["key"] for each in failed["failures"]] == ["b"]


def read_histories(s3: Any, bucket: str) -> dict[str, list[bytes | None]]:
    """Return what each version of each key is, oldest first; None for a deletion."""
    listed = s3.list_object_versions(Bucket=bucket)
    histories: dict[str, list[tuple[Any, bytes | None]]] = {}
    for each in listed.get("Versions", []):
        body = s3.get_object(Bucket=bucket, Key=each["Key"], VersionId=each["VersionId"])["Body"].read()
        histories.setdefault(each["Key"], []).append((each["LastModified"], body))
    for each in listed.get("DeleteMarkers", []):
        histories.setdefault(each["Key"], []).append((each["LastModified"], None))
    return {
        key: [body for _, body in sorted(found, key=lambda one: one[0])] for key, found in histories.items()
    }
