"""DeleteObject and DeleteObjects."""

import base64
import hashlib

import pytest
from s3_clients import RawClient

pytestmark = pytest.mark.system


def put(client, bucket: str, *keys: str) -> None:
    for key in keys:
        client.put_object(Bucket=bucket, Key=key, Body=key.encode())


def list_request(raw: RawClient, bucket: str, body: bytes):
    digest = base64.b64encode(hashlib.md5(body).digest()).decode()
    return raw.request("POST", f"/{bucket}", "delete", headers={"content-md5": digest}, body=body)


def keys_of(client, bucket: str) -> list[str]:
    return [entry["Key"] for entry in client.list_objects_v2(Bucket=bucket).get("Contents", [])]


def objects(*keys: str, **options) -> dict:
    return {"Objects": [{"Key": key} for key in keys], **options}


def test_many_are_deleted_and_each_is_told(edge, cloud, bucket):
    put(edge, bucket, "a", "b & <c>", "東", "kept")
    answer = cloud.delete_objects(Bucket=bucket, Delete=objects("a", "b & <c>", "東", "never there"))
    assert [line["Key"] for line in answer["Deleted"]] == ["a", "b & <c>", "東", "never there"]
    assert "Errors" not in answer
    assert keys_of(edge, bucket) == keys_of(cloud, bucket) == ["kept"]


def test_quiet_tells_only_what_failed(edge, bucket):
    put(edge, bucket, "a")
    answer = edge.delete_objects(Bucket=bucket, Delete=objects("a", "never there", Quiet=True))
    assert "Deleted" not in answer
    assert "Errors" not in answer
    assert keys_of(edge, bucket) == []


def test_each_may_demand_its_etag(edge, bucket):
    put(edge, bucket, "a", "b")
    etag = edge.head_object(Bucket=bucket, Key="a")["ETag"]
    delete = {"Objects": [{"Key": "a", "ETag": etag}, {"Key": "b", "ETag": etag}]}
    answer = edge.delete_objects(Bucket=bucket, Delete=delete)
    assert [line["Key"] for line in answer["Deleted"]] == ["a"]
    assert [(line["Key"], line["Code"]) for line in answer["Errors"]] == [("b", "PreconditionFailed")]
    assert keys_of(edge, bucket) == ["b"]


def test_the_null_version_is_the_object(edge, cloud, bucket):
    put(edge, bucket, "a", "b")
    edge.delete_object(Bucket=bucket, Key="a", VersionId="null")
    cloud.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "b", "VersionId": "null"}]})
    assert keys_of(edge, bucket) == []


def test_another_version_is_not_the_object(edge, bucket):
    put(edge, bucket, "a")
    delete = {"Objects": [{"Key": "a", "VersionId": "3sL4kqtJlcpXroDTDmJ+rmSpXd3dIbrHY"}]}
    edge.delete_objects(Bucket=bucket, Delete=delete)
    assert keys_of(edge, bucket) == ["a"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "MissingRequestBodyError"),
        (b"nonsense", "MalformedXML"),
        (b"<Delete></Delete>", "MalformedXML"),
        (b"<Delete><Object></Object></Delete>", "MalformedXML"),
        (b'<!DOCTYPE d [<!ENTITY a "a">]><Delete><Object><Key>&a;</Key></Object></Delete>', "MalformedXML"),
    ],
)
def test_what_is_no_list_is_refused(raw: RawClient, bucket, body, code):
    answer = list_request(raw, bucket, body)
    assert (answer.status, answer.code) == (400, code)


def test_a_list_with_a_wrong_digest_deletes_nothing(raw: RawClient, edge, bucket):
    put(edge, bucket, "a")
    body = b"<Delete><Object><Key>a</Key></Object></Delete>"
    for headers in (
        {"content-md5": base64.b64encode(hashlib.md5(b"else").digest()).decode()},
        {"x-amz-checksum-crc32": "AAAAAA=="},
    ):
        answer = raw.request("POST", f"/{bucket}", "delete", headers=headers, body=body)
        assert (answer.status, answer.code) == (400, "BadDigest")
    assert keys_of(edge, bucket) == ["a"]
    assert list_request(raw, bucket, body).status == 200
    assert keys_of(edge, bucket) == []


def test_a_list_without_a_digest_of_its_own_deletes_nothing(raw: RawClient, edge, bucket):
    put(edge, bucket, "a")
    body = b"<Delete><Object><Key>a</Key></Object></Delete>"
    answer = raw.request(
        "POST", f"/{bucket}", "delete", body=body, payload_hash=hashlib.sha256(body).hexdigest()
    )
    assert (answer.status, answer.code) == (400, "InvalidRequest")
    assert "Content-MD5" in answer.find("Message")
    assert keys_of(edge, bucket) == ["a"]


def test_an_empty_key_deletes_nothing(raw: RawClient, edge, bucket):
    put(edge, bucket, "a")
    answer = list_request(raw, bucket, b"<Delete><Object><Key></Key></Object></Delete>")
    assert answer.status == 400 or answer.find("Errors")
    assert keys_of(edge, bucket) == ["a"]
