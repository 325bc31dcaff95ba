"""The connection to an API server: what is applied, observed, refused and removed is so for real."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.clusters import Cluster as RealCluster
from continuum.model.errors import AccessDeniedError, InvalidInputError, NotFoundError, UnavailableError
from continuum.sites.kubernetes.clusters import Change, Cluster, Right

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(300)]

LABELS = {"tried": "connections"}
PLACE = "tried-connections"


def _object(kind: str, name: str, api: str = "v1", **fields: Any) -> dict[str, Any]:
    place = {} if kind == "Namespace" else {"namespace": PLACE}
    return {
        "apiVersion": api,
        "kind": kind,
        "metadata": {"name": name, "labels": LABELS, **place},
        **fields,
    }


def _deployment(image: str) -> dict[str, Any]:
    container = {"name": "one", "image": image, "imagePullPolicy": "Never"}
    template = {"metadata": {"labels": LABELS}, "spec": {"containers": [container]}}
    return _object(
        "Deployment",
        "some",
        "apps/v1",
        spec={"selector": {"matchLabels": LABELS}, "template": template},
    )


async def test_objects_are_applied_once_seen_and_removed(
    clusters: tuple[RealCluster, RealCluster],
) -> None:
    tested = clusters[0]
    async with Cluster.open(tested.context, tested.kubeconfig) as cluster:
        assert (await cluster.get_version()).startswith("v1.")
        place = _object("Namespace", PLACE)
        assert await cluster.apply(place, dry_run=True) is Change.CREATED
        assert await cluster.find("Namespace", PLACE) is None
        assert [await cluster.apply(place) for _ in range(2)] == [Change.CREATED, Change.UNCHANGED]
        workload = _deployment("localhost/not-there:1")
        assert await cluster.apply(workload) is Change.CREATED
        async for event in cluster.watch("Pod", PLACE, "tried=connections"):
            statuses = event.object["status"].get("containerStatuses", [])
            if any("waiting" in status["state"] for status in statuses):
                break
        assert await cluster.apply(workload) is Change.UNCHANGED  # though its status is another by now
        assert await cluster.apply(_deployment("localhost/not-there:2")) is Change.CHANGED
        seen = await cluster.observe(PLACE, "tried=connections")
        assert {each["kind"] for each in seen.workloads} == {"Deployment", "ReplicaSet"}
        assert (len(seen.pods), seen.hidden) == (1, ())
        assert seen.events
        assert await cluster.list_refused([Right(verb="get", resource="pods/log", namespace=PLACE)]) == ()
        assert await cluster.remove(PLACE, "tried=connections") >= 1
        assert await cluster.remove("", "tried=connections", ["Namespace"]) == 1
        async for event in cluster.watch("Namespace", "", "tried=connections"):
            if event.type == "DELETED":
                break


async def test_what_is_wrong_with_a_connection_is_said(
    clusters: tuple[RealCluster, RealCluster], tmp_path: Path
) -> None:
    tested = clusters[0]
    with pytest.raises(NotFoundError, match=f"there is no context other .*contexts there: {tested.context}"):
        Cluster.open("other", tested.kubeconfig)
    closed = _change(tested, tmp_path / "closed", cluster={"server": "https://127.0.0.1:1"})
    async with Cluster.open(tested.context, closed) as cluster:
        with pytest.raises(UnavailableError, match=r"https://127.0.0.1:1 .* does not answer"):
            await cluster.get_version()
    stranger = _change(tested, tmp_path / "stranger", user={"token": "nobody's"})
    async with Cluster.open(tested.context, stranger) as cluster:
        with pytest.raises(AccessDeniedError, match="does not know who asks"):
            await cluster.list("Pod", "default")
    async with Cluster.open(tested.context, tested.kubeconfig) as cluster:
        with pytest.raises(InvalidInputError, match="needs a selector"):
            await cluster.remove(PLACE, "")


def _change(tested: RealCluster, path: Path, **changes: dict[str, str]) -> str:
    """Write the kubeconfig with another server, or of another user, and return its path."""
    config = yaml.safe_load(Path(tested.kubeconfig).read_text())
    config["clusters"][0]["cluster"] |= changes.get("cluster", {})
    config["users"][0]["user"] = changes.get("user", config["users"][0]["user"])
    path.write_text(yaml.safe_dump(config))
    return str(path)
