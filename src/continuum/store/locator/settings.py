"""What the locator is told when it starts."""

from pathlib import Path

import msgspec

DAY_S = 86_400.0


class LocatorSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of a locator.

    `database_url` is SQLAlchemy's (`sqlite:////path/of/continuum.sqlite`). `key_file` holds the key that
    seals secrets in the database; it is made when the database is new.

    `lease_s` is how long a gateway may serve what it knows after it last renewed: the longest that a change
    waits for a gateway that went silent, and the longest that a crashed hub delays changes once it is back.
    `hub_lease_s` is the same for hubs that share a PostgreSQL database: how long the others wait for one that
    was killed.
    `session_margin_s` is how much longer a silent session is kept before it ends for good, so that a busy
    hub does not end sessions that are well.
    `grace_s` is how long replaced bytes stay, for reads of them that are under way.
    `remember_s` is how long a replaced version is remembered, so that a repeated commit gets its answer.
    `upload_idle_s` ends multipart uploads that nobody touched for so long.
    `claim_s` is how long a gateway that claimed garbage has for it before it is offered again.
    `lifecycle_every_s` is how long after a run the lifecycle rules of a bucket are followed again; S3 does it
    about once a day. `lifecycle_actions_per_s` bounds how fast they remove.
    `notification_keep_s` is how long it is tried to tell a target of an event before that is given up.
    `evict_every_s` is how often cached copies are looked for whose time is over.
    `max_held_keys` bounds what the locator remembers of who looked up what, about 300 bytes each.
    `max_waiting_changes` bounds the changes that wait for the writer; more are refused as unavailable.
    """

    database_url: str
    key_file: Path
    lease_s: float = 2.0
    hub_lease_s: float = 3.0
    session_margin_s: float = 2.0
    grace_s: float = 60.0
    remember_s: float = 3600.0
    upload_idle_s: float = 7 * DAY_S
    claim_s: float = 60.0
    reconcile_every_s: float = 1.0
    lifecycle_every_s: float = 3600.0
    lifecycle_actions_per_s: float = 500.0
    notification_keep_s: float = DAY_S
    evict_every_s: float = 5.0
    busy_timeout_s: float = 5.0
    max_held_keys: int = 500_000
    max_waiting_changes: int = 10_000
