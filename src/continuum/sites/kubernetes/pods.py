"""Pods of a site as Pod Security "restricted" and our own rules want them. Pure.

Everything runs as the image's user, on a read-only root, with no capability and no token; what is written
goes to the volumes `tmp` and `state`. PID 1 is the pause container (`shareProcessNamespace`): it reaps
processes whose parent has gone.
"""

from typing import Any

from continuum.sites.kubernetes.settings import HEALTH_PORT, Manifest, Resources, SiteSettings
from continuum.sites.kubernetes.volumes import quantity

USER = 65532
IDENTITY_PATH = "/etc/continuum/identity"
SETTINGS_PATH = "/etc/continuum/settings"
TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105 -- a path
SECRET_MODE = 0o440
TOKEN_LIFE_S = 3600
PROBE_TIMEOUT_S = 5
START_PROBES, START_EVERY_S = 60, 2
CONTAINER_SECURITY = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
}
POD_SECURITY = {
    "runAsNonRoot": True,
    "runAsUser": USER,
    "runAsGroup": USER,
    "fsGroup": USER,
    "fsGroupChangePolicy": "OnRootMismatch",
    "seccompProfile": {"type": "RuntimeDefault"},
}


def make_pod(
    settings: SiteSettings,
    container: Manifest,
    volumes: list[Manifest],
    *,
    grace_s: int,
    account: str = "",
) -> Manifest:
    """Return the specification of a pod of one container."""
    pod: Manifest = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "shareProcessNamespace": True,
        "terminationGracePeriodSeconds": grace_s,
        "securityContext": POD_SECURITY,
        "containers": [container],
        "volumes": volumes,
    }
    if account:
        pod["serviceAccountName"] = account
    if settings.pull_secrets:
        pod["imagePullSecrets"] = [{"name": name} for name in settings.pull_secrets]
    if settings.host_aliases:
        pod["hostAliases"] = [
            {"ip": alias.address, "hostnames": list(alias.names)} for alias in settings.host_aliases
        ]
    return pod


def make_container(
    settings: SiteSettings,
    name: str,
    *,
    module: str,
    resources: Resources,
    mounts: list[Manifest],
    probes: Manifest,
    ports: dict[str, int],
) -> Manifest:
    """Return the container that runs `python -m module` with its settings file."""
    return {
        "name": name,
        "image": settings.image,
        "imagePullPolicy": settings.pull_policy,
        "command": ["python3", "-m", module, "--settings", f"{SETTINGS_PATH}/{name}.json"],
        "env": [{"name": "PYTHONUNBUFFERED", "value": "1"}],
        "ports": [{"name": port, "containerPort": number} for port, number in ports.items()],
        "resources": format_resources(resources),
        "securityContext": CONTAINER_SECURITY,
        "volumeMounts": mounts,
        **probes,
    }


def format_resources(resources: Resources) -> Manifest:
    """Return requests and limits as Kubernetes writes them."""
    return {
        "requests": {"cpu": f"{resources.cpu_millis}m", "memory": quantity(resources.memory_bytes)},
        "limits": {"memory": quantity(resources.limit_bytes)},
    }


def health_probes() -> Manifest:
    """Return the probes of what has a health listener.

    Liveness looks at the event loop and not at the hub: who is cut off must not be restarted.
    """
    return make_probes(get_probe("/ready", HEALTH_PORT, "HTTP"), get_probe("/live", HEALTH_PORT, "HTTP"))


def page_probes(page: str, port: int) -> Manifest:
    """Return the probes of a server of ours: it is well as long as it serves that page."""
    return make_probes(get_probe(page, port, "HTTPS"), get_probe(page, port))


def get_probe(page: str, port: int, scheme: str = "HTTPS") -> Manifest:
    """Return how a page is asked for."""
    get = {"path": page, "port": port, "scheme": scheme}
    return {"httpGet": get, "timeoutSeconds": PROBE_TIMEOUT_S}


def make_probes(ready: Manifest, live: Manifest) -> Manifest:
    """Return the three probes of a container."""
    return {
        "startupProbe": live | {"periodSeconds": START_EVERY_S, "failureThreshold": START_PROBES},
        "readinessProbe": ready | {"periodSeconds": 5, "failureThreshold": 2},
        "livenessProbe": live | {"periodSeconds": 20, "failureThreshold": 6},
    }


def settings_volume() -> Manifest:
    """Return the volume of what is no secret."""
    return {"name": "settings", "configMap": {"name": "settings"}}


def identity_volume(secret: str) -> Manifest:
    """Return the volume of a pod's Secret, readable through `fsGroup`."""
    return {"name": "identity", "secret": {"secretName": secret, "defaultMode": SECRET_MODE}}


def scratch_volume(name: str, **source: Any) -> Manifest:
    """Return a volume that lives as long as the pod."""
    return {"name": name, "emptyDir": source}


def token_volume() -> Manifest:
    """Return the volume with a token that lives for an hour and is replaced, and how to know the server."""
    namespace = {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}
    return {
        "name": "token",
        "projected": {
            "defaultMode": SECRET_MODE,
            "sources": [
                {"serviceAccountToken": {"path": "token", "expirationSeconds": TOKEN_LIFE_S}},
                {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
                {"downwardAPI": {"items": [namespace]}},
            ],
        },
    }


def common_mounts(*, token: bool = False) -> list[Manifest]:
    """Return where identity, settings and scratch are mounted."""
    mounts: list[Manifest] = [
        {"name": "identity", "mountPath": IDENTITY_PATH, "readOnly": True},
        {"name": "settings", "mountPath": SETTINGS_PATH, "readOnly": True},
        {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 -- of the pod alone
    ]
    return [*mounts, {"name": "token", "mountPath": TOKEN_PATH, "readOnly": True}] if token else mounts
