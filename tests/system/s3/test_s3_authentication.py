"""Who may ask: signatures in headers and in URLs, and everything that is not one."""

import json
import time
import urllib.request
from urllib.parse import urlsplit

import pytest
from botocore import UNSIGNED
from s3_clients import REGION, RawClient, make_client, path_of, refusal

from continuum.store.signing import presign, sign

pytestmark = pytest.mark.system


@pytest.fixture
def path(edge, bucket):
    """The path of an object."""
    edge.put_object(Bucket=bucket, Key="a key", Body=b"secret")
    return path_of(bucket, "a key")


def open_url(raw: RawClient, url: str, method: str = "GET", body: bytes = b"", headers=None):
    parts = urlsplit(url)
    sent = {"host": parts.netloc, **(headers or {})}
    return raw.send(method, f"{parts.path}?{parts.query}", sent, body)


def test_nobody_is_let_in_without_a_name(embedded, raw: RawClient, path):
    for method in ("GET", "HEAD", "PUT", "DELETE", "POST"):
        assert raw.request(method, path, "uploads" if method == "POST" else "", signed=False).status == 403
    assert raw.request("GET", path, signed=False).code == "AccessDenied"
    assert raw.request("GET", "/", signed=False).code == "AccessDenied"
    nobody = make_client(embedded.gateways["edge"], "x", "y", signature_version=UNSIGNED)
    assert refusal(nobody.list_buckets) == ("AccessDenied", 403)


def test_a_wrong_secret_and_an_unknown_key_are_told_apart(embedded):
    access_key, secret_key = embedded.credentials
    for site in ("edge", "cloud"):
        url = embedded.gateways[site]
        wrong = make_client(url, access_key, secret_key[:-1] + "!")
        assert refusal(wrong.list_buckets) == ("SignatureDoesNotMatch", 403)
        unknown = make_client(url, "AKIAIOSFODNN7EXAMPLE", secret_key)
        assert refusal(unknown.list_buckets) == ("InvalidAccessKeyId", 403)


@pytest.mark.parametrize("skew_s", [-3600, -1000, 1000, 3600])
def test_a_clock_that_is_off_is_refused(raw: RawClient, path, skew_s):
    answer = raw.request("GET", path, now=time.time() + skew_s)
    assert (answer.status, answer.code) == (403, "RequestTimeTooSkewed")
    assert answer.find("ServerTime")


@pytest.mark.parametrize("skew_s", [-600, 600])
def test_a_clock_that_is_a_little_off_is_accepted(raw: RawClient, path, skew_s):
    assert raw.request("GET", path, now=time.time() + skew_s).status == 200


@pytest.mark.parametrize(
    "changed",
    [
        {"range": "bytes=1-2"},
        {"x_amz_content_sha256": "0" * 64},
        {"x_amz_meta_a": "added after signing"},
        {"host": "other.example.org"},
    ],
)
def test_what_was_changed_after_signing_is_refused(raw: RawClient, path, changed):
    answer = raw.request("GET", path, headers={"range": "bytes=0-1"}, **changed)
    assert answer.status == 403
    assert answer.code in {"SignatureDoesNotMatch", "AccessDenied"}


def test_a_signature_of_one_request_does_not_fit_another(raw: RawClient, path):
    assert raw.request("GET", path).status == 200
    headers = {"host": raw.host}
    headers |= sign("GET", path, "", headers, region=REGION, now=time.time(), **raw.keys)
    assert raw.send("DELETE", path, headers).status == 403
    assert raw.send("GET", f"{path}?acl", headers).status == 403
    assert raw.send("GET", f"{path}x", headers).status == 403
    assert raw.send("GET", path, headers).status == 200


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        ("AWS AKIAIOSFODNN7EXAMPLE:frJIUN8DYpKDtOLCwo//yllqDzg=", 400),
        ("Basic YWxhZGRpbjpvcGVuc2VzYW1l", 400),
        ("AWS4-HMAC-SHA256 nonsense", 400),
        ("AWS4-HMAC-SHA256 Credential=a/20260101/r/s3/aws4_request, SignedHeaders=host, Signature=0", 400),
    ],
)
def test_other_authorizations_are_refused(raw: RawClient, path, authorization, status):
    assert raw.request("GET", path, authorization=authorization).status == status


