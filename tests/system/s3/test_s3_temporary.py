"""Several keys of one user, and temporary credentials."""

import json
import time
import urllib.request
import uuid

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from s3_clients import REGION, TIMEOUT_S, make_client, refusal

pytestmark = pytest.mark.system

ROLE = "arn:aws:iam::000000000000:role/reader"


@pytest.fixture(scope="module")
def member(embedded):
    """A user with one key."""
    name = f"temporary-{uuid.uuid4().hex[:8]}"
    made = json.loads(embedded.continuum("user", "add", name, "--json").stdout)
    yield made
    embedded.continuum("user", "remove", name)


def make_sts(embedded, site, access_key, secret_key, token=None):
    return boto3.client(
        "sts",
        endpoint_url=embedded.gateways[site],
        region_name=REGION,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        aws_session_token=token,
        config=Config(retries={"total_max_attempts": 1}, read_timeout=TIMEOUT_S, parameter_validation=False),
    )


def make_s3(embedded, site, credentials):
    return boto3.client(
        "s3",
        endpoint_url=embedded.gateways[site],
        region_name=REGION,
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
        config=Config(
            retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}, signature_version="s3v4"
        ),
    )


@pytest.fixture(scope="module")
def sts(embedded, member):
    return make_sts(embedded, "edge", member["access_key"], member["secret_key"])


@pytest.fixture(scope="module")
def own(embedded, member):
    """A bucket of the member's."""
    name = f"temporary-{uuid.uuid4().hex[:16]}"
    client = make_client(embedded.gateways["edge"], member["access_key"], member["secret_key"])
    client.create_bucket(Bucket=name)
    client.put_object(Bucket=name, Key="open/a", Body=b"bytes")
    return name


def test_keys_are_changed_without_an_interruption(embedded):
    name = f"changing-{uuid.uuid4().hex[:8]}"
    old = json.loads(embedded.continuum("user", "add", name, "--json").stdout)
    new = json.loads(embedded.continuum("user", "key", "add", name, "--json").stdout)
    clients = [
        make_client(embedded.gateways["edge"], keys["access_key"], keys["secret_key"]) for keys in (old, new)
    ]
    for client in clients:
        assert client.list_buckets()["Owner"]["ID"] == name
    listed = json.loads(embedded.continuum("user", "key", "list", name, "--json").stdout)
    assert [each["access_key"] for each in listed] == [old["access_key"], new["access_key"]]
    embedded.continuum("user", "key", "remove", name, old["access_key"])
    assert refusal(clients[0].list_buckets) == ("InvalidAccessKeyId", 403)
    assert clients[1].list_buckets()["Owner"]["ID"] == name
    last = embedded.continuum("user", "key", "remove", name, new["access_key"], status=1)
    assert "only key" in last.stderr
    embedded.continuum("user", "remove", name)
    assert refusal(clients[1].list_buckets) == ("InvalidAccessKeyId", 403)


def test_the_caller_is_told_who_they_are(sts, member):
    found = sts.get_caller_identity()
    assert found["Arn"] == f"arn:aws:iam::000000000000:user/{member['name']}"
    assert (found["Account"], found["UserId"]) == ("000000000000", member["name"])


def test_temporary_credentials_do_what_their_user_may(embedded, sts, own):
    made = sts.get_session_token(DurationSeconds=900)["Credentials"]
    assert 800 < made["Expiration"].timestamp() - time.time() < 1000
    client = make_s3(embedded, "cloud", made)
    assert client.get_object(Bucket=own, Key="open/a")["Body"].read() == b"bytes"
    client.put_object(Bucket=own, Key="open/b", Body=b"more")
    url = client.generate_presigned_url("get_object", {"Bucket": own, "Key": "open/b"})
    assert "X-Amz-Security-Token" in url
    with urllib.request.urlopen(url, timeout=TIMEOUT_S) as reply:
        assert reply.read() == b"more"


