"""Access control lists as requests give them: a canned name, grants in headers, or a document.

Where the bucket's owner owns everything (the default) a list that gives anything to anybody is refused; where
public access is blocked, one that gives to groups.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from continuum.model.access import Acl, Grant, Permission, canned_acl
from continuum.model.access.grants import GROUPS, MAX_GRANTS, OWNER_ONLY
from continuum.model.objects import Bucket
from continuum.store.errors import S3Error
from continuum.store.gateway.rules import Rules, format_acl, open_rules

_GRANT_HEADERS = {
    "x-amz-grant-read": Permission.READ,
    "x-amz-grant-write": Permission.WRITE,
    "x-amz-grant-read-acp": Permission.READ_ACP,
    "x-amz-grant-write-acp": Permission.WRITE_ACP,
    "x-amz-grant-full-control": Permission.FULL_CONTROL,
}
_GRANTEE = re.compile(r'\s*(id|uri|emailaddress)\s*=\s*(?:"([^"]*)"|([^",\s]+))\s*', re.IGNORECASE)
_CANNED_FOR_BUCKETS = frozenset({"private", "public-read", "public-read-write", "authenticated-read"})


def describe_acl(headers: Mapping[str, str], bucket: Bucket, owner: str) -> bytes:
    """Return the list that the headers of a write give to a new object; empty if they give none.

    Raises `S3Error`: `AccessControlListNotSupported`, `AccessDenied`, `InvalidArgument`, `InvalidRequest`.
    """
    acl = parse_acl_headers(headers, owner, bucket.owner)
    if acl is None:
        return b""
    rules = open_rules(bucket)
    check_acl(acl, rules, headers.get("x-amz-acl", ""))
    return format_acl(acl) if rules.has_acls else b""


def parse_acl_headers(
    headers: Mapping[str, str], owner: str, bucket_owner: str, *, of_bucket: bool = False
) -> Acl | None:
    """Return the list that headers give; None if they give none."""
    canned = headers.get("x-amz-acl")
    granted = [name for name in headers if name in _GRANT_HEADERS]
    if canned is None and not granted:
        return None
    if canned is not None and granted:
        raise S3Error("InvalidRequest", "Specifying both Canned ACLs and Header Grants is not allowed")
    if canned is None:
        grants = [grant for name in granted for grant in _parse_grants(headers[name], _GRANT_HEADERS[name])]
        return Acl(owner=owner, grants=_checked(grants))
    acl = canned_acl(canned, owner, bucket_owner)
    if acl is None or (of_bucket and canned not in _CANNED_FOR_BUCKETS | OWNER_ONLY):
        extra = {"ArgumentName": "x-amz-acl", "ArgumentValue": canned[:200]}
        raise S3Error("InvalidArgument", extra=extra)
    return acl


def _parse_grants(text: str, permission: Permission) -> list[Grant]:
    grants: list[Grant] = []
    position = 0
    while position < len(text):
        found = _GRANTEE.match(text, position)
        if found is None or len(grants) >= MAX_GRANTS:
            raise S3Error("InvalidArgument", "Argument format not recognized")
        kind, value = found[1].lower(), found[2] if found[2] is not None else found[3]
        grants.append(_grant(kind, value, permission))
        position = found.end()
        if text[position : position + 1] == ",":
            position += 1
    return grants


def _grant(kind: str, value: str, permission: Permission) -> Grant:
    if kind == "emailaddress":
        raise S3Error("UnresolvableGrantByEmailAddress")
    if kind == "uri":
        if value not in GROUPS:
            raise S3Error("InvalidArgument", "Invalid group uri")
        return Grant(grantee=value, permission=permission, is_group=True)
    if not value:
        raise S3Error("InvalidArgument", "Invalid id")
    return Grant(grantee=value, permission=permission)


def _checked(grants: Iterable[Grant]) -> tuple[Grant, ...]:
    found = tuple(dict.fromkeys(grants))
    if len(found) > MAX_GRANTS:
        raise S3Error("MalformedACLError", f"an access control list has at most {MAX_GRANTS} grants")
    return found


def read_acl(document: Mapping[str, Any], owner: str) -> Acl:
    """Return the list in a document `AccessControlPolicy`. The owner cannot be changed. Raises `S3Error`."""
    named = (document.get("Owner") or {}).get("ID", owner)
    if named != owner:
        raise S3Error("AccessDenied")
    grants: list[Grant] = []
    for each in document.get("Grants") or ():
        grantee = each.get("Grantee") or {}
        kind, member = _KINDS.get(grantee.get("Type", ""), ("", ""))
        if not kind or "Permission" not in each or not grantee.get(member):
            raise S3Error("MalformedACLError")
        grants.append(_grant(kind, grantee[member], Permission(each["Permission"])))
    return Acl(owner=owner, grants=_checked(grants))


_KINDS = {
    "CanonicalUser": ("id", "ID"),
    "Group": ("uri", "URI"),
    "AmazonCustomerByEmail": ("emailaddress", "EmailAddress"),
}


def check_acl(acl: Acl, rules: Rules, canned: str = "") -> None:
    """Refuse a list that the bucket's ownership or its public access block do not allow."""
    if not rules.has_acls:
        if canned in OWNER_ONLY or all(_is_full(grant, acl.owner) for grant in acl.grants):
            return
        raise S3Error("AccessControlListNotSupported")
    if acl.is_public and rules.block is not None and rules.block.block_public_acls:
        raise S3Error("AccessDenied", hint="the bucket's public access block refuses public ACLs")


def _is_full(grant: Grant, owner: str) -> bool:
    return grant.grantee == owner and grant.permission is Permission.FULL_CONTROL


def format_acl_document(acl: Acl) -> dict[str, Any]:
    """Return the output of GetBucketAcl and GetObjectAcl."""
    return {
        "Owner": {"ID": acl.owner, "DisplayName": acl.owner},
        "Grants": [
            {"Grantee": _format_grantee(grant), "Permission": grant.permission.value} for grant in acl.grants
        ],
    }


def _format_grantee(grant: Grant) -> dict[str, str]:
    if grant.is_group:
        return {"Type": "Group", "URI": grant.grantee}
    return {"Type": "CanonicalUser", "ID": grant.grantee, "DisplayName": grant.grantee}
