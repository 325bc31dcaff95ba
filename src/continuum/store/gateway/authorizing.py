"""Who may do what: decided in one place, before an operation begins.

In AWS's order: what is denied is denied; the bucket's owner and admins may do the rest; else the bucket's
policy may allow it, else an access control list; else it is denied. Temporary credentials may be narrowed by
a policy of their own, which must allow every action. Owners and admins can always read, put and delete the
bucket's policy, so that nobody shuts themselves out.

The rules lie in memory with the bucket; a version is looked up only if its tags or its access control list
decide. Unlike in S3, where a bucket does not enforce ownership its owner can still read what others wrote
into it.
"""

from continuum.model.access import Acl, Asked, Decision, acl_allows, evaluate
from continuum.model.access.grants import BUCKET_ACL_ACTIONS, OBJECT_ACL_ACTIONS
from continuum.model.access.policies import ACCOUNT, BUCKET_ARN
from continuum.model.errors import NotFoundError
from continuum.model.objects import Bucket, Role, User, Version
from continuum.store.errors import S3Error
from continuum.store.gateway.calls import Call
from continuum.store.gateway.circumstances import describe_request
from continuum.store.gateway.permissions import NO_BUCKET, Need, list_needs, parse_copy_source
from continuum.store.gateway.rules import Rules, open_acl, open_rules, open_session_policy
from continuum.store.locator.messages import NoSuchKeyError

_OF_OWNERS = frozenset({"s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"})
_BY_TAGS = frozenset(
    {
        *("s3:GetObject", "s3:GetObjectVersion", "s3:GetObjectAcl", "s3:GetObjectVersionAcl"),
        *("s3:PutObjectAcl", "s3:PutObjectVersionAcl", "s3:GetObjectTagging", "s3:GetObjectVersionTagging"),
        *("s3:PutObjectTagging", "s3:PutObjectVersionTagging", "s3:DeleteObjectTagging"),
        *("s3:DeleteObjectVersionTagging", "s3:GetObjectAttributes", "s3:GetObjectVersionAttributes"),
    }
)
_MISSING = frozenset({"NoSuchKey", "NoSuchVersion"})


async def authorize(call: Call) -> None:
    """Raise `S3Error` `AccessDenied` unless the request may be done."""
    operation = call.routed.operation
    if not _may_all_here(call):
        for need in list_needs(call.routed, call.headers):
            if operation in NO_BUCKET:
                allowed = _may_without_bucket(call, need)
            else:
                allowed = await may(call, need)
            if not allowed:
                raise S3Error("AccessDenied")
    if "x-amz-expected-bucket-owner" in call.headers and call.bucket and operation not in NO_BUCKET:
        await _check_expected_owner(call)


def _may_all_here(call: Call) -> bool:
    """Whether no need of the request has to be looked at: they concern one bucket, which is known and where
    the sender may do everything."""
    if call.routed.operation in NO_BUCKET or "x-amz-copy-source" in call.headers:
        return False
    bucket = call.context.locations.recall_bucket(call.bucket)
    return bucket is not None and may_all(call.user, bucket)


def may_all(user: User, bucket: Bucket) -> bool:
    """Whether a user may do everything in a bucket: owners and admins, where no policy can deny them
    anything."""
    if user.session_policy or not _is_owner(user, bucket):
        return False
    policy = open_rules(bucket).policy
    return policy is None or not policy.denies


def _is_owner(user: User, bucket: Bucket) -> bool:
    return user.role is Role.ADMIN or (bucket.owner == user.name and not user.is_anonymous)


async def require(call: Call, need: Need, request_tags: dict[str, str] | None = None) -> None:
    """Raise `S3Error` `AccessDenied` unless the sender of a request may do this too. `request_tags`: the tags
    that the request's document gives."""
    if not await may(call, need, request_tags):
        raise S3Error("AccessDenied")


async def _check_expected_owner(call: Call) -> None:
    bucket = await call.require_bucket()
    if call.headers["x-amz-expected-bucket-owner"] not in {bucket.owner, ACCOUNT}:
        raise S3Error("AccessDenied")


