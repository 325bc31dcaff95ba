"""What hardly anybody sends, and some do: the longest keys everywhere, keys that XML cannot hold, headers
given twice, bodies that are longer or shorter than they say, the longest completion."""

import socket
import time
import urllib.request
from typing import Any

import pytest
from s3_clients import REGION, RawClient, make_client, path_of, refusal

from continuum.store.signing import sign

pytestmark = pytest.mark.system

LONGEST = "\u00fc" * 511 + "&<"  # 1,024 bytes
OTHER = "\u6771" * 341 + "]"  # as many
UNSAFE = [
    *(
        "]]>",
        "&amp;<x>\"'",
        "a\rb",
        "a\nb",
        "a\tb",
        " a ",
        "\x01\x1f",
        "\x7f",
        "\ufffe",
        "%00",
        "%",
        "+",
        "?a=b#c",
    ),
    *("//", "/a", "a//b", ".", "..", "../a", "a/./b", "\U0010ffff", "a\u0301", "\u00e1", "null", "?acl"),
]


def test_the_longest_key_goes_through_every_operation(embedded: Any, edge: Any, cloud: Any, bucket: str):
    edge.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for key in (LONGEST, OTHER):
        assert len(key.encode()) == 1024
        where = {"Bucket": bucket, "Key": key}
        version_id = edge.put_object(**where, Body=b"body", Tagging="a=b")["VersionId"]
        assert cloud.get_object(**where)["Body"].read() == b"body"
        assert cloud.get_object_tagging(**where)["TagSet"] == [{"Key": "a", "Value": "b"}]
        upload = edge.create_multipart_upload(**where)["UploadId"]
        assert [one["Key"] for one in cloud.list_multipart_uploads(Bucket=bucket)["Uploads"]] == [key]
        source = {**where, "VersionId": version_id}
        part = cloud.upload_part_copy(**where, UploadId=upload, PartNumber=10_000, CopySource=source)
        parts = [{"PartNumber": 10_000, "ETag": part["CopyPartResult"]["ETag"]}]
        assert cloud.list_parts(**where, UploadId=upload)["Parts"][0]["PartNumber"] == 10_000
        cloud.complete_multipart_upload(**where, UploadId=upload, MultipartUpload={"Parts": parts})
        edge.copy_object(**where, CopySource=source, MetadataDirective="REPLACE")
        assert len(cloud.list_object_versions(Bucket=bucket, Prefix=key)["Versions"]) == 3
    for operation in (edge.list_objects, cloud.list_objects_v2):
        assert [one["Key"] for one in operation(Bucket=bucket)["Contents"]] == [OTHER, LONGEST][::-1]
    signer = make_client(embedded.gateways["edge"], *embedded.credentials, signature_version="s3v4")
    url = signer.generate_presigned_url("get_object", {"Bucket": bucket, "Key": LONGEST})
    with urllib.request.urlopen(url) as response:
        assert response.read() == b"body"
    gone = edge.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": LONGEST}]})
    assert [one["Key"] for one in gone["Deleted"]] == [LONGEST]


def test_keys_that_xml_cannot_hold_are_listed_everywhere(edge: Any, cloud: Any, bucket: str):
    edge.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for key in UNSAFE:
        edge.put_object(Bucket=bucket, Key=key, Body=key.encode())
    in_order = sorted(UNSAFE, key=str.encode)
    for operation in (cloud.list_objects, cloud.list_objects_v2):
        assert [one["Key"] for one in operation(Bucket=bucket)["Contents"]] == in_order
    assert [one["Key"] for one in cloud.list_object_versions(Bucket=bucket)["Versions"]] == in_order
    for key in UNSAFE:
        assert cloud.get_object(Bucket=bucket, Key=key)["Body"].read() == key.encode()
        cloud.delete_object(Bucket=bucket, Key=key)
    assert "Contents" not in edge.list_objects_v2(Bucket=bucket)


