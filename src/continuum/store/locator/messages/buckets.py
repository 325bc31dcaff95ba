"""Buckets and what is set for them."""

import msgspec

from continuum.model.objects import Bucket, Versioning


class CreateBucket(msgspec.Struct, frozen=True, kw_only=True):
    """Answer: `Bucket`."""

    name: str
    owner: str
    home: str
    versioning: Versioning = Versioning.UNSET
    settings: dict[str, bytes] = {}


class ChangeBucket(msgspec.Struct, frozen=True, kw_only=True):
    """Answer: `Bucket` as it is now, once no gateway works by the old settings any more.

    `versioning` none: as it is. `settings` are set, what `unset` names is taken away.
    """

    session_id: str = ""
    name: str
    versioning: Versioning | None = None
    settings: dict[str, bytes] = {}
    unset: tuple[str, ...] = ()


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
