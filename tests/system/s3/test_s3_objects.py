"""Objects: written at one site, read at the other, with all that belongs to them."""

import datetime as dt
import hashlib
import io
import urllib.parse

import pytest
from s3_clients import make_client, path_of, refusal

pytestmark = pytest.mark.system

BODY = bytes(range(256)) * 40

ODD_KEYS = [
    "plain",
    "a//b",
    "/leading",
    "trailing/",
    "//",
    ".",
    "..",
    "../up",
    "a/../b",
    "./a/./b",
    "with space",
    " leading and trailing ",
    "plus+plus",
    "percent%percent%20%2F",
    "question?mark=1&b",
    "hash#hash",
    "amp&er<sand>\"quote'",
    "tilde~dash-dot._star*paren()!",
    "equals=semi;comma,colon:at@dollar$",
    "back\\slash|pipe^caret`tick{brace}[bracket]",
    "ünïcödé-東京-🦆",
    "e\u0301-combining",
    "new\nline\ttab\rreturn",
    "control\x01\x1f\x7f",
    "k" * 1024,
    "東" * 341 + "x",
]


@pytest.mark.parametrize("key", ODD_KEYS, ids=range(len(ODD_KEYS)))
def test_a_key_may_be_any_utf8(edge, cloud, bucket, key):
    body = key.encode()
    edge.put_object(Bucket=bucket, Key=key, Body=body)
    assert cloud.get_object(Bucket=bucket, Key=key)["Body"].read() == body
    assert cloud.head_object(Bucket=bucket, Key=key)["ContentLength"] == len(body)
    for client in (edge, cloud):
        assert [entry["Key"] for entry in client.list_objects_v2(Bucket=bucket)["Contents"]] == [key]
        assert [entry["Key"] for entry in client.list_objects(Bucket=bucket, Prefix=key)["Contents"]] == [key]
        assert [e["Key"] for e in client.list_object_versions(Bucket=bucket)["Versions"]] == [key]
    cloud.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": key})
    assert edge.get_object(Bucket=bucket, Key="copy")["Body"].read() == body
    for gone in (key, "copy"):
        cloud.delete_object(Bucket=bucket, Key=gone)
    assert "Contents" not in edge.list_objects_v2(Bucket=bucket)


def test_keys_that_look_alike_are_different_objects(edge, cloud, bucket):
    keys = ["a", "a/", "a//", "/a", "A", "a ", "a+b", "a b", "a%20b", "é", "e\u0301"]
    for number, key in enumerate(keys):
        (edge, cloud)[number % 2].put_object(Bucket=bucket, Key=key, Body=key.encode())
    for client in (edge, cloud):
        assert {key: client.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys} == {
            key: key.encode() for key in keys
        }


def test_a_key_of_more_than_1024_bytes_is_refused(edge, bucket):
    for key in ("k" * 1025, "東" * 342):
        assert refusal(edge.put_object, Bucket=bucket, Key=key, Body=b"") == ("KeyTooLongError", 400)


