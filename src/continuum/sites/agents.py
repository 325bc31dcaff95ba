"""Agents: what stands for a site. What one is told when it starts, and how it describes its site.

The process itself is `continuum.sites.agent`.
"""

import platform
import time
from pathlib import Path

import msgspec

from continuum import __version__
from continuum.backbone import BackboneSettings
from continuum.model.profiles import PoolOffer, offer_of
from continuum.model.scaling import parse_workers
from continuum.model.sites import NO_COSTS, Capacity, Reach, SiteCosts, SiteKind, SiteReport
from continuum.security import IdentityFiles
from continuum.sites.documents import read_document
from continuum.sites.kubernetes.workers import PodSettings
from continuum.workflow import find_gpus, find_labels, find_storage_bytes

USUAL_WORKERS = "0-4:60"  # of runs whose site makes pods for them
OWN_ENGINES = ("pool", "kubernetes")


class AgentSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything an agent needs to know.

    `gateway_url` is the site's own gateway, `credentials_file` the keys with which tasks' data are read and
    written there (the hub writes it). `data_folder` holds what tasks need while they run. `gpus` None: those
    that are found. `nodes` are the host names of the site's machines, `labels` further properties
    (`storage_type`, …) beside and before those that are found. When it is told to stop, the agent waits up to
    `drain_s` until the runs need nothing from it any more. `pods` are those of engine `kubernetes`; what
    the site offers follows from them then, and from `workers` (default: `USUAL_WORKERS`). They may be in a
    file of their own, `pods_file`. At `health_port` (None: nowhere) of `health_host` the agent says in plain
    HTTP how it is (`/live`, `/ready`). `reach`: of the site's store, as placement is to know it.
    """

    site: str
    kind: SiteKind
    identity: IdentityFiles
    backbone: BackboneSettings
    gateway_url: str
    credentials_file: Path
    data_folder: Path
    computing_units: int
    memory_bytes: int
    engine: str = "pool"
    workers: str = ""
    software: tuple[str, ...] = ()
    costs: SiteCosts = NO_COSTS
    gpus: int | None = None
    nodes: tuple[str, ...] = ()
    labels: dict[str, str] = {}
    drain_s: float = 0.0
    pods: PodSettings | None = None
    pods_file: Path | None = None
    health_port: int | None = None
    health_host: str = "127.0.0.1"
    reach: Reach = Reach.ANY

    @property
    def pool_offer(self) -> PoolOffer | None:
        """What the pods of runs can have together; None: there are none."""
        if self.pods is None:
            return None
        return offer_of(self.pods.profiles, parse_workers(self.workers or USUAL_WORKERS, self.engine))


def read_agent_settings(path: Path) -> AgentSettings:
    """Read a settings file, and that of its pods. Raises `InvalidInputError` that names the field."""
    settings = read_document(path, AgentSettings)
    if settings.pods_file is None:
        return settings
    return msgspec.structs.replace(settings, pods=read_document(settings.pods_file, PodSettings))


def gpus_of(settings: AgentSettings) -> int:
    """Return how many GPUs a site offers."""
    if (offer := settings.pool_offer) is not None:
        return offer.gpus
    return find_gpus() if settings.gpus is None else settings.gpus


def describe_site(
    settings: AgentSettings,
    *,
    free_units: int,
    queued_tasks: int,
    started_at: float,
    workers: int = 0,
    largest_units: int = 0,
) -> SiteReport:
    """Return the report of a site with this load, now."""
    offer = settings.pool_offer
    labels = find_labels() | (offer.labels if offer else {}) | settings.labels
    return SiteReport(
        name=settings.site,
        kind=settings.kind,
        capacity=Capacity(
            computing_units=offer.computing_units if offer else settings.computing_units,
            memory_bytes=offer.memory_bytes if offer else settings.memory_bytes,
            architecture=platform.machine(),
            software=settings.software,
            gpus=gpus_of(settings),
            storage_bytes=find_storage_bytes(settings.data_folder),
            nodes=settings.nodes,
            labels=labels,
            largest_units=largest_units,
        ),
        free_units=free_units,
        queued_tasks=queued_tasks,
        workers=workers,
        worker_limits=settings.workers or (USUAL_WORKERS if offer else ""),
        engines=(settings.engine if settings.engine in OWN_ENGINES else "dask", "process"),
        gateway_url=settings.gateway_url,
        reported_at=time.time(),
        started_at=started_at,
        version=__version__,
        costs=settings.costs,
        reach=settings.reach,
    )
