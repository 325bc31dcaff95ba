"""Access control lists: an owner, and grants of permissions to users and groups.

Source: Amazon S3 User Guide, "Access control list (ACL) overview" (the table of permissions and actions, the
canned lists).
"""

from collections.abc import Iterable
from enum import StrEnum

import msgspec

ALL_USERS = "http://acs.amazonaws.com/groups/global/AllUsers"
AUTHENTICATED_USERS = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"
GROUPS = frozenset({ALL_USERS, AUTHENTICATED_USERS})
MAX_GRANTS = 100


class Permission(StrEnum):
    """What a grant gives."""

    READ = "READ"
    WRITE = "WRITE"
    READ_ACP = "READ_ACP"
    WRITE_ACP = "WRITE_ACP"
    FULL_CONTROL = "FULL_CONTROL"


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """`grantee` is a user's name or, if `is_group`, the address of a group."""

    grantee: str
    permission: Permission
    is_group: bool = False


class Acl(msgspec.Struct, frozen=True, kw_only=True):
    """The owner has full control whatever the grants say."""

    owner: str
    grants: tuple[Grant, ...] = ()

    @property
    def is_public(self) -> bool:
        """Whether a group is given anything: both are larger than the continuum's owner can know."""
        return any(grant.is_group for grant in self.grants)


_BUCKET_ACTIONS: dict[Permission, frozenset[str]] = {
    Permission.READ: frozenset({"s3:ListBucket", "s3:ListBucketVersions", "s3:ListBucketMultipartUploads"}),
    Permission.WRITE: frozenset({"s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"}),
    Permission.READ_ACP: frozenset({"s3:GetBucketAcl"}),
    Permission.WRITE_ACP: frozenset({"s3:PutBucketAcl"}),
}
_OBJECT_ACTIONS: dict[Permission, frozenset[str]] = {
    Permission.READ: frozenset({"s3:GetObject", "s3:GetObjectVersion"}),
    Permission.WRITE: frozenset(),
    Permission.READ_ACP: frozenset({"s3:GetObjectAcl", "s3:GetObjectVersionAcl"}),
    Permission.WRITE_ACP: frozenset({"s3:PutObjectAcl", "s3:PutObjectVersionAcl"}),
}
BUCKET_ACL_ACTIONS = frozenset().union(*_BUCKET_ACTIONS.values())
OBJECT_ACL_ACTIONS = frozenset().union(*_OBJECT_ACTIONS.values())


def acl_allows(acl: Acl, user: str, action: str, *, is_bucket: bool, ignore_groups: bool = False) -> bool:
    """Whether a list gives `user` (empty: nobody known) the right to `action` on what it belongs to."""
    table = _BUCKET_ACTIONS if is_bucket else _OBJECT_ACTIONS
    if user and user == acl.owner:
        return any(action in actions for actions in table.values())
    return any(
        _is_meant(grant, user, ignore_groups=ignore_groups) and _gives(table, grant.permission, action)
        for grant in acl.grants
    )


def _is_meant(grant: Grant, user: str, *, ignore_groups: bool) -> bool:
    if not grant.is_group:
        return bool(user) and grant.grantee == user
    return not ignore_groups and (grant.grantee == ALL_USERS or bool(user))


def _gives(table: dict[Permission, frozenset[str]], permission: Permission, action: str) -> bool:
    if permission is Permission.FULL_CONTROL:
        return any(action in actions for actions in table.values())
    return action in table[permission]


# ---- canned lists ----

_CANNED: dict[str, tuple[tuple[str, Permission], ...]] = {
    "private": (),
    "public-read": ((ALL_USERS, Permission.READ),),
    "public-read-write": ((ALL_USERS, Permission.READ), (ALL_USERS, Permission.WRITE)),
    "authenticated-read": ((AUTHENTICATED_USERS, Permission.READ),),
}
_OF_OBJECTS: dict[str, Permission] = {
    "bucket-owner-read": Permission.READ,
    "bucket-owner-full-control": Permission.FULL_CONTROL,
}
OWNER_ONLY = frozenset({"private", "bucket-owner-full-control"})
"""What may be asked for where access control lists are off: it changes nothing."""


def canned_acl(name: str, owner: str, bucket_owner: str) -> Acl | None:
    """Return the list that a canned name stands for; None if there is no such name."""
    if name in _OF_OBJECTS:
        grants: Iterable[Grant] = ()
        if bucket_owner != owner:
            grants = (Grant(grantee=bucket_owner, permission=_OF_OBJECTS[name]),)
    elif name in _CANNED:
        grants = (
            Grant(grantee=group, permission=permission, is_group=True) for group, permission in _CANNED[name]
        )
    else:
        return None
    mine = Grant(grantee=owner, permission=Permission.FULL_CONTROL)
    return Acl(owner=owner, grants=(mine, *grants))
