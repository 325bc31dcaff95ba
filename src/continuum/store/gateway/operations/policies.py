"""The policy of a bucket, its public access block and its ownership controls."""

import msgspec

from continuum.model.access import Ownership, PublicAccessBlock, is_public, parse_bucket_policy
from continuum.model.objects import Setting
from continuum.store.errors import S3Error
from continuum.store.gateway.calls import Call
from continuum.store.gateway.operations.answers import answer, read_input
from continuum.store.gateway.operations.changing import change_setting
from continuum.store.gateway.receiving import read_document
from continuum.store.gateway.replies import Reply
from continuum.store.gateway.rules import TAKEN_AWAY, open_rules

_BLOCK_MEMBERS = {
    "BlockPublicAcls": "block_public_acls",
    "IgnorePublicAcls": "ignore_public_acls",
    "BlockPublicPolicy": "block_public_policy",
    "RestrictPublicBuckets": "restrict_public_buckets",
}

# ---- the policy ----


async def put_bucket_policy(call: Call) -> Reply:
    """Set the policy. What is not understood is refused."""
    bucket = await call.require_bucket()
    document = await read_document(call)
    policy = parse_bucket_policy(document, bucket.name)
    block = open_rules(bucket).block
    if block is not None and block.block_public_policy and is_public(policy):
        raise S3Error(
            "AccessDenied",
            hint="the bucket's public access block (BlockPublicPolicy) refuses public policies",
        )
    await change_setting(call, Setting.POLICY, document)
    return Reply(status=204)


async def get_bucket_policy(call: Call) -> Reply:
    """The policy as it was put."""
    bucket = await call.require_bucket()
    document = bucket.settings.get(Setting.POLICY)
    if document is None:
        raise _no_policy(bucket.name)
    return Reply(headers={"Content-Type": "application/json"}, body=document)


async def delete_bucket_policy(call: Call) -> Reply:
    """Take the policy away; one that is not there is gone already."""
    await change_setting(call, Setting.POLICY, None)
    return answer(call)


async def get_bucket_policy_status(call: Call) -> Reply:
    """Whether the policy lets in everybody."""
    bucket = await call.require_bucket()
    rules = open_rules(bucket)
    if rules.policy is None:
        raise _no_policy(bucket.name)
    return answer(call, {"PolicyStatus": {"IsPublic": rules.is_policy_public and not rules.restricts_public}})


def _no_policy(bucket: str) -> S3Error:
    return S3Error("NoSuchBucketPolicy", extra={"BucketName": bucket})


# ---- the public access block ----


async def get_public_access_block(call: Call) -> Reply:
    """What is blocked."""
    bucket = await call.require_bucket()
    block = open_rules(bucket).block
    if block is None:
        raise S3Error("NoSuchPublicAccessBlockConfiguration", extra={"BucketName": bucket.name})
    return answer(
        call,
        {
            "PublicAccessBlockConfiguration": {
                member: getattr(block, field) for member, field in _BLOCK_MEMBERS.items()
            }
        },
    )


async def put_public_access_block(call: Call) -> Reply:
    """Set what is blocked; what is not named is not blocked."""
    await call.require_bucket()
    given = read_input(call, await read_document(call))["PublicAccessBlockConfiguration"]
    block = PublicAccessBlock(**{_BLOCK_MEMBERS[member]: value for member, value in given.items()})
    await change_setting(call, Setting.PUBLIC_ACCESS_BLOCK, msgspec.json.encode(block))
    return answer(call)


async def delete_public_access_block(call: Call) -> Reply:
    """Block nothing."""
    await call.require_bucket()
    await change_setting(call, Setting.PUBLIC_ACCESS_BLOCK, TAKEN_AWAY)
    return answer(call)


# ---- ownership ----


async def get_bucket_ownership(call: Call) -> Reply:
    """Who owns what is written."""
    bucket = await call.require_bucket()
    ownership = open_rules(bucket).ownership
    if ownership is None:
        raise S3Error("OwnershipControlsNotFoundError", extra={"BucketName": bucket.name})
    return answer(call, {"OwnershipControls": {"Rules": [{"ObjectOwnership": ownership.value}]}})


async def put_bucket_ownership(call: Call) -> Reply:
    """Set who owns what is written. Where it becomes the bucket's owner, no list may give to others."""
    bucket = await call.require_bucket()
    rules = read_input(call, await read_document(call))["OwnershipControls"]["Rules"]
    if len(rules) != 1:
        raise S3Error("MalformedXML")
    ownership = Ownership(rules[0]["ObjectOwnership"])
    acl = open_rules(bucket).acl
    if ownership is Ownership.ENFORCED and acl and any(each.grantee != acl.owner for each in acl.grants):
        raise S3Error("InvalidBucketAclWithObjectOwnership")
    await change_setting(call, Setting.OWNERSHIP, ownership.value.encode())
    return answer(call)


async def delete_bucket_ownership(call: Call) -> Reply:
    """Let who writes an object own it."""
    await call.require_bucket()
    await change_setting(call, Setting.OWNERSHIP, TAKEN_AWAY)
    return answer(call)
