"""Who may do what: bucket policies, access control lists, ownership, the public access block, and nobody."""

import json
import threading
import uuid
from typing import Any

import pytest
from botocore import UNSIGNED
from s3_clients import RawClient, make_client, path_of, refusal

pytestmark = pytest.mark.system

DENIED = ("AccessDenied", 403)


@pytest.fixture(scope="module")
def members(embedded: Any) -> Any:
    """Two users with keys of their own: clients of both gateways by name, and their names."""
    made = {}
    for name in ("ann", "bob"):
        user = f"{name}-{uuid.uuid4().hex[:8]}"
        keys = json.loads(embedded.continuum("user", "add", user, "--json").stdout)
        pair = keys["access_key"], keys["secret_key"]
        made[name] = user
        made[f"{name}@edge"] = make_client(embedded.gateways["edge"], *pair)
        made[f"{name}@cloud"] = make_client(embedded.gateways["cloud"], *pair)
    yield made
    for name in ("ann", "bob"):
        embedded.continuum("user", "remove", made[name])


@pytest.fixture(scope="module")
def nobody(embedded: Any) -> Any:
    """A client that signs nothing."""
    return make_client(embedded.gateways["cloud"], "x", "y", signature_version=UNSIGNED)


@pytest.fixture
def own(members: Any) -> str:
    """A bucket of ann's with an object."""
    name = f"access-{uuid.uuid4().hex[:16]}"
    members["ann@edge"].create_bucket(Bucket=name)
    members["ann@edge"].put_object(Bucket=name, Key="open/a", Body=b"bytes")
    return name


def allow(
    bucket: str, action: Any, resource: str = "/*", principal: Any = "*", **more: Any
) -> dict[str, Any]:
    return {
        "Effect": "Allow",
        "Principal": principal,
        "Action": action,
        "Resource": f"arn:aws:s3:::{bucket}{resource}",
        **more,
    }


def put_policy(client: Any, bucket: str, *statements: dict[str, Any]) -> None:
    document = {"Version": "2012-10-17", "Statement": list(statements)}
    client.put_bucket_policy(Bucket=bucket, Policy=json.dumps(document))


def test_a_policy_lets_another_user_in_and_out_again(members, own):
    ann, bob = members["ann@edge"], members["bob@cloud"]
    assert refusal(bob.get_object, Bucket=own, Key="open/a") == DENIED
    who = {"AWS": f"arn:aws:iam:::user/{members['bob']}"}
    put_policy(ann, own, allow(own, ["s3:GetObject", "s3:PutObject"], "/open/*", who))
    assert bob.get_object(Bucket=own, Key="open/a")["Body"].read() == b"bytes"
    bob.put_object(Bucket=own, Key="open/b", Body=b"of bob")
    assert ann.get_object(Bucket=own, Key="open/b")["Body"].read() == b"of bob"
    for operation, arguments in (
        ("get_object", {"Key": "closed"}),
        ("put_object", {"Key": "closed", "Body": b""}),
        ("list_objects_v2", {}),
        ("list_object_versions", {}),
        ("delete_object", {"Key": "open/a"}),
        ("get_bucket_policy", {}),
        ("put_bucket_policy", {"Policy": "{}"}),
        ("delete_bucket", {}),
    ):
        assert refusal(getattr(bob, operation), Bucket=own, **arguments) == DENIED
    ann.delete_bucket_policy(Bucket=own)
    assert refusal(bob.get_object, Bucket=own, Key="open/a") == DENIED
    assert refusal(ann.get_bucket_policy, Bucket=own) == ("NoSuchBucketPolicy", 404)


