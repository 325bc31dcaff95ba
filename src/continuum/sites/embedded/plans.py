"""The plan of an embedded continuum: settings in, files and processes out. Pure; a supervisor carries it out.

One process is started after another only where it needs it: the store of a site and the backbone at once, the
hub after the backbone, gateways and agents after the hub (and gateways after their store).
"""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from continuum.backbone import BackboneSettings
from continuum.model.objects import Role, Store
from continuum.model.policies import Policy
from continuum.model.sites import NO_COSTS, NO_OFFERS, Link, Reach, SiteCosts, SiteKind, SiteOffers
from continuum.security import IdentityFiles, identity_files
from continuum.sites.agents import AgentSettings
from continuum.sites.documents import format_document
from continuum.sites.embedded import nats, seaweedfs
from continuum.sites.embedded.directories import plan_directory_store
from continuum.sites.embedded.listening import find_bind_host
from continuum.sites.embedded.seaweedfs import PlannedStore, StoreSecrets
from continuum.sites.embedded.stores import SEAWEEDFS, find_root, is_directory, port_names
from continuum.sites.homes import Continuum, Home, SiteAddress
from continuum.sites.hubs import HubSettings, UserFile
from continuum.sites.supervision.plans import (
    Plan,
    PlannedFile,
    PlannedProcess,
    ReadyLine,
    ReadyPort,
)
from continuum.store import BlockSettings, GatewaySettings

# The network between sites of one machine: what loopback does, so that placement has figures to reckon with.
LINK_BYTES_PER_S = 1e9
LINK_LATENCY_S = 0.0002

S3_DOMAIN = "s3.localhost"
"""Buckets may be named in the host, `BUCKET.s3.localhost`: every name under `localhost` is this machine."""


class EmbeddedSite(msgspec.Struct, frozen=True, kw_only=True):
    """A site to be: its gateway's port, what it offers to tasks, its store's kind and secrets."""

    name: str
    kind: str
    gateway_port: int
    computing_units: int
    memory_bytes: int
    store: StoreSecrets
    store_kind: str = SEAWEEDFS
    costs: SiteCosts = NO_COSTS
    offers: SiteOffers = NO_OFFERS


class EmbeddedSettings(msgspec.Struct, frozen=True, kw_only=True):
    """All that the plan depends on. `ports` are the internal ports by name (`backbone`, `store.edge.s3`).

    `run_folder` is where sockets live (`HOME/run`, or a short folder if the home's path is too long for
    sockets). `environment` is what every process inherits. `added` are the
    processes of folders that were added as stores. `database` is where the URL of a PostgreSQL database is;
    so many `hubs` share it. `links` has one for each pair of sites; empty: what loopback does. `listen` are
    the addresses at which other machines reach it (none: loopback only), `joined` the sites elsewhere that
    were invited, `drivers` the identities of users who drive runs besides the owner's.
    """

    name: str
    home: Path
    run_folder: Path
    profile: str
    policy: Policy
    sites: tuple[EmbeddedSite, ...]
    hub_port: int
    ports: dict[str, int]
    python: Path
    nats_server: Path
    weed: Path
    ca_pem: str
    environment: dict[str, str] = {}
    added: tuple[PlannedProcess, ...] = ()
    database: str = ""
    hubs: int = 1
    links: tuple[Link, ...] = ()
    listen: tuple[str, ...] = ()
    joined: tuple[str, ...] = ()
    drivers: tuple[str, ...] = ()


