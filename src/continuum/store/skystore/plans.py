"""What runs for Sky Store's commands: the server's backbone and hub, a client's gateway (and store). Pure."""

from pathlib import Path

import msgspec

from continuum.backbone import BackboneSettings
from continuum.model.objects import Role, Store, User
from continuum.security import IdentityFiles
from continuum.sites import (
    HubSettings,
    Plan,
    PlannedFile,
    PlannedProcess,
    PlannedStore,
    ReadyLine,
    ReadyPort,
    UserFile,
    format_backbone_configuration,
    format_document,
)
from continuum.store.gateway.settings import BlockSettings, GatewaySettings
from continuum.store.skystore.configurations import ClientConfiguration, Keys
from continuum.store.skystore.regions import Region

CLIENT_USER = "skystore"  # owns what comes with the clients' pair of keys, at every gateway


class ServerJob(msgspec.Struct, frozen=True, kw_only=True):
    """The server: the backbone listens on `listen_host:port`, the hub's API on loopback on `api_port`."""

    home: Path
    run_folder: Path
    regions: tuple[Region, ...]
    listen_host: str
    port: int
    api_port: int
    python: Path
    nats_server: Path
    backbone: IdentityFiles
    hub: IdentityFiles
    environment: dict[str, str]


class ClientJob(msgspec.Struct, frozen=True, kw_only=True):
    """A gateway on `port` in front of a region's store; with `local` that store is run here too."""

    home: Path
    run_folder: Path
    configuration: ClientConfiguration
    port: int
    python: Path
    identity: IdentityFiles
    environment: dict[str, str]
    local: PlannedStore | None = None
    master_keys_file: Path | None = None


def plan_server(job: ServerJob) -> Plan:
    """Return the plan of `skystore-server`."""
    configuration = job.home / "nats.conf"
    settings = job.home / "hub" / "settings.json"
    text = format_backbone_configuration(
        host=job.listen_host,
        port=job.port,
        server=job.backbone,
        identities=["hub", "admin", *(gateway_name(region) for region in job.regions)],
        pid_file=job.run_folder / "nats-server.pid",
    )
    return Plan(
        home=job.home,
        run_folder=job.run_folder,
        hub_url=f"https://127.0.0.1:{job.api_port}",
        identities=(),
        folders=(job.home / "hub",),
        files=(
            PlannedFile(path=configuration, data=text.encode()),
            PlannedFile(path=settings, data=format_document(_hub_settings(job))),
        ),
        processes=(
            PlannedProcess(
                name="nats",
                argv=(str(job.nats_server), "-c", str(configuration)),
                environment=job.environment,
                folder=job.home,
                probe=ReadyPort(job.port),
                stop_s=3.0,
                ports=(job.port,),
            ),
            PlannedProcess(
                name="hub",
                argv=(str(job.python), "-m", "continuum.hub", "--settings", str(settings)),
                environment=job.environment,
                folder=job.home,
                probe=ReadyLine(),
                after=("nats",),
                ports=(job.api_port,),
            ),
        ),
    )


def plan_client(job: ClientJob) -> Plan:
    """Return the plan of `skystore init`."""
    settings = job.home / "gateway.json"
    store = job.local
    name = gateway_name(job.configuration.region)
    gateway = PlannedProcess(
        name=name,
        argv=(str(job.python), "-m", "continuum.store.gateway", "--settings", str(settings)),
        environment=job.environment,
        folder=job.home,
        probe=ReadyLine(),
        after=(store.process.name,) if store is not None else (),
        stop_s=15.0,
        ports=(job.port,),
    )
    return Plan(
        home=job.home,
        run_folder=job.run_folder,
        gateways={str(job.configuration.region): f"http://127.0.0.1:{job.port}"},
        identities=(),
        folders=(job.home / "store",) if store is not None else (),
        files=(
            PlannedFile(path=settings, data=format_document(_gateway_settings(job))),
            *((store.file,) if store is not None else ()),
        ),
        processes=(*((store.process,) if store is not None else ()), gateway),
    )


def gateway_name(region: Region) -> str:
    """Return the identity of a region's gateway."""
    return f"gateway.{region.site}"


def _hub_settings(job: ServerJob) -> HubSettings:
    return HubSettings(
        name="skystore",
        identity=job.hub,
        backbone=_backbone_settings(job.hub, "127.0.0.1", job.port),
        database=job.home / "hub" / "continuum.sqlite",
        key_file=job.home / "hub" / "sealing.key",
        runs_database=job.home / "hub" / "runs.sqlite",
        listen_port=job.api_port,
        users=(UserFile(name="admin", role=Role.ADMIN, file=job.home / "credentials.json"),),
    )


def _gateway_settings(job: ClientJob) -> GatewaySettings:
    wanted = job.configuration
    return GatewaySettings(
        site=wanted.region.site,
        gateway=gateway_name(wanted.region),
        listen_port=job.port,
        backbone=_backbone_settings(job.identity, *wanted.server),
        own_store=job.local.own if job.local is not None else _store(wanted, wanted.store_keys),
        peer_store=job.local.peer if job.local is not None else None,
        policy=wanted.policy.policy,
        new_buckets=wanted.policy.new_buckets,
        users=(
            User(
                name=CLIENT_USER,
                access_key=wanted.client_keys.access_key,
                secret_key=wanted.client_keys.secret_key,
                role=Role.ADMIN,
            ),
        ),
        region=wanted.region.name,
        master_keys_file=job.master_keys_file,
        blocks=BlockSettings(folder=job.home / "blocks"),
    )


def _store(wanted: ClientConfiguration, keys: Keys | None) -> Store:
    return Store(
        name=f"store.{wanted.region.site}",
        site=wanted.region.site,
        endpoint=wanted.endpoint,
        region=wanted.region.name,
        bucket=wanted.bucket,
        access_key=keys.access_key if keys else "",
        secret_key=keys.secret_key if keys else "",
    )


def _backbone_settings(identity: IdentityFiles, host: str, port: int) -> BackboneSettings:
    return BackboneSettings(
        url=f"tls://{host}:{port}",
        name=identity.name,
        ca_file=identity.ca_file,
        certificate_file=identity.certificate_file,
        key_file=identity.key_file,
    )
