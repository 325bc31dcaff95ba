"""The objects of a pool: a scheduler of Dask and workers as pods, and what they need. Pure.

A ConfigMap `run-RUN` owns all the rest, so that deleting it deletes the pool, whoever does it. Scheduler and
workers know each other by a key that only this pool has (Secret `pool-RUN`), find each other by names of a
headless Service (also before they are ready), and have no token, no identity and no rights. Memory is
requested as it is limited, so that a machine that runs full ends none of them; processor time is not limited.
"""

import base64
import hashlib
from pathlib import Path
from typing import Any

import msgspec

from continuum.model.errors import InvalidInputError
from continuum.model.pools import PoolRequest, Volume, WorkerProfile

SITE_LABEL, RUN_LABEL, POOL_LABEL = "continuum/site", "continuum/run", "continuum/pool"
PROFILE_LABEL = "continuum/profile"
COMPONENT_LABEL = "app.kubernetes.io/component"
SCHEDULER, WORKER = "scheduler", "worker"
SCHEDULER_PORT, WORKER_PORT, HEALTH_PORT = 8786, 8787, 8081
OVERHEAD_BYTES = 256 * 1024 * 1024  # Dask's worker, and what the processes of tasks share
UID = 65532
GRACE_S = 5
KEY_FILE = "pool.pem"
KEY_FOLDER = "/etc/continuum/pool"
MOST_NAME = 40
TEMPORARY_BYTES = 10 * 1024**3

Manifest = dict[str, Any]


class PodSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where and of what a site makes the workers of its runs.

    `kubeconfig` None: the agent is a pod of that cluster itself, and reaches schedulers by their names; else
    it is outside, reaches the API server by `context` of that file, and schedulers by a port of each node.
    """

    namespace: str
    image: str
    profiles: tuple[WorkerProfile, ...] = (WorkerProfile(),)
    pull_policy: str = "IfNotPresent"
    pull_secrets: tuple[str, ...] = ()
    kubeconfig: Path | None = None
    context: str = ""
    scheduler_memory_bytes: int = 384 * 1024 * 1024
    scheduler_cpu_millis: int = 50

    @property
    def is_outside(self) -> bool:
        """Whether the agent is not a pod of the cluster."""
        return self.kubeconfig is not None


class PoolNames(msgspec.Struct, frozen=True, kw_only=True):
    """What the objects of a run's pool are called; `token` differs each time that a run has a new pool, so
    that none of its objects meets one that is still being deleted.
    """

    run_id: str
    slug: str
    token: str

    @property
    def owner(self) -> str:
        """The ConfigMap that owns all."""
        return f"run-{self.slug}-{self.token}"

    @property
    def pool(self) -> str:
        """The Secret, the Service, the Deployment, and the beginning of the names of workers."""
        return f"pool-{self.slug}-{self.token}"

    def worker(self, number: int) -> str:
        """The pod of a worker, and its name at the scheduler."""
        return f"{self.pool}-{number}"


class Owner(msgspec.Struct, frozen=True, kw_only=True):
    """The ConfigMap that owns a pool, as the API server knows it."""

    name: str
    uid: str


class Pool(msgspec.Struct, frozen=True, kw_only=True):
    """All that the objects of one pool depend on; `profiles` as the run has changed them."""

    site: str
    names: PoolNames
    settings: PodSettings
    request: PoolRequest
    profiles: tuple[WorkerProfile, ...]


def name_pool(run_id: str, token: str) -> PoolNames:
    """Return names that the cluster takes, and that differ where runs differ."""
    slug = run_id.lower().replace("_", "-").strip("-")
    if slug != run_id or len(slug) > MOST_NAME:
        digest = hashlib.sha256(run_id.encode()).hexdigest()[:8]
        slug = f"{slug[: MOST_NAME - 9].strip('-') or 'run'}-{digest}"
    return PoolNames(run_id=run_id, slug=slug, token=token)


def selector_of(pool: Pool) -> str:
    """Return the selector of all objects of a pool."""
    return f"{POOL_LABEL}={pool.names.pool},{SITE_LABEL}={pool.site}"


def plan_owner(pool: Pool) -> Manifest:
    """Return what is made first, and deleted to delete all."""
    owner = _object(pool, "v1", "ConfigMap", pool.names.owner)
    return owner | {"data": {"run": pool.names.run_id, "site": pool.site}}


def plan_pool(pool: Pool, owner: Owner, key_pem: bytes) -> tuple[Manifest, ...]:
    """Return the key, the name and the scheduler of a pool, in the order in which they are made."""
    secret = _owned(pool, owner, "v1", "Secret", pool.names.pool)
    secret |= {"type": "Opaque", "data": {KEY_FILE: base64.b64encode(key_pem).decode()}}
    plans = [secret, _plan_name(pool, owner), _plan_scheduler(pool, owner)]
    if pool.settings.is_outside:
        plans.insert(2, _plan_node_port(pool, owner))
    return tuple(plans)


def plan_worker(pool: Pool, owner: Owner, profile: WorkerProfile, number: int) -> Manifest:
    """Return the pod of a worker."""
    name = pool.names.worker(number)
    pod = _owned(pool, owner, "v1", "Pod", name, component=WORKER, labels={PROFILE_LABEL: profile.name})
    said = {
        "kind": "worker",
        "name": name,
        "scheduler": scheduler_url(pool),
        "units": profile.units,
        "memory_bytes": profile.memory_bytes,
        "gpus": profile.gpus,
        "port": WORKER_PORT,
    }
    memory_bytes = profile.memory_bytes + OVERHEAD_BYTES
    resources = _resources(profile.cpu_millis or 1000 * profile.units, memory_bytes)
    if profile.gpus:
        resources["limits"][profile.gpu_resource] = str(profile.gpus)
    image = profile.image or pool.settings.image
    container = _container(
        pool, WORKER, image, said, resources=resources, environment=pool.request.environment
    )
    container["volumeMounts"] += [_mount(place, each) for place, each in enumerate(pool.request.volumes)]
    spec = _pod(pool, container) | {
        "restartPolicy": "Never",
        "hostname": name,
        "subdomain": pool.names.pool,
        "nodeSelector": dict(profile.node_selector),
        "tolerations": [_toleration(each) for each in profile.tolerations],
    }
    spec["volumes"] += [_volume(place, each) for place, each in enumerate(pool.request.volumes)]
    return pod | {"spec": spec}


def scheduler_url(pool: Pool) -> str:
    """Return where pods find the scheduler."""
    return f"tls://{SCHEDULER}.{pool.names.pool}.{pool.settings.namespace}.svc:{SCHEDULER_PORT}"


def check_image(image: str) -> str:
    """Return an image's name, if nodes look for it where it was put. Raises `InvalidInputError`."""
    host, _, rest = image.partition("/")
    if not rest or ("." not in host and ":" not in host and host != "localhost"):
        raise InvalidInputError(
            f"{image[:80]!r} names no host: clusters would look for it at docker.io",
            hint="as in localhost/mine:1 or registry.example/mine:1",
        )
    return image


