"""Multipart uploads: begun at one site, continued at the other."""

import hashlib
import io
import time

import pytest
from boto3.s3.transfer import TransferConfig
from s3_clients import refusal

pytestmark = pytest.mark.system

MIB = 1024 * 1024
PART = hashlib.shake_128(b"part").digest(5 * MIB)
LAST = b"the last part may be small"


class Upload:
    """A multipart upload of the key `key`, driven part by part."""

    def __init__(self, client, bucket: str, key: str = "key", **options) -> None:
        self.where = {"Bucket": bucket, "Key": key}
        self.id = client.create_multipart_upload(**self.where, **options)["UploadId"]

    @property
    def whole(self) -> dict:
        return {**self.where, "UploadId": self.id}

    def send(self, client, number: int, body: bytes, **options) -> dict:
        sent = client.upload_part(**self.whole, PartNumber=number, Body=body, **options)
        kept = {name: value for name, value in sent.items() if name == "ETag" or name.startswith("Checksum")}
        return {"PartNumber": number, **kept}

    def complete(self, client, *parts: dict, **options) -> dict:
        document = {"Parts": list(parts)}
        return client.complete_multipart_upload(**self.whole, MultipartUpload=document, **options)

    def refused(self, client, *parts: dict, **options) -> tuple[str, int]:
        document = {"Parts": list(parts)}
        return refusal(client.complete_multipart_upload, **self.whole, MultipartUpload=document, **options)


def multipart_etag(*parts: bytes) -> str:
    digests = b"".join(hashlib.md5(part).digest() for part in parts)
    return f'"{hashlib.md5(digests).hexdigest()}-{len(parts)}"'


def test_parts_sent_to_both_sites_in_any_order_make_one_object(edge, cloud, bucket):
    upload = Upload(edge, bucket, ContentType="text/plain", Metadata={"a": "1"}, CacheControl="no-store")
    third = upload.send(cloud, 30, LAST)
    first = upload.send(edge, 1, PART)
    second = upload.send(cloud, 2, PART[::-1])
    assert refusal(edge.head_object, **upload.where) == ("404", 404)
    done = upload.complete(cloud, first, second, third)
    body = PART + PART[::-1] + LAST
    assert done["ETag"] == multipart_etag(PART, PART[::-1], LAST)
    assert (done["Bucket"], done["Key"]) == (bucket, "key")
    for client in (edge, cloud):
        got = client.get_object(**upload.where)
        assert got["Body"].read() == body
        assert got["ETag"] == done["ETag"]
        assert (got["ContentType"], got["Metadata"], got["CacheControl"]) == (
            "text/plain",
            {"a": "1"},
            "no-store",
        )
        assert client.list_objects_v2(Bucket=bucket)["Contents"][0]["Size"] == len(body)


def test_the_parts_of_an_object_can_be_read_one_by_one(edge, cloud, bucket):
    upload = Upload(cloud, bucket)
    upload.complete(cloud, upload.send(cloud, 1, PART), upload.send(edge, 2, LAST))
    for client in (edge, cloud):
        for number, part in ((1, PART), (2, LAST)):
            got = client.get_object(**upload.where, PartNumber=number)
            assert got["ResponseMetadata"]["HTTPStatusCode"] == 206
            assert got["PartsCount"] == 2
            assert got["Body"].read() == part
        assert client.head_object(**upload.where, PartNumber=2)["ContentLength"] == len(LAST)
        assert refusal(client.get_object, **upload.where, PartNumber=3) == ("InvalidPartNumber", 416)
        across = client.get_object(**upload.where, Range=f"bytes={len(PART) - 3}-{len(PART) + 2}")
        assert across["Body"].read() == PART[-3:] + LAST[:3]


