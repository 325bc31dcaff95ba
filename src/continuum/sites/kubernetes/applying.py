"""Bringing a site into a cluster, waiting until it is there, and taking it out again.

Applying goes in the order of the plan and can be broken off anywhere: what is there bears the site's label,
so that applying again completes it and removing finds it. Waiting asks every second: few objects, and whoever
joins looks on. A reason that does not go away by itself ends the wait once it has stood for a while: before,
it may be a restart, or a pod that still makes room.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec

from continuum.model.errors import ConflictError, NotFoundError, UnavailableError
from continuum.sites.kubernetes.clusters import Change, Cluster
from continuum.sites.kubernetes.diagnosing import (
    Diagnosis,
    describe_pods,
    find_reason,
    has_run,
    is_ready,
)
from continuum.sites.kubernetes.observing import Observed
from continuum.sites.kubernetes.settings import (
    COMPONENT_LABEL,
    MADE_BY,
    SITE_LABEL,
    Manifest,
    PodStorage,
    SiteSettings,
)

FINAL_AFTER_S = 15.0
LOOK_EVERY_S = 1.0
REMOVE_WITHIN_S = 300.0
END_GRACE_S = 5
PODS_END_WITHIN_S = 90.0
MAKERS_OF_PODS = ("Deployment", "StatefulSet", "Job", "Pod")
REMOVED_LAST = ("Secret", "ConfigMap", "ServiceAccount")

Tell = Callable[[str], None]
Heard = Callable[[], Awaitable[bool]]


class SiteNotReadyError(UnavailableError):
    """A site did not come up; the message is the diagnosis."""

    code = "SiteNotReady"


class Applied(msgspec.Struct, frozen=True, kw_only=True):
    """An object, and what applying did to it."""

    what: str
    change: Change


class Removed(msgspec.Struct, frozen=True, kw_only=True):
    """What was taken out of a cluster: objects deleted by name, namespaces with all that was in them."""

    objects: int
    namespaces: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()


def name_of(manifest: Mapping[str, Any]) -> str:
    """Return `Kind/name`."""
    return f"{manifest['kind']}/{manifest['metadata']['name']}"


def select_site(name: str, component: str = "") -> str:
    """Return the selector of a site's objects."""
    return f"{SITE_LABEL}={name}" + (f",{COMPONENT_LABEL}={component}" if component else "")


async def check_namespaces(cluster: Cluster, settings: SiteSettings) -> None:
    """Refuse namespaces that belong to somebody else, or that are not there. Raises `ConflictError`, …"""
    for name in dict.fromkeys((settings.home, settings.runs)):
        found = await cluster.find("Namespace", name)
        if found is None and not settings.makes_namespaces:
            raise NotFoundError(
                f"there is no namespace {name}", hint=f"kubectl create namespace {name}, or leave it out"
            )
        if found is None or not settings.makes_namespaces:
            continue
        if found["metadata"].get("deletionTimestamp"):
            raise ConflictError(f"namespace {name} is being deleted", hint="again, when it is gone")
        is_ours = found["metadata"].get("annotations", {}).get(MADE_BY)
        if not is_ours or found["metadata"].get("labels", {}).get(SITE_LABEL) != settings.name:
            raise ConflictError(
                f"namespace {name} is there already and is not of site {settings.name}",
                hint=f"another --name, or --namespace {name} to use it as it is",
            )


async def apply_all(cluster: Cluster, manifests: Sequence[Manifest], tell: Tell) -> tuple[Applied, ...]:
    """Apply objects in their order and return what that changed; `tell` hears of each change."""
    applied = []
    for manifest in manifests:
        change = await cluster.apply(manifest)
        applied.append(Applied(what=name_of(manifest), change=change))
        if change is not Change.UNCHANGED:
            tell(f"{name_of(manifest)} {change.value}")
        if change is Change.CHANGED and manifest["kind"] == "StatefulSet":
            await _replace_stuck(cluster, manifest)
    return tuple(applied)


async def _replace_stuck(cluster: Cluster, stateful_set: Manifest) -> None:
    """Delete pods of a StatefulSet that never ran: it waits for them to be ready before it changes them."""
    labels = stateful_set["spec"]["selector"]["matchLabels"]
    namespace = stateful_set["metadata"]["namespace"]
    selector = ",".join(f"{name}={value}" for name, value in labels.items())
    for pod in await cluster.list("Pod", namespace, selector):
        if not has_run(pod):
            await cluster.delete("Pod", pod["metadata"]["name"], namespace)


