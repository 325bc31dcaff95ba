"""Buckets and what is set for them."""

import msgspec

from continuum.model.objects import Bucket


class CreateBucket(msgspec.Struct, frozen=True, kw_only=True):
    """Answer: `Bucket`."""

    name: str
    owner: str
    home: str


class GetBucket(msgspec.Struct, frozen=True, kw_only=True):
    """Answer: `Bucket`. Cacheable under the session's lease if `session_id` is given."""

    session_id: str = ""
    name: str


class ListBuckets(msgspec.Struct, frozen=True, kw_only=True):
    """Answer: `Buckets`; of one owner, or of all if `owner` is empty."""

    owner: str = ""


class Buckets(msgspec.Struct, frozen=True, kw_only=True):
    """Buckets in the order of their names."""

    buckets: tuple[Bucket, ...]


class DeleteBucket(msgspec.Struct, frozen=True, kw_only=True):
    """Answer: `Empty`."""

    session_id: str = ""
    name: str