def test_a_part_sent_again_replaces_the_first(edge, cloud, bucket):
    upload = Upload(edge, bucket)
    old = upload.send(edge, 1, b"old")
    time.sleep(1.1)  # SeaweedFS dates parts in seconds
    new = upload.send(cloud, 1, b"new")
    listed = [part["ETag"] for part in edge.list_parts(**upload.whole)["Parts"]]
    assert listed == [new["ETag"]]
    assert upload.refused(edge, old) == ("InvalidPart", 400)
    upload.complete(edge, new)
    assert cloud.get_object(**upload.where)["Body"].read() == b"new"


def test_of_parts_sent_again_at_once_the_one_that_is_named_is_taken(edge, cloud, bucket):
    for turn in range(4):
        upload = Upload(edge, bucket)
        upload.send(edge, 1, b"old %d" % turn)
        upload.complete(edge, upload.send(cloud, 1, b"new %d" % turn))
        assert cloud.get_object(**upload.where)["Body"].read() == b"new %d" % turn


def test_parts_that_are_not_listed_are_left_out(edge, bucket):
    upload = Upload(edge, bucket)
    upload.send(edge, 1, PART)
    upload.complete(edge, upload.send(edge, 2, LAST))
    assert edge.get_object(**upload.where)["Body"].read() == LAST


def test_completions_that_cannot_be_are_refused_and_the_upload_goes_on(edge, cloud, bucket):
    upload = Upload(edge, bucket)
    first, second = upload.send(edge, 1, b"small"), upload.send(edge, 2, LAST)
    assert upload.refused(edge, second, first) == ("InvalidPartOrder", 400)
    assert upload.refused(edge, first, first) == ("InvalidPartOrder", 400)
    assert upload.refused(edge, first, second) == ("EntityTooSmall", 400)
    assert upload.refused(edge, {**first, "ETag": second["ETag"]}) == ("InvalidPart", 400)
    assert upload.refused(edge, {"PartNumber": 3, "ETag": first["ETag"]}) == ("InvalidPart", 400)
    assert upload.refused(edge) in {("MalformedXML", 400), ("InvalidRequest", 400)}
    assert upload.refused(edge, {"PartNumber": 1}) == ("MalformedXML", 400)
    assert upload.refused(edge, {"ETag": '"x"'}) == ("MalformedXML", 400)
    assert refusal(cloud.head_object, **upload.where) == ("404", 404)
    upload.complete(cloud, first)
    assert edge.get_object(**upload.where)["Body"].read() == b"small"


def test_an_object_may_have_an_empty_part_alone(edge, cloud, bucket):
    upload = Upload(edge, bucket)
    upload.complete(edge, upload.send(edge, 1, b""))
    assert cloud.get_object(**upload.where)["Body"].read() == b""


def test_an_aborted_upload_is_gone_everywhere(edge, cloud, bucket):
    upload = Upload(edge, bucket)
    part = upload.send(cloud, 1, LAST)
    cloud.abort_multipart_upload(**upload.whole)
    gone = ("NoSuchUpload", 404)
    for client in (edge, cloud):
        assert upload.refused(client, part) == gone
        assert refusal(client.upload_part, **upload.whole, PartNumber=2, Body=b"x") == gone
        assert refusal(client.list_parts, **upload.whole) == gone
        assert refusal(client.abort_multipart_upload, **upload.whole) == gone
        assert "Uploads" not in client.list_multipart_uploads(Bucket=bucket)
    assert "Contents" not in edge.list_objects_v2(Bucket=bucket)


def test_an_upload_belongs_to_its_key(edge, bucket):
    upload = Upload(edge, bucket)
    elsewhere = {**upload.whole, "Key": "other"}
    assert refusal(edge.upload_part, **elsewhere, PartNumber=1, Body=b"x") == ("NoSuchUpload", 404)
    nowhere = {**upload.whole, "UploadId": "nonsense"}
    assert refusal(edge.upload_part, **nowhere, PartNumber=1, Body=b"x") == ("NoSuchUpload", 404)


