"""The hub in one cluster, a site in the other: joined, used and taken out again from a home here."""

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.clusters import Cluster

pytestmark = pytest.mark.timeout(600)
LIMIT_S = 420.0
CONTINUUM = Path(sys.executable).with_name("continuum")
PROGRAM = """
from continuum.workflow import task, wait_on

@task(returns=1)
def make(size):
    return b"x" * size

@task(returns=1)
def measure(data):
    return len(data)

if __name__ == "__main__":
    data = make(5_000_000)
    print("measured", wait_on(measure(data)), "fetched", len(wait_on(data)))
"""


class Deployed:
    """A home on this machine, and the cluster of its hub."""

    def __init__(self, home: Path, cluster: Cluster, namespace: str) -> None:
        self.home = home
        self.cluster = cluster
        self.namespace = namespace

    def run(self, *arguments: str, check: bool = True) -> str:
        done = subprocess.run(
            (str(CONTINUUM), *arguments),
            env=os.environ | {"CONTINUUM_HOME": str(self.home)},
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr


def reach(cluster: Cluster) -> tuple[str, ...]:
    return "--kubeconfig", cluster.kubeconfig, "--context", cluster.context


def address_of(cluster: Cluster) -> str:
    (node, *_) = cluster.get("nodes")["items"]
    return next(each["address"] for each in node["status"]["addresses"] if each["type"] == "InternalIP")


@pytest.fixture(scope="module")
def deployed(
    clusters: tuple[Cluster, Cluster], image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployed]:
    name = f"continuum-hub-{uuid.uuid4().hex[:6]}"
    hub = Deployed(tmp_path_factory.mktemp("hub") / "home", clusters[0], name)
    try:
        hub.run("hub", "deploy", *_of_hub(hub, image))
        yield hub
    finally:
        hub.run("hub", "remove", check=False)


def _of_hub(hub: Deployed, image: str) -> tuple[str, ...]:
    where = ("--address", address_of(hub.cluster), "--namespace", hub.namespace)
    return "--kubernetes", *reach(hub.cluster), *where, "--image", image


def test_a_site_joins_a_hub_in_another_cluster_and_a_run_from_here_uses_it(
    deployed: Deployed, clusters: tuple[Cluster, Cluster], image: str, tmp_path: Path
) -> None:
    site, cluster = f"hubbed-{uuid.uuid4().hex[:6]}", clusters[1]
    where = ("--name", site, *reach(cluster), "--outside", address_of(cluster))
    deployed.run("site", "join", "--kubernetes", *where, "--image", image, "--state", "pod")
    try:
        program = tmp_path / "program.py"
        program.write_text(PROGRAM)
        assert "measured 5000000 fetched 5000000" in deployed.run("run", str(program))
        again = deployed.run("hub", "deploy", *_of_hub(deployed, image))
        assert "0 objects applied" in again
        assert site in deployed.run("site", "list")
    finally:
        deployed.run("site", "leave", site, "--now", "--abandon-data", check=False)
    assert deployed.cluster.get("namespace", deployed.namespace)["status"]["phase"] == "Active"
    assert site not in str(cluster.get("namespaces")["items"])
