"""Conditional reads and writes."""

import datetime as dt

import pytest
from s3_clients import refusal

pytestmark = pytest.mark.system

OTHER = '"d41d8cd98f00b204e9800998ecf8427e"'
HOUR = dt.timedelta(hours=1)
NOT_MODIFIED = ("304", 304)
FAILED = ("PreconditionFailed", 412)


@pytest.fixture
def written(edge, bucket):
    """An object: bucket, ETag, time of change."""
    edge.put_object(Bucket=bucket, Key="key", Body=b"body")
    head = edge.head_object(Bucket=bucket, Key="key")
    return bucket, head["ETag"], head["LastModified"]


def test_reads_are_conditional_at_both_sites(edge, cloud, written):
    bucket, etag, changed = written
    for client in (edge, cloud):

        def read(**conditions):
            return client.get_object(Bucket=bucket, Key="key", **conditions)["Body"].read()  # noqa: B023

        assert read(IfMatch=etag) == b"body"
        assert read(IfMatch="*") == b"body"
        assert read(IfNoneMatch=OTHER) == b"body"
        assert read(IfModifiedSince=changed - HOUR) == b"body"
        assert read(IfUnmodifiedSince=changed) == b"body"
        assert read(IfMatch=etag, IfUnmodifiedSince=changed - HOUR) == b"body"
        assert read(IfNoneMatch=OTHER, IfModifiedSince=changed) == b"body"
        for name in ("get_object", "head_object"):
            operation = getattr(client, name)
            failed = FAILED if name == "get_object" else ("412", 412)
            assert refusal(operation, Bucket=bucket, Key="key", IfMatch=OTHER) == failed
            assert refusal(operation, Bucket=bucket, Key="key", IfUnmodifiedSince=changed - HOUR) == failed
            assert refusal(operation, Bucket=bucket, Key="key", IfNoneMatch=etag) == NOT_MODIFIED
            assert refusal(operation, Bucket=bucket, Key="key", IfModifiedSince=changed) == NOT_MODIFIED


def test_a_304_has_the_etag_and_no_body(raw, edge, written):
    bucket, etag, _ = written
    answer = raw.request("GET", f"/{bucket}/key", headers={"if-none-match": etag})
    assert (answer.status, answer.body) == (304, b"")
    assert answer.headers["etag"] == etag
    assert "last-modified" in answer.headers


def test_a_write_may_demand_that_there_is_no_object(edge, cloud, bucket):
    edge.put_object(Bucket=bucket, Key="key", Body=b"1", IfNoneMatch="*")
    for client in (edge, cloud):
        assert refusal(client.put_object, Bucket=bucket, Key="key", Body=b"2", IfNoneMatch="*") == FAILED
    assert cloud.get_object(Bucket=bucket, Key="key")["Body"].read() == b"1"
    edge.delete_object(Bucket=bucket, Key="key")
    cloud.put_object(Bucket=bucket, Key="key", Body=b"3", IfNoneMatch="*")
    assert edge.get_object(Bucket=bucket, Key="key")["Body"].read() == b"3"


def test_a_write_may_demand_the_object_that_it_knows(edge, cloud, bucket):
    first = edge.put_object(Bucket=bucket, Key="key", Body=b"1")["ETag"]
    second = cloud.put_object(Bucket=bucket, Key="key", Body=b"2", IfMatch=first)["ETag"]
    for client in (edge, cloud):
        assert refusal(client.put_object, Bucket=bucket, Key="key", Body=b"3", IfMatch=first) == FAILED
    edge.put_object(Bucket=bucket, Key="key", Body=b"4", IfMatch=second)
    assert cloud.get_object(Bucket=bucket, Key="key")["Body"].read() == b"4"


def test_demanding_an_object_that_is_not_there_is_no_such_key(edge, bucket):
    assert refusal(edge.put_object, Bucket=bucket, Key="key", Body=b"1", IfMatch=OTHER) == ("NoSuchKey", 404)


def test_conditions_on_writes_that_s3_does_not_have_are_refused(edge, raw, bucket):
    code = ("NotImplemented", 501)
    assert refusal(edge.put_object, Bucket=bucket, Key="key", Body=b"", IfNoneMatch=OTHER) == code
    date = "Tue, 14 Nov 2023 22:13:20 GMT"
    assert raw.request("PUT", f"/{bucket}/key", headers={"if-unmodified-since": date}).status == 501


def test_a_deletion_may_demand_the_object_that_it_knows(edge, cloud, written):
    bucket, etag, _ = written
    assert refusal(cloud.delete_object, Bucket=bucket, Key="key", IfMatch=OTHER) == FAILED
    assert edge.head_object(Bucket=bucket, Key="key")["ETag"] == etag
    cloud.delete_object(Bucket=bucket, Key="key", IfMatch=etag)
    assert refusal(edge.head_object, Bucket=bucket, Key="key") == ("404", 404)


def test_a_completion_may_be_conditional(edge, cloud, bucket):
    def upload():
        upload_id = edge.create_multipart_upload(Bucket=bucket, Key="key")["UploadId"]
        part = {"Bucket": bucket, "Key": "key", "UploadId": upload_id}
        etag = edge.upload_part(PartNumber=1, Body=b"part", **part)["ETag"]
        return {**part, "MultipartUpload": {"Parts": [{"PartNumber": 1, "ETag": etag}]}}

    first, second = upload(), upload()
    edge.complete_multipart_upload(**first, IfNoneMatch="*")
    assert refusal(cloud.complete_multipart_upload, **second, IfNoneMatch="*") == FAILED