@pytest.mark.parametrize("number", [0, 10_001])
def test_a_part_has_a_number_between_1_and_10000(edge, bucket, number):
    upload = Upload(edge, bucket)
    code = refusal(edge.upload_part, **upload.whole, PartNumber=number, Body=b"x")
    assert code == ("InvalidArgument", 400)


def test_the_parts_are_listed_in_pages(edge, cloud, bucket):
    upload = Upload(edge, bucket)
    sent = [upload.send((edge, cloud)[number % 2], number, b"x" * number) for number in (1, 2, 3, 7, 10_000)]
    for client in (edge, cloud):
        listed = client.list_parts(**upload.whole)
        assert [(part["PartNumber"], part["ETag"]) for part in listed["Parts"]] == [
            (part["PartNumber"], part["ETag"]) for part in sent
        ]
        assert [part["Size"] for part in listed["Parts"]] == [1, 2, 3, 7, 10_000]
        assert (listed["Bucket"], listed["Key"], listed["UploadId"]) == (bucket, "key", upload.id)
        pages = client.get_paginator("list_parts").paginate(**upload.whole, PaginationConfig={"PageSize": 2})
        assert [[part["PartNumber"] for part in page["Parts"]] for page in pages] == [
            [1, 2],
            [3, 7],
            [10_000],
        ]


def test_the_uploads_of_a_bucket_are_listed_in_pages(edge, cloud, bucket):
    keys = ["a", "b/1", "b/2", "c & d", "ü"]
    uploads = [Upload((edge, cloud)[number % 2], bucket, key) for number, key in enumerate(keys)]
    uploads.append(Upload(edge, bucket, "a"))
    expected = sorted((upload.where["Key"], upload.id) for upload in uploads)
    for client in (edge, cloud):
        listed = client.list_multipart_uploads(Bucket=bucket)["Uploads"]
        assert [(line["Key"], line["UploadId"]) for line in listed] == expected
        assert all(line["Initiated"] and line["Initiator"]["ID"] for line in listed)
        pages = client.get_paginator("list_multipart_uploads").paginate(
            Bucket=bucket, PaginationConfig={"PageSize": 1}
        )
        found = [(line["Key"], line["UploadId"]) for page in pages for line in page.get("Uploads", [])]
        assert found == expected
        grouped = client.list_multipart_uploads(Bucket=bucket, Delimiter="/", Prefix="")
        assert [line["Prefix"] for line in grouped["CommonPrefixes"]] == ["b/"]
        assert [
            line["Key"] for line in client.list_multipart_uploads(Bucket=bucket, Prefix="b")["Uploads"]
        ] == [
            "b/1",
            "b/2",
        ]


def test_a_bucket_with_an_upload_cannot_be_deleted(edge, cloud, bucket):
    upload = Upload(edge, bucket)
    assert refusal(cloud.delete_bucket, Bucket=bucket) == ("BucketNotEmpty", 409)
    edge.abort_multipart_upload(**upload.whole)
    cloud.delete_bucket(Bucket=bucket)


def test_a_completion_sent_again_is_answered_again_while_the_object_is_there(edge, cloud, bucket):
    upload = Upload(edge, bucket)
    part = upload.send(edge, 1, LAST)
    done = upload.complete(edge, part)
    assert upload.complete(cloud, part)["ETag"] == done["ETag"]
    assert cloud.get_object(**upload.where)["Body"].read() == LAST
    edge.put_object(**upload.where, Body=b"newer")
    assert upload.refused(cloud, part) == ("NoSuchUpload", 404)


def test_an_upload_overwrites_only_when_it_completes(edge, cloud, bucket):
    edge.put_object(Bucket=bucket, Key="key", Body=b"before")
    upload = Upload(edge, bucket)
    part = upload.send(edge, 1, b"after")
    assert cloud.get_object(**upload.where)["Body"].read() == b"before"
    upload.complete(cloud, part)
    assert edge.get_object(**upload.where)["Body"].read() == b"after"