async def leave_store_alone(
    cluster: Cluster, settings: SiteSettings, manifests: Sequence[Manifest], tell: Tell
) -> tuple[Manifest, ...]:
    """Return the objects without a store that would lose what is in it: its state lies in its pod, which a
    change would replace.
    """
    if not isinstance(settings.storage, PodStorage) or settings.external_store is not None:
        return tuple(manifests)
    store = next(each for each in manifests if each["kind"] == "StatefulSet")
    if await cluster.find("StatefulSet", store["metadata"]["name"], settings.home) is None:
        return tuple(manifests)
    if await cluster.apply(store, dry_run=True) is Change.UNCHANGED:
        return tuple(manifests)
    if not any(map(has_run, await cluster.list("Pod", settings.home, select_site(settings.name, "store")))):
        return tuple(manifests)
    tell("the store stays as it is: its objects lie in its pod and would be lost with it")
    return tuple(each for each in manifests if each is not store)


async def wait_until_ready(
    cluster: Cluster,
    settings: SiteSettings,
    *,
    within_s: float,
    show: Callable[[Observed, Diagnosis | None], None],
    is_heard: Heard,
    component: str = "",
) -> float:
    """Return after how many seconds all pods of a site were ready and it was heard of.

    Raises `SiteNotReadyError` with the first reason that holds it up.
    """
    began = time.monotonic()
    final_since: float | None = None
    while True:
        observed = await cluster.observe(settings.home, select_site(settings.name, component))
        reason = find_reason(observed)
        show(observed, reason)
        if is_ready(observed) and await is_heard():
            return time.monotonic() - began
        now = time.monotonic()
        final_since = (final_since or now) if reason is not None and reason.is_final else None
        if final_since is not None and now - final_since > FINAL_AFTER_S:
            raise _not_ready(settings, observed, reason)
        if now - began > within_s:
            raise _not_ready(settings, observed, reason, within_s=within_s)
        await asyncio.sleep(LOOK_EVERY_S)


def _not_ready(
    settings: SiteSettings, observed: Observed, reason: Diagnosis | None, *, within_s: float = 0.0
) -> SiteNotReadyError:
    late = f" within {within_s:.0f} s" if within_s else ""
    if reason is not None:
        return SiteNotReadyError(
            f"site {settings.name} did not come up{late}: {reason.what} {reason.reason}", hint=reason.hint
        )
    states = ", ".join(f"{name} {state}" for name, state in describe_pods(observed).items()) or "no pods"
    what = "the hub has not heard of it" if is_ready(observed) else f"pods: {states}"
    return SiteNotReadyError(
        f"site {settings.name} did not come up{late}: {what}",
        hint=f"kubectl -n {settings.home} logs deployment/agent says whether it reaches "
        f"{settings.backbone_url}",
    )


async def remove_site(
    cluster: Cluster, settings: SiteSettings, tell: Tell, *, keeps_data: bool = False
) -> Removed:
    """Remove what bears the site's label, and the namespaces that were made for it.

    With `keeps_data` claims and volumes stay (and the namespace that they are in). Returns when all is gone;
    raises `UnavailableError` when that takes longer than five minutes.
    """
    selector = select_site(settings.name)
    namespaces = await _find_own_namespaces(cluster, settings)
    ours = tuple(name for name in namespaces if not (keeps_data and name == settings.home))
    objects = 0
    for name in dict.fromkeys((settings.runs, settings.home)):
        if name in ours or await cluster.find("Namespace", name) is None:
            continue
        objects += await cluster.remove(name, selector, _kinds(keeps_data=keeps_data))
        tell(f"removed {objects} objects from namespace {name}")
    await _end_pods(cluster, ours, selector)
    for name in ours:
        await cluster.delete("Namespace", name)
        tell(f"namespace {name} is being deleted")
    await _wait_until_gone(cluster, settings, ours, keeps_data=keeps_data)
    if not keeps_data:
        objects += await cluster.remove("", selector, ["PersistentVolume"])
    kept = (settings.home,) if keeps_data and settings.home in namespaces else ()
    return Removed(objects=objects, namespaces=ours, kept=kept)


