"""What `continuum site show` tells of a site that is a cluster."""

import asyncio

from rich.console import Console

from continuum import sites
from continuum.sites import Home


def look(home: Home, site: str) -> "sites.ClusterView | None":
    """Return how the cluster of a site is; None if it was not joined to one from this home."""
    if sites.find_cluster(home, site) is None:
        return None
    sites.require_client()
    return asyncio.run(sites.look_at_cluster(home, site))


def print_cluster(console: Console, view: "sites.ClusterView") -> None:
    """Print it, as lines of `site show`."""
    lines = {
        "cluster": f"{view.context} {view.server_version}".strip(),
        "overlay": view.overlay,
        "namespaces": ", ".join(view.namespaces),
        "image": view.image,
        "pods": ", ".join(f"{name} {state}" for name, state in sorted(view.pods.items())) or "-",
    }
    if view.problem:
        lines["problem"] = view.problem
    for heading, text in lines.items():
        console.print(f"  {heading:<16} {text}", markup=False)
