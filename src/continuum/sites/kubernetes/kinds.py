"""Kinds of objects: where the API server has them. Pure.

Only kinds that the platform itself makes, observes or removes; API versions that servers from 1.20 on share.
"""

import msgspec

from continuum.model.errors import InvalidInputError
from continuum.sites.kubernetes.rules import Manifest


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """A kind: `api_version` as in manifests, `plural` as in paths and rights."""

    name: str
    api_version: str
    plural: str
    is_namespaced: bool = True

    @property
    def group(self) -> str:
        """The API group; empty: core."""
        return self.api_version.rpartition("/")[0]


_NAMESPACED = (
    ("ConfigMap", "v1", "configmaps"),
    ("Event", "v1", "events"),
    ("LimitRange", "v1", "limitranges"),
    ("PersistentVolumeClaim", "v1", "persistentvolumeclaims"),
    ("Pod", "v1", "pods"),
    ("ResourceQuota", "v1", "resourcequotas"),
    ("Secret", "v1", "secrets"),
    ("Service", "v1", "services"),
    ("ServiceAccount", "v1", "serviceaccounts"),
    ("Deployment", "apps/v1", "deployments"),
    ("ReplicaSet", "apps/v1", "replicasets"),
    ("StatefulSet", "apps/v1", "statefulsets"),
    ("Job", "batch/v1", "jobs"),
    ("NetworkPolicy", "networking.k8s.io/v1", "networkpolicies"),
    ("PodDisruptionBudget", "policy/v1", "poddisruptionbudgets"),
    ("Role", "rbac.authorization.k8s.io/v1", "roles"),
    ("RoleBinding", "rbac.authorization.k8s.io/v1", "rolebindings"),
)
_CLUSTER_WIDE = (
    ("Namespace", "v1", "namespaces"),
    ("Node", "v1", "nodes"),
    ("PersistentVolume", "v1", "persistentvolumes"),
    ("StorageClass", "storage.k8s.io/v1", "storageclasses"),
)
KINDS = {
    name: Kind(name=name, api_version=version, plural=plural) for name, version, plural in _NAMESPACED
} | {
    name: Kind(name=name, api_version=version, plural=plural, is_namespaced=False)
    for name, version, plural in _CLUSTER_WIDE
}


def get_kind(name: str) -> Kind:
    """Return the kind called `name`. Raises `InvalidInputError`."""
    try:
        return KINDS[name]
    except KeyError:
        raise InvalidInputError(
            f"objects of kind {name} are not known here", hint=f"one of {', '.join(sorted(KINDS))}"
        ) from None


def format_path(kind: Kind, *, namespace: str = "", name: str = "", sub: str = "", version: str = "") -> str:
    """Return the path of an object, or of all of a kind; in all namespaces if none is named."""
    version = version or kind.api_version
    parts = ["apis" if "/" in version else "api", version]
    if kind.is_namespaced and namespace:
        parts += ["namespaces", namespace]
    return "/" + "/".join([*parts, kind.plural, *(part for part in (name, sub) if part)])


def format_manifest_path(manifest: Manifest, *, has_name: bool = True) -> str:
    """Return the path of the object that `manifest` describes (or of its kind, to create it there)."""
    metadata = manifest["metadata"]
    return format_path(
        get_kind(manifest["kind"]),
        namespace=metadata.get("namespace", ""),
        name=metadata["name"] if has_name else "",
        version=manifest["apiVersion"],
    )
