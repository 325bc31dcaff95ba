"""A cluster becomes a site with one command, works, is upgraded, and is left as it was."""

import json
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from embedding import Embedded

from benchmarks.clusters import IMAGE, Cluster, find_image, load_image
from continuum.sites import BuildOptions, build_image, default_cache

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(600)]

PROGRAM = """
import socket, time
from continuum.workflow import task, wait_on

@task(returns=1)
def where(number):
    time.sleep(0.3)
    return socket.gethostname()

if __name__ == "__main__":
    print(sorted(set(wait_on([where(number) for number in range(12)]))))
"""
WRITE = """
import json, botocore.session
keys = json.load(open("/etc/continuum/identity/credentials.json"))
client = botocore.session.get_session().create_client(
    "s3", endpoint_url="URL", region_name="us-east-1", verify="/etc/continuum/identity/ca.pem",
    aws_access_key_id=keys["access_key"], aws_secret_access_key=keys["secret_key"])
client.put_object(Bucket="BUCKET", Key="only", Body=b"here")
"""


class Joining:
    """Sites that a test joins; each has a name that nothing else has, and is left whatever happens."""

    def __init__(self, continuum: Embedded, cluster: Cluster, image: str) -> None:
        self.continuum = continuum
        self.cluster = cluster
        self.image = image
        self.site = f"tj{uuid.uuid4().hex[:6]}"
        self.where = ("--kubeconfig", cluster.kubeconfig, "--context", cluster.context)

    def join(self, *options: str, image: str = "", status: int = 0) -> "subprocess.CompletedProcess[str]":
        named = ("site", "join", "--kubernetes", "--name", self.site, "--image", image or self.image)
        return self.continuum.continuum(*named, *self.where, *options, status=status, timeout_s=400)

    def site_command(self, verb: str, *options: str, status: int = 0) -> "subprocess.CompletedProcess[str]":
        return self.continuum.continuum("site", verb, self.site, *options, status=status, timeout_s=400)

    def namespaces(self) -> set[str]:
        """Return the namespaces that have to do with the site."""
        named = (each["metadata"]["name"] for each in self.cluster.get("namespaces")["items"])
        return {name for name in named if self.site in name}

    def close(self) -> None:
        if self.namespaces():
            options = (*self.where, "--now", "--abandon-data")
            self.continuum.continuum("site", "leave", self.site, *options, status=None, timeout_s=400)


@pytest.fixture
def edge(clusters: tuple[Cluster, Cluster], image: str, listening: Embedded) -> Iterator[Joining]:
    joining = Joining(listening, clusters[0], image)
    yield joining
    joining.close()


@pytest.fixture
def cloud(clusters: tuple[Cluster, Cluster], image: str, listening: Embedded) -> Iterator[Joining]:
    joining = Joining(listening, clusters[1], image)
    yield joining
    joining.close()


def test_a_cluster_becomes_a_site_works_is_upgraded_and_is_left_as_it_was(
    edge: Joining, clusters: tuple[Cluster, Cluster], tmp_path: Path
) -> None:
    before = edge.cluster.list_objects()
    planned = edge.join("--dry-run").stdout
    assert edge.namespaces() == set()
    assert "REDACTED" in planned
    joined = json.loads(edge.join("--json").stdout)
    assert (joined["created"] >= 20, joined["changed"], joined["unchanged"]) == (True, 0, 0)
    again = json.loads(edge.join("--json").stdout)
    assert (again["created"], again["changed"], again["unchanged"]) == (0, 0, joined["created"])
    accepted = edge.cluster.kubectl(
        "apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f", "-", text=planned
    )
    assert len(accepted.splitlines()) == joined["created"]

    (tmp_path / "program.py").write_text(PROGRAM)
    said = edge.continuum.continuum("run", str(tmp_path / "program.py"), cwd=tmp_path).stdout
    assert "agent-" in said, said  # the name of the pod where tasks ran
    shown = json.loads(edge.site_command("show", "--json").stdout)
    assert set(shown["cluster"]["pods"].values()) == {"ready"}

    if not find_image(clusters):
        newer = f"{IMAGE}-newer"
        build_image(BuildOptions(out=tmp_path / "newer.tar", name=newer, cache=default_cache()), print)
        load_image((edge.cluster,), tmp_path / "newer.tar")
        upgraded = edge.site_command("upgrade", "--image", newer)
        assert "the store stays as it is" in upgraded.stderr  # its objects lie in its pod
        assert _images(edge) == {"agent": newer, "gateway": newer}

    left = json.loads(edge.site_command("leave", "--json").stdout)
    assert left["namespaces"] == [f"continuum-{edge.site}-runs", f"continuum-{edge.site}"]
    assert _list_left(edge, before) == set()
    assert edge.site not in edge.continuum.continuum("site", "list").stdout
    assert edge.site not in edge.continuum.continuum("store", "list").stdout