def plan(settings: EmbeddedSettings) -> Plan:
    """Return the plan for `settings`."""
    sites = settings.sites
    home = settings.home
    site_folders = [home / "sites" / site.name for site in sites]
    description = describe(settings)
    return Plan(
        home=home,
        run_folder=settings.run_folder,
        hub_url=description.hub_url,
        gateways={site.name: site.gateway_url for site in description.sites},
        identities=_identities(settings),
        folders=(
            *(home / part for part in ("hub", "logs", "runs", "run")),
            *(folder / part for folder in site_folders for part in ("store", "gateway", "agent")),
        ),
        files=(
            PlannedFile(path=home / "continuum.json", data=format_document(description)),
            _backbone_file(settings),
            *(
                PlannedFile(
                    path=home / _hub_file(number), data=format_document(_hub_settings(settings, number))
                )
                for number in _hub_numbers(settings)
            ),
            *(file for site in sites for file in _site_files(settings, site)),
        ),
        processes=(
            _backbone(settings),
            *(_store(settings, site).process for site in sites),
            *_relay(settings),
            *(_hub(settings, number) for number in _hub_numbers(settings)),
            *(_gateway(settings, site) for site in sites),
            *(_agent(settings, site) for site in sites),
        ),
        added=settings.added,
        hosts=settings.listen,
    )


def describe(settings: EmbeddedSettings) -> Continuum:
    """Return the description that clients find in the home."""
    return Continuum(
        name=settings.name,
        hub_url=f"https://127.0.0.1:{settings.hub_port}",
        backbone_url=f"tls://127.0.0.1:{settings.ports['backbone']}",
        sites=tuple(
            SiteAddress(
                name=site.name,
                kind=site.kind,
                gateway_url=_gateway_url(settings, site),
                computing_units=site.computing_units,
            )
            for site in settings.sites
        ),
        profile=settings.profile,
        policy=settings.policy.value,
        ports=settings.ports,
        stores={site.name: site.store_kind for site in settings.sites},
        database=settings.database,
        hubs=settings.hubs,
        costs={site.name: site.costs for site in settings.sites if site.costs != NO_COSTS},
        offers={site.name: site.offers for site in settings.sites if site.offers != NO_OFFERS},
        links=settings.links,
        listen=settings.listen,
    )


def _identities(settings: EmbeddedSettings) -> tuple[tuple[str, str], ...]:
    per_site = (
        (f"{role}.{site.name}", role) for site in settings.sites for role in ("store", "gateway", "agent")
    )
    return (*((role, role) for role in ("backbone", "hub", "driver", "admin")), *per_site)


def _backbone_file(settings: EmbeddedSettings) -> PlannedFile:
    return plan_backbone_file(
        settings.home, settings.run_folder, describe(settings), settings.joined, settings.drivers
    )


def plan_backbone_file(
    home: Path, run_folder: Path, continuum: Continuum, joined: Sequence[str], drivers: Sequence[str] = ()
) -> PlannedFile:
    """Return the backbone's configuration: who may connect are the continuum's own sites, those that joined
    it, and `drivers` besides the owner's."""
    text = nats.format_backbone_configuration(
        host=find_bind_host(continuum.listen),
        port=continuum.ports["backbone"],
        server=identity_files(home, "backbone"),
        identities=nats.list_identities((*(site.name for site in continuum.sites), *joined), drivers),
        pid_file=run_folder / "nats-server.pid",
    )
    return PlannedFile(path=home / "run" / "nats.conf", data=text.encode())


def _backbone(settings: EmbeddedSettings) -> PlannedProcess:
    port = settings.ports["backbone"]
    return PlannedProcess(
        name="nats",
        argv=(str(settings.nats_server), "-c", str(settings.home / "run" / "nats.conf")),
        environment=settings.environment,
        folder=settings.home,
        probe=ReadyPort(port),
        stop_s=3.0,
        ports=(port,),
    )


def _store(settings: EmbeddedSettings, site: EmbeddedSite) -> PlannedStore:
    name = f"store.{site.name}"
    folder = settings.home / "sites" / site.name
    if is_directory(site.store_kind):
        return plan_directory_store(
            name=name,
            site=site.name,
            bucket=seaweedfs.BUCKET,
            root=find_root(site.store_kind, folder),
            settings_file=folder / "store-settings.json",
            socket_folder=settings.run_folder,
            home=settings.home,
            python=settings.python,
            port=settings.ports[f"{name}.s3"],
            secrets=site.store,
            identity=_identity(settings, name),
            ca_pem=settings.ca_pem,
            inherited=settings.environment,
            listen=settings.listen,
        )
    return seaweedfs.plan_store(
        name=name,
        site=site.name,
        bucket=seaweedfs.BUCKET,
        folder=folder,
        socket_folder=settings.run_folder,
        weed=settings.weed,
        ports={
            port: settings.ports[f"{name}.{port}"]
            for port in port_names(site.store_kind, is_open=bool(settings.listen))
        },
        secrets=site.store,
        identity=_identity(settings, name),
        ca_pem=settings.ca_pem,
        inherited=settings.environment,
        listen=settings.listen,
    )