def test_an_upload_of_a_key_that_xml_cannot_hold_is_told_as_s3_tells_it(
    raw: RawClient, edge: Any, cloud: Any, bucket: str
):
    """The reply names the key, by a reference that XML 1.0 has not; botocore takes that for a server's
    fault, here as at S3."""
    path = path_of(bucket, "\x01")
    made = raw.request("POST", path, "uploads")
    assert b"<Key>&#x1;</Key>" in made.body
    upload = made.body.partition(b"<UploadId>")[2].partition(b"<")[0].decode()
    listed = cloud.list_multipart_uploads(Bucket=bucket, EncodingType="url")["Uploads"]
    assert [one["Key"] for one in listed] == ["%01"]
    part = edge.upload_part(Bucket=bucket, Key="\x01", UploadId=upload, PartNumber=1, Body=b"body")
    body = f"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{part['ETag']}</ETag></Part>"
    body += "</CompleteMultipartUpload>"
    assert raw.request("POST", path, f"uploadId={upload}", body=body.encode()).status == 200
    assert cloud.get_object(Bucket=bucket, Key="\x01")["Body"].read() == b"body"


# ---- headers given twice ----


def send_raw(raw: RawClient, head: str, body: bytes = b"") -> bytes:
    """Send bytes on a connection of their own; return all that comes back until it is closed."""
    host, _, port = raw.host.partition(":")
    with socket.create_connection((host, int(port)), timeout=20) as wire:
        wire.sendall(head.encode("latin-1") + body)
        wire.shutdown(socket.SHUT_WR)
        received = b""
        while piece := wire.recv(65536):
            received += piece
        return received


def head_of(raw: RawClient, path: str, signed: dict[str, str], lines: list[str], method: str = "PUT") -> str:
    """Return a head signed over `signed`, with the `lines` in it."""
    headers = {"host": raw.host, **signed}
    headers |= sign(method, path, "", headers, region=REGION, now=time.time(), **raw.keys)
    sent = [f"{name}: {value}" for name, value in headers.items() if name not in signed]
    return "\r\n".join([f"{method} {path} HTTP/1.1", *sent, *lines, "connection: close", "", ""])


def test_metadata_given_twice_is_joined_and_signed_so(raw: RawClient, edge: Any, bucket: str):
    path = path_of(bucket, "key")
    lines = ["x-amz-meta-a: 1", "X-Amz-Meta-A: 2", "content-length: 0"]
    assert send_raw(raw, head_of(raw, path, {"x-amz-meta-a": "1,2"}, lines)).startswith(b"HTTP/1.1 200 ")
    assert edge.head_object(Bucket=bucket, Key="key")["Metadata"] == {"a": "1,2"}


@pytest.mark.parametrize(
    "lines",
    [
        ["authorization: AWS4-HMAC-SHA256 x"],
        ["content-length: 0"],
        ["host: other.example.org"],
        ["content-type: a", "content-type: b"],
        ["content-md5: 1B2M2Y8AsgTpgAmY7PhCfg==", "content-md5: 1B2M2Y8AsgTpgAmY7PhCfg=="],
        ["range: bytes=0-1", "range: bytes=2-3"],
    ],
)
def test_headers_that_decide_are_refused_if_given_twice(
    raw: RawClient, edge: Any, bucket: str, lines: list[str]
):
    answer = send_raw(raw, head_of(raw, path_of(bucket, "key"), {}, [*lines, "content-length: 0"]))
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert refusal(edge.head_object, Bucket=bucket, Key="key") == ("404", 404)


@pytest.mark.parametrize(
    "line",
    [
        "x-amz-date: 20200101T000000Z",
        "x-amz-content-sha256: UNSIGNED-PAYLOAD",
        "x-amz-security-token: x",
        "x-amz-acl: private",
        "x-amz-copy-source: /b/k",
        "x-amz-tagging: a=b",
        "x-amz-decoded-content-length: 0",
    ],
)
def test_headers_of_s3_that_are_slipped_in_after_signing_are_refused(
    raw: RawClient, edge: Any, bucket: str, line: str
):
    answer = send_raw(raw, head_of(raw, path_of(bucket, "key"), {}, [line, "content-length: 0"]))
    assert answer[9:12] in {b"400", b"403"}
    assert refusal(edge.head_object, Bucket=bucket, Key="key") == ("404", 404)


