"""What all objects of ours have in common: names, labels, the order in which they are applied. Pure."""

from collections.abc import Iterable
from typing import Any

from continuum.sites.kubernetes.settings import (
    COMPONENT_LABEL,
    HOLDS_LABEL,
    SITE_LABEL,
    Manifest,
    SiteSettings,
)

# What others need comes first; kinds that are not named come last.
ORDER = (
    *("Namespace", "ServiceAccount", "Role", "RoleBinding", "Secret", "ConfigMap"),
    *("PersistentVolume", "PersistentVolumeClaim", "NetworkPolicy", "PodDisruptionBudget", "Service"),
    *("StatefulSet", "Deployment", "Job", "Pod"),
)
CLUSTER_KINDS = frozenset({"Namespace", "PersistentVolume"})


def label(site: str, component: str = "") -> dict[str, str]:
    """Return the labels of an object of a site; `component` is `agent`, `gateway`, `store`, `worker`, …"""
    labels = {
        "app.kubernetes.io/name": "continuum",
        "app.kubernetes.io/instance": site,
        "app.kubernetes.io/managed-by": "continuum",
        SITE_LABEL: site,
    }
    return labels | {COMPONENT_LABEL: component} if component else labels


def select(site: str, component: str = "") -> dict[str, str]:
    """Return the labels by which pods are found: few, and never changed."""
    return {SITE_LABEL: site} | ({COMPONENT_LABEL: component} if component else {})


def namespace_labels(settings: SiteSettings, namespace: str) -> dict[str, str]:
    """Return the labels by which a namespace of a site is found."""
    return {SITE_LABEL: settings.name, HOLDS_LABEL: "site" if namespace == settings.home else "runs"}


def make_object(
    api: str, kind: str, name: str, namespace: str, labels: dict[str, str], **fields: Any
) -> Manifest:
    """Return an object. `namespace` empty: it is of the whole cluster."""
    place = {"namespace": namespace} if namespace else {}
    return {
        "apiVersion": api,
        "kind": kind,
        "metadata": {"name": name, **place, "labels": labels},
        **fields,
    }


def arrange(manifests: Iterable[Manifest]) -> tuple[Manifest, ...]:
    """Return objects in the order of applying, which is otherwise as it was."""
    places = {kind: place for place, kind in enumerate(ORDER)}
    return tuple(sorted(manifests, key=lambda each: places.get(each["kind"], len(ORDER))))