def _relay(settings: EmbeddedSettings) -> tuple[PlannedProcess, ...]:
    """What takes calls of other machines for stores that stay on loopback."""
    names = [f"store.{site.name}" for site in settings.sites if not is_directory(site.store_kind)]
    if not settings.listen or not names:
        return ()
    outer = [settings.ports[f"{name}.{seaweedfs.OUTER}"] for name in names]
    targets = [settings.ports[f"{name}.s3"] for name in names]
    module = "continuum.sites.embedded.relaying"
    pairs = (f"{port}:{target}" for port, target in zip(outer, targets, strict=True))
    return (
        PlannedProcess(
            name="relay",
            argv=(str(settings.python), "-m", module, *pairs),
            environment=settings.environment,
            folder=settings.home,
            probe=ReadyLine(),
            ports=tuple(outer),
        ),
    )


def _hub_numbers(settings: EmbeddedSettings) -> range:
    return range(1, settings.hubs + 1)


def _hub_file(number: int) -> Path:
    return Path("hub") / ("settings.json" if number == 1 else f"settings-{number}.json")


def _hub_port(settings: EmbeddedSettings, number: int) -> int:
    return settings.hub_port if number == 1 else settings.ports[f"hub.{number}"]


def _hub(settings: EmbeddedSettings, number: int) -> PlannedProcess:
    """A hub; further ones begin after the first, which makes what all need: tables, the key, users."""
    return PlannedProcess(
        name="hub" if number == 1 else f"hub.{number}",
        argv=_module(settings, "continuum.hub", settings.home / _hub_file(number)),
        environment=settings.environment,
        folder=settings.home,
        probe=ReadyLine(),
        after=("nats",) if number == 1 else ("hub",),
        ports=(_hub_port(settings, number),),
    )


def _gateway(settings: EmbeddedSettings, site: EmbeddedSite) -> PlannedProcess:
    return PlannedProcess(
        name=f"gateway.{site.name}",
        argv=_module(settings, "continuum.store.gateway", _site_file(settings, site, "gateway")),
        environment=settings.environment,
        folder=settings.home,
        probe=ReadyLine(),
        after=("hub", f"store.{site.name}"),
        stop_s=15.0,
        ports=(site.gateway_port,),
    )


def _agent(settings: EmbeddedSettings, site: EmbeddedSite) -> PlannedProcess:
    return PlannedProcess(
        name=f"agent.{site.name}",
        argv=_module(settings, "continuum.sites.agent", _site_file(settings, site, "agent")),
        environment=settings.environment,
        folder=settings.home,
        probe=ReadyLine(),
        after=("hub",),
    )


def _hub_settings(settings: EmbeddedSettings, number: int) -> HubSettings:
    home = settings.home
    names = [site.name for site in settings.sites]
    return HubSettings(
        name=settings.name,
        identity=_identity(settings, "hub"),
        backbone=_backbone_settings(settings, "hub"),
        database=home / "hub" / "continuum.sqlite",
        key_file=home / "hub" / "sealing.key",
        runs_database=home / "hub" / "runs.sqlite",
        database_url=settings.database,
        listen_host=find_bind_host(settings.listen),
        listen_port=_hub_port(settings, number),
        users=(
            UserFile(name="admin", role=Role.ADMIN, file=home / "credentials.json"),
            *(
                UserFile(name=f"agent.{name}", role=Role.ADMIN, file=_agent_credentials(home, name))
                for name in names
            ),
        ),
        links=settings.links or default_links(names),
        rights_file=home / "hub" / "rights.json",
    )


