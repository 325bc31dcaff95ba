"""What keeps a bucket from becoming public by mistake: the public access block, and object ownership.

Where nothing was ever set a bucket blocks all public access and has no access control lists, which is what
S3 does for new buckets since April 2023.
"""

from enum import StrEnum

import msgspec


class PublicAccessBlock(msgspec.Struct, frozen=True, kw_only=True):
    """`block_…` refuses what would make something public, `ignore_…` and `restrict_…` take away its
    effect."""

    block_public_acls: bool = False
    ignore_public_acls: bool = False
    block_public_policy: bool = False
    restrict_public_buckets: bool = False


DEFAULT_BLOCK = PublicAccessBlock(
    block_public_acls=True, ignore_public_acls=True, block_public_policy=True, restrict_public_buckets=True
)
NO_BLOCK = PublicAccessBlock()


class Ownership(StrEnum):
    """Who owns what is written into a bucket. `ENFORCED`: its owner; access control lists have no effect."""

    ENFORCED = "BucketOwnerEnforced"
    PREFERRED = "BucketOwnerPreferred"
    WRITER = "ObjectWriter"
