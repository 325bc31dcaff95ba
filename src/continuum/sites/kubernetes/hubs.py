"""The hub in a cluster: hub and backbone (nats-server) as pods, reachable from outside. Pure.

One hub with SQLite on a volume, or with PostgreSQL elsewhere whose URL is in a Secret. Two ports are open to
everybody, both with mutual TLS or keys: that of the backbone, where sites and drivers come, and that of the
API. Whom the backbone lets in stands in its settings: when that changes its pod is replaced, which takes
seconds in which everybody connects again (a signal would be gentler, but a changed ConfigMap reaches a pod
only after a minute or more).
"""

import base64
from pathlib import Path
from typing import Any

import msgspec

from continuum.backbone import BackboneSettings
from continuum.model.errors import InvalidInputError
from continuum.sites.embedded.nats import format_backbone_configuration, list_identities
from continuum.sites.hubs import HubSettings
from continuum.sites.joining.invitations import IdentityPems
from continuum.sites.kubernetes.documents import EVERYWHERE, format_sparsely, mounted_identity
from continuum.sites.kubernetes.manifests import (
    IDENTITIES_MARK,
    SETTINGS_MARK,
    hash_text,
    plan_namespaces,
)
from continuum.sites.kubernetes.objects import arrange, label, make_object, select
from continuum.sites.kubernetes.pods import (
    IDENTITY_PATH,
    SETTINGS_PATH,
    common_mounts,
    get_probe,
    identity_volume,
    make_container,
    make_pod,
    make_probes,
    scratch_volume,
    settings_volume,
)
from continuum.sites.kubernetes.settings import (
    MIB,
    Manifest,
    Overlay,
    PodStorage,
    Resources,
    SiteSettings,
    Storage,
    check_site,
    service_names,
)
from continuum.sites.kubernetes.volumes import STATE_PATH, plan_claims, state_mount, state_volume

NAME = "hub"
BACKBONE_PORT, HUB_PORT, MONITOR_PORT = 4222, 3000, 8222
SERVICES = ("NodePort", "LoadBalancer", "ClusterIP")
NODE_PORTS = range(30000, 32768)
DATABASE_FILE = f"{IDENTITY_PATH}/database-url"
HUB = Resources(cpu_millis=100, memory_bytes=128 * MIB, limit_bytes=512 * MIB)
BACKBONE = Resources(cpu_millis=50, memory_bytes=32 * MIB, limit_bytes=256 * MIB)


class HubPlace(msgspec.Struct, frozen=True, kw_only=True):
    """A hub to be in a cluster. No secrets.

    It is reached from outside at `address` (a name or an address of the cluster's, or of what leads there),
    ports `backbone_port` and `hub_port`. `joined` are the sites that the backbone lets in. `has_database`:
    its index is in PostgreSQL, whose URL is a secret.
    """

    continuum: str
    address: str
    image: str
    namespace: str = "continuum-hub"
    service: str = "NodePort"
    backbone_port: int = 30422
    hub_port: int = 30300
    makes_namespaces: bool = True
    pull_policy: str = "IfNotPresent"
    pull_secrets: tuple[str, ...] = ()
    storage: Storage = PodStorage()
    state_bytes: int = 1024 * MIB
    has_database: bool = False
    joined: tuple[str, ...] = ()
    identities_mark: str = ""

    @property
    def host(self) -> str:
        """The address as it is written in URLs."""
        return f"[{self.address}]" if ":" in self.address else self.address

    @property
    def backbone_url(self) -> str:
        """Where sites and drivers come."""
        return f"tls://{self.host}:{self.backbone_port}"

    @property
    def hub_url(self) -> str:
        """Where the API is."""
        return f"https://{self.host}:{self.hub_port}"

    @property
    def common(self) -> SiteSettings:
        """What objects of a hub have in common with those of a site: place, image, pulling, storage."""
        return SiteSettings(
            name=NAME,
            overlay=Overlay.EDGE,
            image=self.image,
            backbone_url=self.backbone_url,
            computing_units=1,
            memory_bytes=64 * MIB,
            namespace=self.namespace,
            runs_namespace=self.namespace,
            makes_namespaces=self.makes_namespaces,
            pull_policy=self.pull_policy,
            pull_secrets=self.pull_secrets,
            storage=self.storage,
            state_bytes=self.state_bytes,
        )


