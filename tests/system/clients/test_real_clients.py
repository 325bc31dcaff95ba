"""Real clients, as their users have them: what they do at a store directly they do through a gateway, with
the same result.

Where the two differ that is told by name, with what is S3's own way.
"""

import json
import sys
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from places import CLIENTS, FILES, Place, lay_files, read_files, run, run_program

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

Told = dict[str, Any]
Places = Callable[[], tuple[Place, Place]]

# What the gateway's reply is where the store's differs.
DIFFERING: dict[str, Told] = {
    # The store guesses a type from the bytes; S3 says binary/octet-stream when none was given.
    "lithops": {"head": ["7", '"816b577e16f83e7d16081eafc57e42dd"', "binary/octet-stream"]},
    # The store keeps empty folders for a while; S3 has none.
    "pyarrow": {
        "left": [
            f"pyarrow-bucket/{name}"
            for name in ("large.bin", "moved", "one.parquet", "\u00fc copy & more.parquet")
        ]
    },
}


def compare(places: Places, work: Callable[[Place], Told], differing: Told) -> Told:
    """Do the same at both places, at the same time, and compare what was told; return it."""
    with ThreadPoolExecutor(2) as both:
        there, here = both.map(work, places())
    assert here.keys() == there.keys()
    assert here == there | differing
    return here


@pytest.mark.parametrize("name", ["lithops", "minio", "pyarrow", "s3fs"])
def test_a_library_gives_the_same(places: Places, name: str):
    compare(places, lambda place: run_program(place, name), DIFFERING.get(name, {}))


def test_rclone_gives_the_same(places: Places):
    told = compare(places, use_rclone, {})
    assert [line["Path"] for line in told["list"]] == sorted(FILES)
    assert told["presigned"] == "a\n"


def use_rclone(place: Place) -> Told:
    """Copy, compare, list, read a part, move, synchronise, remove."""
    files = lay_files(place.folder / "files")
    settings = {
        "RCLONE_CONFIG": "/dev/null",
        "RCLONE_CONFIG_AT_TYPE": "s3",
        "RCLONE_CONFIG_AT_PROVIDER": "Other",
        "RCLONE_CONFIG_AT_ENV_AUTH": "true",
        "RCLONE_CONFIG_AT_ENDPOINT": place.url,
        "RCLONE_CONFIG_AT_REGION": "us-east-1",
        "RCLONE_S3_UPLOAD_CUTOFF": "5Mi",
        "RCLONE_S3_CHUNK_SIZE": "5Mi",
        "RCLONE_RETRIES": "1",
    }

    def rclone(*words: str | Path, status: int | None = 0) -> str:
        return run(place, CLIENTS / "rclone", *words, status=status, **settings)

    told: Told = {}
    at = "at:rclone-bucket"
    rclone("copy", files, at)
    listed = json.loads(rclone("lsjson", "-R", "--files-only", "--hash", "--metadata", at))
    told["list"] = sorted(
        ({name: line.get(name) for name in ("Path", "Size", "Hashes")} for line in listed),
        key=lambda line: line["Path"],
    )
    rclone("check", "--download", files, at)
    told["part"] = rclone("cat", "--offset", "5242878", "--count", "4", f"{at}/large.bin").encode().hex()
    with urllib.request.urlopen(rclone("link", "--expire", "1m", f"{at}/a.txt").strip()) as answer:
        told["presigned"] = answer.read().decode()
    rclone("moveto", f"{at}/large.bin", f"{at}/moved/large.bin")
    rclone("sync", f"{at}/folder", place.folder / "back")
    assert read_files(place.folder / "back") == {
        name.removeprefix("folder/"): body for name, body in FILES.items() if name.startswith("folder/")
    }
    (files / "a.txt").write_bytes(b"changed")
    rclone("sync", files, at)
    told["size"] = json.loads(rclone("size", "--json", at))
    told["missing"] = rclone("deletefile", f"{at}/missing", status=4)
    rclone("purge", at)
    told["gone"] = "rclone-bucket/" not in rclone("lsf", "at:").splitlines()  # others have buckets too
    return told


def test_s3cmd_gives_the_same(places: Places):
    told = compare(places, use_s3cmd, {})
    assert [name for name, _ in told["list"]] == [f"s3://s3cmd-bucket/{name}" for name in sorted(FILES)]


def use_s3cmd(place: Place) -> Told:
    """Synchronise there, list, describe, copy, get all back, remove."""
    files = lay_files(place.folder / "files")
    config = place.folder / "s3cmd.ini"
    host = place.url.removeprefix("http://")
    settings = {
        "access_key": place.access_key,
        "secret_key": place.secret_key,
        "host_base": host,
        "host_bucket": host,
        "use_https": "False",
        "multipart_chunk_size_mb": "5",
        "bucket_location": "us-east-1",
    }
    config.write_text("\n".join(["[default]", *(f"{name} = {text}" for name, text in settings.items()), ""]))

    def s3cmd(*words: str | Path, status: int = 0) -> str:
        return run(place, CLIENTS / "s3cmd", "-c", config, "--no-progress", *words, status=status)

    told: Told = {}
    at = "s3://s3cmd-bucket"
    s3cmd("mb", at)
    s3cmd("sync", "--add-header=x-amz-meta-colour: blue", f"{files}/", f"{at}/")
    lines = [line.split(maxsplit=3) for line in s3cmd("ls", "--recursive", at).splitlines()]
    told["list"] = [(name, size) for _, _, size, name in lines]
    lines = s3cmd("info", f"{at}/large.bin").splitlines()
    told["info"] = [
        line.strip() for line in lines if any(word in line for word in ("size", "MIME", "colour"))
    ]
    s3cmd("cp", f"{at}/large.bin", f"{at}/copied \u00fc")
    (place.folder / "back").mkdir()
    s3cmd("get", "--recursive", f"{at}/", f"{place.folder}/back/")
    assert read_files(place.folder / "back") == FILES | {"copied \u00fc": FILES["large.bin"]}
    told["missing"] = s3cmd("get", f"{at}/missing", "-", status=64)
    s3cmd("rb", "--recursive", "--force", at)
    return told


def test_the_aws_command_line_gives_the_same(places: Places):
    told = compare(places, use_awscli, {})
    assert told["list"] == [[name, len(body)] for name, body in sorted(FILES.items()) if body]


def use_awscli(place: Place) -> Told:
    """Copy there and back, list.

    Without the empty file: after one (a body of nothing that is announced with `Expect: 100-continue`) the
    command waits for ever at a store that says no `100 Continue`. Gateways say it (`test_s3_awscli`).
    """
    files = lay_files(place.folder / "files")
    settings = {"AWS_ENDPOINT_URL": place.url}

    def aws(*words: str | Path) -> str:
        return run(place, Path(sys.executable).with_name("aws"), *words, **settings)

    told: Told = {}
    at = "s3://awscli-bucket"
    aws("s3", "mb", at)
    aws("s3", "cp", "--recursive", "--quiet", "--exclude", "empty", "--metadata", "colour=blue", files, at)
    listed = json.loads(aws("s3api", "list-objects-v2", "--bucket", "awscli-bucket"))["Contents"]
    told["list"] = [[line["Key"], line["Size"]] for line in listed]
    told["etags"] = [line["ETag"] for line in listed]
    aws("s3", "sync", "--quiet", at, place.folder / "back")
    assert read_files(place.folder / "back") == {name: body for name, body in FILES.items() if body}
    return told
