"""What is seen of a cluster at one instant, as plain data: the input of `diagnosing`."""

import msgspec

from continuum.sites.kubernetes.rules import Manifest


class Observed(msgspec.Struct, frozen=True, kw_only=True):
    """Objects of one namespace that a selector names, and what says how they are. Objects are as the API
    server has them.

    `workloads` are Deployments, ReplicaSets, StatefulSets and Jobs. `events` are those about the objects
    here. `quotas` are all of the namespace. `storage_classes` are those of the cluster. `last_words` are the
    last lines of containers that ended badly, by `POD/CONTAINER`. `hidden` names the kinds that may not
    be listed: nothing there means nothing known.
    """

    namespace: str = ""
    pods: tuple[Manifest, ...] = ()
    workloads: tuple[Manifest, ...] = ()
    claims: tuple[Manifest, ...] = ()
    events: tuple[Manifest, ...] = ()
    quotas: tuple[Manifest, ...] = ()
    storage_classes: tuple[Manifest, ...] = ()
    last_words: dict[str, str] = {}
    hidden: tuple[str, ...] = ()


def choose_events(events: tuple[Manifest, ...], about: tuple[Manifest, ...]) -> tuple[Manifest, ...]:
    """Return the events about these objects, the latest last."""
    uids = {each["metadata"]["uid"] for each in about}
    chosen = [event for event in events if event.get("involvedObject", {}).get("uid") in uids]
    return tuple(sorted(chosen, key=_when))


def find_failed_containers(pods: tuple[Manifest, ...]) -> tuple[tuple[str, str, bool], ...]:
    """Return (pod, container, whether of the previous instance) of containers that ended badly."""
    return tuple(
        (pod["metadata"]["name"], status["name"], "terminated" not in status.get("state", {}))
        for pod in pods
        for kind in ("initContainerStatuses", "containerStatuses")
        for status in pod.get("status", {}).get(kind, ())
        if _ended_badly(status)
    )


def _ended_badly(status: Manifest) -> bool:
    if status.get("ready"):
        return False
    states = (status.get("state", {}), status.get("lastState", {}))
    return any(state.get("terminated", {}).get("exitCode", 0) != 0 for state in states)


def _when(event: Manifest) -> str:
    return (
        event.get("lastTimestamp")
        or event.get("eventTime")
        or event["metadata"].get("creationTimestamp")
        or ""
    )
