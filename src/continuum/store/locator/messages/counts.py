"""How much is in buckets."""

import msgspec


class CountObjects(msgspec.Struct, frozen=True, kw_only=True):
    """Answer: `Counts` of one bucket, or of all if `bucket` is empty."""

    bucket: str = ""


class BucketCount(msgspec.Struct, frozen=True):
    """What a bucket holds: objects as a list shows them, and all versions that are kept, markers too."""

    bucket: str
    objects: int
    object_bytes: int
    versions: int
    version_bytes: int


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """In the order of the buckets' names; empty if there is no such bucket."""

    counts: tuple[BucketCount, ...]
