"""Pinning calls by hand: what is called within `with pinned("edge"):` runs at the site `edge`.

A function whose own `@constraint` names a site keeps it. Groups and pins are used together:
`with group("night"), pinned("edge"):`. Where there are no sites (plain `python`, `--local`) nothing changes.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

import msgspec

from continuum.model.sites import parse_site_name
from continuum.model.tasks import NO_NEEDS, Needs

LOCAL = "local"  # the one site of a run on one machine
_site: ContextVar[str] = ContextVar("pinned_site", default="")


@contextmanager
def pinned(site: str) -> Iterator[None]:
    """Let the tasks that are called within run at this site; the innermost counts.

    Raises `InvalidInputError` if this cannot be the name of a site. A task that is pinned to a site which
    does not take part in the run fails and says so.
    """
    token = _site.set(parse_site_name(site))
    try:
        yield
    finally:
        _site.reset(token)


def pinned_site() -> str:
    """Return the site that calls are pinned to now, or nothing."""
    return _site.get()


def pin(needs: Needs, sites: Mapping[str, object]) -> Needs:
    """Return what a task that is called now needs."""
    site = _site.get()
    if not site or needs.site or (LOCAL in sites and len(sites) == 1):
        return needs
    return Needs(site=site) if needs is NO_NEEDS else msgspec.structs.replace(needs, site=site)
