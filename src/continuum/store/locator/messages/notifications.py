"""Targets of notifications, and what is known of an event when it happens."""

import msgspec


class Origin(msgspec.Struct, frozen=True, array_like=True):
    """Who asked for a change, told in notifications. `operation` is S3's name of it."""

    operation: str = ""
    user: str = ""
    address: str = ""
    request_id: str = ""


class AddTarget(msgspec.Struct, frozen=True, kw_only=True):
    """Define a target. Answer: `Target` with its secret; conflict if the name is taken.

    `address` is a subject under `notifications.` on the backbone, or an https URL. `ca_pem` verifies the
    latter (empty: the hub's trust store). `is_acknowledged`: a message on a subject counts as delivered only
    when it was answered, as a JetStream stream does. `secret` signs what goes to an URL (empty: a fresh one).
    """

    name: str
    address: str
    ca_pem: str = ""
    is_acknowledged: bool = False
    secret: str = ""

    def __repr__(self) -> str:
        return f"AddTarget(name={self.name!r}, address={self.address!r})"


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """A target; its secret is told when it is made and never again."""

    name: str
    address: str
    is_acknowledged: bool = False
    ca_pem: str = ""
    secret: str = ""
    created_at: float = 0.0

    def __repr__(self) -> str:
        return f"Target(name={self.name!r}, address={self.address!r})"


class RemoveTarget(msgspec.Struct, frozen=True, kw_only=True):
    """Remove a target that no bucket uses, with what waits for it. Answer: `Empty`."""

    name: str


class ListTargets(msgspec.Struct, frozen=True, kw_only=True):
    """Answer: `Targets`."""


class TargetStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A target and how it goes. `dead` events were given up; `last_error` is why the last attempt failed."""

    name: str
    address: str
    is_acknowledged: bool
    created_at: float
    waiting: int = 0
    delivered: int = 0
    dead: int = 0
    last_error: str = ""


class Targets(msgspec.Struct, frozen=True, kw_only=True):
    """Targets in the order of their names."""

    targets: tuple[TargetStatus, ...]


class ProbeTargets(msgspec.Struct, frozen=True, kw_only=True):
    """Send S3's test event to the targets of a bucket, now. Answer: `ProbedTargets`."""

    bucket: str


class ProbedTarget(msgspec.Struct, frozen=True, kw_only=True):
    """`error` empty: the target took the event."""

    name: str
    error: str = ""


class ProbedTargets(msgspec.Struct, frozen=True, kw_only=True):
    """The targets of a bucket in the order of their names."""

    targets: tuple[ProbedTarget, ...]
