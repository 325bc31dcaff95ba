"""Where versions are written, from where they are read, and what is kept."""

import pytest

from continuum.model.objects import Replica, Version
from continuum.model.policies import Policy, choose_store_to_write, decide_to_keep_copy, order_replicas


def version(*stores: str, size_bytes: int = 10) -> Version:
    return Version(
        bucket="b",
        key="k",
        version_id="1",
        etag="e",
        size_bytes=size_bytes,
        modified_at=0.0,
        replicas=tuple(
            Replica(store=store, bucket="p", key=f"s/{number}", created_at=float(number))
            for number, store in enumerate(stores)
        ),
    )


@pytest.mark.parametrize("policy", Policy)
def test_every_policy_so_far_writes_to_the_own_store(policy: Policy) -> None:
    assert choose_store_to_write(policy, "edge") == "edge"


@pytest.mark.parametrize(
    ("stores", "unavailable", "known", "order"),
    [
        (["cloud", "edge"], [], None, ["edge", "cloud"]),
        (["cloud", "far"], [], None, ["cloud", "far"]),
        (["far", "cloud", "edge"], [], None, ["edge", "far", "cloud"]),
        (["edge", "cloud"], ["edge"], None, ["cloud", "edge"]),
        (["edge", "cloud"], ["edge", "cloud"], None, ["edge", "cloud"]),
        (["cloud", "edge"], [], ["cloud"], ["cloud"]),
        (["cloud"], [], ["edge"], []),
        ([], [], None, []),
    ],
)
def test_a_read_tries_the_own_store_then_the_others_and_those_that_are_down_last(
    stores: list[str], unavailable: list[str], known: list[str] | None, order: list[str]
) -> None:
    reachable = None if known is None else dict.fromkeys(known)
    replicas = order_replicas(version(*stores), "edge", unavailable, reachable)
    assert [replica.store for replica in replicas] == order


@pytest.mark.parametrize(
    ("policy", "stores", "read_from", "whole", "size_bytes", "keeps"),
    [
        (Policy.COPY_ON_READ, ["cloud"], "cloud", True, 10, True),
        (Policy.WRITE_LOCAL, ["cloud"], "cloud", True, 10, False),
        (Policy.COPY_ON_READ, ["cloud"], "cloud", False, 10, False),
        (Policy.COPY_ON_READ, ["edge"], "edge", True, 10, False),
        (Policy.COPY_ON_READ, ["edge", "cloud"], "cloud", True, 10, False),
        (Policy.COPY_ON_READ, ["cloud"], "cloud", True, 0, False),
    ],
)
def test_a_copy_is_kept_only_of_a_whole_object_that_came_from_elsewhere(
    *, policy: Policy, stores: list[str], read_from: str, whole: bool, size_bytes: int, keeps: bool
) -> None:
    found = version(*stores, size_bytes=size_bytes)
    assert decide_to_keep_copy(policy, found, "edge", read_from=read_from, whole_object=whole) is keeps
