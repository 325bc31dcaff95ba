"""Sites, their links and their stores, as plain data."""

import re
from enum import StrEnum

import msgspec

from continuum.model.errors import InvalidInputError

SITE_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


class SiteKind(StrEnum):
    """What kind of place a site is."""

    EMBEDDED = "embedded"
    EDGE = "edge"
    KUBERNETES = "kubernetes"
    SLURM = "slurm"
    CLOUD = "cloud"


class Reach(StrEnum):
    """From where connections to a site's store can be made: from anywhere, or from the site alone."""

    ANY = "any"
    SITE = "site"


class Capacity(msgspec.Struct, frozen=True, kw_only=True):
    """What a site can compute with: computing units (cores) and memory, as offered to tasks.

    `storage_bytes` 0: not said. `nodes` are the machines of which it is one or more (host names; none: one).
    `labels` are further properties by name, as constraints name them (`storage_type`, `host_queues`, …).
    `largest_units` is what the largest of its workers has, where several share the units; 0: not said.
    """

    computing_units: int
    memory_bytes: int
    architecture: str = "x86_64"
    software: tuple[str, ...] = ()
    gpus: int = 0
    storage_bytes: int = 0
    nodes: tuple[str, ...] = ()
    labels: dict[str, str] = {}
    largest_units: int = 0


class SiteCosts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What computing at a site costs: money, power and what its power makes of the climate.

    The defaults are what placement takes for a site that declares nothing: no price, and a server's power per
    core at the European mean of carbon intensity.
    """

    price_eur_per_unit_h: float = 0.0
    idle_w_per_unit: float = 2.0
    busy_w_per_unit: float = 8.0
    carbon_g_per_kwh: float = 250.0

    def price_eur(self, unit_s: float) -> float:
        """What so many seconds of one computing unit cost."""
        return self.price_eur_per_unit_h * unit_s / 3600

    def energy_j(self, unit_s: float) -> float:
        """What they take beyond what the unit takes when it idles."""
        return (self.busy_w_per_unit - self.idle_w_per_unit) * unit_s

    def carbon_g(self, energy_j: float) -> float:
        """What that much energy emits there, in grams of CO2 equivalents."""
        return energy_j / J_PER_KWH * self.carbon_g_per_kwh


J_PER_KWH = 3.6e6
NO_COSTS = SiteCosts()


class SiteOffers(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a person declares that a site has; the rest (units 0, `gpus` None) is what is found there.

    `pods` is a file with the settings of pods in which tasks run (engine `kubernetes`).
    """

    computing_units: int = 0
    gpus: int | None = None
    engine: str = ""
    workers: str = ""
    software: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    labels: dict[str, str] = {}
    pods: str = ""
    reach: Reach = Reach.ANY


NO_OFFERS = SiteOffers()


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """The network from one site to another.

    Directed; `price_eur_per_gb` is the egress price at the source.
    """

    source: str
    target: str
    bandwidth_bytes_per_s: float
    latency_s: float
    price_eur_per_gb: float = 0.0


class Transfer(msgspec.Struct, frozen=True, array_like=True):
    """One transfer from another site; `began_at` and `ended_at` are the receiver's own clock in seconds."""

    source: str
    size_bytes: int
    began_at: float
    ended_at: float


class SiteReport(msgspec.Struct, frozen=True, kw_only=True):
    """What an agent tells the registry of its site, every few seconds.

    `free_units`, `queued_tasks` and `workers` (processes of its pool, or workers of its own Dask) are the
    load at `reported_at` (seconds since the epoch, UTC); workers follow the queue between `worker_limits`.
    `reach` is that of the site's store.
    """

    name: str
    kind: SiteKind
    capacity: Capacity
    free_units: int
    queued_tasks: int
    engines: tuple[str, ...]
    gateway_url: str
    reported_at: float
    started_at: float
    version: str
    costs: SiteCosts = NO_COSTS
    workers: int = 0
    worker_limits: str = ""
    reach: Reach = Reach.ANY


def parse_site_name(text: str) -> str:
    """Return `text` if it can name a site (a DNS label); raise `InvalidInputError` if not."""
    if not SITE_NAME.fullmatch(text):
        raise InvalidInputError(
            f"{text!r} cannot name a site",
            hint="use 1 to 63 lower-case letters, digits and dashes, no dash at either end",
        )
    return text