async def _end_pods(cluster: Cluster, namespaces: Sequence[str], selector: str) -> None:
    """End what runs in namespaces before these are deleted.

    A server that finds pods in a namespace looks again only after their grace, then later and later: minutes.
    Nobody waits for an agent that would finish runs first: who leaves has waited for them, or said `--now`.
    """
    for name in namespaces:
        await cluster.remove(name, selector, MAKERS_OF_PODS)
        for each in await cluster.list("Pod", name):
            await cluster.delete("Pod", each["metadata"]["name"], name, grace_s=END_GRACE_S)
    deadline = time.monotonic() + PODS_END_WITHIN_S
    while time.monotonic() < deadline:
        left = [each for name in namespaces for each in await cluster.list("Pod", name)]
        if not left:
            return
        await asyncio.sleep(LOOK_EVERY_S)


async def _find_own_namespaces(cluster: Cluster, settings: SiteSettings) -> tuple[str, ...]:
    """The namespaces that joining made for this site: both the label and the annotation say so."""
    found = []
    for name in dict.fromkeys((settings.runs, settings.home)):
        namespace = await cluster.find("Namespace", name)
        if namespace is None:
            continue
        metadata = namespace["metadata"]
        is_of_site = metadata.get("labels", {}).get(SITE_LABEL) == settings.name
        if is_of_site and MADE_BY in metadata.get("annotations", {}):
            found.append(name)
    return tuple(found)


def _kinds(*, keeps_data: bool) -> tuple[str, ...]:
    """Workloads first, so that nothing makes pods again; what pods need last."""
    kinds = ("Deployment", "StatefulSet", "Job", "Pod", "Service", "PodDisruptionBudget", "NetworkPolicy")
    claims = () if keeps_data else ("PersistentVolumeClaim",)
    return (*kinds, "RoleBinding", "Role", *claims, *REMOVED_LAST)


async def _wait_until_gone(
    cluster: Cluster, settings: SiteSettings, namespaces: Sequence[str], *, keeps_data: bool
) -> None:
    deadline = time.monotonic() + REMOVE_WITHIN_S
    while left := await _list_left(cluster, settings, namespaces, keeps_data=keeps_data):
        if time.monotonic() > deadline:
            raise UnavailableError(
                f"after {REMOVE_WITHIN_S:.0f} s there still is {', '.join(left)}",
                hint="what holds it up: kubectl describe; then leave again",
            )
        await asyncio.sleep(LOOK_EVERY_S)


async def _list_left(
    cluster: Cluster, settings: SiteSettings, namespaces: Sequence[str], *, keeps_data: bool
) -> list[str]:
    left = []
    for name in namespaces:
        found = await cluster.find("Namespace", name)
        if found is not None:
            left.append(f"namespace {name}{_say_what_remains(found)}")
    selector = select_site(settings.name)
    for name in {settings.home, settings.runs} - set(namespaces):
        for kind in ("Pod", *(() if keeps_data else ("PersistentVolumeClaim",))):
            left += [name_of(each) for each in await cluster.list(kind, name, selector)]
    return left


def _say_what_remains(namespace: Mapping[str, Any]) -> str:
    """Return what a namespace that is being deleted still holds, as the server says it."""
    conditions = namespace.get("status", {}).get("conditions", ())
    remaining = [
        each["message"]
        for each in conditions
        if each["type"] == "NamespaceContentRemaining" and each["status"] == "True"
    ]
    return f" ({remaining[0]})" if remaining else ""


async def roll(
    cluster: Cluster,
    settings: SiteSettings,
    manifests: Sequence[Manifest],
    tell: Tell,
    *,
    within_s: float,
    show: Callable[[Observed, Diagnosis | None], None],
    is_heard: Heard,
) -> tuple[Applied, ...]:
    """Apply a changed plan part by part: store, gateway, then agent, each ready before the next begins."""
    workloads = [each for each in manifests if each["kind"] in {"Deployment", "StatefulSet"}]
    applied = list(await apply_all(cluster, [each for each in manifests if each not in workloads], tell))

    async def at_once() -> bool:
        return True

    for component in ("store", "gateway", "agent"):
        parts = [each for each in workloads if each["metadata"]["name"] == component]
        done = await apply_all(cluster, parts, tell)
        applied += done
        if any(each.change is not Change.UNCHANGED for each in done):
            heard = is_heard if component == "agent" else at_once
            await wait_until_ready(
                cluster, settings, within_s=within_s, show=show, is_heard=heard, component=component
            )
            tell(f"{component} is ready")
    return tuple(applied)


async def find_image(cluster: Cluster, settings: SiteSettings) -> str:
    """Return the image that the agent runs now; empty: it does not run."""
    found = await cluster.find("Deployment", "agent", settings.home)
    return str(found["spec"]["template"]["spec"]["containers"][0]["image"]) if found else ""
