"""Copies of objects that a person asks for at a site, besides what policies ask for."""

import msgspec


class BringObjects(msgspec.Struct, frozen=True, kw_only=True):
    """Queue copies of the current versions of these keys in the store of a site. Answer: `Brought`.

    The site's gateways make them as they make those of policies; `GetLag` tells how many still wait. With
    `only_count` nothing is queued. `NotFoundError` if the site has no store to place copies in.
    """

    bucket: str
    site: str
    keys: tuple[str, ...]
    only_count: bool = False


class Brought(msgspec.Struct, frozen=True, kw_only=True):
    """How many copies were `queued` (bytes: `queued_bytes`), `waiting` already, `present` already; `gone`
    keys have no object any more. `store` is where they go."""

    store: str
    queued: int
    queued_bytes: int
    waiting: int
    present: int
    gone: int