def test_what_is_denied_is_denied_to_the_owner_and_to_admins_too(members, edge, own):
    ann = members["ann@edge"]
    deny = allow(own, "s3:GetObject", "/open/*") | {"Effect": "Deny"}
    assert ann.get_object(Bucket=own, Key="open/a")["Body"].read() == b"bytes"  # the short way knows it now
    put_policy(ann, own, deny, allow(own, "s3:*", "") | {"Effect": "Deny"})
    assert refusal(ann.get_object, Bucket=own, Key="open/a") == DENIED
    assert refusal(edge.get_object, Bucket=own, Key="open/a") == DENIED
    assert refusal(edge.list_objects_v2, Bucket=own) == DENIED
    assert json.loads(ann.get_bucket_policy(Bucket=own)["Policy"])["Statement"][0] == deny
    ann.delete_bucket_policy(Bucket=own)
    assert ann.get_object(Bucket=own, Key="open/a")["Body"].read() == b"bytes"


def test_a_missing_object_is_told_only_to_who_may_list(members, own):
    ann, bob = members["ann@edge"], members["bob@edge"]
    who = {"AWS": members["bob"]}
    put_policy(ann, own, allow(own, "s3:GetObject", "/*", who))
    assert refusal(bob.get_object, Bucket=own, Key="missing") == DENIED
    assert refusal(bob.head_object, Bucket=own, Key="missing") == ("403", 403)
    put_policy(ann, own, allow(own, "s3:GetObject", "/*", who), allow(own, "s3:ListBucket", "", who))
    assert refusal(bob.get_object, Bucket=own, Key="missing") == ("NoSuchKey", 404)


