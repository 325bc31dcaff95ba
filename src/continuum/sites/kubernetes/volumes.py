"""Where the state of a site's pods lies: claims, volumes of one machine, or the pods themselves. Pure.

A volume of kind `local` rather than `hostPath`: `fsGroup` works on it, and "restricted" forbids the other.
Each pod has a folder of its own in its volume (`subPath`): a folder of a machine is shared by all, and the
root of a file system has folders that are not ours.
"""

from collections.abc import Sequence
from typing import Any

from continuum.sites.kubernetes.objects import label, make_object
from continuum.sites.kubernetes.settings import (
    LocalStorage,
    Manifest,
    PodStorage,
    SiteSettings,
)

STATE_PATH = "/var/lib/continuum"
MIB = 1024 * 1024


def plan_storage(settings: SiteSettings) -> tuple[Manifest, ...]:
    """Return claims and, for a folder of a machine, the volumes that they are bound to."""
    components = (
        ("agent", "gateway") if settings.external_store is not None else ("agent", "gateway", "store")
    )
    return plan_claims(settings, components)


def plan_claims(settings: SiteSettings, components: Sequence[str]) -> tuple[Manifest, ...]:
    """Return the claims of some components, and volumes of a machine before them."""
    if isinstance(settings.storage, PodStorage):
        return ()
    volumes = [_local_volume(settings, name) for name in components if _is_local(settings)]
    return (*volumes, *(_claim(settings, name) for name in components))


def state_volume(settings: SiteSettings, component: str) -> dict[str, Any]:
    """Return the volume `state` of a pod."""
    if isinstance(settings.storage, PodStorage):
        return {"name": "state", "emptyDir": {"sizeLimit": quantity(_size(settings, component))}}
    return {"name": "state", "persistentVolumeClaim": {"claimName": claim_name(component)}}


def state_mount(component: str) -> dict[str, Any]:
    """Return where that volume is mounted."""
    return {"name": "state", "mountPath": STATE_PATH, "subPath": component}


def claim_name(component: str) -> str:
    """Return the name of a component's claim."""
    return f"{component}-state"


def quantity(size_bytes: int) -> str:
    """Return a size as Kubernetes writes it."""
    return f"{size_bytes // MIB}Mi" if size_bytes % MIB == 0 else str(size_bytes)


def _claim(settings: SiteSettings, component: str) -> Manifest:
    spec: dict[str, Any] = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": quantity(_size(settings, component))}},
    }
    if isinstance(settings.storage, LocalStorage):
        spec |= {"storageClassName": "", "volumeName": _volume_name(settings, component)}
    elif not isinstance(settings.storage, PodStorage) and settings.storage.storage_class:
        spec["storageClassName"] = settings.storage.storage_class
    return make_object(
        "v1",
        "PersistentVolumeClaim",
        claim_name(component),
        settings.home,
        label(settings.name, component),
        spec=spec,
    )


def _local_volume(settings: SiteSettings, component: str) -> Manifest:
    storage = settings.storage
    assert isinstance(storage, LocalStorage)  # noqa: S101 -- whoever calls has asked
    node = {"key": "kubernetes.io/hostname", "operator": "In", "values": [storage.node]}
    return make_object(
        "v1",
        "PersistentVolume",
        _volume_name(settings, component),
        "",
        label(settings.name, component),
        spec={
            "capacity": {"storage": quantity(_size(settings, component))},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": "",
            "claimRef": {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "namespace": settings.home,
                "name": claim_name(component),
            },
            "local": {"path": storage.path},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [node]}]}},
        },
    )


def _volume_name(settings: SiteSettings, component: str) -> str:
    return f"{settings.home}-{component}"


def _size(settings: SiteSettings, component: str) -> int:
    return settings.store_bytes if component == "store" else settings.state_bytes


def _is_local(settings: SiteSettings) -> bool:
    return isinstance(settings.storage, LocalStorage)
