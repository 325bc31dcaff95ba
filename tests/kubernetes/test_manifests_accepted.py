"""Real API servers take every object that is planned, and kustomize makes the same of deploy/kubernetes."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from benchmarks.clusters import Cluster
from continuum.sites.kubernetes.hubs import plan_hub
from continuum.sites.kubernetes.kustomizing import example_hub, example_site
from continuum.sites.kubernetes.manifests import plan_site
from continuum.sites.kubernetes.objects import arrange
from continuum.sites.kubernetes.settings import (
    ClaimStorage,
    ExternalStore,
    HostAlias,
    LocalStorage,
    Manifest,
    Overlay,
    PodStorage,
)
from continuum.sites.kubernetes.texts import format_manifests, parse_manifests

DEPLOY = Path(__file__).parents[2] / "deploy" / "kubernetes"
EXTERNAL = ExternalStore(endpoint="https://s3.example.org", bucket="lab")
ALIAS = HostAlias(address="10.0.0.9", names=("hub.example.org",))


@pytest.fixture(scope="module")
def namespace(clusters: tuple[Cluster, Cluster]) -> Iterator[str]:
    """A namespace that is there: a dry run makes none."""
    name = f"accepted-{uuid.uuid4().hex[:6]}"
    clusters[0].kubectl("create", "namespace", name)
    yield name
    clusters[0].kubectl("delete", "namespace", name, "--wait=false")


@pytest.mark.parametrize(
    "variant",
    [
        {"overlay": Overlay.EDGE, "storage": LocalStorage(path="/srv", node="one"), "host_aliases": (ALIAS,)},
        {"overlay": Overlay.CLOUD, "storage": ClaimStorage(storage_class="fast"), "pull_secrets": ("pull",)},
        {"overlay": Overlay.CLOUD, "storage": PodStorage(), "external_store": EXTERNAL},
    ],
)
def test_a_server_takes_every_object_of_a_site(
    clusters: tuple[Cluster, Cluster], namespace: str, variant: dict[str, object]
) -> None:
    cluster = clusters[0]
    settings = msgspec.structs.replace(example_site(Overlay.EDGE), **variant)
    spaces = [manifest for manifest in plan_site(settings) if manifest["kind"] == "Namespace"]
    there = msgspec.structs.replace(
        settings,
        namespace=namespace,
        runs_namespace=namespace,
        makes_namespaces=False,
        disruption_api=_disruption_api(cluster),
    )
    for planned in (spaces, plan_site(there)):
        taken = _dry_run(cluster, planned)
        assert len(taken) == len(planned), taken


@pytest.mark.parametrize("overlay", Overlay)
def test_kustomize_makes_of_an_overlay_what_the_command_applies(
    clusters: tuple[Cluster, Cluster], overlay: Overlay
) -> None:
    made = parse_manifests(clusters[0].kubectl("kustomize", str(DEPLOY / "overlays" / overlay)))
    assert _sort(made) == _sort(plan_site(example_site(overlay)))


def test_a_server_takes_every_object_of_a_hub_and_kustomize_makes_the_same(
    clusters: tuple[Cluster, Cluster], namespace: str
) -> None:
    cluster = clusters[0]
    made = parse_manifests(cluster.kubectl("kustomize", str(DEPLOY / "overlays" / "hub")))
    assert _sort(made) == _sort(plan_hub(example_hub()))
    there = msgspec.structs.replace(
        example_hub(), namespace=namespace, makes_namespaces=False, service="ClusterIP"
    )
    planned = plan_hub(there)
    assert len(_dry_run(cluster, planned)) == len(planned)


def _dry_run(cluster: Cluster, manifests: tuple[Manifest, ...] | list[Manifest]) -> list[str]:
    text = format_manifests(manifests)
    return cluster.kubectl("apply", "--server-side", "--dry-run=server", "-f", "-", text=text).splitlines()


def _disruption_api(cluster: Cluster) -> str:
    versions = cluster.kubectl("api-versions").split()
    return next(api for api in ("policy/v1", "policy/v1beta1") if api in versions)


def _sort(manifests: tuple[Manifest, ...]) -> list[Manifest]:
    def where(each: Manifest) -> tuple[str, str]:
        return each["metadata"].get("namespace", ""), each["metadata"]["name"]

    return list(arrange(sorted(manifests, key=where)))