@pytest.mark.parametrize("size", [0, 1, 4096, 65_536, 300_000, 9_000_001])
def test_bodies_of_all_sizes_come_back(edge, cloud, bucket, size):
    body = hashlib.shake_128(b"body").digest(size)
    put = edge.put_object(Bucket=bucket, Key="key", Body=body)
    assert put["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
    for client in (edge, cloud, cloud):
        got = client.get_object(Bucket=bucket, Key="key")
        assert got["ContentLength"] == size
        assert got["ETag"] == put["ETag"]
        assert got["Body"].read() == body


def test_clients_that_wait_to_send_their_body_are_told_to_go_on(embedded, cloud, bucket):
    client = make_client(embedded.gateways["edge"], *embedded.credentials, max_pool_connections=1)
    bodies = [b"", b"x", b"", b"y" * 300_000, b"", b"z"]
    for body in bodies:  # a body that is a file makes boto3 send `Expect: 100-continue`
        client.put_object(Bucket=bucket, Key="key", Body=io.BytesIO(body))
        assert cloud.get_object(Bucket=bucket, Key="key")["Body"].read() == body
        wrong = {"Body": io.BytesIO(body), "ContentMD5": "AAAAAAAAAAAAAAAAAAAAAA=="}
        assert refusal(client.put_object, Bucket=bucket, Key="key", **wrong)[1] == 400
        assert refusal(client.put_object, Bucket="no-such-bucket-anywhere", Key="key", **wrong)[1] == 404


def test_an_overwrite_is_seen_at_once_everywhere(edge, cloud, bucket):
    for number in range(30):
        writer, reader = (edge, cloud) if number % 2 else (cloud, edge)
        body = f"{number}".encode()
        writer.put_object(Bucket=bucket, Key="key", Body=body)
        assert reader.get_object(Bucket=bucket, Key="key")["Body"].read() == body
        assert writer.get_object(Bucket=bucket, Key="key")["Body"].read() == body


def test_what_was_deleted_is_gone_everywhere(edge, cloud, bucket):
    edge.put_object(Bucket=bucket, Key="key", Body=b"x")
    cloud.get_object(Bucket=bucket, Key="key")
    deleted = edge.delete_object(Bucket=bucket, Key="key")
    assert deleted["ResponseMetadata"]["HTTPStatusCode"] == 204
    for client in (cloud, edge):
        assert refusal(client.get_object, Bucket=bucket, Key="key") == ("NoSuchKey", 404)
    edge.delete_object(Bucket=bucket, Key="key")


def test_content_headers_and_metadata_are_kept(edge, cloud, bucket):
    kept = {
        "ContentType": "text/x-thing; charset=utf-8",
        "CacheControl": "max-age=60",
        "ContentDisposition": 'attachment; filename="a b.txt"',
        "ContentEncoding": "identity",
        "ContentLanguage": "de-CH",
        "Metadata": {"colour": "blue", "with-dash": "a: b, c;  d", "empty": ""},
    }
    expires = dt.datetime(2030, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
    before = dt.datetime.now(dt.UTC).replace(microsecond=0)
    edge.put_object(Bucket=bucket, Key="key", Body=BODY, Expires=expires, **kept)
    for client in (edge, cloud):
        for found in (
            client.head_object(Bucket=bucket, Key="key"),
            client.get_object(Bucket=bucket, Key="key"),
        ):
            assert {name: found[name] for name in kept} == kept
            assert found["ExpiresString"] == "Wed, 02 Jan 2030 03:04:05 GMT"
            assert found["ContentLength"] == len(BODY)
            assert found["AcceptRanges"] == "bytes"
            assert before <= found["LastModified"] <= dt.datetime.now(dt.UTC)
            assert found["ResponseMetadata"]["RequestId"]


def test_an_object_without_a_type_has_s3s_default(edge, bucket):
    edge.put_object(Bucket=bucket, Key="key", Body=b"")
    assert edge.head_object(Bucket=bucket, Key="key")["ContentType"] == "binary/octet-stream"


def test_an_overwrite_does_not_inherit_metadata(edge, cloud, bucket):
    edge.put_object(Bucket=bucket, Key="key", Body=b"1", Metadata={"a": "1"}, ContentType="text/plain")
    cloud.put_object(Bucket=bucket, Key="key", Body=b"2")
    found = edge.head_object(Bucket=bucket, Key="key")
    assert found["Metadata"] == {}
    assert found["ContentType"] == "binary/octet-stream"


def test_metadata_that_is_not_ascii_comes_back_as_it_was(raw, bucket):
    path = path_of(bucket, "key")
    value = "Zürich 東".encode().decode("latin-1")
    assert raw.request("PUT", path, headers={"x-amz-meta-place": value}, body=b"x").status == 200
    assert raw.request("GET", path).headers["x-amz-meta-place"] == value


def test_metadata_of_more_than_2_kib_is_refused(edge, bucket):
    metadata = {"a": "x" * 2048}
    assert refusal(edge.put_object, Bucket=bucket, Key="key", Metadata=metadata) == ("MetadataTooLarge", 400)


def test_a_reader_may_ask_for_other_content_headers(edge, bucket):
    edge.put_object(Bucket=bucket, Key="key", Body=b"x", ContentType="text/plain")
    got = edge.get_object(
        Bucket=bucket,
        Key="key",
        ResponseContentType="application/x-thing",
        ResponseCacheControl="no-store",
        ResponseContentDisposition='attachment; filename="b.txt"',
        ResponseContentEncoding="identity",
        ResponseContentLanguage="fr",
    )
    assert got["ContentType"] == "application/x-thing"
    assert got["CacheControl"] == "no-store"
    assert got["ContentDisposition"] == 'attachment; filename="b.txt"'
    assert got["ContentEncoding"] == "identity"
    assert got["ContentLanguage"] == "fr"


def test_a_header_cannot_be_smuggled_into_a_reply(raw, bucket):
    raw.request("PUT", path_of(bucket, "key"), body=b"x")
    query = "response-content-type=" + urllib.parse.quote("text/html\r\nx-evil: 1")
    answer = raw.request("GET", path_of(bucket, "key"), query)
    assert answer.status == 400
    assert "x-evil" not in answer.headers


@pytest.mark.parametrize(
    ("asked", "content_range"),
    [
        ("bytes=0-0", "bytes 0-0/10240"),
        ("bytes=0-10239", "bytes 0-10239/10240"),
        ("bytes=100-4195", "bytes 100-4195/10240"),
        ("bytes=10000-", "bytes 10000-10239/10240"),
        ("bytes=10000-99999", "bytes 10000-10239/10240"),
        ("bytes=-7", "bytes 10233-10239/10240"),
        ("bytes=-99999", "bytes 0-10239/10240"),
    ],
)
def test_a_range_gives_those_bytes(edge, cloud, bucket, asked, content_range):
    edge.put_object(Bucket=bucket, Key="key", Body=BODY)
    first, last = (int(text) for text in content_range.split()[1].split("/")[0].split("-"))
    for client in (edge, cloud):
        got = client.get_object(Bucket=bucket, Key="key", Range=asked)
        assert got["ResponseMetadata"]["HTTPStatusCode"] == 206
        assert got["ContentRange"] == content_range
        assert got["Body"].read() == BODY[first : last + 1]
        head = client.head_object(Bucket=bucket, Key="key", Range=asked)
        assert head["ContentLength"] == last + 1 - first


@pytest.mark.parametrize("asked", ["bytes=5-2", "bytes=a-b", "items=0-1", "bytes=0-1,5-6", "bytes=-"])
def test_a_range_that_s3_does_not_know_gives_the_whole_object(edge, bucket, asked):
    edge.put_object(Bucket=bucket, Key="key", Body=BODY)
    got = edge.get_object(Bucket=bucket, Key="key", Range=asked)
    assert got["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert got["Body"].read() == BODY


@pytest.mark.parametrize("asked", ["bytes=10240-", "bytes=99999-100000", "bytes=-0"])
def test_a_range_beyond_the_object_is_a_416(edge, cloud, bucket, asked):
    edge.put_object(Bucket=bucket, Key="key", Body=BODY)
    for client in (edge, cloud):
        assert refusal(client.get_object, Bucket=bucket, Key="key", Range=asked) == ("InvalidRange", 416)


def test_the_only_part_of_an_object_in_one_piece_is_all_of_it(edge, bucket):
    edge.put_object(Bucket=bucket, Key="key", Body=BODY)
    got = edge.get_object(Bucket=bucket, Key="key", PartNumber=1)
    assert got["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert got["Body"].read() == BODY
    assert refusal(edge.get_object, Bucket=bucket, Key="key", PartNumber=2) == ("InvalidPartNumber", 416)


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("Tagging", "a=<b>", "InvalidTag"),
        ("ObjectLockMode", "GOVERNANCE", "InvalidRequest"),  # the bucket has no object lock
        ("WebsiteRedirectLocation", "/other", "NotImplemented"),
    ],
)
def test_what_an_object_cannot_have_here_is_refused_not_ignored(edge, bucket, name, value, code):
    refused = refusal(edge.put_object, Bucket=bucket, Key="key", Body=b"x", **{name: value})
    assert refused[0] == code
    assert refusal(edge.head_object, Bucket=bucket, Key="key") == ("404", 404)


def test_a_write_without_a_length_is_refused(raw, bucket):
    headers = {"transfer-encoding": "chunked"}
    answer = raw.request("PUT", path_of(bucket, "key"), headers=headers, body=b"1\r\nx\r\n0\r\n\r\n")
    assert (answer.status, answer.code) == (411, "MissingContentLength")


def test_an_unknown_version_is_no_such_version(edge, bucket):
    edge.put_object(Bucket=bucket, Key="key", Body=b"x")
    code, status = refusal(
        edge.get_object, Bucket=bucket, Key="key", VersionId="3sL4kqtJlcpXroDTDmJ+rmSpXd3dIbrHY"
    )
    assert (code, status) in {("NoSuchVersion", 404), ("InvalidArgument", 400)}
    assert edge.get_object(Bucket=bucket, Key="key", VersionId="null")["Body"].read() == b"x"


def test_error_documents_say_what_and_where(raw, bucket):
    answer = raw.request("GET", path_of(bucket, "a&b <c>"))
    assert (answer.status, answer.code) == (404, "NoSuchKey")
    assert answer.headers["content-type"] == "application/xml"
    assert answer.find("Key") == "a&b <c>"
    assert answer.find("RequestId") == answer.headers["x-amz-request-id"]