def _may_without_bucket(call: Call, need: Need) -> bool:
    """List and create buckets: everybody with keys may, unless their session's policy is narrower."""
    if call.user.is_anonymous:
        return False
    return _session_allows(call, _asked(call, need, {}, None))


async def may(call: Call, need: Need, request_tags: dict[str, str] | None = None) -> bool:
    """Whether the sender of a request may do this. Raises `NoSuchBucketError`."""
    bucket = await call.context.locations.get_bucket(need.bucket)
    rules = open_rules(bucket)
    user = call.user
    if need.if_tagged and not await _has_tags(call, need):
        return True
    decision = Decision.SILENT
    if rules.policy is not None or user.session_policy:
        tags = await _find_tags(call, need, rules)
        asked = _asked(call, need, tags, request_tags)
        if not _session_allows(call, asked):
            return False
        if rules.policy is not None:
            decision = evaluate(rules.policy, asked)
    if _is_owner(user, bucket):
        return decision is not Decision.DENY or need.action in _OF_OWNERS
    if decision is Decision.ALLOW and not (user.is_anonymous and rules.restricts_public):
        return True
    return decision is not Decision.DENY and rules.has_acls and await _acl_allows(call, need, bucket, rules)


def _asked(call: Call, need: Need, tags: dict[str, str], request_tags: dict[str, str] | None) -> Asked:
    resource = f"{BUCKET_ARN}{need.bucket}/{need.key}" if need.key else f"{BUCKET_ARN}{need.bucket}"
    return Asked(
        user=call.user.name,
        action=need.action,
        resource=resource,
        context=describe_request(call, need, tags, request_tags),
    )


def _session_allows(call: Call, asked: Asked) -> bool:
    document = call.user.session_policy
    return not document or evaluate(open_session_policy(document), asked) is Decision.ALLOW


async def _find_tags(call: Call, need: Need, rules: Rules) -> dict[str, str]:
    """Return the tags of the object that is asked for, if they may decide."""
    wanted = rules.policy is not None and rules.policy.asks_for_tags
    document = call.user.session_policy
    wanted = wanted or (bool(document) and open_session_policy(document).asks_for_tags)
    if not wanted or need.action not in _BY_TAGS:
        return {}
    version = await _find_version(call, need)
    return version.attributes.tags if version is not None else {}


async def _has_tags(call: Call, need: Need) -> bool:
    version = await _find_version(call, need)
    return version is not None and bool(version.attributes.tags)


async def _find_version(call: Call, need: Need) -> Version | None:
    try:
        return await call.context.locations.look_up(need.bucket, need.key, need.version_id)
    except NoSuchKeyError:
        return None


async def _acl_allows(call: Call, need: Need, bucket: Bucket, rules: Rules) -> bool:
    user, ignore = call.user.name, rules.ignores_groups
    if need.action in BUCKET_ACL_ACTIONS:
        acl = rules.acl or Acl(owner=bucket.owner)
        return acl_allows(acl, user, need.action, is_bucket=True, ignore_groups=ignore)
    if need.action not in OBJECT_ACL_ACTIONS:
        return False
    version = await _find_version(call, need)
    if version is None:  # who may list the bucket may know that it is not there
        return await may(call, Need("s3:ListBucket", need.bucket))
    acl = find_object_acl(version, bucket)
    return acl_allows(acl, user, need.action, is_bucket=False, ignore_groups=ignore)


def find_object_acl(version: Version, bucket: Bucket) -> Acl:
    """Return the access control list of a version; private if none was given."""
    document = version.attributes.acl
    return open_acl(document) if document else Acl(owner=version.owner or bucket.owner)


async def conceal(call: Call, problem: S3Error) -> S3Error:
    """Return what may be told of an object that is missing: nothing to who may not list the bucket."""
    if problem.code not in _MISSING:
        return problem
    try:
        bucket = call.bucket
        if call.routed.operation in {"CopyObject", "UploadPartCopy"}:
            bucket = parse_copy_source(call.headers["x-amz-copy-source"]).bucket
        told = await may(call, Need("s3:ListBucket", bucket))
    except NotFoundError:
        return problem
    return problem if told else S3Error("AccessDenied")
