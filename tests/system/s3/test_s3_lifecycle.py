"""Lifecycle configurations through boto3, and what the hub does about them when it is asked."""

import datetime as dt
import json
from typing import Any

import pytest
from s3_clients import refusal

pytestmark = pytest.mark.system

RULE = {"ID": "week", "Status": "Enabled", "Filter": {"Prefix": "tmp/"}, "Expiration": {"Days": 7}}


def set_rules(client: Any, bucket: str, *rules: dict[str, Any]) -> None:
    client.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": list(rules)})


def run(embedded: Any, bucket: str, days: int, *options: str) -> dict[str, Any]:
    now = dt.datetime.now(dt.UTC) + dt.timedelta(days=days)
    done = embedded.continuum(
        "bucket", "lifecycle", "run", bucket, "--now", now.isoformat(), "--json", *options
    )
    return json.loads(done.stdout)


def test_rules_are_kept_as_they_were_given_and_gateways_agree(edge, cloud, bucket):
    assert refusal(edge.get_bucket_lifecycle_configuration, Bucket=bucket) == (
        "NoSuchLifecycleConfiguration",
        404,
    )
    rules = [
        RULE,
        {
            "ID": "date",
            "Status": "Disabled",
            "Filter": {"And": {"Prefix": "a", "Tags": [{"Key": "k", "Value": "v"}]}},
            "Expiration": {"Date": dt.datetime(2030, 1, 1, tzinfo=dt.UTC)},
            "NoncurrentVersionExpiration": {"NoncurrentDays": 3, "NewerNoncurrentVersions": 2},
        },
        {
            "ID": "rest",
            "Status": "Enabled",
            "Filter": {},
            "Expiration": {"ExpiredObjectDeleteMarker": True},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
        },
    ]
    set_rules(edge, bucket, *rules)
    answer = cloud.get_bucket_lifecycle_configuration(Bucket=bucket)
    kept = [{name: value for name, value in rule.items() if value} for rule in answer["Rules"]]
    assert kept == [{name: value for name, value in rule.items() if value} for rule in rules]
    cloud.delete_bucket_lifecycle(Bucket=bucket)
    assert refusal(edge.get_bucket_lifecycle_configuration, Bucket=bucket)[1] == 404


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"Expiration": {"Days": 0}}, "InvalidArgument"),
        ({"Transitions": [{"Days": 1, "StorageClass": "GLACIER"}]}, "NotImplemented"),
        ({"Filter": {"Prefix": "a", "Tag": {"Key": "a", "Value": "b"}}}, "MalformedXML"),
    ],
)
def test_what_s3_refuses_is_refused(edge, bucket, changes, code):
    with pytest.raises(edge.exceptions.ClientError) as refused:
        set_rules(edge, bucket, RULE | changes)
    assert refused.value.response["Error"]["Code"] == code


def test_the_old_form_is_taken(edge, bucket):
    old = {"ID": "old", "Status": "Enabled", "Prefix": "x/", "Expiration": {"Days": 1}}
    set_rules(edge, bucket, old)
    assert edge.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"] == [old]


def test_reads_tell_when_an_object_expires_the_short_way_and_the_usual_one(edge, cloud, bucket):
    edge.put_object(Bucket=bucket, Key="tmp/a", Body=b"a")
    edge.put_object(Bucket=bucket, Key="kept", Body=b"a")
    for client in (edge, cloud):
        assert "Expiration" not in client.get_object(Bucket=bucket, Key="tmp/a")
    set_rules(edge, bucket, RULE)
    for client in (edge, cloud):
        for _ in range(2):
            told = client.get_object(Bucket=bucket, Key="tmp/a")["Expiration"]
            assert told.endswith('00:00:00 GMT", rule-id="week"')
            assert client.head_object(Bucket=bucket, Key="tmp/a")["Expiration"] == told
            assert "Expiration" not in client.get_object(Bucket=bucket, Key="kept")


