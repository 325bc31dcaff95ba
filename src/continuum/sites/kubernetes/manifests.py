"""The objects of a site in a cluster, all but its Secrets: settings in, manifests out. Pure.

What is planned here is the one truth: the command applies it, and deploy/kubernetes is written from it.
Names are fixed within the site's namespaces. The pods' template bears a digest of the settings, so that new
settings replace pods and nothing else does.
"""

import hashlib
from typing import Any

import msgspec

from continuum.sites.kubernetes.documents import plan_documents
from continuum.sites.kubernetes.networks import plan_network
from continuum.sites.kubernetes.objects import arrange, label, make_object, namespace_labels, select
from continuum.sites.kubernetes.pods import (
    common_mounts,
    health_probes,
    identity_volume,
    make_container,
    make_pod,
    page_probes,
    scratch_volume,
    settings_volume,
    token_volume,
)
from continuum.sites.kubernetes.rights import ACCOUNT, plan_rights
from continuum.sites.kubernetes.settings import (
    GATEWAY_PORT,
    HEALTH_PORT,
    MADE_BY,
    STORE_PORT,
    Manifest,
    SiteSettings,
    check_site,
)
from continuum.sites.kubernetes.volumes import plan_storage, quantity, state_mount, state_volume

SETTINGS_MARK, IDENTITIES_MARK = "continuum/settings", "continuum/identities"
GATEWAY_GRACE_S, STORE_GRACE_S = 30, 15
MAKER = "join"
STORE_PAGE = "/-/health"


def plan_site(settings: SiteSettings) -> tuple[Manifest, ...]:
    """Return the objects of a site but its Secrets, in the order of applying. Raises `InvalidInputError`."""
    check_site(settings)
    documents = plan_documents(settings)
    outside = settings.outside
    workloads = [_agent(settings, documents), _gateway(settings, documents)]
    services = [_service(settings, "gateway", GATEWAY_PORT, outside.gateway_port if outside else 0)]
    if settings.external_store is None:
        workloads.append(_store(settings, documents))
        services.append(_service(settings, "store", STORE_PORT, outside.store_port if outside else 0))
    return arrange(
        (
            *plan_namespaces(settings),
            *plan_rights(settings),
            _settings_map(settings, documents),
            *plan_storage(settings),
            *plan_network(settings),
            *_disruption(settings),
            *services,
            *workloads,
        )
    )


def plan_namespaces(settings: SiteSettings) -> tuple[Manifest, ...]:
    """Return the namespaces that are to be made."""
    if not settings.makes_namespaces:
        return ()
    return tuple(_namespace(settings, name) for name in dict.fromkeys((settings.home, settings.runs)))


def _namespace(settings: SiteSettings, name: str) -> Manifest:
    restricted = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "audit", "warn")}
    namespace = make_object(
        "v1", "Namespace", name, "", label(settings.name) | namespace_labels(settings, name) | restricted
    )
    namespace["metadata"]["annotations"] = {MADE_BY: MAKER}
    return namespace


def _settings_map(settings: SiteSettings, documents: dict[str, str]) -> Manifest:
    return make_object("v1", "ConfigMap", "settings", settings.home, label(settings.name), data=documents)


def _agent(settings: SiteSettings, documents: dict[str, str]) -> Manifest:
    """The agent; without pods of their own, tasks run in its pod, within memory of theirs."""
    resources = settings.agent
    mounts = [*common_mounts(token=settings.has_pods), state_mount("agent")]
    volumes = _volumes(settings, "agent")
    if settings.has_pods:
        volumes.append(token_volume())
    else:
        limit = resources.limit_bytes + settings.memory_bytes
        resources = msgspec.structs.replace(resources, limit_bytes=limit)
        shared = {"medium": "Memory", "sizeLimit": quantity(settings.memory_bytes)}
        volumes.append(scratch_volume("shared", **shared))
        mounts.append({"name": "shared", "mountPath": "/dev/shm"})  # noqa: S108 -- of the pod alone
    container = make_container(
        settings,
        "agent",
        module="continuum.sites.agent",
        resources=resources,
        mounts=mounts,
        probes=health_probes(),
        ports={"health": HEALTH_PORT},
    )
    pod = make_pod(settings, container, volumes, grace_s=settings.drain_s, account=ACCOUNT)
    return _deployment(settings, "agent", pod, documents)


