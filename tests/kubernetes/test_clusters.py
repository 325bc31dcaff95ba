"""The clusters themselves, and the image in them: all of continuum runs in one restricted pod."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from benchmarks.clusters import Cluster
from continuum import __version__

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(600)]

PROGRAM = """
import os
from continuum.workflow import task, wait_on

@task(returns=1)
def who(number):
    return os.getuid(), number

if __name__ == "__main__":
    print("said", wait_on([who(number) for number in range(4)]))
"""


@pytest.fixture(scope="module")
def execute(clusters: tuple[Cluster, Cluster], image: str) -> Iterator[Callable[..., str]]:
    """Execute words of a shell in a pod of the first cluster."""
    cluster = clusters[0]
    cluster.kubectl("apply", "-f", "-", text=json.dumps(restricted_pod(image)))
    cluster.kubectl("wait", "--for=condition=Ready", "pod/all", "--timeout=120s")
    yield lambda words, text="": cluster.kubectl("exec", "-i", "all", "--", "sh", "-c", words, text=text)
    cluster.kubectl("delete", "pod", "all", "--now")


def test_all_of_continuum_runs_in_a_restricted_pod(execute: Callable[..., str]) -> None:
    said = execute("id -u; touch /usr/x 2>&1; continuum --version").splitlines()
    assert said == ["65532", "touch: /usr/x: Read-only file system", __version__]
    execute("continuum up --sites here --store directory")
    execute("cat >/tmp/program.py", PROGRAM)
    assert "said [(65532, 0), (65532, 1), (65532, 2), (65532, 3)]" in execute(
        "cd /tmp && continuum run program.py"
    )


def test_all_objects_of_a_cluster_are_seen(clusters: tuple[Cluster, Cluster]) -> None:
    cluster = clusters[1]
    before = cluster.list_objects()
    cluster.kubectl("create", "configmap", "seen", "--from-literal=a=b")
    assert "default/ConfigMap/seen" in cluster.list_objects() - before
    cluster.kubectl("delete", "configmap", "seen")
    assert "default/ConfigMap/seen" not in cluster.list_objects()


def restricted_pod(image: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "all"},
        "spec": {
            "automountServiceAccountToken": False,
            "shareProcessNamespace": True,
            "securityContext": {
                "runAsNonRoot": True,
                "fsGroup": 65532,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "all",
                    "image": image,
                    "command": ["sleep", "3600"],
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "readOnlyRootFilesystem": True,
                        "capabilities": {"drop": ["ALL"]},
                    },
                    "volumeMounts": [
                        {"name": "tmp", "mountPath": "/tmp"},
                        {"name": "state", "mountPath": "/var/lib/continuum"},
                    ],
                }
            ],
            "volumes": [{"name": "tmp", "emptyDir": {}}, {"name": "state", "emptyDir": {}}],
        },
    }
