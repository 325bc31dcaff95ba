"""Buckets in the host's name: `http://BUCKET.s3.localhost:PORT/KEY`."""

import socket
import urllib.request
from typing import Any
from urllib.parse import urlsplit

import pytest
from s3_clients import RawClient, make_client, refusal

pytestmark = pytest.mark.system

VIRTUAL = {"s3": {"addressing_style": "virtual"}, "signature_version": "s3v4"}


@pytest.fixture(autouse=True)
def names_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Resolve every name under `localhost` to this machine, as RFC 6761 asks of resolvers; not all do."""
    resolve = socket.getaddrinfo

    def resolve_here(host: Any, *rest: Any, **options: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        is_here = isinstance(name, str) and name.endswith(".localhost")
        return resolve("127.0.0.1" if is_here else host, *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve_here)


@pytest.fixture
def virtual(embedded: Any) -> Any:
    """A client that names buckets in the host."""
    port = urlsplit(embedded.gateways["edge"]).port
    return make_client(f"http://s3.localhost:{port}", *embedded.credentials, **VIRTUAL)


def test_a_bucket_is_named_by_the_host_or_by_the_path_as_clients_like(virtual: Any, cloud: Any, bucket: str):
    assert f"//{bucket}.s3.localhost:" in virtual.generate_presigned_url(
        "get_object", {"Bucket": bucket, "Key": "k"}
    )
    key = f"{bucket}/a b/\u00fc"  # begins like a path
    put = virtual.put_object(Bucket=bucket, Key=key, Body=b"body", Metadata={"a": "1"})
    for _ in range(2):  # once asked of the locator, once remembered
        assert virtual.get_object(Bucket=bucket, Key=key)["Body"].read() == b"body"
    assert cloud.head_object(Bucket=bucket, Key=key)["ETag"] == put["ETag"]
    assert [line["Key"] for line in virtual.list_objects_v2(Bucket=bucket)["Contents"]] == [key]
    virtual.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": key})
    upload = virtual.create_multipart_upload(Bucket=bucket, Key="parts")["UploadId"]
    where = {"Bucket": bucket, "Key": "parts", "UploadId": upload}
    part = virtual.upload_part(**where, PartNumber=1, Body=b"part")
    parts = [{"PartNumber": 1, "ETag": part["ETag"]}]
    virtual.complete_multipart_upload(**where, MultipartUpload={"Parts": parts})
    gone = {"Objects": [{"Key": name} for name in (key, "copy", "parts")]}
    assert len(virtual.delete_objects(Bucket=bucket, Delete=gone)["Deleted"]) == 3
    assert refusal(virtual.get_object, Bucket=bucket, Key=key) == ("NoSuchKey", 404)


def test_the_domain_itself_lists_buckets_and_a_bucket_can_be_made_by_its_name(virtual: Any, bucket: str):
    assert bucket in [found["Name"] for found in virtual.list_buckets()["Buckets"]]
    virtual.create_bucket(Bucket=f"v-{bucket}")
    virtual.delete_bucket(Bucket=f"v-{bucket}")
    assert refusal(virtual.list_objects_v2, Bucket=f"v-{bucket}") == ("NoSuchBucket", 404)


def test_a_presigned_url_names_the_bucket_in_its_host(virtual: Any, bucket: str):
    virtual.put_object(Bucket=bucket, Key="key", Body=b"body")
    url = virtual.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "key"}, ExpiresIn=60)
    with urllib.request.urlopen(url) as response:
        assert response.read() == b"body"


def test_a_signature_for_one_bucket_does_not_open_another(
    raw: RawClient, virtual: Any, edge: Any, bucket: str
):
    edge.create_bucket(Bucket=f"o-{bucket}")
    for name in (bucket, f"o-{bucket}"):
        edge.put_object(Bucket=name, Key="key", Body=name.encode())
    port = raw.host.rpartition(":")[2]
    host = f"{bucket}.s3.localhost:{port}"
    assert raw.request("GET", "/key", headers={"host": host}).body == bucket.encode()
    other = raw.request("GET", "/key", headers={"host": host}, host=f"o-{bucket}.s3.localhost:{port}")
    assert (other.status, other.code) == (403, "SignatureDoesNotMatch")
