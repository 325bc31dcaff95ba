"""What a site offers beyond cores and memory, and whether that is what a task needs. Pure.

Devices and room are counted; everything else is a label: a property that a site declares by name and a
constraint asks for by the same name. Names in `AT_LEAST` are numbers of which a site must have as much or
more; `SETS` are lists of which the site must have each; the rest must be equal, whatever the case.
A property that the site says nothing about is one that it does not have: nobody should find out at run time.
"""

from collections.abc import Mapping
from typing import Protocol

from continuum.model.tasks import Needs

AT_LEAST = frozenset(
    {
        "processor_speed",
        "processor_internal_memory_size",
        "gpu_speed",
        "gpu_internal_memory_size",
        "storage_bandwidth",
        "fpgas",
    }
)
SETS = frozenset({"host_queues"})


class Offer(Protocol):
    """The part of a site that is looked at."""

    gpus: int
    storage_bytes: int
    nodes: int
    labels: Mapping[str, str]


def why_not_offered(needs: Needs, site: Offer) -> str:
    """Return what of `needs` the site does not offer, in words; empty: it offers all."""
    if needs.gpus > site.gpus:
        return f"needs {needs.gpus} GPUs, has {site.gpus}" if needs.gpus > 1 else "needs a GPU, has none"
    if needs.nodes > site.nodes:
        return f"needs {needs.nodes} machines, has {site.nodes}"
    if needs.storage_bytes > site.storage_bytes:
        has = f"has {site.storage_bytes / 1e9:g} GB" if site.storage_bytes else "does not say what it has"
        return f"needs {needs.storage_bytes / 1e9:g} GB of storage, {has}"
    for name, wanted in needs.labels:
        offered = site.labels.get(name)
        if offered is None:
            return f"needs {name} {wanted}, says nothing about it"
        if not _is_met(name, wanted, offered):
            return f"needs {name} {wanted}, has {offered}"
    return ""


def _is_met(name: str, wanted: str, offered: str) -> bool:
    if name in AT_LEAST:
        try:
            return float(offered) >= float(wanted)
        except ValueError:
            return False
    if name in SETS:
        return words(wanted) <= words(offered)
    return wanted.casefold() == offered.casefold()


def words(text: str) -> set[str]:
    """Return the words of a list with commas."""
    return {word.strip().casefold() for word in text.split(",") if word.strip()}