class HubSecrets(msgspec.Struct, frozen=True, kw_only=True):
    """What a hub is trusted with. `sealing_key` seals the secrets in its database."""

    ca: str
    hub: IdentityPems
    backbone: IdentityPems
    sealing_key: bytes
    database_url: str = ""

    def __repr__(self) -> str:
        return "HubSecrets()"


def hosts_of_hub(place: HubPlace, component: str) -> tuple[str, ...]:
    """Return the names that the certificate of `hub` or `backbone` must hold for."""
    return place.address, *service_names(component, place.namespace)


def check_place(place: HubPlace) -> None:
    """Refuse what cannot be. Raises `InvalidInputError`."""
    check_site(place.common)
    if place.service not in SERVICES:
        raise InvalidInputError(f"there is no Service {place.service!r}", hint=", ".join(SERVICES))
    ports = (place.backbone_port, place.hub_port)
    if place.service == "NodePort" and not all(port in NODE_PORTS for port in ports):
        raise InvalidInputError(
            f"ports {ports[0]} and {ports[1]} are not both ports of machines", hint="30000 to 32767"
        )
    if ports[0] == ports[1]:
        raise InvalidInputError(f"backbone and hub cannot both have port {ports[0]}")


def plan_hub(place: HubPlace) -> tuple[Manifest, ...]:
    """Return the objects of a hub but its Secrets, in the order of applying. Raises `InvalidInputError`."""
    check_place(place)
    documents = {"hub.json": format_sparsely(hub_settings(place)), "backbone.json": _backbone_document(place)}
    common = place.common
    settings = make_object("v1", "ConfigMap", "settings", common.home, label(NAME), data=documents)
    claims = () if place.has_database else plan_claims(common, ("hub",))
    return arrange(
        (
            *plan_namespaces(common),
            settings,
            *claims,
            *_network(place),
            _service(place, "backbone", BACKBONE_PORT, place.backbone_port),
            _service(place, "hub", HUB_PORT, place.hub_port),
            _workload(place, "StatefulSet", "hub", _hub_pod(place), documents["hub.json"]),
            _workload(place, "Deployment", "backbone", _backbone_pod(place), documents["backbone.json"]),
        )
    )


def plan_hub_secrets(place: HubPlace, secrets: HubSecrets) -> tuple[Manifest, ...]:
    """Return the Secrets. What is returned must not be printed: `redact` it first."""
    of_hub = _files(secrets.ca, secrets.hub) | {"sealing.key": secrets.sealing_key}
    if place.has_database:
        of_hub["database-url"] = secrets.database_url.encode()
    parts = {"hub": of_hub, "backbone": _files(secrets.ca, secrets.backbone)}
    return tuple(
        make_object(
            "v1",
            "Secret",
            name,
            place.namespace,
            label(NAME, name),
            type="Opaque",
            data={file: base64.b64encode(data).decode() for file, data in files.items()},
        )
        for name, files in parts.items()
    )


def hub_settings(place: HubPlace) -> HubSettings:
    """Return what the hub is told."""
    identity = mounted_identity("hub")
    state = Path(STATE_PATH)
    return HubSettings(
        name=place.continuum,
        identity=identity,
        backbone=BackboneSettings(
            url=f"tls://backbone.{place.namespace}.svc:{BACKBONE_PORT}",
            name="hub",
            ca_file=identity.ca_file,
            certificate_file=identity.certificate_file,
            key_file=identity.key_file,
        ),
        database=state / "continuum.sqlite",
        key_file=Path(IDENTITY_PATH) / "sealing.key",
        runs_database=state / "runs.sqlite",
        database_url=f"file:{DATABASE_FILE}" if place.has_database else "",
        listen_host=EVERYWHERE,
        listen_port=HUB_PORT,
    )


def _backbone_document(place: HubPlace) -> str:
    text = format_backbone_configuration(
        port=BACKBONE_PORT,
        server=mounted_identity("backbone"),
        identities=list_identities(place.joined),
        host=EVERYWHERE,
        pid_file=Path("/tmp/nats-server.pid"),  # noqa: S108 -- of the pod alone
    )
    document = msgspec.json.decode(text) | {"http": f"{EVERYWHERE}:{MONITOR_PORT}"}
    return msgspec.json.format(msgspec.json.encode(document)).decode() + "\n"