# ---- bodies of another length ----


def test_a_body_that_ends_too_early_leaves_nothing(raw: RawClient, edge: Any, bucket: str):
    for length in (10, 10_000_000):
        head = head_of(raw, path_of(bucket, "key"), {}, [f"content-length: {length}"])
        answer = send_raw(raw, head, b"short")
        assert answer == b"" or answer.startswith(b"HTTP/1.1 400 ")
    assert refusal(edge.head_object, Bucket=bucket, Key="key") == ("404", 404)


def test_what_follows_a_body_is_no_part_of_it(raw: RawClient, edge: Any, bucket: str):
    head = head_of(raw, path_of(bucket, "key"), {}, ["content-length: 5"]).replace(
        "connection: close\r\n", ""
    )
    answer = send_raw(raw, head, b"12345 and more that is no request\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"HTTP/1.1 2" not in answer[12:]
    assert edge.get_object(Bucket=bucket, Key="key")["Body"].read() == b"12345"


# ---- the longest completion ----


def test_part_ten_thousand_is_the_last(edge: Any, cloud: Any, bucket: str):
    """A store may list it before part 1,000, by the name of its file."""
    upload = edge.create_multipart_upload(Bucket=bucket, Key="key")["UploadId"]
    where = {"Bucket": bucket, "Key": "key", "UploadId": upload}
    bodies = {10_000: b"the end", 1000: b"b" * 5 * 1024**2, 999: b"a" * 5 * 1024**2}
    etags = {
        number: edge.upload_part(**where, PartNumber=number, Body=bodies[number])["ETag"] for number in bodies
    }
    parts = [{"PartNumber": number, "ETag": etags[number]} for number in sorted(bodies)]
    for size in (1, 2, 3, 1000):
        pages = cloud.get_paginator("list_parts").paginate(**where, PaginationConfig={"PageSize": size})
        assert [part["PartNumber"] for page in pages for part in page.get("Parts", [])] == sorted(bodies)
    cloud.complete_multipart_upload(**where, MultipartUpload={"Parts": parts})
    body = edge.get_object(Bucket=bucket, Key="key")["Body"].read()
    assert body == b"".join(bodies[number] for number in sorted(bodies))
    last = edge.get_object(Bucket=bucket, Key="key", PartNumber=3)
    assert (last["Body"].read(), last["PartsCount"]) == (b"the end", 3)


def test_a_completion_may_list_ten_thousand_parts(edge: Any, bucket: str):
    upload = edge.create_multipart_upload(Bucket=bucket, Key="key", ChecksumAlgorithm="SHA256")["UploadId"]
    where = {"Bucket": bucket, "Key": "key", "UploadId": upload}
    sent = edge.upload_part(**where, PartNumber=10_000, Body=b"the last", ChecksumAlgorithm="SHA256")
    last = {"PartNumber": 10_000, "ETag": sent["ETag"], "ChecksumSHA256": sent["ChecksumSHA256"]}
    every = [{**last, "PartNumber": number} for number in range(1, 10_001)]
    # All but the last were never sent: the list is read to its end and the first of them is missed.
    refused = refusal(edge.complete_multipart_upload, **where, MultipartUpload={"Parts": every})
    assert refused == ("InvalidPart", 400)
    every.append({**last, "PartNumber": 10_001})
    assert refusal(edge.complete_multipart_upload, **where, MultipartUpload={"Parts": every})[1] == 400
    edge.complete_multipart_upload(**where, MultipartUpload={"Parts": [last]})
    assert edge.get_object(Bucket=bucket, Key="key")["Body"].read() == b"the last"
