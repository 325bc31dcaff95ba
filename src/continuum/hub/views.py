"""What the hub shows to people and programs: plain data, gathered from its services.

Secrets (keys of users, keys of stores) never come here.
"""

from typing import Protocol

import msgspec

from continuum.model.objects import Bucket
from continuum.model.sites import Link
from continuum.sites import KnownSite
from continuum.workflow import RunEntry


class SiteView(msgspec.Struct, frozen=True, kw_only=True):
    """A site as its agent last reported it."""

    name: str
    kind: str
    is_reachable: bool
    silent_s: float
    computing_units: int
    memory_bytes: int
    free_units: int
    queued_tasks: int
    engines: tuple[str, ...]
    gateway_url: str
    version: str
    started_at: float


class LinkView(msgspec.Struct, frozen=True, kw_only=True):
    """The network from one site to another, as configured."""

    source: str
    target: str
    bandwidth_bytes_per_s: float
    latency_s: float
    price_eur_per_gb: float


class SitesView(msgspec.Struct, frozen=True, kw_only=True):
    """All sites and links."""

    sites: tuple[SiteView, ...]
    links: tuple[LinkView, ...]


class BucketView(msgspec.Struct, frozen=True, kw_only=True):
    """A bucket of the name space."""

    name: str
    owner: str
    home: str
    created_at: float


class RunView(msgspec.Struct, frozen=True, kw_only=True):
    """A run in short."""

    run_id: str
    name: str
    application: str
    state: str
    started_at: float
    ended_at: float
    home_site: str
    tasks: int
    moved_bytes: int
    reason: str


class StatusView(msgspec.Struct, frozen=True, kw_only=True):
    """The hub and what it knows, in numbers."""

    name: str
    version: str
    started_at: float
    is_backbone_connected: bool
    sites: int
    reachable_sites: int
    links: tuple[LinkView, ...]


class Services(Protocol):
    """What API and page ask of the hub."""

    def status(self) -> StatusView:
        """Return the hub in numbers."""

    def sites(self) -> SitesView:
        """Return all sites and links."""

    def get_site(self, name: str) -> SiteView:
        """Return one site. Raises `NotFoundError`."""

    async def buckets(self) -> tuple[BucketView, ...]:
        """Return all buckets. Raises `UnavailableError`."""

    async def runs(self) -> tuple[RunView, ...]:
        """Return the latest runs, newest first."""


def view_site(site: KnownSite) -> SiteView:
    """Return a site for people."""
    report = site.report
    return SiteView(
        name=report.name,
        kind=report.kind.value,
        is_reachable=site.is_reachable,
        silent_s=round(site.silent_s, 1),
        computing_units=report.capacity.computing_units,
        memory_bytes=report.capacity.memory_bytes,
        free_units=report.free_units,
        queued_tasks=report.queued_tasks,
        engines=report.engines,
        gateway_url=report.gateway_url,
        version=report.version,
        started_at=report.started_at,
    )


def view_link(link: Link) -> LinkView:
    """Return a link for people."""
    return LinkView(
        source=link.source,
        target=link.target,
        bandwidth_bytes_per_s=link.bandwidth_bytes_per_s,
        latency_s=link.latency_s,
        price_eur_per_gb=link.price_eur_per_gb,
    )


def view_bucket(bucket: Bucket) -> BucketView:
    """Return a bucket for people."""
    return BucketView(name=bucket.name, owner=bucket.owner, home=bucket.home, created_at=bucket.created_at)


def view_run(run: RunEntry) -> RunView:
    """Return a run for people."""
    return RunView(
        run_id=run.run_id,
        name=run.name,
        application=run.application,
        state=run.state,
        started_at=run.started_at,
        ended_at=run.ended_at,
        home_site=run.home_site,
        tasks=run.tasks,
        moved_bytes=run.moved_bytes,
        reason=run.reason,
    )