def test_a_session_policy_only_narrows(embedded, sts, own, bucket):
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::*/open/*"},
        ],
    }
    answer = sts.assume_role(RoleArn=ROLE, RoleSessionName="job-1", Policy=json.dumps(policy))
    assert answer["AssumedRoleUser"]["Arn"] == "arn:aws:sts::000000000000:assumed-role/reader/job-1"
    client = make_s3(embedded, "edge", answer["Credentials"])
    assert client.get_object(Bucket=own, Key="open/a")["Body"].read() == b"bytes"
    denied = ("AccessDenied", 403)
    assert refusal(client.get_object, Bucket=own, Key="closed") == denied
    assert refusal(client.put_object, Bucket=own, Key="open/a", Body=b"") == denied
    assert refusal(client.list_buckets) == denied
    assert refusal(client.create_bucket, Bucket=f"{own}-b") == denied
    assert refusal(client.delete_bucket_policy, Bucket=own) == denied
    assert refusal(client.get_object, Bucket=bucket, Key="open/a") == denied  # of another user
    keys = answer["Credentials"]
    again = make_sts(embedded, "edge", keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])
    assert again.get_caller_identity()["Account"] == "000000000000"
    assert refusal(again.get_session_token) == denied
    assert refusal(again.assume_role, RoleArn=ROLE, RoleSessionName="job-2") == denied


def test_key_and_token_must_belong_together(embedded, sts, own, member):
    first, second = (sts.get_session_token()["Credentials"] for _ in range(2))
    for token in (None, second["SessionToken"], first["SessionToken"][:-1], ""):
        mixed = first | {"SessionToken": token}
        assert refusal(make_s3(embedded, "edge", mixed).list_buckets) == ("InvalidToken", 400)
    # The short way of small reads knows it too.
    client = make_s3(embedded, "edge", first)
    for _ in range(2):
        assert client.get_object(Bucket=own, Key="open/a")["Body"].read() == b"bytes"
    bare = make_s3(embedded, "edge", first | {"SessionToken": None})
    assert refusal(bare.get_object, Bucket=own, Key="open/a") == ("InvalidToken", 400)
    lasting = {"AccessKeyId": member["access_key"], "SecretAccessKey": member["secret_key"]}
    with_token = make_s3(embedded, "edge", lasting | {"SessionToken": first["SessionToken"]})
    assert refusal(with_token.list_buckets) == ("InvalidToken", 400)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"DurationSeconds": 899}, "ValidationError"),
        ({"DurationSeconds": 43_201}, "ValidationError"),
        ({"Policy": "{}"}, "MalformedPolicyDocument"),
        ({"RoleArn": "arn:aws:iam::123456789012:role/reader"}, "ValidationError"),
        ({"RoleSessionName": "a b"}, "ValidationError"),
        ({"ExternalId": "xx"}, "ValidationError"),
    ],
)
def test_what_is_not_supported_is_refused(sts, arguments, code):
    with pytest.raises(ClientError) as caught:
        sts.assume_role(**{"RoleArn": ROLE, "RoleSessionName": "job", **arguments})
    assert caught.value.response["Error"]["Code"] == code


def test_the_token_service_lets_in_nobody_else(embedded, raw, member):
    wrong = make_sts(embedded, "edge", member["access_key"], member["secret_key"][:-1] + "!")
    assert refusal(wrong.get_caller_identity) == ("SignatureDoesNotMatch", 403)
    headers = {"host": raw.host, "content-type": "application/x-www-form-urlencoded"}
    form = b"Action=GetCallerIdentity&Version=2011-06-15"
    assert raw.send("POST", "/", headers, form).code == "MissingAuthenticationToken"
    assert raw.send("POST", "/", headers, b"x" * 70_000).status == 400


def test_temporary_keys_go_with_their_user(embedded):
    name = f"leaving-{uuid.uuid4().hex[:8]}"
    keys = json.loads(embedded.continuum("user", "add", name, "--json").stdout)
    service = make_sts(embedded, "edge", keys["access_key"], keys["secret_key"])
    client = make_s3(embedded, "cloud", service.get_session_token()["Credentials"])
    assert client.list_buckets()["Owner"]["ID"] == name
    embedded.continuum("user", "remove", name)
    assert refusal(client.list_buckets) == ("InvalidAccessKeyId", 403)
