"""Access control lists of buckets and objects."""

from continuum.model.access import Acl, Grant, Permission
from continuum.model.objects import Bucket, Setting
from continuum.store.errors import S3Error
from continuum.store.gateway.acls import check_acl, format_acl_document, parse_acl_headers, read_acl
from continuum.store.gateway.authorizing import find_object_acl
from continuum.store.gateway.calls import Call
from continuum.store.gateway.operations.answers import answer, read_input
from continuum.store.gateway.operations.changing import change_setting, change_version
from continuum.store.gateway.operations.finding import find_version
from continuum.store.gateway.receiving import read_document
from continuum.store.gateway.replies import Reply
from continuum.store.gateway.rules import format_acl, open_rules


def _private(owner: str) -> Acl:
    return Acl(owner=owner, grants=(Grant(grantee=owner, permission=Permission.FULL_CONTROL),))


async def get_bucket_acl(call: Call) -> Reply:
    """The list of a bucket; its owner alone if none was set or lists are off."""
    bucket = await call.require_bucket()
    rules = open_rules(bucket)
    acl = rules.acl if rules.has_acls and rules.acl is not None else _private(bucket.owner)
    return answer(call, format_acl_document(acl))


async def put_bucket_acl(call: Call) -> Reply:
    """Set the list of a bucket."""
    bucket = await call.require_bucket()
    acl = await _read(call, bucket, bucket.owner, of_bucket=True)
    await change_setting(call, Setting.ACL, format_acl(acl))
    return answer(call)


async def get_object_acl(call: Call) -> Reply:
    """The list of a version."""
    bucket = await call.require_bucket()
    version = await find_version(call)
    if not open_rules(bucket).has_acls:
        return answer(call, format_acl_document(_private(bucket.owner)))
    acl = find_object_acl(version, bucket)
    return answer(call, format_acl_document(acl if acl.grants else _private(acl.owner)))


async def put_object_acl(call: Call) -> Reply:
    """Set the list of a version."""
    bucket = await call.require_bucket()
    version = await find_version(call)
    acl = await _read(call, bucket, find_object_acl(version, bucket).owner, of_bucket=False)
    await change_version(call, acl=format_acl(acl))
    return answer(call)


async def _read(call: Call, bucket: Bucket, owner: str, *, of_bucket: bool) -> Acl:
    """Return the list that a request gives, in headers or as a document."""
    body = await read_document(call)
    acl = parse_acl_headers(call.headers, owner, bucket.owner, of_bucket=of_bucket)
    if acl is not None and body:
        raise S3Error("UnexpectedContent")
    if acl is None:
        if not body:
            raise S3Error("MissingSecurityHeader", "Your request was missing a required header: x-amz-acl")
        try:
            document = read_input(call, body)["AccessControlPolicy"]
        except S3Error as problem:
            raise S3Error("MalformedACLError") from problem
        acl = read_acl(document, owner)
    check_acl(acl, open_rules(bucket), call.headers.get("x-amz-acl", ""))
    return acl