def _hub_pod(place: HubPlace) -> Manifest:
    """The hub; bad news from it takes it out of its Service, but does not restart it."""
    probes = make_probes(get_probe("/healthz", HUB_PORT), {"tcpSocket": {"port": HUB_PORT}})
    container = make_container(
        place.common,
        "hub",
        module="continuum.hub",
        resources=HUB,
        mounts=[*common_mounts(), state_mount("hub")],
        probes=probes,
        ports={"api": HUB_PORT},
    )
    state = scratch_volume("state") if place.has_database else state_volume(place.common, "hub")
    volumes = [identity_volume("hub"), settings_volume(), scratch_volume("tmp"), state]
    return make_pod(place.common, container, volumes, grace_s=30)


def _backbone_pod(place: HubPlace) -> Manifest:
    well = get_probe("/healthz", MONITOR_PORT, "HTTP")
    container = make_container(
        place.common,
        "backbone",
        module="",
        resources=BACKBONE,
        mounts=common_mounts(),
        probes=make_probes(well, well),
        ports={"backbone": BACKBONE_PORT, "monitor": MONITOR_PORT},
    ) | {"command": ["nats-server", "-c", f"{SETTINGS_PATH}/backbone.json"]}
    volumes = [identity_volume("backbone"), settings_volume(), scratch_volume("tmp")]
    return make_pod(place.common, container, volumes, grace_s=10)


def _workload(place: HubPlace, kind: str, component: str, pod: Manifest, document: str) -> Manifest:
    marks = {SETTINGS_MARK: hash_text(document)}
    if place.identities_mark:
        marks[IDENTITIES_MARK] = place.identities_mark
    own: dict[str, Any] = {"strategy": {"type": "Recreate"}}
    spec = {
        **(own if kind == "Deployment" else {"serviceName": component}),
        "replicas": 1,
        "selector": {"matchLabels": select(NAME, component)},
        "template": {"metadata": {"labels": label(NAME, component), "annotations": marks}, "spec": pod},
    }
    return make_object("apps/v1", kind, component, place.namespace, label(NAME, component), spec=spec)


def _service(place: HubPlace, component: str, inner: int, outer: int) -> Manifest:
    """A Service at its usual port inside; outside, of a machine's ports or a balancer's."""
    port: dict[str, Any] = {"name": component, "port": inner, "targetPort": inner, "protocol": "TCP"}
    ports = [port | {"nodePort": outer}] if place.service == "NodePort" else [port]
    if place.service == "LoadBalancer" and outer != inner:
        ports.append(port | {"name": "outside", "port": outer})
    spec = {"type": place.service, "selector": select(NAME, component), "ports": ports}
    return make_object("v1", "Service", component, place.namespace, label(NAME, component), spec=spec)


def _network(place: HubPlace) -> tuple[Manifest, ...]:
    """Everybody may come to the two ports; the hub goes to the backbone, and to its database."""
    dns = [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")]
    backbone = {
        "to": [{"podSelector": {"matchLabels": select(NAME, "backbone")}}],
        "ports": _port(BACKBONE_PORT),
    }
    anywhere = [{"ports": [{"protocol": "TCP"}]}] if place.has_database else []
    return (
        _policy(place, "deny-all", {}, ["Ingress", "Egress"]),
        _policy(place, "dns", select(NAME), ["Egress"], egress=[{"ports": dns}]),
        _policy(
            place,
            "backbone",
            select(NAME, "backbone"),
            ["Ingress"],
            ingress=[{"ports": _port(BACKBONE_PORT)}],
        ),
        _policy(
            place,
            "hub",
            select(NAME, "hub"),
            ["Ingress", "Egress"],
            ingress=[{"ports": _port(HUB_PORT)}],
            egress=[backbone, *anywhere],
        ),
    )


def _policy(
    place: HubPlace, name: str, pods: dict[str, str], types: list[str], **rules: list[Any]
) -> Manifest:
    spec = {"podSelector": {"matchLabels": pods} if pods else {}, "policyTypes": types, **rules}
    return make_object("networking.k8s.io/v1", "NetworkPolicy", name, place.namespace, label(NAME), spec=spec)


def _port(number: int) -> list[Any]:
    return [{"protocol": "TCP", "port": number}]


def _files(ca: str, pems: IdentityPems) -> dict[str, bytes]:
    texts = {
        "ca.pem": ca,
        "certificate.pem": pems.certificate,
        "key.pem": pems.key,
        "signing-certificate.pem": pems.signing_certificate,
        "signing-key.pem": pems.signing_key,
    }
    return {name: text.encode() for name, text in texts.items()}
