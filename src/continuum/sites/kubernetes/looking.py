"""How a site in a cluster is, for a person: where it was joined, and how its pods are now."""

import asyncio

import msgspec

from continuum.model.errors import ContinuumError
from continuum.sites.homes import Home
from continuum.sites.kubernetes.applying import select_site
from continuum.sites.kubernetes.clusters import Cluster
from continuum.sites.kubernetes.diagnosing import describe_pods, find_reason
from continuum.sites.kubernetes.joined import JoinedCluster, find_cluster

LOOK_S = 10.0


class ClusterView(msgspec.Struct, frozen=True, kw_only=True):
    """A site's cluster. `pods` are states by name; `problem` is what holds them up, or why nobody knows."""

    context: str
    overlay: str
    namespaces: tuple[str, ...]
    image: str
    server_version: str = ""
    pods: dict[str, str] = {}
    problem: str = ""


async def look_at_cluster(home: Home, site: str) -> ClusterView | None:
    """Return how the cluster of a site is; None if the site was not joined to one from this home."""
    joined = find_cluster(home, site)
    if joined is None:
        return None
    settings = joined.settings
    view = ClusterView(
        context=joined.context,
        overlay=settings.overlay.value,
        namespaces=tuple(dict.fromkeys((settings.home, settings.runs))),
        image=settings.image,
    )
    try:
        async with asyncio.timeout(LOOK_S):
            return await _look(joined, view)
    except (ContinuumError, TimeoutError) as problem:
        return msgspec.structs.replace(view, problem=str(problem) or "the API server does not answer in time")


async def _look(joined: JoinedCluster, view: ClusterView) -> ClusterView:
    async with Cluster.open(joined.context, joined.kubeconfig) as cluster:
        observed = await cluster.observe(joined.settings.home, select_site(joined.settings.name))
        reason = find_reason(observed)
        return msgspec.structs.replace(
            view,
            server_version=await cluster.get_version(),
            pods=describe_pods(observed),
            problem=f"{reason.what} {reason.reason}" if reason is not None else "",
        )
