"""GetObjectAttributes."""

import pytest
from s3_clients import RawClient, path_of, refusal

pytestmark = pytest.mark.system

ALL = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"]
PART_BYTES = 5 * 1024 * 1024


def test_an_object_is_described(edge, cloud, bucket):
    put = edge.put_object(Bucket=bucket, Key="key", Body=b"x", ChecksumAlgorithm="SHA256")
    found = cloud.get_object_attributes(Bucket=bucket, Key="key", ObjectAttributes=ALL)
    assert found["ETag"] == put["ETag"].strip('"')
    assert found["Checksum"] == {"ChecksumSHA256": put["ChecksumSHA256"], "ChecksumType": "FULL_OBJECT"}
    assert (found["StorageClass"], found["ObjectSize"]) == ("STANDARD", 1)
    assert "ObjectParts" not in found
    assert "VersionId" not in found
    assert found["LastModified"] == edge.head_object(Bucket=bucket, Key="key")["LastModified"]
    only = edge.get_object_attributes(Bucket=bucket, Key="key", ObjectAttributes=["ObjectSize"])
    assert only["ObjectSize"] == 1
    assert "ETag" not in only


def test_parts_are_told_in_pages(edge, bucket):
    upload = edge.create_multipart_upload(Bucket=bucket, Key="key")["UploadId"]
    where = {"Bucket": bucket, "Key": "key", "UploadId": upload}
    bodies = [b"a" * PART_BYTES, b"b" * PART_BYTES, b"c"]
    parts = [
        {"PartNumber": number, "ETag": edge.upload_part(**where, PartNumber=number, Body=body)["ETag"]}
        for number, body in enumerate(bodies, 1)
    ]
    edge.complete_multipart_upload(**where, MultipartUpload={"Parts": parts})
    which = {"Bucket": bucket, "Key": "key", "ObjectAttributes": ["ObjectParts"]}
    first = edge.get_object_attributes(**which, MaxParts=2)["ObjectParts"]
    assert (first["TotalPartsCount"], first["IsTruncated"], first["NextPartNumberMarker"]) == (3, True, 2)
    assert first["Parts"] == [{"PartNumber": number, "Size": PART_BYTES} for number in (1, 2)]
    rest = edge.get_object_attributes(**which, PartNumberMarker=2)["ObjectParts"]
    assert (rest["Parts"], rest["IsTruncated"]) == ([{"PartNumber": 3, "Size": 1}], False)
    assert edge.get_object_attributes(**which, PartNumberMarker=9)["ObjectParts"]["IsTruncated"] is False


@pytest.mark.parametrize(("algorithm", "kind"), [("SHA256", "COMPOSITE"), ("CRC64NVME", "FULL_OBJECT")])
def test_parts_are_told_with_their_checksums(edge, cloud, bucket, algorithm, kind):
    member = f"Checksum{algorithm}"
    upload = edge.create_multipart_upload(
        Bucket=bucket, Key="key", ChecksumAlgorithm=algorithm, ChecksumType=kind
    )["UploadId"]
    where = {"Bucket": bucket, "Key": "key", "UploadId": upload}
    sent = [
        edge.upload_part(**where, PartNumber=number, Body=body, ChecksumAlgorithm=algorithm)
        for number, body in ((1, b"a" * PART_BYTES), (3, b"c"))
    ]
    parts = [
        {"PartNumber": number, "ETag": part["ETag"], member: part[member]}
        for number, part in zip((1, 3), sent, strict=True)
    ]
    made = edge.complete_multipart_upload(**where, MultipartUpload={"Parts": parts})
    found = cloud.get_object_attributes(
        Bucket=bucket, Key="key", ObjectAttributes=["ObjectParts", "Checksum"]
    )
    assert [part[member] for part in found["ObjectParts"]["Parts"]] == [part[member] for part in sent]
    assert found["Checksum"] == {member: made[member], "ChecksumType": kind}
    edge.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "key"})
    copied = edge.get_object_attributes(Bucket=bucket, Key="copy", ObjectAttributes=["ObjectParts"])
    assert "ObjectParts" not in copied


def test_a_version_is_described_and_a_marker_is_not(edge, bucket):
    edge.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    first = edge.put_object(Bucket=bucket, Key="key", Body=b"x")["VersionId"]
    marker = edge.delete_object(Bucket=bucket, Key="key")["VersionId"]
    which = {"Bucket": bucket, "Key": "key", "ObjectAttributes": ["ObjectSize"]}
    found = edge.get_object_attributes(**which, VersionId=first)
    assert (found["VersionId"], found["ObjectSize"]) == (first, 1)
    assert refusal(edge.get_object_attributes, **which) == ("NoSuchKey", 404)
    assert refusal(edge.get_object_attributes, **which, VersionId=marker) == ("MethodNotAllowed", 405)


@pytest.mark.parametrize(
    ("headers", "code"),
    [({}, "InvalidRequest"), ({"x-amz-object-attributes": "ETag,Colour"}, "InvalidArgument")],
)
def test_what_is_asked_must_be_known(raw: RawClient, edge, bucket, headers, code):
    edge.put_object(Bucket=bucket, Key="key", Body=b"x")
    answer = raw.request("GET", path_of(bucket, "key"), "attributes", headers=headers)
    assert (answer.status, answer.code) == (400, code)
