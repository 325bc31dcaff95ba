"""Why something does not come up, in one sentence and with what to do: observed objects in, reason out. Pure.

A cluster says it in many places: in the state of a container, in conditions of a pod, in events of the pod;
if no pod could be made, in events of what should have made it. The first reason found is told, in the order
of what has to be solved first. Wordings of the scheduler and the kubelet are matched loosely: what is not
recognised is told in the cluster's own words.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from continuum.sites.kubernetes.observing import Observed
from continuum.sites.kubernetes.rules import Manifest

WORDS_SHOWN = 6
CANNOT_PULL = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "ImageInspectError"}
)
CONFIG_ERRORS = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})
_DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """What holds something up (`reason`), and what to do about it (`hint`).

    `is_final`: it does not go away by waiting. `what` is the object (`Pod/agent-…`).
    """

    what: str
    reason: str
    hint: str = ""
    is_final: bool = False


Finder = Callable[[Observed], Iterator[Diagnosis]]


def find_reason(observed: Observed) -> Diagnosis | None:
    """Return the first reason that holds something up; None: nothing does (yet)."""
    return next(list_reasons(observed), None)


def list_reasons(observed: Observed) -> Iterator[Diagnosis]:
    """Yield all reasons, the first to be solved first."""
    living = tuple(pod for pod in observed.pods if not pod["metadata"].get("deletionTimestamp"))
    observed = msgspec.structs.replace(observed, pods=living)
    for finder in _FINDERS:
        yield from finder(observed)


def is_ready(observed: Observed) -> bool:
    """Are all Deployments and StatefulSets here ready, as they were last applied?"""
    lasting = [each for each in observed.workloads if each.get("kind") in {"Deployment", "StatefulSet"}]
    return bool(lasting) and all(map(is_workload_ready, lasting))


def is_workload_ready(workload: Manifest) -> bool:
    """Has a Deployment or StatefulSet all its pods, ready and of its newest template?"""
    wanted, status = workload["spec"].get("replicas", 1), workload.get("status", {})
    if status.get("observedGeneration", 0) < workload["metadata"].get("generation", 0):
        return False
    updated = status.get("updatedReplicas", 0) >= wanted and status.get("replicas", 0) == wanted
    if "updateRevision" in status:
        updated = status.get("currentRevision") == status["updateRevision"] or updated
    return bool(updated and status.get("readyReplicas", 0) >= wanted)


def has_run(pod: Manifest) -> bool:
    """Has any container of a pod ever been started, so that there may be something in its volumes?"""
    return any(status.get("containerID") for status in _containers(pod))


def describe_pods(observed: Observed) -> dict[str, str]:
    """Return the state of each pod in a word or two, by name."""
    return {pod["metadata"]["name"]: _describe(pod) for pod in observed.pods}


def _describe(pod: Manifest) -> str:
    if pod["metadata"].get("deletionTimestamp"):
        return "ending"
    for status in _containers(pod):
        waiting = status.get("state", {}).get("waiting")
        if waiting:
            return str(waiting.get("reason", "waiting"))
    if _is_pod_ready(pod):
        return "ready"
    return str(pod.get("status", {}).get("phase", "unknown")).lower()


def _find_refused_by_quota(observed: Observed) -> Iterator[Diagnosis]:
    for event in _events(observed, "FailedCreate"):
        said = event.get("message", "")
        if "exceeded quota" in said or "failed quota" in said:
            yield Diagnosis(
                what=_about(event),
                reason=f"the quota of namespace {observed.namespace} allows no such pod: {_cut_quota(said)}",
                hint=_describe_quotas(observed) or "ask for a larger ResourceQuota, or for less",
                is_final=True,
            )


def _find_refused_by_admission(observed: Observed) -> Iterator[Diagnosis]:
    for event in _events(observed, "FailedCreate"):
        said = event.get("message", "")
        if "quota" in said:
            continue
        if "violates PodSecurity" in said:
            reason, hint = f"Pod Security refuses the pod: {said}", "please report this: it keeps the rules"
        elif "serviceaccount" in said and "not found" in said:
            reason, hint = f"no pod can be made: {said}", "apply the ServiceAccount: join again"
        elif "forbidden" in said:
            reason, hint = f"no pod may be made: {said}", "an admin of the cluster must allow it"
        else:
            reason, hint = f"no pod can be made: {said}", ""
        yield Diagnosis(what=_about(event), reason=reason, hint=hint, is_final="forbidden" in said)


def _find_pending_claims(observed: Observed) -> Iterator[Diagnosis]:
    for claim in observed.claims:
        if claim.get("status", {}).get("phase") != "Pending" or claim["spec"].get("volumeName"):
            continue
        wanted = claim["spec"].get("storageClassName")
        name = f"PersistentVolumeClaim/{claim['metadata']['name']}"
        known = {each["metadata"]["name"]: each for each in observed.storage_classes}
        hint = "--storage-class NAME, --state local:/path --node NODE, or --state pod"
        if "StorageClass" in observed.hidden:
            continue
        if wanted and wanted not in known:
            there = ", ".join(sorted(known)) or "none"
            reason = f"waits for a volume: there is no StorageClass {wanted} (there: {there})"
            yield Diagnosis(what=name, reason=reason, hint=hint, is_final=True)
        elif wanted is None and not any(map(is_default_class, known.values())):
            reason = "waits for a volume: the cluster has no default StorageClass"
            yield Diagnosis(what=name, reason=reason, hint=hint, is_final=True)
        else:
            failed = next(_events(observed, "ProvisioningFailed", of=claim), None)
            if failed is not None:
                yield Diagnosis(what=name, reason=f"no volume can be made: {failed['message']}", hint=hint)


def _find_unscheduled(observed: Observed) -> Iterator[Diagnosis]:
    for pod in observed.pods:
        condition = _condition(pod, "PodScheduled")
        if condition.get("status") != "False":
            continue
        said = condition.get("message", "")
        yield Diagnosis(
            what=f"Pod/{pod['metadata']['name']}",
            reason=f"no machine of the cluster takes the pod: {said or 'the scheduler does not say why'}",
            hint=_hint_of_scheduling(said, pod),
            is_final=False,  # a machine may come, or another pod go
        )


def _find_images(observed: Observed) -> Iterator[Diagnosis]:
    for pod, status in _waiting(observed, CANNOT_PULL):
        waiting = status["state"]["waiting"]
        kind, image = waiting["reason"], status.get("image", "?")
        if kind == "ErrImageNeverPull":
            reason = f"the machine does not have the image {image}, and it may not be pulled"
        elif kind == "InvalidImageName":
            reason = f"{image!r} is no name of an image"
        else:
            reason = f"the image {image} cannot be pulled{_said_of_pull(observed, pod, waiting)}"
        hint = "bring it there (docs/images.md), or name one that the cluster can pull with --image"
        yield Diagnosis(what=_container(pod, status), reason=reason, hint=hint, is_final=True)


def _find_configuration(observed: Observed) -> Iterator[Diagnosis]:
    for pod, status in _waiting(observed, CONFIG_ERRORS):
        said = status["state"]["waiting"].get("message", "it does not say why")
        hint = "join again: it makes what is missing" if "not found" in said else ""
        yield Diagnosis(
            what=_container(pod, status),
            reason=f"the container cannot be made: {said}",
            hint=hint,
            is_final=True,
        )
    for event in _events(observed, "FailedMount"):
        said = event.get("message", "")
        if "not found" in said and not _is_up(observed, event):
            hint = "join again: it makes what is missing"
            yield Diagnosis(what=_about(event), reason=f"a volume cannot be mounted: {said}", hint=hint)


def _find_crashes(observed: Observed) -> Iterator[Diagnosis]:
    for pod in observed.pods:
        for status in _containers(pod):
            ended = _ended(status)
            if ended is None or status.get("ready"):
                continue
            words = observed.last_words.get(f"{pod['metadata']['name']}/{status['name']}", "")
            yield Diagnosis(
                what=_container(pod, status),
                reason=_say_how_it_ended(ended, status) + _quote(words or ended.get("message", "")),
                hint=_hint_of_crash(ended, pod, status),
                is_final=status.get("restartCount", 0) >= 3,  # noqa: PLR2004 -- a restart may have been bad luck
            )


def _find_not_ready(observed: Observed) -> Iterator[Diagnosis]:
    for pod in observed.pods:
        for status in _containers(pod):
            if "running" not in status.get("state", {}) or status.get("ready"):
                continue
            failed = list(_events(observed, "Unhealthy", of=pod))
            if failed:
                said = failed[-1].get("message", "")
                yield Diagnosis(
                    what=_container(pod, status),
                    reason=f"runs, but is not ready: {said}",
                    hint=f"its log says more: kubectl -n {observed.namespace} logs {pod['metadata']['name']}",
                )


_FINDERS: tuple[Finder, ...] = (
    _find_refused_by_quota,
    _find_refused_by_admission,
    _find_pending_claims,
    _find_unscheduled,
    _find_images,
    _find_configuration,
    _find_crashes,
    _find_not_ready,
)


def is_default_class(storage_class: Manifest) -> bool:
    """Is it the StorageClass of claims that name none?"""
    return bool(storage_class["metadata"].get("annotations", {}).get(_DEFAULT_CLASS) == "true")


def _events(observed: Observed, reason: str, *, of: Manifest | None = None) -> Iterator[Manifest]:
    """Events with this reason whose object is not well by now."""
    for event in observed.events:
        if event.get("reason") != reason:
            continue
        if of is not None and event["involvedObject"].get("uid") != of["metadata"]["uid"]:
            continue
        if reason == "FailedCreate" and _is_made(observed, event):
            continue
        yield event


def _is_made(observed: Observed, event: Manifest) -> bool:
    """Has who failed to make pods got them by now, or is it one that wants none any more?"""
    uid = event["involvedObject"].get("uid")
    for workload in observed.workloads:
        if workload["metadata"]["uid"] == uid:
            wanted = workload["spec"].get("replicas", workload["spec"].get("parallelism", 1))
            status = workload.get("status", {})
            return bool(max(status.get("replicas", 0), status.get("active", 0)) >= wanted)
    return False


def _is_up(observed: Observed, event: Manifest) -> bool:
    uid = event["involvedObject"].get("uid")
    return any(pod["metadata"]["uid"] == uid and _is_pod_ready(pod) for pod in observed.pods)


def _waiting(observed: Observed, reasons: frozenset[str]) -> Iterator[tuple[Manifest, Manifest]]:
    for pod in observed.pods:
        for status in _containers(pod):
            if status.get("state", {}).get("waiting", {}).get("reason") in reasons:
                yield pod, status


def _containers(pod: Manifest) -> Sequence[Manifest]:
    status = pod.get("status", {})
    return (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ()))


def _ended(status: Manifest) -> Manifest | None:
    """How a container ended badly, now or the last time."""
    for field in ("state", "lastState"):
        ended: Manifest | None = status.get(field, {}).get("terminated")
        if ended is not None and ended.get("exitCode", 0) != 0:
            return ended
    return None


def _condition(pod: Manifest, kind: str) -> Manifest:
    conditions: Sequence[Mapping[str, str]] = pod.get("status", {}).get("conditions", ())
    return next((each for each in conditions if each["type"] == kind), {})


def _is_pod_ready(pod: Manifest) -> bool:
    return bool(_condition(pod, "Ready").get("status") == "True")


def _about(event: Manifest) -> str:
    return f"{event['involvedObject']['kind']}/{event['involvedObject']['name']}"


def _container(pod: Manifest, status: Manifest) -> str:
    return f"Pod/{pod['metadata']['name']} ({status['name']})"


def _cut_quota(said: str) -> str:
    """Return `exceeded quota: …` or `failed quota: …` without what leads there."""
    found = re.search(r"(exceeded|failed) quota.*", said)
    return found.group() if found else said


def _describe_quotas(observed: Observed) -> str:
    parts = []
    for quota in observed.quotas:
        status = quota.get("status", {})
        hard, used = status.get("hard", {}), status.get("used", {})
        figures = ", ".join(f"{name} {used.get(name, '0')} of {most}" for name, most in sorted(hard.items()))
        parts.append(f"quota {quota['metadata']['name']}: {figures}")
    return "; ".join(parts)


def _said_of_pull(observed: Observed, pod: Manifest, waiting: Manifest) -> str:
    events = [each for each in _events(observed, "Failed", of=pod) if "pull" in each.get("message", "")]
    said = events[0]["message"] if events else waiting.get("message", "")
    said = re.sub(r"^Failed to pull image \"[^\"]*\": ", "", said)
    said = said.replace("rpc error: code = ", "").replace(" desc =", ":")
    return f": {said}" if said and not said.startswith("Back-off") else ""


def _hint_of_scheduling(said: str, pod: Manifest) -> str:
    hints = []
    if "Insufficient" in said:
        hints.append(f"the pod asks for {_asked_for(pod)}: ask for less, or make room")
    if "node selector" in said or "node affinity" in said:
        hints.append(f"it must have {pod['spec'].get('nodeSelector') or 'a certain machine'}")
    if "taint" in said:
        hints.append("machines are kept for others by taints: tolerate them")
    if "volume" in said or "persistentvolumeclaim" in said.lower():
        hints.append("its volume is bound to no machine that is free: look at the claims")
    return "; ".join(hints)


def _asked_for(pod: Manifest) -> str:
    asked = [container.get("resources", {}).get("requests", {}) for container in pod["spec"]["containers"]]
    names = sorted({name for each in asked for name in each})
    return ", ".join(f"{name} " + "+".join(each[name] for each in asked if name in each) for name in names)


def _say_how_it_ended(ended: Manifest, status: Manifest) -> str:
    times = f" (restarted {status['restartCount']} times)" if status.get("restartCount") else ""
    if ended.get("reason") == "OOMKilled":
        return f"ran out of memory and was killed{times}"
    return f"ended with exit status {ended.get('exitCode')}{times}"


def _hint_of_crash(ended: Manifest, pod: Manifest, status: Manifest) -> str:
    if ended.get("reason") == "OOMKilled":
        limits = {each["name"]: each.get("resources", {}) for each in pod["spec"]["containers"]}
        limit = limits.get(status["name"], {}).get("limits", {}).get("memory", "none")
        return f"its limit is {limit}: --memory gives tasks more"
    where = f"-n {pod['metadata'].get('namespace', 'default')} {pod['metadata']['name']}"
    return f"all of it: kubectl logs {where} -c {status['name']} --previous"


def _quote(words: str) -> str:
    lines = [line.strip() for line in words.strip().splitlines() if line.strip()][-WORDS_SHOWN:]
    return ", after saying: " + " | ".join(lines) if lines else ""
