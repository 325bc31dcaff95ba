"""A site that leaves the continuum: what lies in its own store alone, and that its store is no more."""

import msgspec


class ListSoleCopies(msgspec.Struct, frozen=True, kw_only=True):
    """Which versions have no good copy but in the own store of `site`? Answer: `SoleCopies`."""

    site: str


class SoleCopy(msgspec.Struct, frozen=True, kw_only=True):
    """So many versions of a bucket, with so many bytes."""

    bucket: str
    versions: int
    size_bytes: int


class SoleCopies(msgspec.Struct, frozen=True, kw_only=True):
    """By bucket, in the order of their names; none: the site can leave without loss."""

    buckets: tuple[SoleCopy, ...]


class ForgetSite(msgspec.Struct, frozen=True, kw_only=True):
    """The own store of `site` is no more: forget the copies in it and all that was to be done there.

    What has no other copy stays in the name space and cannot be read. Answer: `SiteForgotten`. May be
    repeated.
    """

    site: str


class SiteForgotten(msgspec.Struct, frozen=True, kw_only=True):
    """`copies` were forgotten; `lost` versions have none left; `has_store` is whether its store had to stay
    known, because of these."""

    copies: int
    lost: int
    has_store: bool
