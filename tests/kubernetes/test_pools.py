"""Workers as pods of a real cluster: they come with work, go without, and their loss costs what they had."""

import json
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

from benchmarks.clusters import Cluster
from benchmarks.clusters import wait_until as wait_until_or_fail
from continuum.model.pools import WorkerProfile
from continuum.model.scaling import parse_workers
from continuum.sites.kubernetes.pools import PodPools
from continuum.sites.kubernetes.workers import PodSettings
from continuum.testing import EngineBench
from continuum.workflow.engines import Budget, RunFolder
from continuum.workflow.engines.choosing import SiteEngines
from continuum.workflow.messages import FailureKind, TaskFailed, TaskFinished

pytestmark = [
    pytest.mark.kubernetes,
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings("ignore:Mismatched versions"),  # of Python, here and in the image
]

PLACE = "tried-pools"
WORKERS = ("-n", PLACE, "-l", "app.kubernetes.io/component=worker")
SMALL = WorkerProfile(name="small", units=1, memory_bytes=100_000_000, cpu_millis=50)
BIG = WorkerProfile(name="big", units=2, memory_bytes=150_000_000, cpu_millis=60, labels={"disk": "big"})
PATIENCE_S = 90.0

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # pods do not have this module


class Site:
    """A site whose agent is this process, outside of the cluster; with one run."""

    def __init__(
        self,
        cluster: Cluster,
        image: str,
        folder: Path,
        *,
        workers: str,
        profiles: tuple[WorkerProfile, ...] = (SMALL,),
        run_id: str = "run-1",
    ) -> None:
        settings = PodSettings(
            namespace=PLACE,
            image=image,
            profiles=profiles,
            kubeconfig=Path(cluster.kubeconfig),
            context=cluster.context,
        )
        limits = parse_workers(workers, "kubernetes")
        self.cluster = cluster
        self.pools = PodPools("tried", settings, limits, folder / "pools")
        budget = Budget(limits.most * max(each.units for each in profiles))
        self.engines = SiteEngines(
            "kubernetes", budget, folder=folder / "dask", workers=workers, pools=self.pools
        )
        self.engines.open()
        self.log = folder / "log"
        self.folder = RunFolder(run_id, disk=folder / "disk")
        self.bench = EngineBench(
            self.engines.make(self.folder, log_file=self.log), self.folder, run_id=run_id
        )

    def close(self) -> None:
        self.bench.engine.close()
        self.engines.close()
        self.folder.close()

    def pods(self) -> list[Any]:
        """The worker pods that are not on their way out."""
        found = self.cluster.get("pods", *WORKERS)["items"]
        return [each for each in found if "deletionTimestamp" not in each["metadata"]]


@pytest.fixture(scope="module")
def namespace(clusters: tuple[Cluster, Cluster]) -> Iterator[Cluster]:
    """The first cluster, with an empty namespace for the pods."""
    cluster = clusters[0]
    cluster.kubectl("delete", "namespace", PLACE, "--ignore-not-found")
    cluster.kubectl("create", "namespace", PLACE)
    yield cluster
    cluster.kubectl("delete", "namespace", PLACE, "--wait=false")


@pytest.fixture
def make_site(namespace: Cluster, image: str, tmp_path: Path) -> Iterator[Callable[..., Site]]:
    opened: list[Site] = []

    def make(**settings: Any) -> Site:
        opened.append(Site(namespace, image, tmp_path, **settings))
        return opened[-1]

    yield make
    for site in opened:
        site.close()


def wait_until(condition: Callable[[], bool], what: str) -> None:
    wait_until_or_fail(condition, PATIENCE_S, what)


def nap(seconds: float) -> str:
    time.sleep(seconds)
    return socket.gethostname()


def test_workers_come_with_a_burst_go_without_work_and_nothing_is_left(make_site: Any) -> None:
    site = make_site(workers="0-4:2")
    assert site.pods() == []  # a run without tasks costs nothing
    bench = site.bench
    assert bench.value(bench.submit(nap, 0.0)).startswith("pool-run-1")
    tasks = [bench.submit(nap, 5.0) for _ in range(16)]  # enough for four, however slowly pods appear
    wait_until(lambda: site.pools.count_workers() == 4, "four workers")
    hosts = {bench.value(each) for each in tasks}
    assert len(hosts) == 4
    wait_until(lambda: site.pools.count_workers() == 0 and not site.pods(), "none any more")
    assert bench.value(bench.submit(nap, 0.0)) not in hosts  # and another one, when it is wanted again
    site.bench.engine.close()
    wait_until(
        lambda: not site.cluster.get("all,secrets,configmaps", "-n", PLACE, "-l", "continuum/run")["items"],
        "everything is removed",
    )


def test_the_loss_of_a_worker_costs_what_it_had_and_says_what_became_of_it(make_site: Any) -> None:
    site = make_site(workers="1-1:60")
    bench = site.bench
    first = bench.value(bench.submit(nap, 0.0))
    task = bench.submit(nap, 60.0)
    wait_until(lambda: bench.engine.load().running_tasks == 1, "it runs")
    time.sleep(1.0)  # until it is there, not only on its way; if it is not, it runs in the next worker
    site.cluster.kubectl("-n", PLACE, "delete", "pod", first, "--grace-period=0", "--force")
    answer = bench.wait(task)
    assert isinstance(answer, TaskFailed)
    assert answer.kind is FailureKind.WORKER_LOST
    assert f"worker {first} of profile small: its pod was deleted" in answer.message
    assert bench.value(bench.submit(nap, 0.0)) != first


def test_a_quota_is_met_told_once_and_the_work_is_done_by_those_that_there_may_be(make_site: Any) -> None:
    site = make_site(workers="0-4:60")
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "few"}}
    quota |= {"spec": {"hard": {"pods": "3"}}}  # a scheduler and two workers
    site.cluster.kubectl("-n", PLACE, "apply", "-f", "-", text=json.dumps(quota))
    bench = site.bench
    tasks = [bench.submit(nap, 1.0) for _ in range(16)]
    wait_until(lambda: site.pools.count_workers() == 2, "two workers")
    assert len({bench.value(each) for each in tasks}) == 2
    told = [line for line in site.log.read_text().splitlines() if "exceeded quota" in line]
    site.cluster.kubectl("-n", PLACE, "delete", "resourcequota", "few")
    assert len(told) == 1


def test_tasks_get_workers_of_the_profile_that_fits_them(make_site: Any) -> None:
    site = make_site(workers="0-3:60", profiles=(SMALL, BIG))
    bench = site.bench
    small = bench.submit(nap, 0.0)
    big = bench.submit(nap, 0.0, computing_units=2)
    none = bench.submit(nap, 0.0, computing_units=3)
    names = {bench.value(small): "small", bench.value(big): "big"}
    profiles = {
        each["metadata"]["name"]: each["metadata"]["labels"]["continuum/profile"] for each in site.pods()
    }
    assert names == {name: profiles[name] for name in names}
    refused = bench.wait(none)
    assert isinstance(refused, TaskFailed)
    assert "needs more than a worker of this site has" in refused.message


def test_large_data_and_programs_of_their_own_reach_workers_and_come_back(make_site: Any) -> None:
    site = make_site(workers="0-2:60")
    bench = site.bench
    made = bench.submit(lambda: b"x" * 20_000_000)
    assert isinstance(bench.wait(made), TaskFinished)
    assert len(bench.value(made)) == 20_000_000
    apart = bench.submit(nap, 0.0, engine="process")
    assert bench.value(apart).startswith("pool-run-1")
