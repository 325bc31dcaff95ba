"""What a user of MinIO's client does; run in the clients' environment: `minio_client.py FOLDER BUCKET`."""

import io
import json
import os
import sys
import urllib.request
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from minio import Minio
from minio.commonconfig import ENABLED, ComposeSource, CopySource, Tags
from minio.deleteobjects import DeleteObject
from minio.error import S3Error
from minio.versioningconfig import VersioningConfig

folder, bucket = Path(sys.argv[1]), sys.argv[2]
url = urlsplit(os.environ["S3_URL"])
client = Minio(
    endpoint=url.netloc,
    access_key=os.environ["AWS_ACCESS_KEY_ID"],
    secret_key=os.environ["AWS_SECRET_ACCESS_KEY"],
    secure=url.scheme == "https",
    region="us-east-1",
)
PART_BYTES = 5 * 1024 * 1024
told = {}


def names(**options):
    return [found.object_name for found in client.list_objects(bucket_name=bucket, **options)]


def read(key, **options):
    answer = client.get_object(bucket_name=bucket, object_name=key, **options)
    try:
        return answer.read()
    finally:
        answer.close()
        answer.release_conn()


told["missing bucket"] = client.bucket_exists(bucket_name=bucket)
client.make_bucket(bucket_name=bucket)
told["bucket"] = client.bucket_exists(bucket_name=bucket)
for path in sorted(folder.rglob("*")):
    if path.is_file():
        client.fput_object(
            bucket_name=bucket,
            object_name=str(path.relative_to(folder)),
            file_path=str(path),
            part_size=PART_BYTES,
        )
told["names"] = names(recursive=True)
told["folders"] = names()
told["within"] = names(prefix="folder/", recursive=True)
told["after"] = names(start_after="empty", recursive=True)
for path in folder.rglob("*"):
    if path.is_file():
        assert read(str(path.relative_to(folder))) == path.read_bytes(), path
large = (folder / "large.bin").read_bytes()
assert read("large.bin", offset=PART_BYTES - 2, length=4) == large[PART_BYTES - 2 : PART_BYTES + 2]

tags = Tags.new_object_tags()
tags["project"] = "sky store"
put = client.put_object(
    bucket_name=bucket,
    object_name="described",
    data=io.BytesIO(large),
    length=-1,
    part_size=PART_BYTES,
    content_type="text/x-test",
    metadata={"colour": "blue"},
    tags=tags,
)
stat = client.stat_object(bucket_name=bucket, object_name="described")
told["stat"] = [stat.size, stat.etag, stat.content_type, stat.metadata.get("x-amz-meta-colour")]
assert put.etag.strip('"') == stat.etag
told["tags"] = dict(client.get_object_tags(bucket_name=bucket, object_name="described"))

copied = client.copy_object(
    bucket_name=bucket, object_name="copy", source=CopySource(bucket_name=bucket, object_name="a.txt")
)
told["copied"] = copied.etag.strip('"')
sources = [ComposeSource(bucket_name=bucket, object_name=name) for name in ("large.bin", "a.txt")]
client.compose_object(bucket_name=bucket, object_name="composed", sources=sources)
assert read("composed") == large + b"a\n"

got = client.presigned_get_object(bucket_name=bucket, object_name="a.txt", expires=timedelta(minutes=1))
with urllib.request.urlopen(got) as answer:
    told["presigned"] = [answer.status, answer.read().decode()]
there = client.presigned_put_object(bucket_name=bucket, object_name="new", expires=timedelta(minutes=1))
with urllib.request.urlopen(urllib.request.Request(there, data=b"new", method="PUT")) as answer:
    told["presigned put"] = answer.status
told["new"] = read("new").decode()

for key in ("missing", "folder"):
    try:
        client.stat_object(bucket_name=bucket, object_name=key)
    except S3Error as problem:
        told[f"stat of {key}"] = problem.code

client.set_bucket_versioning(bucket_name=bucket, config=VersioningConfig(ENABLED))
for body in (b"first", b"second"):
    client.put_object(bucket_name=bucket, object_name="versioned", data=io.BytesIO(body), length=len(body))
client.remove_object(bucket_name=bucket, object_name="versioned")
found = list(client.list_objects(bucket_name=bucket, prefix="versioned", include_version=True))
told["versions"] = [[one.is_delete_marker, one.is_latest == "true", one.size] for one in found]
bodies = [read("versioned", version_id=one.version_id) for one in found if not one.is_delete_marker]
told["bodies"] = [body.decode() for body in bodies]

every = list(client.list_objects(bucket_name=bucket, recursive=True, include_version=True))
gone = [DeleteObject(one.object_name, one.version_id) for one in every]
told["not removed"] = [
    str(error) for error in client.remove_objects(bucket_name=bucket, delete_object_list=gone)
]
told["left"] = names(recursive=True)
client.remove_bucket(bucket_name=bucket)
told["gone"] = client.bucket_exists(bucket_name=bucket)
print(json.dumps(told))
