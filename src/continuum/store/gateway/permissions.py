"""Which actions an operation of S3 needs, on what: one table.

What is not in the table is nobody's but an owner's or an admin's. Source: Amazon S3 User Guide, "Required
permissions for Amazon S3 API operations".
"""

from collections.abc import Mapping
from urllib.parse import unquote_to_bytes

import msgspec

from continuum.store.errors import S3Error
from continuum.store.gateway.routes import Routed

NO_BUCKET = frozenset({"ListBuckets", "CreateBucket"})
BY_KEY = frozenset({"DeleteObjects"})
"""Decided for each of the keys in the document, by the operation."""


class Need(msgspec.Struct, frozen=True):
    """An action on a bucket or, with a key, on an object. `version_id` empty: the current one. `if_tagged`:
    needed only if the object has tags."""

    action: str
    bucket: str
    key: str = ""
    version_id: str = ""
    if_tagged: bool = False


_ON_BUCKETS = {
    "ListBuckets": "ListAllMyBuckets",
    "CreateBucket": "CreateBucket",
    "DeleteBucket": "DeleteBucket",
    "HeadBucket": "ListBucket",
    "ListObjects": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "ListObjectVersions": "ListBucketVersions",
    "ListMultipartUploads": "ListBucketMultipartUploads",
    "GetBucketLocation": "GetBucketLocation",
    "GetBucketPolicy": "GetBucketPolicy",
    "PutBucketPolicy": "PutBucketPolicy",
    "DeleteBucketPolicy": "DeleteBucketPolicy",
    "GetBucketPolicyStatus": "GetBucketPolicyStatus",
    "GetBucketAcl": "GetBucketAcl",
    "PutBucketAcl": "PutBucketAcl",
    "GetBucketCors": "GetBucketCORS",
    "PutBucketCors": "PutBucketCORS",
    "DeleteBucketCors": "PutBucketCORS",
    "GetPublicAccessBlock": "GetBucketPublicAccessBlock",
    "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
    "DeletePublicAccessBlock": "PutBucketPublicAccessBlock",
    "GetBucketOwnershipControls": "GetBucketOwnershipControls",
    "PutBucketOwnershipControls": "PutBucketOwnershipControls",
    "DeleteBucketOwnershipControls": "PutBucketOwnershipControls",
    "GetBucketVersioning": "GetBucketVersioning",
    "PutBucketVersioning": "PutBucketVersioning",
    "GetBucketTagging": "GetBucketTagging",
    "PutBucketTagging": "PutBucketTagging",
    "DeleteBucketTagging": "PutBucketTagging",
    "GetBucketLifecycleConfiguration": "GetLifecycleConfiguration",
    "PutBucketLifecycleConfiguration": "PutLifecycleConfiguration",
    "DeleteBucketLifecycle": "PutLifecycleConfiguration",
    "GetBucketEncryption": "GetEncryptionConfiguration",
    "PutBucketEncryption": "PutEncryptionConfiguration",
    "DeleteBucketEncryption": "PutEncryptionConfiguration",
    "GetBucketNotificationConfiguration": "GetBucketNotification",
    "PutBucketNotificationConfiguration": "PutBucketNotification",
    "GetObjectLockConfiguration": "GetBucketObjectLockConfiguration",
    "PutObjectLockConfiguration": "PutBucketObjectLockConfiguration",
    "GetBucketLogging": "GetBucketLogging",
    "PutBucketLogging": "PutBucketLogging",
    "GetBucketWebsite": "GetBucketWebsite",
    "PutBucketWebsite": "PutBucketWebsite",
    "DeleteBucketWebsite": "DeleteBucketWebsite",
    "GetBucketRequestPayment": "GetBucketRequestPayment",
    "PutBucketRequestPayment": "PutBucketRequestPayment",
    "GetBucketAccelerateConfiguration": "GetAccelerateConfiguration",
    "PutBucketAccelerateConfiguration": "PutAccelerateConfiguration",
    "GetBucketReplication": "GetReplicationConfiguration",
    "PutBucketReplication": "PutReplicationConfiguration",
    "DeleteBucketReplication": "PutReplicationConfiguration",
}

