"""Reasons why pods do not come up, found in what a real API server said (1.20.2) of pods made to fail."""

from pathlib import Path

import msgspec
import pytest

from continuum.sites.kubernetes.diagnosing import describe_pods, find_reason, has_run, is_ready
from continuum.sites.kubernetes.observing import Observed

CASES = Path(__file__).parent / "observed"


def _read(case: str) -> Observed:
    return msgspec.json.decode((CASES / f"{case}.json").read_bytes(), type=Observed)


@pytest.mark.parametrize(
    ("case", "what", "reason", "hint", "is_final"),
    [
        (
            "pull",
            "Pod/pull-",
            "localhost/not-there:1 cannot be pulled: Unknown: failed to pull",
            "--image",
            True,
        ),
        ("registry", "Pod/registry-", "lookup registry.invalid on ", "docs/images.md", True),
        ("never", "Pod/never-", "does not have the image localhost/not-there:1", "docs/images.md", True),
        ("badname", "Pod/badname-", "'localhost/UPPER CASE:1' is no name of an image", "--image", True),
        ("cpu", "Pod/cpu-", "1 Insufficient cpu", "asks for cpu 900, memory 16Mi", False),
        ("memory", "Pod/memory-", "1 Insufficient memory", "asks for cpu 1, memory 900Gi", False),
        ("selector", "Pod/selector-", "node affinity", "it must have {'gpu': 'yes'}", False),
        ("claim", "PersistentVolumeClaim/state", "no default StorageClass", "--state local:/path", True),
        ("namedclaim", "PersistentVolumeClaim/named", "no StorageClass fast (there: none)", "--state", True),
        ("crash", "Pod/crash-", "saying: the keys in /etc/continuum cannot be read", "kubectl logs", None),
        ("oom", "Pod/oom-", "ran out of memory and was killed", "its limit is 32Mi", None),
        ("secret", "Pod/secret-", 'secret "not-there" not found', "join again", False),
        ("envsecret", "Pod/envsecret-", 'secret "gone" not found', "join again", True),
        ("probe", "Pod/probe-", "not ready: Readiness probe failed: Get", "kubectl -n joindiag logs", False),
        ("account", "ReplicaSet/account-", 'serviceaccount "nobody" not found', "join again", True),
        (
            "quotacpu",
            "ReplicaSet/quotacpu-",
            "exceeded quota: small, requested",
            "requests.cpu 10m of 100m",
            True,
        ),
        ("quotanone", "ReplicaSet/quotanone-", "failed quota: small: must specify", "quota small:", True),
    ],
)
def test_the_reason_is_found(case: str, what: str, reason: str, hint: str, is_final: bool | None) -> None:
    observed = _read(case)
    found = find_reason(observed)
    assert found is not None
    assert found.what.startswith(what)
    assert reason in found.reason
    assert hint in found.hint
    assert is_final in (None, found.is_final)
    assert not is_ready(observed)


@pytest.mark.parametrize("case", ["well", "quota"])
def test_nothing_holds_up_what_is_ready(case: str) -> None:
    observed = _read(case)
    assert find_reason(observed) is None
    assert is_ready(observed)
    assert list(describe_pods(observed).values()) == ["ready"]


def test_a_pod_whose_image_is_not_there_has_not_run_and_one_that_crashes_has() -> None:
    has = {case: [has_run(pod) for pod in _read(case).pods] for case in ("pull", "cpu", "crash", "well")}
    assert has == {"pull": [False], "cpu": [False], "crash": [True], "well": [True]}


def test_nothing_is_not_ready() -> None:
    assert not is_ready(Observed())
    assert find_reason(Observed()) is None


def test_a_quota_that_refused_a_pod_which_is_there_by_now_is_no_reason() -> None:
    observed = _read("quotacpu")
    made = [each | {"status": {"replicas": 1}} for each in map(dict, observed.workloads)]
    assert find_reason(msgspec.structs.replace(observed, workloads=tuple(made))) is None


def test_a_claim_is_no_reason_where_classes_may_not_be_listed() -> None:
    observed = msgspec.structs.replace(_read("namedclaim"), hidden=("StorageClass",))
    assert find_reason(observed) is None


def test_a_workload_whose_new_pods_are_not_there_yet_is_not_ready() -> None:
    (deployment,) = (dict(each) for each in _read("well").workloads if each["kind"] == "Deployment")
    newer = deployment | {"metadata": deployment["metadata"] | {"generation": 99}}
    assert is_ready(Observed(workloads=(deployment,)))
    assert not is_ready(Observed(workloads=(newer,)))
