"""What must be so before a site is brought into a cluster: all that is wrong, said at once.

The server is asked for each right that joining needs; nothing is changed. What it is (version,
StorageClasses, PodDisruptionBudgets) decides what is planned, where nothing else was asked for.
"""

import asyncio
from collections.abc import Sequence

import msgspec

from continuum.model.errors import AccessDeniedError, ContinuumError, InvalidInputError
from continuum.sites.kubernetes.applying import check_namespaces
from continuum.sites.kubernetes.clusters import Cluster, Right
from continuum.sites.kubernetes.diagnosing import is_default_class
from continuum.sites.kubernetes.settings import ClaimStorage, LocalStorage, PodStorage, SiteSettings, Storage

_MADE = (
    ("", ("secrets", "configmaps", "services", "serviceaccounts", "persistentvolumeclaims")),
    ("apps", ("deployments", "statefulsets")),
    ("rbac.authorization.k8s.io", ("roles", "rolebindings")),
    ("networking.k8s.io", ("networkpolicies",)),
)
_VERBS = ("get", "create", "patch", "delete", "list")
_SEEN = (("", ("pods", "pods/log", "events")), ("apps", ("replicasets",)))


class ClusterFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a cluster is. `storage_classes` None: they may not be listed. `disruption_api` empty: none."""

    version: str
    storage_classes: tuple[str, ...] | None
    default_class: str
    disruption_api: str


async def find_facts(cluster: Cluster) -> ClusterFacts:
    """Ask a cluster what it is. Raises `UnavailableError`, `AccessDeniedError`."""
    version, policies = await asyncio.gather(cluster.get_version(), cluster.list_api_versions("policy"))
    try:
        classes = await cluster.list("StorageClass")
    except AccessDeniedError:
        classes = None
    known = None if classes is None else tuple(each["metadata"]["name"] for each in classes)
    default = next((each["metadata"]["name"] for each in classes or () if is_default_class(each)), "")
    api = next((each for each in ("policy/v1", "policy/v1beta1") if each in policies), "")
    return ClusterFacts(version=version, storage_classes=known, default_class=default, disruption_api=api)


def choose_storage(wanted: Storage | None, facts: ClusterFacts) -> Storage:
    """Return where state lies: as wanted, else a claim if the cluster has a default class, else the pods."""
    if wanted is not None:
        return wanted
    return ClaimStorage() if facts.default_class or facts.storage_classes is None else PodStorage()


def list_rights(settings: SiteSettings) -> tuple[Right, ...]:
    """Return the rights that joining, upgrading and leaving need. Pure."""
    rights = []
    if settings.makes_namespaces:
        rights += [Right(verb=verb, resource="namespaces") for verb in ("get", "create", "patch", "delete")]
    if isinstance(settings.storage, LocalStorage):
        rights += [Right(verb=verb, resource="persistentvolumes") for verb in _VERBS]
    for namespace in dict.fromkeys((settings.home, settings.runs)):
        for table, verbs in ((_MADE, _VERBS), (_SEEN, ("list",))):
            rights += [
                Right(verb=verb, resource=resource, group=group, namespace=namespace)
                for group, resources in table
                for resource in resources
                for verb in (("get",) if resource == "pods/log" else verbs)
            ]
    return tuple(rights)


async def list_problems(
    cluster: Cluster, settings: SiteSettings, facts: ClusterFacts
) -> tuple[ContinuumError, ...]:
    """Return all that stands against bringing a site there, without changing anything."""
    problems: list[ContinuumError] = []
    try:
        await check_namespaces(cluster, settings)
    except ContinuumError as problem:
        problems.append(problem)
    refused = await cluster.list_refused(list_rights(settings))
    if refused:
        problems.append(_say_refused(refused, settings))
    problems += _check_storage(settings.storage, facts)
    return tuple(problems)


def _say_refused(refused: Sequence[Right], settings: SiteSettings) -> AccessDeniedError:
    shown = "; ".join(map(str, refused[:6])) + (f"; and {len(refused) - 6} more" if len(refused) > 6 else "")  # noqa: PLR2004
    is_about_namespaces = settings.makes_namespaces and any(each.resource == "namespaces" for each in refused)
    return AccessDeniedError(
        f"rights are missing: {shown}",
        hint="without the right to make namespaces: --namespace NAME, one that is yours"
        if is_about_namespaces
        else "an admin of the cluster must grant them (docs/kubernetes.md, rights)",
    )


def _check_storage(storage: Storage, facts: ClusterFacts) -> list[ContinuumError]:
    if not isinstance(storage, ClaimStorage) or facts.storage_classes is None:
        return []
    there = ", ".join(facts.storage_classes) or "none"
    if storage.storage_class and storage.storage_class not in facts.storage_classes:
        missing = f"there is no StorageClass {storage.storage_class} (there: {there})"
    elif not storage.storage_class and not facts.default_class:
        missing = f"the cluster has no default StorageClass (there: {there})"
    else:
        return []
    return [
        InvalidInputError(
            missing, hint="--state claim:CLASS, --state local:/path --node NODE, or --state pod"
        )
    ]
