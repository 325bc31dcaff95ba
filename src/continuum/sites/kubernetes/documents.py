"""The settings files of agent, gateway and store as they are mounted in their pods: without secrets. Pure.

What has its default is left out: a setting that is new in this version neither replaces pods nor stops an
image of the version before.
"""

from pathlib import Path
from typing import Any

import msgspec

from continuum.backbone import BackboneSettings
from continuum.model.objects import Store
from continuum.model.policies import Policy
from continuum.model.pools import WorkerProfile
from continuum.model.scaling import parse_workers
from continuum.model.sites import Reach, SiteKind
from continuum.security import IdentityFiles
from continuum.sites.agents import USUAL_WORKERS, AgentSettings
from continuum.sites.kubernetes.pods import IDENTITY_PATH
from continuum.sites.kubernetes.settings import GATEWAY_PORT, HEALTH_PORT, STORE_PORT, SiteSettings
from continuum.sites.kubernetes.volumes import MIB, STATE_PATH
from continuum.sites.kubernetes.workers import PodSettings
from continuum.store import BlockSettings, DirectorySettings, GatewaySettings

POOL, KUBERNETES = "pool", "kubernetes"  # engines
REGION, BUCKET = "us-east-1", "continuum"
EVERYWHERE = "0.0.0.0"  # noqa: S104 -- of the pod; NetworkPolicies say who may come
MIN_FREE_BYTES = 64 * MIB
FAREWELL_S = 10  # of the time that an agent's pod has to end, for what comes after its tasks
_FOLDER = Path(IDENTITY_PATH)
_STATE = Path(STATE_PATH)


def plan_documents(settings: SiteSettings) -> dict[str, str]:
    """Return the files of the ConfigMap by name."""
    files = {
        "agent.json": format_sparsely(agent_settings(settings)),
        "gateway.json": format_sparsely(gateway_settings(settings)),
    }
    if settings.external_store is None:
        files["store.json"] = format_sparsely(store_settings(settings))
    return files


def format_sparsely(document: msgspec.Struct) -> str:
    """Return the JSON of a struct without what has its default."""
    return msgspec.json.format(msgspec.json.encode(_thin(document), enc_hook=str)).decode() + "\n"


def _thin(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        return {
            field.encode_name: _thin(getattr(value, field.name))
            for field in msgspec.structs.fields(value)
            if field.required or getattr(value, field.name) != _default(field)
        }
    if isinstance(value, tuple | list):
        return [_thin(each) for each in value]
    if isinstance(value, dict):
        return {key: _thin(each) for key, each in value.items()}
    return value


def _default(field: msgspec.structs.FieldInfo) -> Any:
    return field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()


def agent_settings(settings: SiteSettings) -> AgentSettings:
    """Return what the agent is told."""
    return AgentSettings(
        site=settings.name,
        kind=SiteKind.KUBERNETES,
        identity=mounted_identity(f"agent.{settings.name}"),
        backbone=_backbone(settings, f"agent.{settings.name}"),
        gateway_url=settings.gateway_url,
        credentials_file=_FOLDER / "credentials.json",
        data_folder=_STATE,
        computing_units=settings.computing_units,
        memory_bytes=settings.memory_bytes,
        workers=settings.workers,
        engine=KUBERNETES if settings.has_pods else POOL,
        pods=pod_settings(settings) if settings.has_pods else None,
        software=settings.software,
        costs=settings.costs,
        labels=settings.labels,
        drain_s=max(0, settings.drain_s - FAREWELL_S),
        health_port=HEALTH_PORT,
        health_host=EVERYWHERE,
        reach=Reach.SITE if settings.external_store is None else Reach.ANY,
    )


def pod_settings(settings: SiteSettings) -> PodSettings:
    """Return of what the agent makes workers: of the profiles, else of one that shares what is offered."""
    limits = parse_workers(settings.workers or USUAL_WORKERS, KUBERNETES)
    even = WorkerProfile(
        units=max(1, settings.computing_units // limits.most),
        memory_bytes=settings.memory_bytes // limits.most,
    )
    return PodSettings(
        namespace=settings.runs,
        image=settings.image,
        profiles=settings.profiles or (even,),
        pull_policy=settings.pull_policy,
        pull_secrets=settings.pull_secrets,
    )


def gateway_settings(settings: SiteSettings) -> GatewaySettings:
    """Return what the gateway is told."""
    own = _own_store(settings)
    return GatewaySettings(
        site=settings.name,
        gateway=f"gateway.{settings.name}",
        listen_host=EVERYWHERE,
        listen_port=GATEWAY_PORT,
        tls_certificate_file=_FOLDER / "certificate.pem",
        tls_key_file=_FOLDER / "key.pem",
        profile="release",
        backbone=_backbone(settings, f"gateway.{settings.name}"),
        own_store=own,
        peer_store=_peer_store(settings, own),
        store_keys_file=_FOLDER / "store-keys.json",
        policy=Policy(settings.policy),
        master_keys_file=_FOLDER / "master.keys" if settings.has_master_keys else None,
        state_folder=_STATE,
        blocks=BlockSettings(folder=_STATE / "blocks", capacity_bytes=settings.state_bytes // 2),
        health_port=HEALTH_PORT,
        health_host=EVERYWHERE,
    )


def store_settings(settings: SiteSettings) -> DirectorySettings:
    """Return what the directory store is told."""
    return DirectorySettings(
        name=f"store.{settings.name}",
        folder=_STATE,
        keys_file=_FOLDER / "store-keys.json",
        listen_host=EVERYWHERE,
        listen_port=STORE_PORT,
        tls_certificate_file=_FOLDER / "certificate.pem",
        tls_key_file=_FOLDER / "key.pem",
        bucket=BUCKET,
        min_free_bytes=MIN_FREE_BYTES,
    )


def mounted_identity(name: str) -> IdentityFiles:
    """Return where a pod finds its identity."""
    return IdentityFiles(
        name=name,
        ca_file=_FOLDER / "ca.pem",
        certificate_file=_FOLDER / "certificate.pem",
        key_file=_FOLDER / "key.pem",
        signing_certificate_file=_FOLDER / "signing-certificate.pem",
        signing_key_file=_FOLDER / "signing-key.pem",
    )


def _own_store(settings: SiteSettings) -> Store:
    """The store without its keys: they are in the gateway's Secret, and so is the authority of a store of
    ours."""
    external = settings.external_store
    if external is None:
        return Store(
            name=f"store.{settings.name}",
            site=settings.name,
            endpoint=f"https://store.{settings.home}.svc:{STORE_PORT}",
            region=REGION,
            bucket=BUCKET,
            access_key="",
            secret_key="",
            reach=Reach.SITE,  # no port of the cluster is open to others
        )
    return Store(
        name=f"store.{settings.name}",
        site=settings.name,
        endpoint=external.endpoint,
        region=external.region,
        bucket=external.bucket,
        access_key="",
        secret_key="",
        ca_pem=external.ca_pem,
        addressing=external.addressing,
    )


def _peer_store(settings: SiteSettings, own: Store) -> Store:
    """The store as other sites reach it, if they do."""
    if settings.outside is None or settings.external_store is not None:
        return own
    endpoint = f"https://{settings.outside.host}:{settings.outside.store_port}"
    return msgspec.structs.replace(own, endpoint=endpoint, reach=Reach.ANY)


def _backbone(settings: SiteSettings, name: str) -> BackboneSettings:
    files = mounted_identity(name)
    return BackboneSettings(
        url=settings.backbone_url,
        name=name,
        ca_file=files.ca_file,
        certificate_file=files.certificate_file,
        key_file=files.key_file,
    )
