"""A cluster is a site no more: what the command does, in order.

First it asks what would be lost: objects of which no other store has a copy, tasks that run there. Then the
cluster is cleared, the identities are let in nowhere any more, and the site's store is forgotten. Each step
may be repeated, so that leaving again completes what was broken off. Where this machine does not have the
home of the hub, nobody can be asked and nothing be taken back: who has it does that (`site uninvite`).
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from continuum.backbone import Backbone
from continuum.model.errors import ConflictError, NotFoundError, UnavailableError
from continuum.model.policies.amounts import format_size
from continuum.sites.homes import Home
from continuum.sites.joining.inviting import revoke
from continuum.sites.joining.joined import list_joined
from continuum.sites.kubernetes.applying import Removed, Tell, remove_site, select_site
from continuum.sites.kubernetes.clusters import Cluster
from continuum.sites.kubernetes.joined import JoinedCluster, find_cluster, forget_cluster
from continuum.sites.kubernetes.requesting import DEFAULT_IMAGE
from continuum.sites.kubernetes.settings import HOLDS_LABEL, RUN_LABEL, Overlay, SiteSettings
from continuum.sites.registry import list_sites
from continuum.store import ForgetSite, ListSoleCopies, LocatorClient, SoleCopies

ADMIN = "admin"
REVOKE_TRIES = 3
LOOK_EVERY_S = 1.0
SCAN_S = 60.0
BUCKETS_SHOWN = 5
RUNNING = frozenset({"Pending", "Running"})


class LeaveRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for. `is_at_once`: tasks that run there are not waited for (else `wait_s` at most).
    `keeps_data`: claims and volumes stay. `abandons_data`: what lies there alone may be lost.
    """

    name: str
    context: str = ""
    kubeconfig: str = ""
    wait_s: float = 300.0
    is_at_once: bool = False
    keeps_data: bool = False
    abandons_data: bool = False


async def leave_cluster(home: Home, request: LeaveRequest, tell: Tell) -> Removed:
    """Take a site out of its cluster and its identities back. May be repeated, also half-way.

    Raises `ConflictError` if objects would be lost or tasks do not end in time; then nothing was changed.
    """
    joined = find_cluster(home, request.name)
    is_invited = request.name in {each.name for each in list_joined(home)}
    async with _open(request, joined, home) as cluster:
        settings = joined.settings if joined is not None else await _find_settings(cluster, request.name)
        if is_invited:
            async with _connected(home) as backbone:
                if settings.external_store is None and not (request.abandons_data or request.keeps_data):
                    await _refuse_loss(backbone, request.name)
                if not request.is_at_once:
                    await _wait_for_tasks(backbone, cluster, settings, request.wait_s, tell)
        removed = await remove_site(cluster, settings, tell, keeps_data=request.keeps_data)
    if is_invited:
        await _revoke(home, request.name)
        tell(f"the identities of {request.name} are let in nowhere any more")
        await _forget(home, request, settings, tell)
    forget_cluster(home, request.name)
    return removed


@asynccontextmanager
async def _open(request: LeaveRequest, joined: JoinedCluster | None, home: Home) -> AsyncIterator[Cluster]:
    if joined is None and not request.context:
        raise NotFoundError(
            f"site {request.name} was not joined from {home.path}",
            hint="--context NAME says in which cluster it is; `continuum site list` which sites there are",
        )
    context = request.context or (joined.context if joined is not None else "")
    kubeconfig = request.kubeconfig or (joined.kubeconfig if joined is not None else "")
    async with Cluster.open(context, kubeconfig) as cluster:
        yield cluster