# ---- parts ----


def _plan_name(pool: Pool, owner: Owner) -> Manifest:
    service = _owned(pool, owner, "v1", "Service", pool.names.pool)
    return service | {
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": {POOL_LABEL: pool.names.pool, SITE_LABEL: pool.site},
            "ports": [{"name": "dask", "port": SCHEDULER_PORT}],
        }
    }


def _plan_node_port(pool: Pool, owner: Owner) -> Manifest:
    service = _owned(pool, owner, "v1", "Service", f"{pool.names.pool}-outside")
    return service | {
        "spec": {
            "type": "NodePort",
            "publishNotReadyAddresses": True,
            "selector": {POOL_LABEL: pool.names.pool, COMPONENT_LABEL: SCHEDULER},
            "ports": [{"name": "dask", "port": SCHEDULER_PORT}],
        }
    }


def _plan_scheduler(pool: Pool, owner: Owner) -> Manifest:
    settings = pool.settings
    said = {"kind": "scheduler", "name": SCHEDULER, "port": SCHEDULER_PORT, "health_port": HEALTH_PORT}
    resources = _resources(settings.scheduler_cpu_millis, settings.scheduler_memory_bytes)
    container = _container(pool, SCHEDULER, settings.image, said, resources=resources)
    container |= {
        "startupProbe": {"tcpSocket": {"port": HEALTH_PORT}, "periodSeconds": 1, "failureThreshold": 120},
        "readinessProbe": {"tcpSocket": {"port": HEALTH_PORT}, "periodSeconds": 2},
    }
    labels = _labels(pool, SCHEDULER)
    deployment = _owned(pool, owner, "apps/v1", "Deployment", pool.names.pool, component=SCHEDULER)
    return deployment | {
        "spec": {
            "replicas": 1,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": {POOL_LABEL: pool.names.pool, COMPONENT_LABEL: SCHEDULER}},
            "template": {
                "metadata": {"labels": labels},
                "spec": _pod(pool, container) | {"hostname": SCHEDULER, "subdomain": pool.names.pool},
            },
        }
    }


