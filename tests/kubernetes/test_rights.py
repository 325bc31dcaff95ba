"""What the agent of a site may do in its cluster, asked with its own token: what its role says, no more."""

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from benchmarks.clusters import Cluster
from continuum.sites.kubernetes.kustomizing import example_site
from continuum.sites.kubernetes.manifests import plan_site
from continuum.sites.kubernetes.rights import AGENT_RIGHTS, RBAC
from continuum.sites.kubernetes.settings import Overlay
from continuum.sites.kubernetes.texts import format_manifests

NEEDED = {"Namespace", "ServiceAccount", "Role", "RoleBinding"}
OF_EVERYBODY = {"selfsubjectaccessreviews", "selfsubjectrulesreviews", "selfsubjectreviews"}


@dataclass(frozen=True)
class Agent:
    """The account of an agent: `kubectl` is run with its token."""

    cluster: Cluster
    kubeconfig: Path
    home: str
    runs: str

    def kubectl(self, *arguments: str, text: str = "") -> str:
        return self.cluster.kubectl(f"--kubeconfig={self.kubeconfig}", *arguments, text=text, check=False)

    def list_rights(self, namespace: str) -> set[tuple[str, str, str]]:
        """Return verb, API group and resource of all that it may do in a namespace."""
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectRulesReview",
            "spec": {"namespace": namespace},
        }
        said = json.loads(self.kubectl("create", "-f", "-", "-o", "json", text=json.dumps(review)))
        return {
            (verb, group, resource)
            for rule in said["status"]["resourceRules"]
            for verb in rule["verbs"]
            for group in rule.get("apiGroups", [""])
            for resource in rule["resources"]
            if resource not in OF_EVERYBODY
        }


@pytest.fixture(scope="module")
def agent(clusters: tuple[Cluster, Cluster], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agent]:
    cluster, name = clusters[0], f"rights-{uuid.uuid4().hex[:6]}"
    settings = msgspec.structs.replace(example_site(Overlay.CLOUD), name=name)
    planned = format_manifests([each for each in plan_site(settings) if each["kind"] in NEEDED])
    cluster.kubectl("apply", "-f", "-", text=planned)
    file = tmp_path_factory.mktemp("rights") / "kubeconfig"
    file.write_text(json.dumps(_as_agent(cluster, settings.home)))
    yield Agent(cluster, file, settings.home, settings.runs)
    cluster.kubectl("delete", "--wait=false", "-f", "-", text=planned)


def _as_agent(cluster: Cluster, namespace: str) -> dict[str, Any]:
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/agent/token"
    made = json.loads(cluster.kubectl("create", "--raw", path, "-f", "-", text=json.dumps(request)))
    config: dict[str, Any] = json.loads(
        cluster.kubectl("config", "view", "--raw", "--minify", "--flatten", "-o", "json")
    )
    config["users"][0]["user"] = {"token": made["status"]["token"]}
    return config


def test_the_agent_may_do_what_its_role_says_where_runs_are_and_nothing_else_anywhere(agent: Agent) -> None:
    planned = {(v, group, r) for group, resources, verbs in AGENT_RIGHTS for r in resources for v in verbs}
    assert agent.list_rights(agent.runs) == planned
    for namespace in (agent.home, "default", "kube-system"):
        assert agent.list_rights(namespace) == set()


def test_it_cannot_read_secrets_anywhere(agent: Agent) -> None:
    for namespace in (agent.runs, agent.home, "kube-system"):
        assert "Forbidden" in agent.kubectl("get", "secrets", "-n", namespace)
    agent.cluster.kubectl("create", "secret", "generic", "keys", "-n", agent.home, "--from-literal=a=b")
    assert "Forbidden" in agent.kubectl("get", "secret", "keys", "-n", agent.home)
    assert "created" in agent.kubectl("create", "secret", "generic", "own", "-n", agent.runs)
    assert "Forbidden" in agent.kubectl("get", "secret", "own", "-n", agent.runs)


def test_it_cannot_give_itself_rights_nor_make_pods_where_identities_are(agent: Agent) -> None:
    role = {
        "apiVersion": f"{RBAC}/v1",
        "kind": "ClusterRole",
        "metadata": {"name": agent.home},
        "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}],
    }
    assert "Forbidden" in agent.kubectl("create", "-f", "-", text=json.dumps(role))
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "thief"},
        "spec": {"containers": [{"name": "thief", "image": "localhost/none:1"}]},
    }
    assert "Forbidden" in agent.kubectl("create", "-n", agent.home, "-f", "-", text=json.dumps(pod))
    assert "created" in agent.kubectl("create", "-n", agent.runs, "-f", "-", text=json.dumps(pod))
    assert "Forbidden" in agent.kubectl("exec", "-n", agent.runs, "thief", "--", "true")
    assert "Forbidden" in agent.kubectl("get", "nodes")