def test_a_session_token_is_refused(raw: RawClient, path):
    answer = raw.request("GET", path, headers={"x-amz-security-token": "token"})
    assert (answer.status, answer.code) == (400, "InvalidToken")


# ---- presigned URLs ----


@pytest.fixture(scope="module")
def signers(embedded):
    """Clients whose URLs have version 4 signatures; for this region boto3 would still choose version 2."""
    return [
        make_client(embedded.gateways[site], *embedded.credentials, signature_version="s3v4")
        for site in ("edge", "cloud")
    ]


def test_a_presigned_url_lets_anybody_read(signers, bucket, path):
    for client in signers:
        url = client.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "a key"}, ExpiresIn=60)
        with urllib.request.urlopen(url) as response:
            assert response.read() == b"secret"
        ranged = urllib.request.Request(url, headers={"Range": "bytes=0-2"})
        with urllib.request.urlopen(ranged) as response:
            assert response.read() == b"sec"


def test_a_presigned_url_lets_anybody_write_just_this_object(signers, cloud, raw: RawClient, bucket):
    wanted = {"Bucket": bucket, "Key": "uploaded", "ContentType": "text/plain", "Metadata": {"a": "1"}}
    url = signers[0].generate_presigned_url("put_object", wanted, ExpiresIn=60)
    headers = {"content-type": "text/plain", "x-amz-meta-a": "1"}
    assert open_url(raw, url, "PUT", b"body", headers).status == 200
    got = cloud.get_object(Bucket=bucket, Key="uploaded")
    assert (got["Body"].read(), got["ContentType"], got["Metadata"]) == (b"body", "text/plain", {"a": "1"})
    assert open_url(raw, url, "PUT", b"body", {"content-type": "text/html"}).code == "SignatureDoesNotMatch"
    assert open_url(raw, url.replace("uploaded", "other"), "PUT", b"", headers).status == 403
    assert open_url(raw, url, "GET", headers=headers).status == 403
    assert open_url(raw, url, "DELETE", headers=headers).status == 403


def test_a_presigned_url_works_for_lists_heads_and_deletions(signers, raw: RawClient, bucket, path):
    edge = signers[0]
    listed = edge.generate_presigned_url("list_objects_v2", {"Bucket": bucket, "Prefix": "a "})
    assert b"<Key>a%20key</Key>" in open_url(raw, listed).body
    head = edge.generate_presigned_url("head_object", {"Bucket": bucket, "Key": "a key"})
    assert open_url(raw, head, "HEAD").headers["content-length"] == "6"
    gone = edge.generate_presigned_url("delete_object", {"Bucket": bucket, "Key": "a key"})
    assert open_url(raw, gone, "DELETE").status == 204


def test_a_url_with_a_version_2_signature_is_refused_with_advice(edge, raw: RawClient, bucket, path):
    answer = open_url(raw, edge.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "a key"}))
    assert (answer.status, answer.code) == (400, "InvalidRequest")
    assert "s3v4" in answer.find("Message")


def test_headers_may_come_in_the_query_of_a_url(raw: RawClient, edge, bucket):
    asked = "x-amz-acl=private&X-Amz-Meta-Colour=blue&x-amz-tagging=a%3Db&x-amz-checksum-crc32=AAAAAA%3D%3D"
    url = f"http://{raw.host}{path_of(bucket, 'hoisted')}?{asked}"
    url = presign("PUT", url, region=REGION, now=time.time(), **raw.keys)
    assert open_url(raw, url, "PUT", b"body").status == 200
    got = edge.get_object(Bucket=bucket, Key="hoisted")
    assert (got["Body"].read(), got["Metadata"], got["TagCount"]) == (b"body", {"colour": "blue"}, 1)
    public = f"http://{raw.host}{path_of(bucket, 'public')}?x-amz-acl=public-read"
    public = presign("PUT", public, region=REGION, now=time.time(), **raw.keys)
    assert open_url(raw, public, "PUT", b"body").code == "AccessControlListNotSupported"