# Action on the current version, action on a version that the request names.
_ON_OBJECTS: dict[str, tuple[str, str]] = {
    "GetObject": ("GetObject", "GetObjectVersion"),
    "HeadObject": ("GetObject", "GetObjectVersion"),
    "GetObjectAttributes": ("GetObjectAttributes", "GetObjectVersionAttributes"),
    "GetObjectAcl": ("GetObjectAcl", "GetObjectVersionAcl"),
    "PutObjectAcl": ("PutObjectAcl", "PutObjectVersionAcl"),
    "GetObjectTagging": ("GetObjectTagging", "GetObjectVersionTagging"),
    "PutObjectTagging": ("PutObjectTagging", "PutObjectVersionTagging"),
    "DeleteObjectTagging": ("DeleteObjectTagging", "DeleteObjectVersionTagging"),
    "GetObjectRetention": ("GetObjectRetention", "GetObjectRetention"),
    "PutObjectRetention": ("PutObjectRetention", "PutObjectRetention"),
    "GetObjectLegalHold": ("GetObjectLegalHold", "GetObjectLegalHold"),
    "PutObjectLegalHold": ("PutObjectLegalHold", "PutObjectLegalHold"),
    "PutObject": ("PutObject", "PutObject"),
    "PostObject": ("PutObject", "PutObject"),
    "CopyObject": ("PutObject", "PutObject"),
    "CreateMultipartUpload": ("PutObject", "PutObject"),
    "UploadPart": ("PutObject", "PutObject"),
    "UploadPartCopy": ("PutObject", "PutObject"),
    "CompleteMultipartUpload": ("PutObject", "PutObject"),
    "AbortMultipartUpload": ("AbortMultipartUpload", "AbortMultipartUpload"),
    "ListParts": ("ListMultipartUploadParts", "ListMultipartUploadParts"),
    "DeleteObject": ("DeleteObject", "DeleteObjectVersion"),
    "RestoreObject": ("RestoreObject", "RestoreObject"),
}

_FURTHER_BY_OPERATION = {
    "GetObjectAttributes": ("GetObject", "GetObjectVersion"),
}

_WRITES = frozenset({"PutObject", "PostObject", "CopyObject", "CreateMultipartUpload"})
_BYPASSES = frozenset({"DeleteObject", "PutObjectRetention"})
_GRANTING = ("x-amz-acl", "x-amz-grant-")
_FURTHER_BY_HEADER = {
    "x-amz-tagging": "PutObjectTagging",
    "x-amz-object-lock-mode": "PutObjectRetention",
    "x-amz-object-lock-retain-until-date": "PutObjectRetention",
    "x-amz-object-lock-legal-hold": "PutObjectLegalHold",
}


def list_needs(routed: Routed, headers: Mapping[str, str]) -> list[Need]:
    """Return all that a request needs the right to. Raises `S3Error` for a copy source that names nothing."""
    operation, bucket, key = routed.operation, routed.bucket, routed.key
    if operation in _ON_BUCKETS:
        needs = [Need(f"s3:{_ON_BUCKETS[operation]}", bucket)]
        if operation == "CreateBucket" and _grants(headers):
            needs.append(Need("s3:PutBucketAcl", bucket))
        return needs
    if operation in BY_KEY:
        return []
    version_id = routed.query.get("versionId", "")
    pairs = [_ON_OBJECTS.get(operation, (operation, operation))]
    if operation in _FURTHER_BY_OPERATION:
        pairs.append(_FURTHER_BY_OPERATION[operation])
    needs = [Need(f"s3:{pair[bool(version_id)]}", bucket, key, version_id) for pair in pairs]
    needs += [Need(f"s3:{action}", bucket, key) for action in _further(operation, headers)]
    if "x-amz-copy-source" in headers and operation in {"CopyObject", "UploadPartCopy"}:
        needs += _source_needs(headers, with_tags=operation == "CopyObject")
    return needs


def _further(operation: str, headers: Mapping[str, str]) -> list[str]:
    actions: dict[str, None] = {}
    if operation in _WRITES:
        if _grants(headers):
            actions["PutObjectAcl"] = None
        for header, action in _FURTHER_BY_HEADER.items():
            if header in headers:
                actions[action] = None
    if operation in _BYPASSES and headers.get("x-amz-bypass-governance-retention", "").lower() == "true":
        actions["BypassGovernanceRetention"] = None
    return list(actions)


def _grants(headers: Mapping[str, str]) -> bool:
    return any(name.startswith(_GRANTING) for name in headers)


def _source_needs(headers: Mapping[str, str], *, with_tags: bool) -> list[Need]:
    source = parse_copy_source(headers["x-amz-copy-source"])
    version = "Version" if source.version_id else ""
    needs = [Need(f"s3:GetObject{version}", source.bucket, source.key, source.version_id)]
    if with_tags and headers.get("x-amz-tagging-directive", "").upper() != "REPLACE":
        action = f"s3:GetObject{version}Tagging"
        needs.append(Need(action, source.bucket, source.key, source.version_id, if_tagged=True))
    return needs


class CopySource(msgspec.Struct, frozen=True):
    """What `x-amz-copy-source` names."""

    bucket: str
    key: str
    version_id: str


def parse_copy_source(header: str) -> CopySource:
    """Parse `[/]bucket/key[?versionId=…]`, percent-encoded. Raises `S3Error` `InvalidArgument`."""
    path, _, query = header.partition("?versionId=")
    try:
        decoded = unquote_to_bytes(path.encode("latin-1")).decode()
    except UnicodeError:
        decoded = ""
    bucket, _, key = decoded.removeprefix("/").partition("/")
    if not bucket or not key:
        raise S3Error(
            "InvalidArgument",
            "Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
            extra={"ArgumentName": "x-amz-copy-source", "ArgumentValue": header[:200]},
        )
    return CopySource(bucket, key, query)
