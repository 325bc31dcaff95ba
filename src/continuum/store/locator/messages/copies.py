"""Copies that a policy asks for or that reads have left: queued, made, kept for a while, explained."""

import msgspec

from continuum.model.objects import Version


class ClaimCopies(msgspec.Struct, frozen=True, kw_only=True):
    """A gateway asks which copies its own store is to get.

    Answer: `Copies`. What is claimed is leased for a minute, then offered again.
    """

    session_id: str
    store: str
    limit: int = 100


class CopyItem(msgspec.Struct, frozen=True, kw_only=True):
    """A version of which the store needs a copy; `AddReplica` ends the item."""

    item_id: int
    version: Version


class Copies(msgspec.Struct, frozen=True, kw_only=True):
    """What to copy now. `policy` is the continuum's document."""

    items: tuple[CopyItem, ...] = ()
    policy: bytes = b""


class CopyFailure(msgspec.Struct, frozen=True, array_like=True):
    """Why a copy was not made; it is tried again, later each time."""

    item_id: int
    problem: str


class ReportCopies(msgspec.Struct, frozen=True, kw_only=True):
    """These copies could not be made. Answer: `Empty`."""

    session_id: str
    failures: tuple[CopyFailure, ...]


class KeptCopy(msgspec.Struct, frozen=True, array_like=True):
    """A cached copy was read and is kept until an instant."""

    version_id: str
    expires_at: float


class KeepCopies(msgspec.Struct, frozen=True, kw_only=True):
    """Cached copies in the session's store were read. Answer: `Empty`."""

    session_id: str
    store: str
    copies: tuple[KeptCopy, ...]


class SetPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """Set the policy of a bucket, or of the continuum if `bucket` is empty. Answer: `Empty`.

    An empty document takes it away. What cannot be read or makes no sense is refused.
    """

    bucket: str = ""
    document: bytes = b""


class GetPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """Answer: `Policies`."""

    bucket: str = ""


class Policies(msgspec.Struct, frozen=True, kw_only=True):
    """The documents of a bucket and of the continuum; empty: not set."""

    bucket: bytes = b""
    continuum: bytes = b""


class PlaceObjects(msgspec.Struct, frozen=True, kw_only=True):
    """Queue the copies that the current policy asks for of the objects of a bucket, a page at a time.

    Answer: `Placed`.
    """

    bucket: str
    after: str = ""
    limit: int = 200


class Placed(msgspec.Struct, frozen=True, kw_only=True):
    """`queued` copies of `objects` objects; `next_after` is empty at the end."""

    objects: int
    queued: int
    next_after: str = ""


class GetLag(msgspec.Struct, frozen=True, kw_only=True):
    """Which copies of a bucket wait? Answer: `Lag`."""

    bucket: str


class StoreLag(msgspec.Struct, frozen=True, kw_only=True):
    """Copies that wait for one store; the oldest since an instant, the last problem of any that failed."""

    store: str
    waiting: int
    failing: int
    oldest_at: float
    problem: str = ""


class Lag(msgspec.Struct, frozen=True, kw_only=True):
    """Per store, in the order of names; `now` is the locator's clock."""

    now: float
    stores: tuple[StoreLag, ...]


class DescribeObject(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of an object and decides where its copies are. Answer: `ObjectDescription`."""

    bucket: str
    key: str
    version_id: str = ""


class WaitingCopy(msgspec.Struct, frozen=True, kw_only=True):
    """A copy that waits to be made."""

    store: str
    since: float
    tries: int
    problem: str = ""


class StorePlace(msgspec.Struct, frozen=True, kw_only=True):
    """A store as far as policies ask; `is_own` if the platform places copies there. `capacity_bytes` is what
    the store itself was given; 0 for no bound."""

    name: str
    site: str
    region: str
    bucket: str
    is_own: bool
    capacity_bytes: int = 0


class ObjectDescription(msgspec.Struct, frozen=True, kw_only=True):
    """The facts; what follows from them is said by `continuum.model.policies.explaining`."""

    version: Version
    home: str
    policies: Policies
    stores: tuple[StorePlace, ...]
    waiting: tuple[WaitingCopy, ...]
    now: float
