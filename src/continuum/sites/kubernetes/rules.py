"""What every manifest of ours must keep: Pod Security "restricted", and the rules of this house. Pure.

Servers before 1.23 accept the label that asks for "restricted" and do nothing, so that a test on such a
server proves nothing; these rules are applied to the manifests instead. They follow
https://kubernetes.io/docs/concepts/security/pod-security-standards/ (restricted, which contains baseline) as
far as our manifests go: what they do not know (Windows, AppArmor and SELinux options, sysctls, procMount) is
a violation by being there. Manifests are objects as the API server takes them, decoded from JSON or YAML.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

Manifest = Mapping[str, Any]

VOLUMES = frozenset(
    {
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "persistentVolumeClaim",
        "projected",
        "secret",
    }
)
SECCOMP = frozenset({"RuntimeDefault", "Localhost"})
NOT_KNOWN = ("appArmorProfile", "procMount", "seLinuxOptions", "sysctls", "windowsOptions")
CLUSTER_WIDE = frozenset({"ClusterRole", "ClusterRoleBinding"})
READING = frozenset({"get", "list", "watch", "*"})
LASTING = frozenset({"Deployment", "StatefulSet"})
IMAGE = re.compile(
    r"(?:localhost|[\w-]+(?:\.[\w-]+)+)(?::\d+)?/[\w./-]+(?::(?!latest$)[\w.-]+|@sha256:[0-9a-f]{64})"
)


class Violation(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """`where` (`Deployment/agent`, `Deployment/agent: container agent`) breaks a rule: `what`."""

    where: str
    what: str


def find_violations(manifests: Sequence[Manifest]) -> tuple[Violation, ...]:
    """Return what is wrong with `manifests`, in their order; empty: nothing."""
    return tuple(violation for manifest in manifests for violation in _check(manifest))


def find_pod(manifest: Manifest) -> Manifest | None:
    """Return the specification of the pods that an object makes; None if it makes none."""
    spec = manifest.get("spec", {})
    match manifest["kind"]:
        case "Pod":
            return dict(spec)
        case "Deployment" | "StatefulSet" | "DaemonSet" | "Job" | "ReplicaSet":
            return dict(spec["template"]["spec"])
        case _:
            return None


def _check(manifest: Manifest) -> Iterator[Violation]:
    where = f"{manifest['kind']}/{manifest['metadata']['name']}"
    pod = find_pod(manifest)
    if pod is not None:
        yield from _say(where, _check_pod(pod))
        for container in (*pod.get("initContainers", ()), *pod["containers"]):
            name = f"{where}: container {container['name']}"
            yield from _say(name, _check_privileges(container, pod))
            yield from _say(name, _check_habits(container))
        if manifest["kind"] in LASTING:
            yield from _say(where, _check_probes(pod))
    if manifest["kind"] in CLUSTER_WIDE:
        yield Violation(where=where, what="rights in the whole cluster")
    for rule in manifest.get("rules", ()) if manifest["kind"] == "Role" else ():
        yield from _say(where, _check_rights(rule))


def _say(where: str, what: Iterator[str]) -> Iterator[Violation]:
    return (Violation(where=where, what=each) for each in what)


def _check_pod(pod: Manifest) -> Iterator[str]:
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(field):
            yield f"{field} is set"
    for volume in pod.get("volumes", ()):
        kinds = set(volume) - {"name"}
        if not kinds <= VOLUMES:
            yield f"volume {volume['name']} is of kind {', '.join(sorted(kinds - VOLUMES))}"
    if pod.get("automountServiceAccountToken") is not False:
        yield "automountServiceAccountToken is not false (a token is projected where it is needed)"
    yield from _find_not_known(pod.get("securityContext", {}))


def _check_privileges(container: Manifest, pod: Manifest) -> Iterator[str]:
    own = container.get("securityContext", {})
    effective = {**pod.get("securityContext", {}), **own}
    if effective.get("runAsNonRoot") is not True:
        yield "runAsNonRoot is not true"
    if effective.get("runAsUser") == 0:
        yield "runs as root"
    if effective.get("seccompProfile", {}).get("type") not in SECCOMP:
        yield "no seccompProfile"
    if own.get("privileged"):
        yield "is privileged"
    if own.get("allowPrivilegeEscalation") is not False:
        yield "allowPrivilegeEscalation is not false"
    capabilities = own.get("capabilities", {})
    if "ALL" not in capabilities.get("drop", ()):
        yield "does not drop all capabilities"
    if set(capabilities.get("add", ())) - {"NET_BIND_SERVICE"}:
        yield "adds capabilities"
    if any(port.get("hostPort") for port in container.get("ports", ())):
        yield "has a port of the host"
    yield from _find_not_known(own)


def _check_habits(container: Manifest) -> Iterator[str]:
    if container.get("securityContext", {}).get("readOnlyRootFilesystem") is not True:
        yield "can write to its root file system"
    if not IMAGE.fullmatch(container.get("image", "")):
        yield f"image {container.get('image', '')!r} is not HOST/NAME:TAG or HOST/NAME@DIGEST"
    resources = container.get("resources", {})
    for field, kind in (("requests", "cpu"), ("requests", "memory"), ("limits", "memory")):
        if kind not in resources.get(field, {}):
            yield f"no {field}.{kind}"
    for variable in container.get("env", ()):
        if "secretKeyRef" in variable.get("valueFrom", {}):
            yield f"{variable['name']} brings a secret into the environment"


def _check_probes(pod: Manifest) -> Iterator[str]:
    for container in pod["containers"]:
        for probe in ("readinessProbe", "startupProbe"):
            if probe not in container:
                yield f"container {container['name']} has no {probe}"


def _check_rights(rule: Manifest) -> Iterator[str]:
    resources, verbs = set(rule.get("resources", ())), set(rule.get("verbs", ()))
    if "*" in resources | verbs | set(rule.get("apiGroups", ())):
        yield "rights with a *"
    if "secrets" in resources and verbs & READING:
        yield "may read secrets"
    if resources & {"pods/exec", "pods/attach", "pods/portforward"}:
        yield "may enter pods"
    if verbs & {"escalate", "bind", "impersonate"}:
        yield "may give itself rights"


def _find_not_known(context: Manifest) -> Iterator[str]:
    return (f"{field} is set" for field in NOT_KNOWN if field in context)
