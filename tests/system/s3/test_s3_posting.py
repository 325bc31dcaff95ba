"""Uploads of browsers: forms with signed policies."""

import os
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from botocore.config import Config
from s3_clients import REGION, RawClient, refusal

pytestmark = pytest.mark.system

BOUNDARY = "a-boundary-of-a-browser"


def make_body(fields, file, name="photo.jpg"):
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{field}"\r\n\r\n{value}\r\n'
        for field, value in fields.items()
    ]
    parts.append(
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
        "Content-Type: image/jpeg\r\n\r\n"
    )
    return "".join(parts).encode() + file + f"\r\n--{BOUNDARY}--\r\n".encode()


def post(raw: RawClient, bucket, fields, file=b"bytes", body=None):
    headers = {"host": raw.host, "content-type": f"multipart/form-data; boundary={BOUNDARY}"}
    return raw.send("POST", f"/{bucket}", headers, body if body is not None else make_body(fields, file))


@pytest.fixture
def presign(embedded, bucket):
    access_key, secret_key = embedded.credentials
    client = boto3.client(
        "s3",
        endpoint_url=embedded.gateways["edge"],
        region_name=REGION,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
    )

    def make(key="up/${filename}", conditions=(), expires_s=600, **fields):
        given = [{name: value} for name, value in fields.items()]
        made = client.generate_presigned_post(
            bucket, key, Fields=dict(fields), Conditions=[*given, *conditions], ExpiresIn=expires_s
        )
        return made["fields"]

    return make


def test_a_form_becomes_an_object(edge, raw, bucket, presign):
    fields = presign(**{"x-amz-meta-who": "me", "Cache-Control": "no-cache", "success_action_status": "201"})
    answer = post(raw, bucket, fields)
    assert answer.status == 201
    assert (answer.find("Bucket"), answer.find("Key")) == (bucket, "up/photo.jpg")
    found = edge.get_object(Bucket=bucket, Key="up/photo.jpg")
    assert found["Body"].read() == b"bytes"
    assert (found["ContentType"], found["CacheControl"]) == ("image/jpeg", "no-cache")
    assert found["Metadata"] == {"who": "me"}
    assert answer.find("ETag") == found["ETag"]


def test_large_files_are_streamed(edge, cloud, raw, bucket, presign):
    data = os.urandom(5_000_001)
    assert post(raw, bucket, presign("big"), data).status == 204
    assert cloud.get_object(Bucket=bucket, Key="big")["Body"].read() == data
    body = make_body(presign("bad"), data) + b"--more--"
    assert post(raw, bucket, {}, body=body).code == "MalformedPOSTRequest"
    assert refusal(edge.get_object, Bucket=bucket, Key="bad") == ("NoSuchKey", 404)
    empty = post(raw, bucket, presign("empty"), b"")
    assert empty.status == 204
    assert edge.head_object(Bucket=bucket, Key="empty")["ContentLength"] == 0


def test_the_browser_is_sent_on(raw, bucket, presign):
    fields = presign("k", success_action_redirect="https://app.example.org/done?x=1")
    answer = post(raw, bucket, fields)
    assert answer.status == 303
    target = urlsplit(answer.headers["location"])
    assert (target.netloc, target.path) == ("app.example.org", "/done")
    assert parse_qs(target.query) == {
        "x": ["1"],
        "bucket": [bucket],
        "key": ["k"],
        "etag": [answer.headers["etag"]],
    }


def test_what_the_policy_does_not_allow_is_refused(edge, raw, bucket, presign):
    sized = [["content-length-range", 2, 4]]
    assert post(raw, bucket, presign("k", sized), b"12345").code == "EntityTooLarge"
    assert post(raw, bucket, presign("k", sized), b"1").code == "EntityTooSmall"
    assert post(raw, bucket, presign("k", sized), b"1234").status == 204
    assert post(raw, bucket, presign("k") | {"key": "other"}).code == "AccessDenied"
    assert post(raw, bucket, {"x-amz-meta-a": "b"} | presign("k")).code == "AccessDenied"
    signed = presign("k")
    assert post(raw, bucket, signed | {"x-amz-signature": "0" * 64}).code == "SignatureDoesNotMatch"
    unsigned = {name: value for name, value in signed.items() if name != "x-amz-signature"}
    assert post(raw, bucket, unsigned).code == "InvalidArgument"
    assert post(raw, bucket, signed | {"policy": "!"}).status == 403
    assert post(raw, bucket, {"key": "k"}).code == "AccessDenied"
    assert post(raw, bucket, presign("k") | {"key": ""}).status == 403
    assert post(raw, bucket, presign("k", expires_s=0)).code == "AccessDenied"
    assert [found["Key"] for found in edge.list_objects_v2(Bucket=bucket)["Contents"]] == ["k"]


def test_hostile_forms_are_refused(raw, bucket, presign):
    name = "x-amz-meta-a\nset-cookie"
    assert post(raw, bucket, {name: "b", "key": "k"}).status in {400, 403}
    headers = {"host": raw.host, "content-type": "text/plain"}
    assert raw.send("POST", f"/{bucket}", headers, b"x").code == "MalformedPOSTRequest"
    signed = presign("k")
    assert post(raw, bucket, signed | {"success_action_redirect": "javascript:alert(1)"}).status == 403
    assert post(raw, bucket, {"key": "x" * 40_000}).code == "MaxPostPreDataLengthExceeded"
    only_fields = make_body({}, b"").split(b"--" + BOUNDARY.encode())[0] + (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="key"\r\n\r\nk\r\n--{BOUNDARY}--\r\n'.encode()
    )
    assert post(raw, bucket, {}, body=only_fields).code == "IncorrectNumberOfFilesInPostRequest"


def test_nobody_may_post_where_everybody_may_write(edge, raw, bucket):
    edge.delete_public_access_block(Bucket=bucket)
    policy = (
        '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": "*",'
        f' "Action": "s3:PutObject", "Resource": "arn:aws:s3:::{bucket}/drop/*"}}}}'
    )
    edge.put_bucket_policy(Bucket=bucket, Policy=policy)
    assert post(raw, bucket, {"key": "drop/${filename}"}).status == 204
    assert edge.get_object(Bucket=bucket, Key="drop/photo.jpg")["Body"].read() == b"bytes"
    assert post(raw, bucket, {"key": "closed"}).code == "AccessDenied"
