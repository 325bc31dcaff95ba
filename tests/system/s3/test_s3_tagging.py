"""Tags of objects and buckets."""

import pytest
from s3_clients import refusal

pytestmark = pytest.mark.system

TAGS = [{"Key": "colour", "Value": "grün & <blue>".replace("&", "+").replace("<", "").replace(">", "")}]
MORE = [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": ""}]


def tags_of(client, bucket: str, key: str = "key", **options) -> list[dict[str, str]]:
    return client.get_object_tagging(Bucket=bucket, Key=key, **options)["TagSet"]


def test_tags_are_set_replaced_and_deleted(edge, cloud, bucket):
    edge.put_object(Bucket=bucket, Key="key", Body=b"x")
    assert tags_of(cloud, bucket) == []
    for tags in (TAGS, MORE):
        edge.put_object_tagging(Bucket=bucket, Key="key", Tagging={"TagSet": tags})
        assert tags_of(edge, bucket) == tags_of(cloud, bucket) == tags
        for client in (edge, cloud):
            assert client.get_object(Bucket=bucket, Key="key")["TagCount"] == len(tags)
            assert client.head_object(Bucket=bucket, Key="key")["TagCount"] == len(tags)
    cloud.delete_object_tagging(Bucket=bucket, Key="key")
    assert tags_of(edge, bucket) == []
    assert "TagCount" not in edge.get_object(Bucket=bucket, Key="key")


def test_a_write_brings_tags_and_a_copy_takes_them_along_or_not(edge, bucket):
    edge.put_object(Bucket=bucket, Key="key", Body=b"x", Tagging="a=1&b")
    assert tags_of(edge, bucket) == MORE
    source = {"Bucket": bucket, "Key": "key"}
    edge.copy_object(Bucket=bucket, Key="copy", CopySource=source, Tagging="other=1")
    assert tags_of(edge, bucket, "copy") == MORE
    edge.copy_object(
        Bucket=bucket, Key="copy", CopySource=source, Tagging="other=1", TaggingDirective="REPLACE"
    )
    assert tags_of(edge, bucket, "copy") == [{"Key": "other", "Value": "1"}]
    upload = edge.create_multipart_upload(Bucket=bucket, Key="parts", Tagging="a=1&b=")["UploadId"]
    where = {"Bucket": bucket, "Key": "parts", "UploadId": upload}
    part = edge.upload_part(**where, PartNumber=1, Body=b"part")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    edge.complete_multipart_upload(**where, MultipartUpload=parts)
    assert tags_of(edge, bucket, "parts") == MORE


def test_each_version_has_tags_of_its_own(edge, bucket):
    edge.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    first = edge.put_object(Bucket=bucket, Key="key", Body=b"1", Tagging="a=1&b")["VersionId"]
    second = edge.put_object(Bucket=bucket, Key="key", Body=b"2")["VersionId"]
    assert tags_of(edge, bucket) == []
    assert tags_of(edge, bucket, VersionId=first) == MORE
    said = edge.put_object_tagging(Bucket=bucket, Key="key", Tagging={"TagSet": TAGS})
    assert said["VersionId"] == second
    edge.put_object_tagging(Bucket=bucket, Key="key", VersionId=first, Tagging={"TagSet": []})
    assert (tags_of(edge, bucket), tags_of(edge, bucket, VersionId=first)) == (TAGS, [])
    edge.delete_object(Bucket=bucket, Key="key")
    refused = refusal(edge.put_object_tagging, Bucket=bucket, Key="key", Tagging={"TagSet": TAGS})
    assert refused == ("NoSuchKey", 404)


@pytest.mark.parametrize(
    ("tags", "code"),
    [
        ([{"Key": str(number), "Value": ""} for number in range(11)], "BadRequest"),
        ([{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}], "InvalidTag"),
        ([{"Key": "k" * 129, "Value": ""}], "InvalidTag"),
        ([{"Key": "aws:k", "Value": ""}], "InvalidTag"),
    ],
)
def test_what_is_no_tag_is_refused_and_the_tags_stay(edge, bucket, tags, code):
    edge.put_object(Bucket=bucket, Key="key", Body=b"x", Tagging="a=1&b=")
    refused = refusal(edge.put_object_tagging, Bucket=bucket, Key="key", Tagging={"TagSet": tags})
    assert refused == (code, 400)
    assert tags_of(edge, bucket) == MORE


def test_tags_of_what_is_not_there_are_no_such_key(edge, bucket):
    assert refusal(edge.get_object_tagging, Bucket=bucket, Key="key") == ("NoSuchKey", 404)
    refused = refusal(edge.put_object_tagging, Bucket=bucket, Key="key", Tagging={"TagSet": TAGS})
    assert refused == ("NoSuchKey", 404)
    assert refusal(edge.delete_object_tagging, Bucket=bucket, Key="key") == ("NoSuchKey", 404)


def test_a_bucket_has_tags_too(edge, cloud, bucket):
    assert refusal(edge.get_bucket_tagging, Bucket=bucket) == ("NoSuchTagSet", 404)
    put = edge.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": MORE})
    assert put["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert cloud.get_bucket_tagging(Bucket=bucket)["TagSet"] == MORE
    cloud.delete_bucket_tagging(Bucket=bucket)
    assert refusal(edge.get_bucket_tagging, Bucket=bucket) == ("NoSuchTagSet", 404)
