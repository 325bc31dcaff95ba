"""The objects of a pool, as they are made: they keep the rules, and say what was asked for."""

import msgspec
import pytest

from continuum.model.errors import InvalidInputError
from continuum.model.pools import PoolRequest, Toleration, Volume, WorkerProfile
from continuum.sites.kubernetes.rules import find_violations
from continuum.sites.kubernetes.workers import (
    OVERHEAD_BYTES,
    Owner,
    PodSettings,
    Pool,
    check_image,
    name_pool,
    plan_owner,
    plan_pool,
    plan_worker,
    scheduler_url,
)

GPU = WorkerProfile(
    name="gpu",
    units=4,
    memory_bytes=2 * 10**9,
    gpus=1,
    node_selector={"disk": "ssd"},
    tolerations=(Toleration(key="gpu", effect="NoSchedule"), Toleration(key="team", value="us")),
)
OWNER = Owner(name="run-r1-ab", uid="1-2-3")
KEY = b"-----BEGIN KEY-----"


def pool(**changes):
    settings = PodSettings(namespace="lab-runs", image="localhost/continuum:1", **changes.pop("settings", {}))
    request = PoolRequest(
        environment={"MODE": "fast"}, volumes=(Volume(kind="claim", name="data", path="/data"),)
    )
    parts = {"site": "lab", "names": name_pool("r1", "ab"), "settings": settings, "request": request}
    return Pool(**(parts | {"profiles": (GPU,)} | changes))


def everything(pool):
    return (plan_owner(pool), *plan_pool(pool, OWNER, KEY), plan_worker(pool, OWNER, pool.profiles[0], 1))


@pytest.mark.parametrize("settings", [{}, {"kubeconfig": "/k"}])
def test_all_objects_keep_the_rules(settings):
    assert find_violations(everything(pool(settings=settings))) == ()


def test_all_belong_to_one_owner_in_one_namespace_and_bear_site_and_run():
    owner, *others = everything(pool())
    assert owner["metadata"]["name"] == OWNER.name
    for each in others:
        assert [reference["uid"] for reference in each["metadata"]["ownerReferences"]] == [OWNER.uid]
        assert each["metadata"]["namespace"] == "lab-runs"
        assert each["metadata"]["labels"]["continuum/site"] == "lab"
        assert each["metadata"]["labels"]["continuum/run"] == "r1"
        assert each["metadata"]["labels"]["continuum/pool"] == "pool-r1-ab"


def test_the_key_is_in_the_secret_alone():
    for each in everything(pool()):
        assert ("LS0t" in str(each) or KEY.decode() in str(each)) == (each["kind"] == "Secret")


def test_a_worker_gets_what_its_profile_and_the_run_say():
    pod = plan_worker(pool(), OWNER, GPU, 3)
    (container,) = pod["spec"]["containers"]
    memory = str(GPU.memory_bytes + OVERHEAD_BYTES)
    assert container["resources"] == {
        "requests": {"cpu": "4000m", "memory": memory},
        "limits": {"memory": memory, "nvidia.com/gpu": "1"},
    }
    assert pod["spec"]["nodeSelector"] == {"disk": "ssd"}
    assert pod["spec"]["tolerations"] == [
        {"key": "gpu", "operator": "Exists", "effect": "NoSchedule"},
        {"key": "team", "operator": "Equal", "value": "us"},
    ]
    assert {"name": "MODE", "value": "fast"} in container["env"]
    assert {"name": "volume-0", "mountPath": "/data", "readOnly": False} in container["volumeMounts"]
    assert pod["metadata"]["name"] == pod["spec"]["hostname"] == "pool-r1-ab-3"
    assert pod["metadata"]["labels"]["continuum/profile"] == "gpu"
    said = msgspec.json.decode(container["command"][-1])
    assert (said["name"], said["units"], said["gpus"], said["is_alone"]) == ("pool-r1-ab-3", 4, 1, True)
    assert said["scheduler"] == "tls://scheduler.pool-r1-ab.lab-runs.svc:8786"


def test_workers_find_the_scheduler_by_the_name_of_a_headless_service():
    (service,) = [each for each in everything(pool()) if each["kind"] == "Service"]
    (deployment,) = [each for each in everything(pool()) if each["kind"] == "Deployment"]
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["publishNotReadyAddresses"]
    spec = deployment["spec"]["template"]["spec"]
    assert (spec["hostname"], spec["subdomain"]) == ("scheduler", service["metadata"]["name"])
    assert scheduler_url(pool()).startswith(f"tls://scheduler.{service['metadata']['name']}.lab-runs.svc:")


def test_an_agent_outside_gets_a_port_of_the_nodes():
    services = [each for each in everything(pool(settings={"kubeconfig": "/k"})) if each["kind"] == "Service"]
    assert [each["spec"].get("type") for each in services] == [None, "NodePort"]


@pytest.mark.parametrize(
    ("run_id", "slug"),
    [("r1", "r1"), ("Run_1", None), ("-r", None), ("x" * 100, None), ("r" * 40, "r" * 40)],
)
def test_names_are_such_that_a_cluster_takes(run_id, slug):
    names = name_pool(run_id, "abcd")
    assert slug in {None, names.slug}
    assert len(names.worker(10_000)) <= 63
    assert names.slug == names.slug.lower()
    assert not names.slug.startswith("-")


def test_runs_whose_names_differ_in_case_alone_have_different_pools():
    assert len({name_pool(each, "ab").slug for each in ("run-a", "Run-a", "run_a", "run-A")}) == 4


@pytest.mark.parametrize("image", ["continuum:1", "mine/continuum:1"])
def test_images_without_a_host_are_refused(image):
    with pytest.raises(InvalidInputError):
        check_image(image)