def test_writes_tell_it_too(edge, bucket):
    set_rules(edge, bucket, RULE)
    put = edge.put_object(Bucket=bucket, Key="tmp/a", Body=b"a")["Expiration"]
    assert 'rule-id="week"' in put
    copied = edge.copy_object(Bucket=bucket, Key="tmp/b", CopySource=f"{bucket}/tmp/a")
    assert copied["Expiration"] == put
    assert "Expiration" not in edge.put_object(Bucket=bucket, Key="kept", Body=b"a")


def test_where_versions_are_kept_markers_come_and_old_versions_go(embedded, edge, bucket):
    edge.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for body in (b"1", b"2"):
        edge.put_object(Bucket=bucket, Key="tmp/a", Body=body)
    noncurrent = {"NoncurrentVersionExpiration": {"NoncurrentDays": 1}}
    set_rules(edge, bucket, RULE | noncurrent)
    counts = run(embedded, bucket, 9)["counts"]
    assert (counts["expired"], counts["removed"]) == (1, 1)
    listed = edge.list_object_versions(Bucket=bucket)
    assert len(listed["Versions"]) == len(listed["DeleteMarkers"]) == 1
    assert listed["DeleteMarkers"][0]["IsLatest"]
    assert refusal(edge.get_object, Bucket=bucket, Key="tmp/a") == ("NoSuchKey", 404)


def test_what_is_due_goes_and_gateways_know_at_once(embedded, edge, cloud, bucket):
    keys = [f"tmp/{number:02}" for number in range(60)]
    for key in (*keys, "kept"):
        edge.put_object(Bucket=bucket, Key=key, Body=b"bytes")
    upload = edge.create_multipart_upload(Bucket=bucket, Key="tmp/upload")["UploadId"]
    abort = {
        "ID": "u",
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 3},
    }
    set_rules(edge, bucket, RULE, abort)
    assert cloud.get_object(Bucket=bucket, Key=keys[0])["Body"].read() == b"bytes"

    dry = run(embedded, bucket, 9, "--dry-run")
    assert (dry["counts"]["expired"], dry["counts"]["aborted"], dry["counts"]["versions"]) == (60, 1, 61)
    assert run(embedded, bucket, 2)["lines"] == []
    done = run(embedded, bucket, 9)
    assert [line["key"] for line in done["lines"]] == [*keys, "tmp/upload"]
    assert done["lines"][-1]["version_id"] == upload

    for client in (edge, cloud):
        assert refusal(client.get_object, Bucket=bucket, Key=keys[0]) == ("NoSuchKey", 404)
        assert [entry["Key"] for entry in client.list_objects_v2(Bucket=bucket)["Contents"]] == ["kept"]
    assert "Uploads" not in edge.list_multipart_uploads(Bucket=bucket)


def test_commands_say_what_is_wrong(embedded, edge, bucket):
    none = embedded.continuum("bucket", "lifecycle", "run", bucket, status=1)
    assert "has no lifecycle rules" in none.stderr
    set_rules(edge, bucket, RULE)
    assert "week" in embedded.continuum("bucket", "lifecycle", "show", bucket).stdout
    bad = embedded.continuum("bucket", "lifecycle", "run", bucket, "--now", "tomorrow", status=1)
    assert "no instant" in bad.stderr


def test_what_is_never_set_is_answered_as_s3_does(edge, bucket):
    assert edge.get_bucket_request_payment(Bucket=bucket)["Payer"] == "BucketOwner"
    assert "Status" not in edge.get_bucket_accelerate_configuration(Bucket=bucket)
    assert "LoggingEnabled" not in edge.get_bucket_logging(Bucket=bucket)
    assert refusal(edge.get_bucket_website, Bucket=bucket) == ("NoSuchWebsiteConfiguration", 404)
    assert refusal(edge.get_bucket_replication, Bucket=bucket) == (
        "ReplicationConfigurationNotFoundError",
        404,
    )
    for ask in (edge.get_bucket_request_payment, edge.get_bucket_logging):
        assert refusal(ask, Bucket="nothing-here-at-all") == ("NoSuchBucket", 404)
