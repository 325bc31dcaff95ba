"""All that the objects of a site in a cluster depend on: settings, and apart from them what is secret.

`SiteSettings` may be printed, logged and kept; `SiteSecrets` may not, shows nothing in its repr, and goes
into Secrets only (`secrets.plan_secrets`).
"""

import ipaddress
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

import msgspec

from continuum.model.errors import InvalidInputError
from continuum.model.pools import WorkerProfile
from continuum.model.sites import NO_COSTS, SiteCosts, parse_site_name
from continuum.sites.joining.invitations import IdentityPems
from continuum.store import StoreKeys

Manifest = dict[str, Any]
"""One object, as the API server takes it."""

GATEWAY_PORT, STORE_PORT, HEALTH_PORT = 8002, 8443, 8081
MIB = 1024 * 1024
MADE_BY = "continuum/made-by"
SITE_LABEL, RUN_LABEL = "continuum/site", "continuum/run"
HOLDS_LABEL = "continuum/holds"  # of a namespace: `site` or `runs`
COMPONENT_LABEL = "app.kubernetes.io/component"
_PORTS = 65535


class Overlay(StrEnum):
    """What kind of site: `edge` executes tasks in the agent's pod, `cloud` in pods of their own."""

    EDGE = "edge"
    CLOUD = "cloud"


class ClaimStorage(msgspec.Struct, frozen=True, kw_only=True, tag="claim"):
    """State lies on volumes that the cluster provides; `storage_class` empty: the cluster's default."""

    storage_class: str = ""


class LocalStorage(msgspec.Struct, frozen=True, kw_only=True, tag="local"):
    """State lies in the folder `path` of the machine `node`. The folder must be there."""

    path: str
    node: str


class PodStorage(msgspec.Struct, frozen=True, kw_only=True, tag="pod"):
    """State lies in the pods (`emptyDir`) and is lost with them: journals of writes, objects of the store."""


Storage = ClaimStorage | LocalStorage | PodStorage


class HostAlias(msgspec.Struct, frozen=True, kw_only=True):
    """Names that the cluster's DNS does not know."""

    address: str
    names: tuple[str, ...]


class Resources(msgspec.Struct, frozen=True, kw_only=True):
    """What a pod asks for and how much memory it may use. No limit of CPU: it would throttle data."""

    cpu_millis: int
    memory_bytes: int
    limit_bytes: int


class ExternalStore(msgspec.Struct, frozen=True, kw_only=True):
    """An S3 store that is there already; its keys are secrets. `ca_pem` empty: public authorities."""

    endpoint: str
    bucket: str
    region: str = "us-east-1"
    addressing: str = "path"
    ca_pem: str = ""


class Outside(msgspec.Struct, frozen=True, kw_only=True):
    """Where gateway and store are reached from outside the cluster: an address, ports of its machines."""

    address: str
    gateway_port: int = 30802
    store_port: int = 30843

    @property
    def host(self) -> str:
        """The address as it is written in URLs."""
        return f"[{self.address}]" if ":" in self.address else self.address


class SiteSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A site to be.

    `namespace` is that of agent, gateway and store, `runs_namespace` that of pods of runs; empty: made from
    the name. The same word for both: there is one, and who may create pods in it can read identities.
    `makes_namespaces`: they are ours. `computing_units` and `memory_bytes` are what the site offers to tasks;
    on `edge` the agent's pod may use so much besides its own. `workers` (`LEAST-MOST`) are the limits of the
    pool of pods on `cloud`, `profiles` of what kinds they are (none: of one, and all together have what the
    site offers). `external_store` None: a directory store in the cluster, of `store_bytes`.
    `outside` None: nothing comes into the cluster; else drivers come to the gateway and other sites to the
    store. `disruption_api` is `policy/v1` or `policy/v1beta1`, as the server has; empty: no
    PodDisruptionBudget.
    `identities_mark` changes with the identities, so that pods are replaced that have read old ones.
    `drain_s` is how long an agent's pod may take to end: it finishes what runs there first.
    """

    name: str
    overlay: Overlay
    image: str
    backbone_url: str
    computing_units: int
    memory_bytes: int
    namespace: str = ""
    runs_namespace: str = ""
    makes_namespaces: bool = True
    pull_policy: str = "IfNotPresent"
    pull_secrets: tuple[str, ...] = ()
    host_aliases: tuple[HostAlias, ...] = ()
    storage: Storage = ClaimStorage()
    state_bytes: int = 1024 * MIB
    store_bytes: int = 10 * 1024 * MIB
    external_store: ExternalStore | None = None
    has_master_keys: bool = True
    policy: str = "write_local"
    workers: str = ""
    profiles: tuple[WorkerProfile, ...] = ()
    costs: SiteCosts = NO_COSTS
    labels: dict[str, str] = {}
    software: tuple[str, ...] = ()
    agent: Resources = Resources(cpu_millis=50, memory_bytes=96 * MIB, limit_bytes=512 * MIB)
    gateway: Resources = Resources(cpu_millis=100, memory_bytes=128 * MIB, limit_bytes=512 * MIB)
    store: Resources = Resources(cpu_millis=50, memory_bytes=64 * MIB, limit_bytes=256 * MIB)
    disruption_api: str = ""
    identities_mark: str = ""
    outside: Outside | None = None
    drain_s: int = 300

    @property
    def home(self) -> str:
        """The namespace of agent, gateway and store."""
        return self.namespace or f"continuum-{self.name}"

    @property
    def runs(self) -> str:
        """The namespace of pods of runs."""
        return self.runs_namespace or (self.namespace or f"continuum-{self.name}-runs")

    @property
    def has_pods(self) -> bool:
        """Whether tasks are executed in pods of their own, which the agent makes."""
        return self.overlay is Overlay.CLOUD

    @property
    def gateway_url(self) -> str:
        """Where pods of both namespaces find the gateway."""
        return f"https://gateway.{self.home}.svc:{GATEWAY_PORT}"


class SiteSecrets(msgspec.Struct, frozen=True, kw_only=True):
    """What a site is trusted with. `master_keys` is the text of the file, empty: without them.

    `store` is None if the store is not in the cluster; `access_key` and `secret_key` are those of the user
    with whose rights the agent reads and writes tasks' data.
    """

    ca: str
    agent: IdentityPems
    gateway: IdentityPems
    store: IdentityPems | None
    store_keys: StoreKeys
    access_key: str
    secret_key: str
    master_keys: str = ""

    def __repr__(self) -> str:
        return "SiteSecrets()"


def certificate_hosts(settings: SiteSettings, component: str) -> tuple[str, ...]:
    """Return the names that the certificate of `gateway` or `store` must hold for, inside the cluster."""
    outside = (settings.outside.address,) if settings.outside is not None else ()
    return (*service_names(component, settings.home), *outside)


def service_names(service: str, namespace: str) -> tuple[str, ...]:
    """Return the names by which pods find a Service."""
    base = f"{service}.{namespace}"
    return service, base, f"{base}.svc", f"{base}.svc.cluster.local"


def check_site(settings: SiteSettings) -> None:
    """Refuse settings from which no site can be made. Raises `InvalidInputError` that names the field."""
    parse_site_name(settings.name)
    parse_address(settings.backbone_url)
    if settings.computing_units < 1 or settings.memory_bytes < 64 * MIB:
        raise InvalidInputError("a site offers at least one computing unit and 64 MiB of memory")
    if settings.pull_policy not in {"IfNotPresent", "Always", "Never"}:
        raise InvalidInputError(
            f"{settings.pull_policy!r} says of no image when it is pulled",
            hint="IfNotPresent, Always or Never",
        )
    if isinstance(settings.storage, LocalStorage) and not settings.storage.path.startswith("/"):
        raise InvalidInputError(
            f"{settings.storage.path!r} is no folder of a machine", hint="--state local:/path --node NAME"
        )
    if settings.disruption_api not in {"", "policy/v1", "policy/v1beta1"}:
        raise InvalidInputError(f"there is no PodDisruptionBudget in {settings.disruption_api!r}")


def parse_address(url: str) -> tuple[str, int]:
    """Return host and port of a backbone's URL. Raises `InvalidInputError`."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or not port or port > _PORTS or parts.scheme != "tls":
        raise InvalidInputError(f"{url!r} is no address of a backbone", hint="tls://HOST:PORT")
    return host, port


def find_address(host: str) -> str:
    """Return an address as a block of one (`10.0.0.1/32`); empty if `host` is a name."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return ""
    return f"{address}/{address.max_prefixlen}"