async def _find_settings(cluster: Cluster, site: str) -> SiteSettings:
    """Return settings good enough to remove a site of which only the cluster knows."""
    labelled = await cluster.list("Namespace", "", select_site(site))
    holds = {each["metadata"]["labels"].get(HOLDS_LABEL): each["metadata"]["name"] for each in labelled}
    return SiteSettings(
        name=site,
        overlay=Overlay.EDGE,
        image=DEFAULT_IMAGE,
        backbone_url="",
        computing_units=1,
        memory_bytes=0,
        namespace=holds.get("site", ""),
        runs_namespace=holds.get("runs", ""),
    )


async def _refuse_loss(backbone: Backbone, site: str) -> None:
    sole = await LocatorClient(backbone).ask(ListSoleCopies(site=site))
    if sole.buckets:
        raise ConflictError(describe_loss(site, sole), hint=hint_of_loss(sole))


def describe_loss(site: str, sole: SoleCopies) -> str:
    """Say what has its only copy at a site. Pure."""
    parts = [
        f"{each.bucket} ({each.versions} objects, {format_size(each.size_bytes)})" for each in sole.buckets
    ]
    more = f" and {len(parts) - BUCKETS_SHOWN} buckets more" if len(parts) > BUCKETS_SHOWN else ""
    return f"the only copy lies at {site} of what is in: {', '.join(parts[:BUCKETS_SHOWN])}{more}"


def hint_of_loss(sole: SoleCopies) -> str:
    """Say what to do about it. Pure."""
    return (
        f"copies elsewhere: `continuum bucket copy s3://{sole.buckets[0].bucket} --to OTHER-SITE`; "
        "or --keep-data (volumes stay), or --abandon-data (it is lost)"
    )


async def _wait_for_tasks(
    backbone: Backbone, cluster: Cluster, settings: SiteSettings, wait_s: float, tell: Tell
) -> None:
    deadline = time.monotonic() + wait_s
    said = ""
    while busy := await _find_busy(backbone, cluster, settings):
        if busy != said:
            tell(f"waits for {busy} (--now does not)")
            said = busy
        if time.monotonic() > deadline:
            raise ConflictError(
                f"after {wait_s:.0f} s {busy} still run at {settings.name}", hint="--now ends them"
            )
        await asyncio.sleep(LOOK_EVERY_S)


async def _find_busy(backbone: Backbone, cluster: Cluster, settings: SiteSettings) -> str:
    """Return what still runs at a site, in words; empty: nothing that is known of."""
    known = await list_sites(backbone)
    site = next((each for each in known.sites if each.name == settings.name and each.is_reachable), None)
    if site is not None:
        taken = max(0, site.report.capacity.computing_units - site.report.free_units)
        if taken or site.report.queued_tasks:
            return f"tasks on {taken} units, {site.report.queued_tasks} waiting"
    pods = await cluster.list("Pod", settings.runs, f"{RUN_LABEL}")
    runs = {each["metadata"]["labels"][RUN_LABEL] for each in pods if each["status"].get("phase") in RUNNING}
    return f"pods of {len(runs)} runs" if runs else ""


async def _revoke(home: Home, site: str) -> None:
    """Take the identities back; the backbone may not answer while it takes its new rules in."""
    for number in range(REVOKE_TRIES):
        try:
            await revoke(home, site)
        except UnavailableError:
            if number == REVOKE_TRIES - 1:
                raise
        except NotFoundError:
            if number == 0:
                raise
            return
        else:
            return


async def _forget(home: Home, request: LeaveRequest, settings: SiteSettings, tell: Tell) -> None:
    if request.keeps_data or settings.external_store is not None:
        tell(f"the store of {request.name} stays known, with what lies in it")
        return
    async with _connected(home) as backbone:
        said = await LocatorClient(backbone).ask(ForgetSite(site=request.name))
    if said.lost:
        tell(f"{said.lost} objects have no copy any more; they stay in lists until they are deleted")


@asynccontextmanager
async def _connected(home: Home) -> AsyncIterator[Backbone]:
    backbone = await Backbone.connect(home.backbone_settings(ADMIN))
    try:
        yield backbone
    finally:
        await backbone.close()
