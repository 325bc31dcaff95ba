"""Buckets: one name space, seen by both gateways at once."""

import uuid

import pytest
from s3_clients import refusal

pytestmark = pytest.mark.system

MISSING = "no-such-bucket-anywhere"


def fresh_name() -> str:
    return f"interop-{uuid.uuid4().hex[:16]}"


def names(client) -> list[str]:
    return [bucket["Name"] for bucket in client.list_buckets()["Buckets"]]


def test_a_bucket_can_be_asked_for_in_a_region_of_any_name(edge):
    name = fresh_name()
    edge.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "continuum"})
    assert name in names(edge)


def test_a_bucket_made_at_one_site_is_there_at_the_other(edge, cloud):
    name = fresh_name()
    created = edge.create_bucket(Bucket=name)
    assert created["Location"] == f"/{name}"
    assert name in names(edge)
    assert name in names(cloud)
    for client in (edge, cloud):
        assert client.head_bucket(Bucket=name)["ResponseMetadata"]["HTTPStatusCode"] == 200
        client.get_bucket_location(Bucket=name)
    assert cloud.delete_bucket(Bucket=name)["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert name not in names(edge)
    assert refusal(edge.head_bucket, Bucket=name) == ("404", 404)


def test_the_list_of_buckets_is_sorted_and_has_dates_and_an_owner(edge):
    for _ in range(3):
        edge.create_bucket(Bucket=fresh_name())
    listed = edge.list_buckets()
    found = [bucket["Name"] for bucket in listed["Buckets"]]
    assert found == sorted(found)
    assert all(bucket["CreationDate"].year >= 2024 for bucket in listed["Buckets"])
    assert listed["Owner"]["ID"]


def test_the_list_of_buckets_has_pages_and_prefixes(edge, cloud):
    prefix = fresh_name()
    expected = [f"{prefix}-{number}" for number in range(5)]
    for name in expected:
        cloud.create_bucket(Bucket=name)
    pages = edge.get_paginator("list_buckets").paginate(Prefix=prefix, PaginationConfig={"PageSize": 2})
    found = [[bucket["Name"] for bucket in page["Buckets"]] for page in pages]
    assert [len(page) for page in found] == [2, 2, 1]
    assert [name for page in found for name in page] == expected


def test_a_bucket_that_is_there_already_is_a_conflict_at_either_site(edge, cloud, bucket):
    for client in (edge, cloud):
        assert refusal(client.create_bucket, Bucket=bucket) == ("BucketAlreadyOwnedByYou", 409)


@pytest.mark.parametrize(
    "name", ["ab", "UPPER-case", "under_score", "-dash", "a..b", "192.168.1.1", "xn--a", "a" * 64]
)
def test_a_name_that_s3_does_not_allow_is_refused(edge, name):
    assert refusal(edge.create_bucket, Bucket=name) == ("InvalidBucketName", 400)


def test_a_bucket_with_objects_cannot_be_deleted(edge, cloud, bucket):
    edge.put_object(Bucket=bucket, Key="key", Body=b"x")
    assert refusal(cloud.delete_bucket, Bucket=bucket) == ("BucketNotEmpty", 409)
    edge.delete_object(Bucket=bucket, Key="key")
    cloud.delete_bucket(Bucket=bucket)


def test_a_bucket_that_was_deleted_can_be_made_again_elsewhere(edge, cloud, bucket):
    edge.put_object(Bucket=bucket, Key="key", Body=b"old")
    edge.delete_object(Bucket=bucket, Key="key")
    edge.delete_bucket(Bucket=bucket)
    cloud.create_bucket(Bucket=bucket)
    assert refusal(edge.get_object, Bucket=bucket, Key="key") == ("NoSuchKey", 404)
    cloud.put_object(Bucket=bucket, Key="key", Body=b"new")
    assert edge.get_object(Bucket=bucket, Key="key")["Body"].read() == b"new"


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("get_bucket_location", {}),
        ("delete_bucket", {}),
        ("list_objects", {}),
        ("list_objects_v2", {}),
        ("list_object_versions", {}),
        ("list_multipart_uploads", {}),
        ("get_object", {"Key": "key"}),
        ("put_object", {"Key": "key", "Body": b"x"}),
        ("delete_object", {"Key": "key"}),
        ("delete_objects", {"Delete": {"Objects": [{"Key": "key"}]}}),
        ("copy_object", {"Key": "key", "CopySource": f"{MISSING}/other"}),
        ("create_multipart_upload", {"Key": "key"}),
    ],
)
def test_what_is_asked_of_a_bucket_that_is_not_there_is_no_such_bucket(edge, operation, arguments):
    assert refusal(getattr(edge, operation), Bucket=MISSING, **arguments) == ("NoSuchBucket", 404)


def test_heads_of_what_is_not_there_are_404_without_a_body(edge, bucket):
    assert refusal(edge.head_bucket, Bucket=MISSING) == ("404", 404)
    assert refusal(edge.head_object, Bucket=MISSING, Key="key") == ("404", 404)
    assert refusal(edge.head_object, Bucket=bucket, Key="key") == ("404", 404)


@pytest.mark.parametrize("region", ["eu-central-1", "eu-west-3"])
def test_a_location_is_accepted_for_the_name_space_is_one(edge, region):
    edge.create_bucket(Bucket=fresh_name(), CreateBucketConfiguration={"LocationConstraint": region})


def test_a_malformed_configuration_is_refused(raw):
    answer = raw.request("PUT", f"/{fresh_name()}", body=b"<CreateBucketConfiguration>")
    assert (answer.status, answer.code) == (400, "MalformedXML")
