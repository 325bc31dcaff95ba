"""Access control lists."""

import pytest

from continuum.model.access import (
    ALL_USERS,
    AUTHENTICATED_USERS,
    Acl,
    Grant,
    Permission,
    acl_allows,
    canned_acl,
)


def of(name: str, owner: str = "ann", bucket_owner: str = "boss") -> Acl:
    acl = canned_acl(name, owner, bucket_owner)
    assert acl is not None
    return acl


@pytest.mark.parametrize(
    ("name", "user", "action", "expected"),
    [
        ("private", "ann", "s3:GetObject", True),
        ("private", "boss", "s3:GetObject", False),
        ("private", "", "s3:GetObject", False),
        ("public-read", "", "s3:GetObject", True),
        ("public-read", "", "s3:GetObjectAcl", False),
        ("public-read", "", "s3:PutObject", False),
        ("authenticated-read", "", "s3:GetObject", False),
        ("authenticated-read", "eve", "s3:GetObjectVersion", True),
        ("bucket-owner-read", "boss", "s3:GetObject", True),
        ("bucket-owner-read", "boss", "s3:PutObjectAcl", False),
        ("bucket-owner-full-control", "boss", "s3:PutObjectAcl", True),
    ],
)
def test_canned_lists_of_objects(name: str, user: str, action: str, expected: bool) -> None:
    assert acl_allows(of(name), user, action, is_bucket=False) is expected


def test_a_bucket_that_everybody_may_write_takes_objects_and_lists_them() -> None:
    acl = of("public-read-write")
    for action in ("s3:ListBucket", "s3:PutObject", "s3:DeleteObject"):
        assert acl_allows(acl, "", action, is_bucket=True)
        assert not acl_allows(acl, "", action, is_bucket=True, ignore_groups=True)
    assert not acl_allows(acl, "", "s3:PutBucketAcl", is_bucket=True)
    assert not acl_allows(acl, "", "s3:DeleteBucket", is_bucket=True)


def test_a_user_with_the_name_of_a_group_is_not_the_group() -> None:
    acl = Acl(owner="ann", grants=(Grant(grantee=ALL_USERS, permission=Permission.READ),))
    assert not acl_allows(acl, "", "s3:GetObject", is_bucket=False)
    assert not acl.is_public


def test_nobody_is_nobody() -> None:
    acl = Acl(owner="", grants=(Grant(grantee="", permission=Permission.FULL_CONTROL),))
    assert not acl_allows(acl, "", "s3:GetObject", is_bucket=False)


def test_lists_for_groups_are_public_and_unknown_names_are_none() -> None:
    assert of("public-read").is_public
    assert of("authenticated-read").is_public
    assert not of("bucket-owner-read").is_public
    assert canned_acl("log-delivery-write", "ann", "ann") is None
    assert AUTHENTICATED_USERS != ALL_USERS