def _container(
    pool: Pool,
    name: str,
    image: str,
    said: Manifest,
    *,
    resources: Manifest,
    environment: dict[str, str] | None = None,
) -> Manifest:
    key = f"{KEY_FOLDER}/{KEY_FILE}"
    settings = said | {
        "host": "$(POD_IP)",
        "is_alone": True,
        "ca_file": key,
        "certificate_file": key,
        "key_file": key,
    }
    module = "continuum.workflow.engines.clustering"
    return {
        "name": name,
        "image": check_image(image),
        "imagePullPolicy": pool.settings.pull_policy,
        "command": ["python3", "-P", "-m", module, msgspec.json.encode(settings).decode()],
        "workingDir": "/tmp",  # noqa: S108 - of the container, its own
        "env": [
            {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "HOME", "value": "/tmp"},  # noqa: S108
            *({"name": name, "value": value} for name, value in sorted((environment or {}).items())),
        ],
        "resources": resources,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "key", "mountPath": KEY_FOLDER, "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108
        ],
    }


def _pod(pool: Pool, container: Manifest) -> Manifest:
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "shareProcessNamespace": True,  # its first process reaps what tasks leave behind
        "terminationGracePeriodSeconds": GRACE_S,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": UID,
            "runAsGroup": UID,
            "fsGroup": UID,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "imagePullSecrets": [{"name": each} for each in pool.settings.pull_secrets],
        "containers": [container],
        "volumes": [
            {"name": "key", "secret": {"secretName": pool.names.pool, "defaultMode": 0o440}},
            {"name": "tmp", "emptyDir": {"sizeLimit": str(TEMPORARY_BYTES)}},
        ],
    }


def _resources(cpu_millis: int, memory_bytes: int) -> Manifest:
    memory = str(memory_bytes)
    return {"requests": {"cpu": f"{cpu_millis}m", "memory": memory}, "limits": {"memory": memory}}


def _volume(place: int, volume: Volume) -> Manifest:
    name = f"volume-{place}"
    match volume.kind:
        case "claim":
            source = {"claimName": volume.name, "readOnly": volume.is_read_only}
            return {"name": name, "persistentVolumeClaim": source}
        case "config":
            return {"name": name, "configMap": {"name": volume.name}}
        case "empty":
            return {"name": name, "emptyDir": {"sizeLimit": str(volume.size_bytes)}}


def _mount(place: int, volume: Volume) -> Manifest:
    return {"name": f"volume-{place}", "mountPath": volume.path, "readOnly": volume.is_read_only}


def _toleration(toleration: Any) -> Manifest:
    found: Manifest = {"key": toleration.key, "operator": "Equal" if toleration.value else "Exists"}
    found |= {"value": toleration.value} if toleration.value else {}
    return found | ({"effect": toleration.effect} if toleration.effect else {})


def _labels(pool: Pool, component: str) -> dict[str, str]:
    labels = {
        "app.kubernetes.io/name": "continuum",
        "app.kubernetes.io/managed-by": "continuum",
        SITE_LABEL: pool.site,
        RUN_LABEL: pool.names.slug,
        POOL_LABEL: pool.names.pool,
    }
    return labels | ({COMPONENT_LABEL: component} if component else {})


def _object(pool: Pool, api: str, kind: str, name: str, *, component: str = "") -> Manifest:
    metadata = {"name": name, "namespace": pool.settings.namespace, "labels": _labels(pool, component)}
    return {"apiVersion": api, "kind": kind, "metadata": metadata}


def _owned(
    pool: Pool,
    owner: Owner,
    api: str,
    kind: str,
    name: str,
    *,
    component: str = "",
    labels: dict[str, str] | None = None,
) -> Manifest:
    made = _object(pool, api, kind, name, component=component)
    made["metadata"]["labels"] |= labels or {}
    made["metadata"]["ownerReferences"] = [
        {"apiVersion": "v1", "kind": "ConfigMap", "name": owner.name, "uid": owner.uid}
    ]
    return made
