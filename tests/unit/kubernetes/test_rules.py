"""The rules over manifests: one that keeps all, and each way to break one."""

import copy
from typing import Any

import pytest

from continuum.sites.kubernetes.rules import find_violations

GOOD: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "agent"},
    "spec": {
        "template": {
            "spec": {
                "automountServiceAccountToken": False,
                "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
                "containers": [
                    {
                        "name": "agent",
                        "image": "localhost/continuum:0.1.0",
                        "resources": {
                            "requests": {"cpu": "50m", "memory": "96Mi"},
                            "limits": {"memory": "512Mi"},
                        },
                        "readinessProbe": {},
                        "startupProbe": {},
                        "securityContext": {
                            "allowPrivilegeEscalation": False,
                            "readOnlyRootFilesystem": True,
                            "capabilities": {"drop": ["ALL"]},
                        },
                    }
                ],
                "volumes": [{"name": "tmp", "emptyDir": {}}],
            }
        }
    },
}


def test_a_manifest_that_keeps_all_rules_has_no_violation() -> None:
    assert find_violations([GOOD]) == ()


@pytest.mark.parametrize(
    ("path", "value", "what"),
    [
        ("hostNetwork", True, "hostNetwork"),
        ("hostPID", True, "hostPID"),
        ("volumes.0", {"name": "x", "hostPath": {"path": "/"}}, "hostPath"),
        ("automountServiceAccountToken", None, "automountServiceAccountToken"),
        ("securityContext.runAsNonRoot", None, "runAsNonRoot"),
        ("securityContext.runAsUser", 0, "runs as root"),
        ("securityContext.seccompProfile", None, "seccompProfile"),
        ("securityContext.sysctls", [], "sysctls"),
        ("containers.0.securityContext.runAsNonRoot", False, "runAsNonRoot"),
        ("containers.0.securityContext.privileged", True, "privileged"),
        ("containers.0.securityContext.allowPrivilegeEscalation", None, "allowPrivilegeEscalation"),
        ("containers.0.securityContext.capabilities", {"drop": ["KILL"]}, "drop all"),
        ("containers.0.securityContext.capabilities", {"drop": ["ALL"], "add": ["SYS_ADMIN"]}, "adds"),
        ("containers.0.securityContext.readOnlyRootFilesystem", None, "root file system"),
        ("containers.0.ports", [{"containerPort": 1, "hostPort": 1}], "port of the host"),
        ("containers.0.image", "continuum:1", "image"),
        ("containers.0.image", "localhost/continuum", "image"),
        ("containers.0.image", "localhost/continuum:latest", "image"),
        ("containers.0.resources.requests", {"cpu": "1"}, "requests.memory"),
        ("containers.0.resources.limits", None, "limits.memory"),
        ("containers.0.readinessProbe", None, "readinessProbe"),
        (
            "containers.0.env",
            [{"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "x", "key": "y"}}}],
            "environment",
        ),
    ],
)
def test_each_broken_rule_is_one_violation_that_names_it(path: str, value: Any, what: str) -> None:
    manifest = copy.deepcopy(GOOD)
    _set(manifest["spec"]["template"]["spec"], path.split("."), value)
    (violation,) = find_violations([manifest])
    assert violation.where.startswith("Deployment/agent")
    assert what in violation.what


@pytest.mark.parametrize(
    ("rule", "what"),
    [
        ({"apiGroups": [""], "resources": ["secrets"], "verbs": ["create", "get"]}, "read secrets"),
        ({"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["create"]}, "enter pods"),
        ({"apiGroups": [""], "resources": ["*"], "verbs": ["create"]}, "with a *"),
        ({"apiGroups": ["rbac"], "resources": ["roles"], "verbs": ["escalate"]}, "give itself"),
    ],
)
def test_rights_that_nobody_needs_are_violations(rule: dict[str, Any], what: str) -> None:
    role = {"kind": "Role", "metadata": {"name": "agent"}, "rules": [rule]}
    (violation,) = find_violations([role])
    assert what in violation.what


def test_rights_in_the_whole_cluster_are_a_violation() -> None:
    assert find_violations([{"kind": "ClusterRole", "metadata": {"name": "x"}, "rules": []}])


def test_creating_secrets_without_reading_them_is_allowed() -> None:
    rule = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["create", "delete"]}
    assert find_violations([{"kind": "Role", "metadata": {"name": "x"}, "rules": [rule]}]) == ()


def _set(target: Any, path: list[str], value: Any) -> None:
    for part in path[:-1]:
        target = target[int(part)] if part.isdigit() else target[part]
    last: Any = int(path[-1]) if path[-1].isdigit() else path[-1]
    if value is None:
        del target[last]
    else:
        target[last] = value