def test_conditions_see_the_request(members, own):
    ann, bob = members["ann@edge"], members["bob@edge"]
    who = {"AWS": members["bob"]}
    listing = {"StringLike": {"s3:prefix": "open/*"}, "NumericLessThanEquals": {"s3:max-keys": 10}}
    tagged = {"StringEquals": {"s3:ExistingObjectTag/kind": "open"}}
    elsewhere = {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}
    put_policy(
        ann,
        own,
        allow(own, "s3:ListBucket", "", who, Condition=listing),
        allow(own, "s3:GetObject", "/tagged/*", who, Condition=tagged),
        allow(own, "s3:GetObject", "/near/*", who, Condition={"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}}),
        allow(own, "s3:GetObject", "/far/*", who, Condition=elsewhere),
    )
    for key in ("near/a", "far/a", "tagged/b"):
        ann.put_object(Bucket=own, Key=key, Body=b"x")
    ann.put_object(Bucket=own, Key="tagged/a", Body=b"x", Tagging="kind=open")
    assert bob.list_objects_v2(Bucket=own, Prefix="open/", MaxKeys=5)["KeyCount"] == 1
    assert refusal(bob.list_objects_v2, Bucket=own, Prefix="open/") == DENIED
    assert refusal(bob.list_objects_v2, Bucket=own, Prefix="far/", MaxKeys=5) == DENIED
    assert bob.get_object(Bucket=own, Key="tagged/a")["Body"].read() == b"x"
    assert refusal(bob.get_object, Bucket=own, Key="tagged/b") == DENIED
    assert bob.get_object(Bucket=own, Key="near/a")["Body"].read() == b"x"
    assert refusal(bob.get_object, Bucket=own, Key="far/a") == DENIED


def test_a_header_does_not_pass_for_a_parameter(embedded, members, own):
    who = {"AWS": members["bob"]}
    condition = {"StringEquals": {"s3:prefix": "open/"}}
    put_policy(members["ann@edge"], own, allow(own, "s3:ListBucket", "", who, Condition=condition))
    keys = members["bob@edge"]._request_signer._credentials
    raw = RawClient(embedded.gateways["edge"], keys.access_key, keys.secret_key)
    assert raw.request("GET", f"/{own}", "list-type=2&prefix=open%2F").status == 200
    assert raw.request("GET", f"/{own}", "list-type=2", {"prefix": "open/"}).status == 403
    assert raw.request("GET", f"/{own}", "list-type=2&prefix=&prefix=open%2F").status == 403


def test_deletions_are_decided_one_by_one(members, own):
    ann, bob = members["ann@edge"], members["bob@edge"]
    put_policy(ann, own, allow(own, "s3:DeleteObject", "/open/*", {"AWS": members["bob"]}))
    ann.put_object(Bucket=own, Key="closed", Body=b"")
    keys = {"Objects": [{"Key": "open/a"}, {"Key": "closed"}]}
    answer = bob.delete_objects(Bucket=own, Delete=keys)
    assert [each["Key"] for each in answer["Deleted"]] == ["open/a"]
    assert [(each["Key"], each["Code"]) for each in answer["Errors"]] == [("closed", "AccessDenied")]
    assert [each["Key"] for each in ann.list_objects_v2(Bucket=own)["Contents"]] == ["closed"]


def test_a_copy_needs_the_right_to_read_its_source(members, own):
    ann, bob = members["ann@edge"], members["bob@edge"]
    theirs = f"access-{uuid.uuid4().hex[:16]}"
    bob.create_bucket(Bucket=theirs)
    ann.put_object(Bucket=own, Key="open/t", Body=b"x", Tagging="a=b")
    copy = {"Bucket": theirs, "Key": "c", "CopySource": {"Bucket": own, "Key": "open/a"}}
    assert refusal(bob.copy_object, **copy) == DENIED
    put_policy(ann, own, allow(own, "s3:GetObject", "/*", {"AWS": members["bob"]}))
    bob.copy_object(**copy)
    tagged = copy | {"CopySource": {"Bucket": own, "Key": "open/t"}}
    assert refusal(bob.copy_object, **tagged) == DENIED
    bob.copy_object(**tagged, TaggingDirective="REPLACE")


@pytest.mark.parametrize("document", ["", "{", "[]", '{"Statement": [{"Effect": "Allow"}]}'])
def test_a_policy_that_is_not_understood_is_refused_with_a_reason(raw, bucket, document):
    answer = raw.request("PUT", f"/{bucket}", "policy", body=document.encode())
    assert (answer.status, answer.code) == (400, "MalformedPolicy")
    assert answer.find("Message")


def test_public_reads_must_be_unblocked_and_then_work(members, nobody, own):
    ann = members["ann@edge"]
    public = allow(own, "s3:GetObject", "/open/*")
    assert ann.get_public_access_block(Bucket=own)["PublicAccessBlockConfiguration"] == {
        "BlockPublicAcls": True,
        "IgnorePublicAcls": True,
        "BlockPublicPolicy": True,
        "RestrictPublicBuckets": True,
    }
    with pytest.raises(ann.exceptions.ClientError, match="AccessDenied"):
        put_policy(ann, own, public)
    ann.delete_public_access_block(Bucket=own)
    refused = refusal(ann.get_public_access_block, Bucket=own)
    assert refused == ("NoSuchPublicAccessBlockConfiguration", 404)
    put_policy(ann, own, public)
    assert ann.get_bucket_policy_status(Bucket=own)["PolicyStatus"]["IsPublic"] is True
    assert nobody.get_object(Bucket=own, Key="open/a")["Body"].read() == b"bytes"
    assert nobody.get_object(Bucket=own, Key="open/a", Range="bytes=1-2")["Body"].read() == b"yt"
    assert nobody.head_object(Bucket=own, Key="open/a")["ContentLength"] == 5
    assert refusal(nobody.get_object, Bucket=own, Key="open/missing") == DENIED
    assert refusal(nobody.put_object, Bucket=own, Key="open/b", Body=b"") == DENIED
    assert refusal(nobody.list_objects_v2, Bucket=own) == DENIED
    ann.put_public_access_block(Bucket=own, PublicAccessBlockConfiguration={"RestrictPublicBuckets": True})
    assert refusal(nobody.get_object, Bucket=own, Key="open/a") == DENIED
    assert members["bob@edge"].get_object(Bucket=own, Key="open/a")["Body"].read() == b"bytes"


def test_nobody_may_write_where_everybody_may(members, nobody, own):
    ann = members["ann@edge"]
    ann.delete_public_access_block(Bucket=own)
    put_policy(ann, own, allow(own, ["s3:PutObject", "s3:AbortMultipartUpload"], "/drop/*"))
    nobody.put_object(Bucket=own, Key="drop/a", Body=b"of nobody")
    assert ann.get_object(Bucket=own, Key="drop/a")["Body"].read() == b"of nobody"
    upload = nobody.create_multipart_upload(Bucket=own, Key="drop/b")["UploadId"]
    part = nobody.upload_part(Bucket=own, Key="drop/b", UploadId=upload, PartNumber=1, Body=b"part")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    nobody.complete_multipart_upload(Bucket=own, Key="drop/b", UploadId=upload, MultipartUpload=parts)
    assert ann.get_object(Bucket=own, Key="drop/b")["Body"].read() == b"part"
    assert refusal(nobody.get_object, Bucket=own, Key="drop/a") == DENIED


# ---- access control lists ----


def test_lists_are_off_unless_ownership_says_otherwise(members, own):
    ann = members["ann@edge"]
    controls = ann.get_bucket_ownership_controls(Bucket=own)["OwnershipControls"]
    assert controls == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    refused = ("AccessControlListNotSupported", 400)
    assert refusal(ann.put_object, Bucket=own, Key="k", Body=b"", ACL="public-read") == refused
    assert refusal(ann.put_object_acl, Bucket=own, Key="open/a", ACL="public-read") == refused
    assert refusal(ann.put_bucket_acl, Bucket=own, ACL="public-read") == refused
    ann.put_object(Bucket=own, Key="k", Body=b"", ACL="bucket-owner-full-control")
    ann.put_object_acl(Bucket=own, Key="k", ACL="private")
    acl = ann.get_object_acl(Bucket=own, Key="k")
    assert acl["Owner"]["ID"] == members["ann"]
    assert [(each["Grantee"]["ID"], each["Permission"]) for each in acl["Grants"]] == [
        (members["ann"], "FULL_CONTROL")
    ]


@pytest.fixture
def listed(members, own):
    """A bucket with access control lists and without a block."""
    ann = members["ann@edge"]
    ann.put_bucket_ownership_controls(
        Bucket=own, OwnershipControls={"Rules": [{"ObjectOwnership": "ObjectWriter"}]}
    )
    ann.delete_public_access_block(Bucket=own)
    return own


def test_an_object_can_be_public_by_its_list(members, nobody, listed):
    ann = members["ann@edge"]
    assert refusal(nobody.get_object, Bucket=listed, Key="open/a") == DENIED
    ann.put_object_acl(Bucket=listed, Key="open/a", ACL="public-read")
    assert nobody.get_object(Bucket=listed, Key="open/a")["Body"].read() == b"bytes"
    assert refusal(nobody.get_object_acl, Bucket=listed, Key="open/a") == DENIED
    grants = ann.get_object_acl(Bucket=listed, Key="open/a")["Grants"]
    assert grants[1]["Grantee"] == {
        "Type": "Group",
        "URI": "http://acs.amazonaws.com/groups/global/AllUsers",
    }
    upload = ann.create_multipart_upload(Bucket=listed, Key="big", ACL="public-read")["UploadId"]
    part = ann.upload_part(Bucket=listed, Key="big", UploadId=upload, PartNumber=1, Body=b"big")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    ann.complete_multipart_upload(Bucket=listed, Key="big", UploadId=upload, MultipartUpload=parts)
    assert nobody.get_object(Bucket=listed, Key="big")["Body"].read() == b"big"
    ann.put_public_access_block(
        Bucket=listed, PublicAccessBlockConfiguration={"IgnorePublicAcls": True, "BlockPublicAcls": True}
    )
    assert refusal(nobody.get_object, Bucket=listed, Key="big") == DENIED
    assert refusal(ann.put_object, Bucket=listed, Key="k", Body=b"", ACL="public-read") == DENIED


def test_grants_name_users(members, listed):
    ann, bob = members["ann@edge"], members["bob@cloud"]
    ann.put_object(Bucket=listed, Key="k", Body=b"x", GrantRead=f'id="{members["bob"]}"')
    assert bob.get_object(Bucket=listed, Key="k")["Body"].read() == b"x"
    assert refusal(bob.get_object_acl, Bucket=listed, Key="k") == DENIED
    acl = ann.get_object_acl(Bucket=listed, Key="k")
    grantee = {"Type": "CanonicalUser", "ID": members["bob"]}
    policy = {"Owner": acl["Owner"], "Grants": [{"Grantee": grantee, "Permission": "READ_ACP"}]}
    ann.put_object_acl(Bucket=listed, Key="k", AccessControlPolicy=policy)
    assert refusal(bob.get_object, Bucket=listed, Key="k") == DENIED
    assert bob.get_object_acl(Bucket=listed, Key="k")["Grants"][0]["Permission"] == "READ_ACP"


def test_a_bucket_can_be_listed_and_written_by_its_list(members, nobody, listed):
    ann, bob = members["ann@edge"], members["bob@edge"]
    ann.put_bucket_acl(
        Bucket=listed,
        GrantRead='uri="http://acs.amazonaws.com/groups/global/AllUsers"',
        GrantWrite=f'id="{members["bob"]}"',
    )
    assert nobody.list_objects_v2(Bucket=listed)["KeyCount"] == 1
    assert refusal(nobody.get_object, Bucket=listed, Key="missing") == ("NoSuchKey", 404)
    assert refusal(nobody.put_object, Bucket=listed, Key="n", Body=b"") == DENIED
    bob.put_object(Bucket=listed, Key="b", Body=b"of bob")
    assert bob.get_object(Bucket=listed, Key="b")["Body"].read() == b"of bob"
    assert refusal(bob.get_object, Bucket=listed, Key="open/a") == DENIED
    assert ann.get_object(Bucket=listed, Key="b")["Body"].read() == b"of bob"
    enforced = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    refused = refusal(ann.put_bucket_ownership_controls, Bucket=listed, OwnershipControls=enforced)
    assert refused == ("InvalidBucketAclWithObjectOwnership", 400)


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"x-amz-acl": "public"}, "InvalidArgument"),
        ({"x-amz-grant-read": 'id="'}, "InvalidArgument"),
        ({"x-amz-grant-read": 'uri="http://example.org/all"'}, "InvalidArgument"),
        ({"x-amz-grant-read": 'emailAddress="a@example.org"'}, "UnresolvableGrantByEmailAddress"),
        ({"x-amz-acl": "private", "x-amz-grant-read": 'id="a"'}, "InvalidRequest"),
    ],
)
def test_lists_that_are_not_understood_are_refused(raw, bucket, headers, code):
    assert raw.request("PUT", path_of(bucket, "k"), headers=headers).code == code
    assert raw.request("PUT", f"/{bucket}", "acl", body=b"<AccessControlPolicy/").code == "MalformedACLError"


def test_an_owner_that_was_not_expected_is_refused(members, own):
    ann = members["ann@edge"]
    assert refusal(ann.get_object, Bucket=own, Key="open/a", ExpectedBucketOwner="1" * 12) == DENIED
    found = ann.get_object(Bucket=own, Key="open/a", ExpectedBucketOwner="0" * 12)
    assert found["Body"].read() == b"bytes"


def test_no_request_succeeds_after_its_right_was_taken_away(members, own):
    """A policy that was changed holds at every gateway once the change was answered."""
    ann, bob = members["ann@edge"], members["bob@cloud"]
    statement = allow(own, "s3:GetObject", "/*", {"AWS": members["bob"]})
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            try:
                bob.get_object(Bucket=own, Key="open/a")["Body"].read()
            except bob.exceptions.ClientError:
                continue

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for _ in range(5):
            put_policy(ann, own, statement)
            assert bob.get_object(Bucket=own, Key="open/a")["Body"].read() == b"bytes"
            ann.delete_bucket_policy(Bucket=own)
            assert refusal(bob.get_object, Bucket=own, Key="open/a") == DENIED
    finally:
        stop.set()
        reader.join()