def test_a_size_that_was_promised_must_hold(edge, bucket):
    upload = Upload(edge, bucket)
    part = upload.send(edge, 1, LAST)
    code = upload.refused(edge, part, MpuObjectSize=len(LAST) + 1)
    assert code == ("InvalidRequest", 400)
    assert refusal(edge.head_object, **upload.where) == ("404", 404)


@pytest.mark.parametrize(
    ("algorithm", "kind"),
    [
        ("CRC32", "COMPOSITE"),
        ("CRC32C", "COMPOSITE"),
        ("SHA1", "COMPOSITE"),
        ("SHA256", "COMPOSITE"),
        ("CRC32", "FULL_OBJECT"),
        ("CRC32C", "FULL_OBJECT"),
        ("CRC64NVME", "FULL_OBJECT"),
    ],
)
def test_an_object_in_parts_has_a_checksum(edge, cloud, bucket, algorithm, kind):
    upload = Upload(edge, bucket, ChecksumAlgorithm=algorithm, ChecksumType=kind)
    name = f"Checksum{algorithm}"
    parts = [
        upload.send(edge, 1, PART, ChecksumAlgorithm=algorithm),
        upload.send(cloud, 2, LAST, ChecksumAlgorithm=algorithm),
    ]
    assert all(name in part for part in parts)
    done = upload.complete(edge, *parts, ChecksumType=kind)
    assert done["ChecksumType"] == kind
    assert done[name].endswith("-2") == (kind == "COMPOSITE")
    for client in (edge, cloud):
        head = client.head_object(**upload.where, ChecksumMode="ENABLED")
        assert (head[name], head["ChecksumType"]) == (done[name], kind)
    if kind == "FULL_OBJECT":
        whole = edge.put_object(Bucket=bucket, Key="whole", Body=PART + LAST, ChecksumAlgorithm=algorithm)
        assert whole[name] == done[name]
        assert cloud.get_object(**upload.where)["Body"].read() == PART + LAST


def test_a_part_with_a_wrong_checksum_is_refused(edge, bucket):
    upload = Upload(edge, bucket, ChecksumAlgorithm="CRC32")
    wrong = {"PartNumber": 1, "Body": LAST, "ChecksumCRC32": "AAAAAA=="}
    assert refusal(edge.upload_part, **upload.whole, **wrong) == ("BadDigest", 400)
    assert "Parts" not in edge.list_parts(**upload.whole)


def test_boto3s_own_transfers_work(edge, cloud, bucket):
    body = PART * 3 + LAST
    config = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB, max_concurrency=4)
    edge.upload_fileobj(io.BytesIO(body), bucket, "key", Config=config)
    received = io.BytesIO()
    cloud.download_fileobj(bucket, "key", received, Config=config)
    assert received.getvalue() == body
    cloud.copy({"Bucket": bucket, "Key": "key"}, bucket, "copy", Config=config)
    assert edge.get_object(Bucket=bucket, Key="copy")["Body"].read() == body


def test_a_part_may_be_copied_from_an_object(edge, cloud, bucket):
    edge.put_object(Bucket=bucket, Key="source", Body=PART + LAST)
    upload = Upload(cloud, bucket)
    source = {"Bucket": bucket, "Key": "source"}
    first = cloud.upload_part_copy(**upload.whole, PartNumber=1, CopySource=source)["CopyPartResult"]["ETag"]
    ranged = {"CopySource": source, "CopySourceRange": f"bytes={len(PART)}-{len(PART) + 3}"}
    second = edge.upload_part_copy(**upload.whole, PartNumber=2, **ranged)["CopyPartResult"]["ETag"]
    upload.complete(edge, {"PartNumber": 1, "ETag": first}, {"PartNumber": 2, "ETag": second})
    assert cloud.get_object(**upload.where)["Body"].read() == PART + LAST + LAST[:4]
    code = refusal(
        edge.upload_part_copy,
        **Upload(edge, bucket).whole,
        PartNumber=1,
        CopySource={"Bucket": bucket, "Key": "nothing"},
    )
    assert code == ("NoSuchKey", 404)