def default_links(names: Sequence[str]) -> tuple[Link, ...]:
    """Return a link for each pair of sites of one machine."""
    return tuple(
        Link(source=source, target=target, bandwidth_bytes_per_s=LINK_BYTES_PER_S, latency_s=LINK_LATENCY_S)
        for source in names
        for target in names
        if source != target
    )


def _site_files(settings: EmbeddedSettings, site: EmbeddedSite) -> tuple[PlannedFile, ...]:
    return (
        _store(settings, site).file,
        PlannedFile(
            path=_site_file(settings, site, "gateway"),
            data=format_document(_gateway_settings(settings, site)),
        ),
        PlannedFile(
            path=_site_file(settings, site, "agent"), data=format_document(_agent_settings(settings, site))
        ),
    )


def _gateway_settings(settings: EmbeddedSettings, site: EmbeddedSite) -> GatewaySettings:
    store = _store(settings, site)
    identity = _identity(settings, f"gateway.{site.name}")
    is_release = settings.profile == "release"
    return GatewaySettings(
        site=site.name,
        gateway=f"gateway.{site.name}",
        listen_host=find_bind_host(settings.listen if is_release else ()),
        listen_port=site.gateway_port,
        tls_certificate_file=identity.certificate_file if is_release else None,
        tls_key_file=identity.key_file if is_release else None,
        profile=settings.profile,
        backbone=_backbone_settings(settings, f"gateway.{site.name}"),
        own_store=store.own,
        peer_store=_as_peers_see(store.peer, site.offers.reach),
        policy=settings.policy,
        domain=S3_DOMAIN,
        master_keys_file=Home(settings.home).master_keys_file,
        state_folder=settings.home / "sites" / site.name / "gateway",
        blocks=BlockSettings(folder=settings.home / "sites" / site.name / "gateway" / "blocks"),
    )


def _as_peers_see(store: Store, reach: Reach) -> Store:
    """Return the description for other sites; of a store that is out of their reach it has no address."""
    if reach is Reach.ANY:
        return store
    return msgspec.structs.replace(store, reach=reach, endpoint=f"https://{store.name}.invalid")


def _agent_settings(settings: EmbeddedSettings, site: EmbeddedSite) -> AgentSettings:
    return AgentSettings(
        site=site.name,
        kind=SiteKind(site.kind),
        identity=_identity(settings, f"agent.{site.name}"),
        backbone=_backbone_settings(settings, f"agent.{site.name}"),
        gateway_url=_gateway_url(settings, site),
        credentials_file=_agent_credentials(settings.home, site.name),
        data_folder=settings.home / "sites" / site.name / "agent",
        computing_units=site.computing_units,
        memory_bytes=site.memory_bytes,
        costs=site.costs,
        gpus=site.offers.gpus,
        engine=site.offers.engine or "pool",
        workers=site.offers.workers,
        software=site.offers.software,
        nodes=site.offers.nodes,
        labels=site.offers.labels,
        pods_file=Path(site.offers.pods) if site.offers.pods else None,
        reach=site.offers.reach,
    )


def _identity(settings: EmbeddedSettings, name: str) -> IdentityFiles:
    return identity_files(settings.home, name)


def _backbone_settings(settings: EmbeddedSettings, name: str) -> BackboneSettings:
    files = _identity(settings, name)
    return BackboneSettings(
        url=f"tls://127.0.0.1:{settings.ports['backbone']}",
        name=name,
        ca_file=files.ca_file,
        certificate_file=files.certificate_file,
        key_file=files.key_file,
    )


def _gateway_url(settings: EmbeddedSettings, site: EmbeddedSite) -> str:
    scheme = "https" if settings.profile == "release" else "http"
    return f"{scheme}://127.0.0.1:{site.gateway_port}"


def _site_file(settings: EmbeddedSettings, site: EmbeddedSite, part: str) -> Path:
    return settings.home / "sites" / site.name / part / "settings.json"


def _agent_credentials(home: Path, site: str) -> Path:
    return home / "sites" / site / "agent" / "credentials.json"


def _module(settings: EmbeddedSettings, module: str, settings_file: Path) -> tuple[str, ...]:
    return (str(settings.python), "-m", module, "--settings", str(settings_file))
