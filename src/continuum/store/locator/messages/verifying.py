"""What a verification tells the locator: which copies are bad, and what took their place."""

import msgspec

from continuum.model.objects import Replica


class MarkReplicas(msgspec.Struct, frozen=True, kw_only=True):
    """These copies, by physical key, were found bad (never served again), or good after all.

    Answer: `Marked`.
    """

    session_id: str
    store: str
    bucket: str
    bad: tuple[str, ...] = ()
    good: tuple[str, ...] = ()


class Marked(msgspec.Struct, frozen=True, kw_only=True):
    """The bad ones that the index still speaks of; what was deleted meanwhile is nobody's loss."""

    keys: tuple[str, ...]


class ReplaceReplica(msgspec.Struct, frozen=True, kw_only=True):
    """A good copy is in place of a bad one of the same store, which becomes garbage. Answer: `Empty`."""

    session_id: str
    bucket: str
    key: str
    version_id: str
    replica: Replica
