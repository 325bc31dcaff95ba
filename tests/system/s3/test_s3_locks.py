"""Object lock: what is retained is not removed, by nobody who may not."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from s3_clients import RawClient, path_of, refusal

pytestmark = pytest.mark.system

DENIED = ("AccessDenied", 403)


def in_days(days: float) -> datetime:
    return (datetime.now(UTC) + timedelta(days=days)).replace(microsecond=0)


@pytest.fixture
def locked(edge) -> str:
    """A bucket with object lock."""
    name = f"locked-{uuid.uuid4().hex[:16]}"
    edge.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    return name


def put(client, bucket: str, **options) -> str:
    return client.put_object(Bucket=bucket, Key="key", Body=b"x", **options)["VersionId"]


def retention(mode: str, days: float) -> dict:
    return {"Mode": mode, "RetainUntilDate": in_days(days)}


def default(mode: str, **period: int) -> dict:
    return {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": mode, **period}}}


def test_a_bucket_with_object_lock_keeps_versions_for_good(edge, cloud, locked):
    assert cloud.get_bucket_versioning(Bucket=locked)["Status"] == "Enabled"
    found = cloud.get_object_lock_configuration(Bucket=locked)["ObjectLockConfiguration"]
    assert found == {"ObjectLockEnabled": "Enabled"}
    suspended = refusal(
        edge.put_bucket_versioning, Bucket=locked, VersioningConfiguration={"Status": "Suspended"}
    )
    assert suspended == ("InvalidBucketState", 409)


def test_a_bucket_without_object_lock_says_so(edge, bucket):
    put_object = edge.put_object(Bucket=bucket, Key="key", Body=b"x")
    assert "ObjectLockMode" not in put_object
    found = refusal(edge.get_object_lock_configuration, Bucket=bucket)
    assert found == ("ObjectLockConfigurationNotFoundError", 404)
    configuration = default("GOVERNANCE", Days=1)
    refused = refusal(
        edge.put_object_lock_configuration, Bucket=bucket, ObjectLockConfiguration=configuration
    )
    assert refused == ("InvalidBucketState", 409)
    for call in (edge.get_object_retention, edge.get_object_legal_hold):
        assert refusal(call, Bucket=bucket, Key="key") == ("InvalidRequest", 400)
    edge.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    edge.put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration=configuration)
    assert edge.get_object_lock_configuration(Bucket=bucket)["ObjectLockConfiguration"] == configuration


def test_the_default_retention_holds_for_new_versions(edge, cloud, locked):
    before = put(edge, locked)
    for period in ({"Days": 2}, {"Years": 1}):
        configuration = default("GOVERNANCE", **period)
        edge.put_object_lock_configuration(Bucket=locked, ObjectLockConfiguration=configuration)
        got = cloud.get_object_lock_configuration(Bucket=locked)["ObjectLockConfiguration"]
        assert got == configuration
        version_id = put(cloud, locked)
        head = edge.head_object(Bucket=locked, Key="key")
        days = period.get("Days", 0) + 365 * period.get("Years", 0)
        assert head["ObjectLockMode"] == "GOVERNANCE"
        assert abs(head["ObjectLockRetainUntilDate"] - in_days(days)) < timedelta(minutes=5)
        assert refusal(edge.delete_object, Bucket=locked, Key="key", VersionId=version_id) == DENIED
    edge.delete_object(Bucket=locked, Key="key", VersionId=before)


@pytest.mark.parametrize(
    ("configuration", "code"),
    [
        (default("GOVERNANCE", Days=0), "InvalidRetentionPeriod"),
        (default("GOVERNANCE", Years=101), "InvalidRetentionPeriod"),
        (default("GOVERNANCE", Days=1, Years=1), "MalformedXML"),
        (default("GOVERNANCE"), "MalformedXML"),
        (default("FOREVER", Days=1), "MalformedXML"),
        ({"Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}}, "MalformedXML"),
    ],
)
def test_what_is_no_configuration_is_refused(edge, locked, configuration, code):
    refused = refusal(
        edge.put_object_lock_configuration, Bucket=locked, ObjectLockConfiguration=configuration
    )
    assert refused == (code, 400)


def test_compliance_gives_way_to_nobody(edge, locked):
    until = in_days(1)
    version_id = put(edge, locked, ObjectLockMode="COMPLIANCE", ObjectLockRetainUntilDate=until)
    which = {"Bucket": locked, "Key": "key", "VersionId": version_id}
    assert refusal(edge.delete_object, **which, BypassGovernanceRetention=True) == DENIED
    for weaker in (retention("COMPLIANCE", 0.5), retention("GOVERNANCE", 2), {}):
        refused = refusal(
            edge.put_object_retention, **which, Retention=weaker, BypassGovernanceRetention=True
        )
        assert refused == DENIED
    assert edge.get_object_retention(**which)["Retention"]["RetainUntilDate"] == until
    longer = retention("COMPLIANCE", 2)
    edge.put_object_retention(**which, Retention=longer)
    assert edge.get_object_retention(**which)["Retention"] == longer


def test_governance_gives_way_to_who_says_so(edge, locked):
    version_id = put(edge, locked)
    which = {"Bucket": locked, "Key": "key", "VersionId": version_id}
    assert refusal(edge.get_object_retention, **which) == ("NoSuchObjectLockConfiguration", 404)
    edge.put_object_retention(**which, Retention=retention("GOVERNANCE", 2))
    for other in (retention("GOVERNANCE", 1), retention("COMPLIANCE", 3), {}):
        assert refusal(edge.put_object_retention, **which, Retention=other) == DENIED
    edge.put_object_retention(**which, Retention=retention("GOVERNANCE", 1), BypassGovernanceRetention=True)
    assert refusal(edge.delete_object, **which) == DENIED
    wanted = {"Objects": [{"Key": "key", "VersionId": version_id}]}
    answer = edge.delete_objects(Bucket=locked, Delete=wanted)
    assert [(line["Code"], line["VersionId"]) for line in answer["Errors"]] == [("AccessDenied", version_id)]
    hidden = edge.delete_object(Bucket=locked, Key="key")  # a marker harms nothing
    assert edge.get_object(**which)["ObjectLockMode"] == "GOVERNANCE"
    edge.delete_object(Bucket=locked, Key="key", VersionId=hidden["VersionId"])
    edge.delete_objects(Bucket=locked, Delete=wanted, BypassGovernanceRetention=True)
    assert refusal(edge.head_object, **which) == ("404", 404)


def test_a_version_that_was_never_put_under_legal_hold_has_none(edge, cloud, locked):
    put(edge, locked)
    which = {"Bucket": locked, "Key": "key"}
    assert refusal(cloud.get_object_legal_hold, **which) == ("NoSuchObjectLockConfiguration", 404)
    cloud.put_object_legal_hold(**which, LegalHold={"Status": "OFF"})
    assert edge.get_object_legal_hold(**which)["LegalHold"] == {"Status": "OFF"}


def test_a_legal_hold_holds_until_it_is_released(edge, cloud, locked):
    version_id = put(edge, locked, ObjectLockLegalHoldStatus="ON")
    which = {"Bucket": locked, "Key": "key", "VersionId": version_id}
    for _ in range(2):
        assert cloud.get_object(Bucket=locked, Key="key")["ObjectLockLegalHoldStatus"] == "ON"
    assert cloud.get_object_legal_hold(**which)["LegalHold"] == {"Status": "ON"}
    assert refusal(cloud.delete_object, **which, BypassGovernanceRetention=True) == DENIED
    cloud.put_object_legal_hold(**which, LegalHold={"Status": "OFF"})
    assert edge.get_object_legal_hold(**which)["LegalHold"] == {"Status": "OFF"}
    edge.delete_object(**which)


def test_a_copy_and_an_object_in_parts_are_retained_as_asked(edge, locked):
    put(edge, locked, ObjectLockLegalHoldStatus="ON")
    lock = {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": in_days(1)}
    source = {"Bucket": locked, "Key": "key"}
    edge.copy_object(Bucket=locked, Key="copy", CopySource=source, **lock)
    upload = edge.create_multipart_upload(Bucket=locked, Key="parts", **lock)["UploadId"]
    where = {"Bucket": locked, "Key": "parts", "UploadId": upload}
    part = edge.upload_part(**where, PartNumber=1, Body=b"part")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    edge.complete_multipart_upload(**where, MultipartUpload=parts)
    for key in ("copy", "parts"):
        head = edge.head_object(Bucket=locked, Key=key)
        assert {name: head[name] for name in lock} == lock
        assert "ObjectLockLegalHoldStatus" not in head


def test_a_lock_needs_a_checksum_of_what_asks_for_it(raw: RawClient, locked):
    headers = {"x-amz-object-lock-legal-hold": "ON"}
    answer = raw.request("PUT", path_of(locked, "key"), headers=headers, body=b"x")
    assert (answer.status, answer.code) == (400, "InvalidRequest")
    body = b"<LegalHold><Status>ON</Status></LegalHold>"
    assert raw.request("PUT", path_of(locked, "key"), "legal-hold", body=body).code == "InvalidRequest"


def test_a_retention_in_the_past_or_by_half_is_refused(edge, locked):
    put(edge, locked)
    which = {"Bucket": locked, "Key": "key"}
    past = refusal(edge.put_object_retention, **which, Retention=retention("GOVERNANCE", -1))
    assert past == ("InvalidArgument", 400)
    for half in ({"Mode": "GOVERNANCE"}, {"RetainUntilDate": in_days(1)}):
        assert refusal(edge.put_object_retention, **which, Retention=half) == ("MalformedXML", 400)
    refused = refusal(edge.put_object, **which, Body=b"x", ObjectLockMode="GOVERNANCE")
    assert refused == ("InvalidArgument", 400)
