"""What tests on real clusters share: two clusters, the image in both, a continuum on this machine.

Where no cluster is there (see `benchmarks.clusters`) they are skipped, aloud.
"""

from collections.abc import Iterator

import pytest
from embedding import Embedded

from benchmarks.clusters import IMAGE, Cluster, NoClustersError, find_image, load_image, open_clusters
from continuum.sites import BuildOptions, build_image, default_cache


@pytest.fixture(scope="session")
def clusters() -> Iterator[tuple[Cluster, Cluster]]:
    """Two clusters, side by side."""
    try:
        with open_clusters(2) as (first, second):
            yield first, second
    except NoClustersError as problem:
        pytest.skip(f"not tried on Kubernetes: {problem}")


@pytest.fixture(scope="session")
def image(clusters: tuple[Cluster, Cluster], tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of the image of this source tree, which both clusters have."""
    if found := find_image(clusters):
        return found
    archive = tmp_path_factory.mktemp("image") / "continuum.tar"
    build_image(BuildOptions(out=archive, name=IMAGE, cache=default_cache()), print)
    load_image(clusters, archive)
    return IMAGE


@pytest.fixture(scope="session")
def listening(
    clusters: tuple[Cluster, Cluster], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Embedded]:
    """A continuum of this machine with sites `edge` and `cloud`, which pods of the clusters reach."""
    running = Embedded(tmp_path_factory.mktemp("continuum") / "home")
    running.up("--listen", clusters[0].address, "--hub-port", "0", "--gateway-ports", "0,0")
    try:
        yield running
    finally:
        running.down()


@pytest.fixture(scope="session")
def sites(
    clusters: tuple[Cluster, Cluster], image: str, listening: Embedded
) -> Iterator[tuple[Cluster, Cluster]]:
    """Both clusters as sites of the continuum: `west` (tasks run in the agent's pod) and `east` (in pods of
    their own)."""
    options = {"west": ("--overlay", "edge", "--units", "2"), "east": ("--overlay", "cloud", "--units", "2")}
    try:
        for (name, chosen), cluster in zip(options.items(), clusters, strict=True):
            listening.continuum(
                *(
                    "site",
                    "join",
                    "--kubernetes",
                    "--name",
                    name,
                    "--image",
                    image,
                    "--state",
                    "pod",
                    *chosen,
                ),
                *("--kubeconfig", cluster.kubeconfig, "--context", cluster.context),
                timeout_s=400,
            )
        yield clusters
    finally:
        for name in options:
            listening.continuum("site", "leave", name, "--now", "--abandon-data", status=None, timeout_s=300)
