"""CopyObject: within a site and across, with the source's attributes or new ones."""

import datetime as dt
import uuid

import pytest
from s3_clients import RawClient, refusal

pytestmark = pytest.mark.system

BODY = bytes(range(256)) * 1200
OTHER = '"d41d8cd98f00b204e9800998ecf8427e"'


@pytest.fixture
def source(edge, bucket):
    """An object with attributes, written at the site `edge`."""
    edge.put_object(
        Bucket=bucket,
        Key="from here",
        Body=BODY,
        ContentType="text/plain",
        CacheControl="no-store",
        Metadata={"a": "1"},
    )
    return {"Bucket": bucket, "Key": "from here"}


def attributes(client, bucket: str, key: str) -> tuple:
    head = client.head_object(Bucket=bucket, Key=key)
    return head["ContentType"], head.get("CacheControl"), head["Metadata"]


def test_a_copy_has_the_bytes_and_attributes_of_its_source(edge, cloud, source):
    bucket = source["Bucket"]
    etag = edge.head_object(**source)["ETag"]
    for number, client in enumerate((edge, cloud)):
        key = f"copy {number}"
        result = client.copy_object(Bucket=bucket, Key=key, CopySource=source)["CopyObjectResult"]
        assert result["ETag"] == etag
        assert result["LastModified"] <= dt.datetime.now(dt.UTC)
        for reader in (edge, cloud):
            assert reader.get_object(Bucket=bucket, Key=key)["Body"].read() == BODY
            assert attributes(reader, bucket, key) == ("text/plain", "no-store", {"a": "1"})


def test_a_copy_may_have_new_attributes(edge, cloud, source):
    cloud.copy_object(
        Bucket=source["Bucket"],
        Key="copy",
        CopySource=source,
        MetadataDirective="REPLACE",
        ContentType="application/x-thing",
        Metadata={"b": "2"},
    )
    assert attributes(edge, source["Bucket"], "copy") == ("application/x-thing", None, {"b": "2"})


def test_new_attributes_count_only_if_they_are_asked_for(edge, source):
    edge.copy_object(Bucket=source["Bucket"], Key="copy", CopySource=source, Metadata={"b": "2"})
    assert attributes(edge, source["Bucket"], "copy")[2] == {"a": "1"}


def test_a_copy_to_itself_must_change_something(edge, cloud, source):
    assert refusal(edge.copy_object, **source, CopySource=source) == ("InvalidRequest", 400)
    edge.copy_object(**source, CopySource=source, MetadataDirective="REPLACE", Metadata={"c": "3"})
    assert cloud.head_object(**source)["Metadata"] == {"c": "3"}
    assert cloud.get_object(**source)["Body"].read() == BODY


def test_a_copy_goes_to_another_bucket(edge, cloud, source):
    other = f"interop-{uuid.uuid4().hex[:16]}"
    cloud.create_bucket(Bucket=other)
    edge.copy_object(Bucket=other, Key="copy", CopySource=source)
    edge.delete_object(**source)
    assert cloud.get_object(Bucket=other, Key="copy")["Body"].read() == BODY


def test_a_copy_outlives_changes_of_its_source(edge, cloud, source):
    bucket = source["Bucket"]
    edge.copy_object(Bucket=bucket, Key="copy", CopySource=source)
    cloud.put_object(**source, Body=b"changed")
    assert edge.get_object(Bucket=bucket, Key="copy")["Body"].read() == BODY
    edge.delete_object(Bucket=bucket, Key="copy")
    assert cloud.get_object(**source)["Body"].read() == b"changed"


def test_a_copy_overwrites(edge, cloud, source):
    cloud.put_object(Bucket=source["Bucket"], Key="copy", Body=b"before")
    edge.copy_object(Bucket=source["Bucket"], Key="copy", CopySource=source)
    assert cloud.get_object(Bucket=source["Bucket"], Key="copy")["Body"].read() == BODY


def test_an_empty_object_is_copied(edge, cloud, bucket):
    edge.put_object(Bucket=bucket, Key="empty", Body=b"")
    for number, client in enumerate((edge, cloud)):
        client.copy_object(Bucket=bucket, Key=f"copy {number}", CopySource={"Bucket": bucket, "Key": "empty"})
        assert edge.get_object(Bucket=bucket, Key=f"copy {number}")["Body"].read() == b""


def test_the_conditions_of_a_copy_are_about_its_source(edge, cloud, source):
    head = edge.head_object(**source)
    etag, changed = head["ETag"], head["LastModified"]
    hour = dt.timedelta(hours=1)
    for client in (edge, cloud):
        copy = {"Bucket": source["Bucket"], "Key": "copy", "CopySource": source}
        client.copy_object(**copy, CopySourceIfMatch=etag, CopySourceIfUnmodifiedSince=changed - hour)
        client.copy_object(**copy, CopySourceIfNoneMatch=OTHER, CopySourceIfModifiedSince=changed + hour)
        for condition in (
            {"CopySourceIfMatch": OTHER},
            {"CopySourceIfNoneMatch": etag},
            {"CopySourceIfUnmodifiedSince": changed - hour},
            {"CopySourceIfModifiedSince": changed},
        ):
            assert refusal(client.copy_object, **copy, **condition) == ("PreconditionFailed", 412)


def test_a_copy_may_demand_that_there_is_no_object(edge, source):
    copy = {"Bucket": source["Bucket"], "Key": "copy", "CopySource": source}
    edge.copy_object(**copy, IfNoneMatch="*")
    assert refusal(edge.copy_object, **copy, IfNoneMatch="*") == ("PreconditionFailed", 412)


def test_a_source_that_is_not_there_is_said(edge, bucket):
    where = {"Bucket": bucket, "Key": "copy"}
    missing = {"Bucket": bucket, "Key": "nothing"}
    assert refusal(edge.copy_object, **where, CopySource=missing) == ("NoSuchKey", 404)
    missing = {"Bucket": "no-such-bucket-anywhere", "Key": "nothing"}
    assert refusal(edge.copy_object, **where, CopySource=missing) == ("NoSuchBucket", 404)


@pytest.mark.parametrize("source", ["", "bucket", "/", "%FF/x", "bucket/"])
def test_a_source_that_names_no_object_is_refused(raw: RawClient, bucket, source):
    answer = raw.request("PUT", f"/{bucket}/copy", headers={"x-amz-copy-source": source})
    assert answer.status == 400
    assert answer.code in {"InvalidArgument", "InvalidRequest", "InvalidURI"}


@pytest.mark.parametrize("spelling", ["/{}/from%20here", "{}/from%20here", "{}%2Ffrom%20here"])
def test_a_source_may_be_spelled_in_several_ways(raw: RawClient, source, spelling):
    header = {"x-amz-copy-source": spelling.format(source["Bucket"])}
    assert raw.request("PUT", f"/{source['Bucket']}/copy", headers=header).status == 200


def test_a_copy_keeps_its_checksum(edge, cloud, bucket):
    written = edge.put_object(Bucket=bucket, Key="a", Body=BODY, ChecksumAlgorithm="SHA256")
    cloud.copy_object(Bucket=bucket, Key="b", CopySource={"Bucket": bucket, "Key": "a"})
    head = edge.head_object(Bucket=bucket, Key="b", ChecksumMode="ENABLED")
    assert head["ChecksumSHA256"] == written["ChecksumSHA256"]