def _gateway(settings: SiteSettings, documents: dict[str, str]) -> Manifest:
    mounts = [*common_mounts(), state_mount("gateway")]
    container = make_container(
        settings,
        "gateway",
        module="continuum.store.gateway",
        resources=settings.gateway,
        mounts=mounts,
        probes=health_probes(),
        ports={"s3": GATEWAY_PORT, "health": HEALTH_PORT},
    )
    pod = make_pod(settings, container, _volumes(settings, "gateway"), grace_s=GATEWAY_GRACE_S)
    return _deployment(settings, "gateway", pod, documents)


def _store(settings: SiteSettings, documents: dict[str, str]) -> Manifest:
    mounts = [*common_mounts(), state_mount("store")]
    container = make_container(
        settings,
        "store",
        module="continuum.store.directories",
        resources=settings.store,
        mounts=mounts,
        probes=page_probes(STORE_PAGE, STORE_PORT),
        ports={"s3": STORE_PORT},
    )
    pod = make_pod(settings, container, _volumes(settings, "store"), grace_s=STORE_GRACE_S)
    spec = {"serviceName": "store"} | _workload(settings, "store", pod, documents)
    return make_object(
        "apps/v1", "StatefulSet", "store", settings.home, label(settings.name, "store"), spec=spec
    )


def _volumes(settings: SiteSettings, component: str) -> list[Manifest]:
    return [
        identity_volume(component),
        settings_volume(),
        scratch_volume("tmp"),
        state_volume(settings, component),
    ]


def _deployment(settings: SiteSettings, component: str, pod: Manifest, documents: dict[str, str]) -> Manifest:
    """One pod, ended before the next begins: two of one site would both take its tasks."""
    spec = {"strategy": {"type": "Recreate"}} | _workload(settings, component, pod, documents)
    return make_object(
        "apps/v1", "Deployment", component, settings.home, label(settings.name, component), spec=spec
    )


def _workload(
    settings: SiteSettings, component: str, pod: Manifest, documents: dict[str, str]
) -> dict[str, Any]:
    marks = {SETTINGS_MARK: hash_text(documents[f"{component}.json"])}
    if settings.identities_mark:
        marks[IDENTITIES_MARK] = settings.identities_mark
    return {
        "replicas": 1,
        "selector": {"matchLabels": select(settings.name, component)},
        "template": {
            "metadata": {"labels": label(settings.name, component), "annotations": marks},
            "spec": pod,
        },
    }


def hash_text(text: str) -> str:
    """Return a short digest."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _service(settings: SiteSettings, component: str, port: int, outside: int) -> Manifest:
    at: Manifest = {"name": "s3", "port": port, "targetPort": port, "protocol": "TCP"}
    spec: Manifest = {"selector": select(settings.name, component), "ports": [at]}
    if outside:
        spec |= {"type": "NodePort", "ports": [at | {"nodePort": outside}]}
    return make_object("v1", "Service", component, settings.home, label(settings.name, component), spec=spec)


def _disruption(settings: SiteSettings) -> tuple[Manifest, ...]:
    """Whoever empties a machine may end the gateway: it has one pod, and comes again elsewhere."""
    if not settings.disruption_api:
        return ()
    spec = {"maxUnavailable": 1, "selector": {"matchLabels": select(settings.name, "gateway")}}
    labels = label(settings.name, "gateway")
    kind = "PodDisruptionBudget"
    return (make_object(settings.disruption_api, kind, "gateway", settings.home, labels, spec=spec),)
