"""Small reads take a short way through the gateway when everything is at hand: the replies are the same."""

import pytest
from s3_clients import refusal

from continuum.model.access.policies import ACCOUNT

pytestmark = pytest.mark.system

BODY = bytes(range(256)) * 40
LONG_WAY = {"ExpectedBucketOwner": ACCOUNT}  # what needs a look at the bucket's owner goes the usual way
CHANGING = frozenset({"x-amz-request-id", "date"})


def read(client, bucket, **more):
    got = client.get_object(Bucket=bucket, Key="key", **more)
    told = got["ResponseMetadata"]
    headers = {name: value for name, value in told["HTTPHeaders"].items() if name not in CHANGING}
    return got["Body"].read(), told["HTTPStatusCode"], headers


@pytest.mark.parametrize(
    "asked",
    [
        "bytes=0-0",
        "bytes=100-199",
        "bytes=-7",
        "bytes=10000-",
        "bytes=0-",
        "bytes=5-99999999",
        "bytes=3-2",
        "x",
    ],
)
def test_a_range_is_answered_alike_on_both_ways(edge, bucket, asked):
    edge.put_object(Bucket=bucket, Key="key", Body=BODY, ContentType="text/x", Metadata={"a": "b"})
    for more in ({}, {"ChecksumMode": "ENABLED"}):
        short = read(edge, bucket, Range=asked, **more)
        assert short == read(edge, bucket, Range=asked, **more, **LONG_WAY)
        assert short[0] in BODY


def test_a_range_behind_the_end_is_refused_on_both_ways(edge, bucket):
    edge.put_object(Bucket=bucket, Key="key", Body=BODY)
    wanted = {"Bucket": bucket, "Key": "key", "Range": f"bytes={len(BODY)}-"}
    for more in ({}, LONG_WAY):
        assert refusal(edge.get_object, **wanted, **more) == ("InvalidRange", 416)


def test_a_range_of_an_encrypted_object_is_opened(edge, bucket):
    edge.put_object(Bucket=bucket, Key="key", Body=BODY, ServerSideEncryption="AES256")
    assert read(edge, bucket, Range="bytes=300-309")[0] == BODY[300:310]
    assert read(edge, bucket)[0] == BODY


def test_an_overwritten_object_gives_the_new_range(edge, cloud, bucket):
    edge.put_object(Bucket=bucket, Key="key", Body=BODY)
    assert read(edge, bucket, Range="bytes=0-3")[0] == BODY[:4]
    cloud.put_object(Bucket=bucket, Key="key", Body=b"new bytes")
    assert read(edge, bucket, Range="bytes=0-2")[0] == b"new"
