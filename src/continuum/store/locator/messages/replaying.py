"""What a gateway wrote while it could not reach the locator, brought in afterwards.

A gateway keeps a *journal* of what it acknowledged. The journal has an unguessable id, which is also the
prefix of the physical keys that were written under it; no session has that id before the journal is finished,
so nothing under the prefix is taken for something that a session left. Records are numbered, the locator
remembers how far a journal was replayed, and so each is taken in exactly once however often it is sent.
"""

import msgspec

from continuum.model.objects import Bucket, Version
from continuum.store.locator.messages.objects import ChangeObject, Commit, Delete
from continuum.store.locator.messages.uploads import AbortUpload, CreateUpload

MAX_RECORDS = 200


class GetAccepting(msgspec.Struct, frozen=True, kw_only=True):
    """Which buckets accept writes at gateways that cannot reach the locator? Answer: `Accepting`."""

    session_id: str


class Accepting(msgspec.Struct, frozen=True, kw_only=True):
    """The buckets in the order of their names; `now` is the locator's clock."""

    buckets: tuple[Bucket, ...]
    now: float


class ListKnown(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the current versions of a bucket with all that is known of them. Answer: `KnownPage`."""

    bucket: str
    after: str = ""
    limit: int = 200


class KnownPage(msgspec.Struct, frozen=True, kw_only=True):
    """In the order of keys; `next_after` is empty at the end."""

    versions: tuple[Version, ...]
    next_after: str = ""


class JournalRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One change that was acknowledged at `at`, by the locator's clock as the gateway last knew it.

    Exactly one of the changes is there; a `deletion` has one item. `base` is the id of the version that the
    gateway took for the key's newest (empty: none), or of the one that is changed or removed by its id. What
    was published after `connected_until` the gateway could not know. The bucket's owner and birth tell it
    from a later one of the same name.
    """

    number: int
    at: float
    connected_until: float
    bucket_owner: str
    bucket_created_at: float
    base: str = ""
    commit: Commit | None = None
    deletion: Delete | None = None
    upload: CreateUpload | None = None
    abort: AbortUpload | None = None
    change: ChangeObject | None = None


class Replay(msgspec.Struct, frozen=True, kw_only=True):
    """Take these records in, in their order. Answer: `Replayed`.

    `waiting` records were in the journal before this, the oldest since `oldest_at`.
    """

    session_id: str
    journal_id: str
    records: tuple[JournalRecord, ...]
    waiting: int = 0
    oldest_at: float = 0.0


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """How far the journal was replayed; which of its records were refused, and why."""

    number: int
    refused: dict[int, str] = {}


class FinishJournal(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing more comes of this journal: what lies under its prefix and nothing points at may be removed.
    Answer: `Empty`."""

    session_id: str
    journal_id: str


class GetJournals(msgspec.Struct, frozen=True, kw_only=True):
    """How far are journals replayed, and what was in conflict (in one bucket, or all)? Answer: `Journals`."""

    bucket: str = ""


class JournalState(msgspec.Struct, frozen=True, kw_only=True):
    """A journal as the locator last heard of it. `waiting` records are not replayed, the oldest since
    `oldest_at`."""

    journal_id: str
    gateway: str
    store: str
    replayed: int
    waiting: int
    oldest_at: float
    reported_at: float
    finished_at: float = 0.0


class Conflict(msgspec.Struct, frozen=True, kw_only=True):
    """A change that met one that its gateway did not know of.

    `outcome`: `newer` (the journalled write is current), `older` (it is not), `kept` (a deletion that was not
    done), `aside` (the bucket is gone: see `kept_as`), `refused`. `kept_as` is where the other one is: a key,
    `bucket/key` or `versionId=…`.
    """

    bucket: str
    key: str
    gateway: str
    outcome: str
    kept_as: str
    written_at: float
    noted_at: float
    problem: str = ""


class Journals(msgspec.Struct, frozen=True, kw_only=True):
    """Journals with the last reported first, conflicts with the newest first; both bounded."""

    journals: tuple[JournalState, ...]
    conflicts: tuple[Conflict, ...]
