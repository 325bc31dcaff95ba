"""Buckets of the one name space."""

from typing import Any

from continuum.model.access import Ownership
from continuum.model.errors import InvalidInputError
from continuum.model.objects import Role, Setting, Versioning, parse_bucket_name
from continuum.store.errors import S3Error
from continuum.store.gateway.acls import parse_acl_headers
from continuum.store.gateway.calls import Call
from continuum.store.gateway.locks import LockConfiguration, encode_configuration
from continuum.store.gateway.operations.answers import answer, read_input
from continuum.store.gateway.receiving import read_document
from continuum.store.gateway.replies import Reply
from continuum.store.gateway.rules import format_acl
from continuum.store.locator.messages import Buckets, CreateBucket, DeleteBucket, ListBuckets

US_EAST_1 = "us-east-1"  # S3's oldest region, whose location is written as nothing


async def list_buckets(call: Call) -> Reply:
    """All buckets for an admin, their own for a member."""
    owner = "" if call.user.role is Role.ADMIN else call.user.name
    wanted = read_input(call)
    found: Buckets = await call.context.locations.ask(ListBuckets(owner=owner))
    prefix, after = wanted.get("Prefix", ""), wanted.get("ContinuationToken", "")
    buckets = [bucket for bucket in found.buckets if bucket.name.startswith(prefix) and bucket.name > after]
    limit = max(wanted.get("MaxBuckets", 10_000), 1)
    output = {
        "Buckets": [
            {"Name": bucket.name, "CreationDate": bucket.created_at, "BucketRegion": call.context.region}
            for bucket in buckets[:limit]
        ],
        "Owner": {"ID": call.user.name, "DisplayName": call.user.name},
    }
    if len(buckets) > limit:
        output["ContinuationToken"] = buckets[limit - 1].name
    return answer(call, output)


async def create_bucket(call: Call) -> Reply:
    """Create a bucket whose home is this site."""
    try:
        parse_bucket_name(call.bucket)
    except InvalidInputError as problem:
        raise S3Error("InvalidBucketName", str(problem), extra={"BucketName": call.bucket}) from problem
    wanted = read_input(call, await read_document(call) or None)  # any region: the name space is one
    access = _describe_access(call, wanted)
    request = CreateBucket(
        name=call.bucket, owner=call.user.name, home=call.context.site, **_choose_lock(wanted, access)
    )
    await call.context.locations.change(request, (call.bucket, ""))
    return answer(call, {"Location": f"/{call.bucket}"})


def _choose_lock(wanted: dict[str, Any], settings: dict[str, bytes]) -> dict[str, Any]:
    """A bucket with object lock keeps versions."""
    if not wanted.get("ObjectLockEnabledForBucket"):
        return {"settings": settings}
    settings = settings | {Setting.OBJECT_LOCK.value: encode_configuration(LockConfiguration())}
    return {"versioning": Versioning.ENABLED, "settings": settings}


def _describe_access(call: Call, wanted: dict[str, Any]) -> dict[str, bytes]:
    """Return the settings of a new bucket: the gateway's, and the access that the headers give."""
    settings = dict(call.context.new_buckets)
    ownership = wanted.get("ObjectOwnership", Ownership.ENFORCED)
    if ownership != Ownership.ENFORCED:
        settings[Setting.OWNERSHIP.value] = ownership.encode()
    owner = call.user.name
    acl = parse_acl_headers(call.headers, owner, owner, of_bucket=True)
    if acl is None:
        return settings
    if ownership == Ownership.ENFORCED and any(grant.grantee != owner for grant in acl.grants):
        raise S3Error("InvalidBucketAclWithObjectOwnership")
    if acl.is_public:
        raise S3Error("AccessDenied", hint="new buckets block public ACLs: DeletePublicAccessBlock first")
    return settings | {Setting.ACL.value: format_acl(acl)}


async def head_bucket(call: Call) -> Reply:
    """Tell that the bucket is there and the caller may use it."""
    await call.require_bucket()
    return answer(call, {"BucketRegion": call.context.region})


async def delete_bucket(call: Call) -> Reply:
    """Delete an empty bucket."""
    await call.require_bucket()
    locations = call.context.locations
    await locations.change(DeleteBucket(session_id=locations.session_id, name=call.bucket), (call.bucket, ""))
    return answer(call)


async def get_bucket_location(call: Call) -> Reply:
    """The gateway's region: the same for all buckets, for all are reached here."""
    await call.require_bucket()
    region = call.context.region
    return answer(call, {"LocationConstraint": "" if region == US_EAST_1 else region})