def presigned(raw: RawClient, path: str, *, now: float, expires_s: int = 60) -> str:
    url = f"http://{raw.host}{path}"
    return presign("GET", url, region=REGION, now=now, expires_s=expires_s, **raw.keys)


def test_an_expired_url_says_so(raw: RawClient, path):
    answer = open_url(raw, presigned(raw, path, now=time.time() - 61))
    assert (answer.status, answer.code, answer.find("Message")) == (
        403,
        "AccessDenied",
        "Request has expired",
    )
    assert open_url(raw, presigned(raw, path, now=time.time() - 30)).status == 200


def test_a_url_from_the_future_is_refused(raw: RawClient, path):
    assert open_url(raw, presigned(raw, path, now=time.time() + 3600)).code == "AccessDenied"


def test_a_url_lasts_a_week_at_most(raw: RawClient, path):
    assert open_url(raw, presigned(raw, path, now=time.time(), expires_s=604_800)).status == 200
    answer = open_url(raw, presigned(raw, path, now=time.time(), expires_s=604_801))
    assert (answer.status, answer.code) == (400, "AuthorizationQueryParametersError")


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("X-Amz-Expires=60", "X-Amz-Expires=600", "SignatureDoesNotMatch"),
        ("a%20key", "another", "SignatureDoesNotMatch"),
        ("X-Amz-Signature=", "response-content-type=text%2Fhtml&X-Amz-Signature=", "SignatureDoesNotMatch"),
        ("X-Amz-SignedHeaders=host", "X-Amz-SignedHeaders=range", "AccessDenied"),
        ("X-Amz-Algorithm=AWS4-HMAC-SHA256&", "", "AuthorizationQueryParametersError"),
    ],
)
def test_a_url_that_was_tampered_with_is_refused(raw: RawClient, path, old, new, code):
    url = presigned(raw, path, now=time.time())
    assert old in url
    assert open_url(raw, url.replace(old, new)).code == code


# ---- users ----


def test_a_member_sees_and_uses_only_their_own_buckets(embedded, edge, cloud, bucket, path):
    added = json.loads(embedded.continuum("user", "add", "interop-member", "--json").stdout)
    member = make_client(embedded.gateways["cloud"], added["access_key"], added["secret_key"])
    assert member.list_buckets()["Buckets"] == []
    for operation, arguments in (
        ("get_object", {"Key": "a key"}),
        ("put_object", {"Key": "b", "Body": b""}),
        ("list_objects_v2", {}),
        ("delete_object", {"Key": "a key"}),
        ("create_multipart_upload", {"Key": "b"}),
        ("delete_bucket", {}),
    ):
        assert refusal(getattr(member, operation), Bucket=bucket, **arguments) == ("AccessDenied", 403)
    assert refusal(member.create_bucket, Bucket=bucket) == ("BucketAlreadyExists", 409)
    own = f"member-{bucket}"
    member.create_bucket(Bucket=own)
    member.put_object(Bucket=own, Key="key", Body=b"mine")
    stolen = {"Bucket": own, "Key": "stolen", "CopySource": {"Bucket": bucket, "Key": "a key"}}
    assert refusal(member.copy_object, **stolen) == ("AccessDenied", 403)
    assert edge.get_object(Bucket=own, Key="key")["Body"].read() == b"mine"
    assert [found["Name"] for found in member.list_buckets()["Buckets"]] == [own]
    embedded.continuum("user", "remove", "interop-member")
    assert refusal(member.list_buckets) == ("InvalidAccessKeyId", 403)
