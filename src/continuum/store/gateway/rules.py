"""What is set for a bucket about who may do what, opened once: policy, access control list, ownership, block.

The documents come with the bucket, which the gateway remembers under its lease, so no request asks anybody
for them. Where nothing is set a bucket is private, its owner owns all objects in it, and public access is
blocked, as for new buckets of S3.
"""

from functools import lru_cache

import msgspec

from continuum.model.access import (
    DEFAULT_BLOCK,
    Acl,
    Ownership,
    Policy,
    PublicAccessBlock,
    is_public,
    parse_bucket_policy,
    parse_session_policy,
)
from continuum.model.objects import Bucket, Setting

TAKEN_AWAY = b"none"
"""What was set by S3's defaults and taken away by the owner."""


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """`ownership` and `block` are None where they were taken away: then objects belong to who wrote them, and
    nothing is blocked."""

    policy: Policy | None = None
    is_policy_public: bool = False
    acl: Acl | None = None
    ownership: Ownership | None = Ownership.ENFORCED
    block: PublicAccessBlock | None = DEFAULT_BLOCK

    @property
    def has_acls(self) -> bool:
        """Whether access control lists have an effect."""
        return self.ownership is not Ownership.ENFORCED

    @property
    def ignores_groups(self) -> bool:
        """Whether grants to groups have no effect."""
        return self.block is not None and self.block.ignore_public_acls

    @property
    def restricts_public(self) -> bool:
        """Whether a public policy lets in nobody without a signature."""
        return self.is_policy_public and self.block is not None and self.block.restrict_public_buckets


_NOTHING_SET = Rules()


def open_rules(bucket: Bucket) -> Rules:
    """Return what is set for a bucket."""
    settings = bucket.settings
    if not settings:
        return _NOTHING_SET
    return _open(
        bucket.name,
        settings.get(Setting.POLICY),
        settings.get(Setting.ACL),
        settings.get(Setting.OWNERSHIP),
        settings.get(Setting.PUBLIC_ACCESS_BLOCK),
    )


@lru_cache(maxsize=1024)
def _open(
    name: str, policy: bytes | None, acl: bytes | None, ownership: bytes | None, block: bytes | None
) -> Rules:
    parsed = parse_bucket_policy(policy, name) if policy else None
    return Rules(
        policy=parsed,
        is_policy_public=parsed is not None and is_public(parsed),
        acl=open_acl(acl) if acl else None,
        ownership=_open_ownership(ownership),
        block=_open_block(block),
    )


def _open_ownership(document: bytes | None) -> Ownership | None:
    if document is None:
        return Ownership.ENFORCED
    return None if document == TAKEN_AWAY else Ownership(document.decode())


def _open_block(document: bytes | None) -> PublicAccessBlock | None:
    if document is None:
        return DEFAULT_BLOCK
    return None if document == TAKEN_AWAY else msgspec.json.decode(document, type=PublicAccessBlock)


@lru_cache(maxsize=1024)
def open_acl(document: bytes) -> Acl:
    """Return the list that was kept as `format_acl` wrote it."""
    return msgspec.json.decode(document, type=Acl)


@lru_cache(maxsize=1024)
def open_session_policy(document: bytes) -> Policy:
    """Return the policy of temporary credentials."""
    return parse_session_policy(document)


def format_acl(acl: Acl) -> bytes:
    """Return what `open_acl` reads."""
    return msgspec.json.encode(acl)