def test_joining_again_mends_what_was_said_and_a_site_with_the_only_copy_is_not_left(cloud: Joining) -> None:
    said = cloud.join("--overlay", "cloud", "--wait", "120", image="localhost/not-there:1", status=1).stderr
    assert "the image localhost/not-there:1 cannot be pulled" in said
    assert "--image" in said
    cloud.join("--overlay", "cloud", "--max-workers", "2")
    bucket = f"{cloud.site}-bucket"
    cloud.continuum.boto3_client("edge").create_bucket(Bucket=bucket)
    home = f"continuum-{cloud.site}"
    program = WRITE.replace("URL", f"https://gateway.{home}.svc:8002").replace("BUCKET", bucket)
    cloud.cluster.kubectl("-n", home, "exec", "-i", "deploy/agent", "--", "python3", "-", text=program)
    refused = cloud.site_command("leave", status=1).stderr
    assert f"the only copy lies at {cloud.site} of what is in: {bucket} (1 objects, 4 " in refused
    assert f"continuum bucket copy s3://{bucket} --to" in refused
    cloud.site_command("leave", "--abandon-data")
    assert cloud.namespaces() == set()


def test_a_namespace_that_is_there_is_used_and_stays(edge: Joining) -> None:
    quota = ("create", "quota", "small", "--hard=requests.cpu=100m,requests.memory=128Mi,limits.memory=600Mi")
    edge.cluster.kubectl("create", "namespace", edge.site)
    edge.cluster.kubectl("-n", edge.site, *quota)
    before = _list_in(edge)
    try:
        refused = edge.join("--namespace", "not-there", "--state", "claim:none", status=1).stderr
        assert "there is no namespace not-there" in refused
        assert "there is no StorageClass none" in refused
        said = edge.join("--namespace", edge.site, "--wait", "90", status=1).stderr
        assert "exceeded quota: small" in said
        assert "limits.memory" in said
        edge.site_command("leave")
        assert _list_in(edge) == before
    finally:
        edge.cluster.kubectl("delete", "namespace", edge.site)


def _list_left(joining: Joining, before: set[str]) -> set[str]:
    """Return what is in the cluster and was not before, but in namespaces that others made meanwhile."""
    known = {"", *(each.split("/")[2] for each in before if each.startswith("/Namespace/"))}
    left = joining.cluster.list_objects() - before
    return {
        each
        for each in left
        if joining.site in each
        or (each.split("/")[0] in known and not each.startswith(("/Namespace/", "default/")))
    }


def _list_in(joining: Joining) -> set[str]:
    """Return what is in the site's one namespace, of the kinds that joining makes."""
    kinds = "deployments,statefulsets,pods,services,secrets,configmaps,persistentvolumeclaims,roles,"
    kinds += "rolebindings,serviceaccounts,networkpolicies,poddisruptionbudgets"
    listed = joining.cluster.get(kinds, "-n", joining.site)["items"]
    return {f"{each['kind']}/{each['metadata']['name']}" for each in listed}


def _images(joining: Joining) -> dict[str, Any]:
    found = joining.cluster.get("deployments", "-n", f"continuum-{joining.site}")["items"]
    return {
        each["metadata"]["name"]: each["spec"]["template"]["spec"]["containers"][0]["image"] for each in found
    }
