"""Who works in a pool, on virtual time: pods and the scheduler's word put together."""

import pytest

from continuum.sites.kubernetes.rosters import (
    PATIENCE_S,
    QUOTA_PAUSE_S,
    SILENT_S,
    STUCK_PATIENCE_S,
    PodSeen,
    Roster,
    parse_pod,
)
from continuum.workflow import WorkerSeen

BUSY, IDLE = False, True


def pod(name, **parts):
    return PodSeen(name=name, profile="small", **parts)


def works(name, is_idle=BUSY):
    return WorkerSeen(name, is_idle)


@pytest.fixture
def roster():
    """One worker, `w-1`, that appeared after 2 s and works."""
    roster = Roster()
    roster.add("w-1", "small", now=0)
    roster.made("w-1")
    roster.see([pod("w-1")], [works("w-1")], now=2)
    return roster


def test_a_worker_starts_with_its_pod_and_works_when_the_scheduler_knows_it():
    roster = Roster()
    roster.add("w-1", "small", now=0)
    assert roster.count("small", 0).starting == 1
    roster.made("w-1")
    roster.see([pod("w-1")], [], now=1)
    assert roster.count("small", 1).workers == 0
    roster.see([pod("w-1")], [works("w-1")], now=2)
    census = roster.count("small", 2)
    assert (census.workers, census.starting, roster.creation_s) == (1, 0, {"small": 2})


def test_a_worker_whose_pod_is_not_listed_yet_is_not_lost():
    roster = Roster()
    roster.add("w-1", "small", now=0)
    roster.see([], [], now=1)
    assert roster.count("small", 1).starting == 1


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        ([], "its pod was deleted"),
        ([pod("w-1", has_ended=True, ending="it was killed for memory (limit 2 GB)")], "killed for memory"),
    ],
)
def test_a_lost_worker_is_told_once_with_what_became_of_it(roster, seen, words):
    going = roster.see(seen, [], now=3)
    assert going == [each.name for each in seen]  # what has ended is cleared away
    census = roster.count("small", 3)
    assert (census.lost, census.not_started, census.workers) == (1, 0, 0)
    assert words in census.troubles[0]
    assert words in roster.ending_of("w-1")
    assert roster.count("small", 4).lost == 0


def test_a_worker_that_was_sent_away_is_no_loss(roster):
    roster.retire(["w-1"])
    assert roster.count("small", 3).workers == 0
    roster.see([], [], now=3)
    assert roster.count("small", 3).lost == 0
    assert roster.total == 0


def test_a_worker_that_ends_before_it_worked_did_not_start():
    roster = Roster()
    roster.add("w-1", "small", now=0)
    roster.see([pod("w-1", has_ended=True, ending="exit status 1")], [], now=1)
    census = roster.count("small", 1)
    assert (census.lost, census.not_started) == (0, 1)


@pytest.mark.parametrize(
    ("trouble", "patience_s"), [("no machine takes it", STUCK_PATIENCE_S), ("", PATIENCE_S)]
)
def test_a_pod_that_does_not_come_up_is_given_up(trouble, patience_s):
    roster = Roster()
    roster.add("w-1", "small", now=0)
    for now in (1, patience_s - 1):
        assert roster.see([pod("w-1", trouble=trouble)], [], now=now) == []
    assert roster.see([pod("w-1", trouble=trouble)], [], now=patience_s + 2) == ["w-1"]
    census = roster.count("small", patience_s + 2)
    assert (census.not_started, census.starting) == (1, 0)
    assert (trouble or "scheduler has not heard of it") in census.troubles[0]


def test_trouble_that_passes_is_forgotten():
    roster = Roster()
    roster.add("w-1", "small", now=0)
    roster.see([pod("w-1", trouble="no machine takes it")], [], now=1)
    roster.see([pod("w-1")], [], now=2)
    assert roster.see([pod("w-1", trouble="no machine takes it")], [], now=STUCK_PATIENCE_S + 2) == []


def test_idle_workers_are_told_with_how_long_the_longest_first(roster):
    roster.add("w-2", "small", now=0)
    both = [pod("w-1"), pod("w-2")]
    roster.see(both, [works("w-1", IDLE), works("w-2")], now=3)
    roster.see(both, [works("w-1", IDLE), works("w-2", IDLE)], now=5)
    assert roster.count("small", 10).idle_for_s == (7, 5)
    assert roster.idle("small", 1) == ["w-1"]
    roster.see(both, [works("w-1"), works("w-2", IDLE)], now=11)
    assert roster.count("small", 12).idle_for_s == (7,)


def test_a_worker_that_the_scheduler_has_lost_goes_after_a_while(roster):
    assert roster.see([pod("w-1")], [], now=3) == []
    assert roster.count("small", 3).workers == 0
    assert roster.see([pod("w-1")], [], now=4 + SILENT_S) == ["w-1"]


def test_while_the_scheduler_does_not_answer_nothing_is_concluded(roster):
    assert roster.see([pod("w-1")], None, now=100) == []
    assert roster.count("small", 100).workers == 1


def test_a_quota_keeps_the_number_where_it_is_for_a_while_and_is_told_once(roster):
    for now in (3, 4):
        roster.add(f"w-{now}", "small", now=now)
        roster.refused(f"w-{now}", "exceeded quota: pods=1", now, is_quota=True)
    census = roster.count("small", 4)
    assert (census.ceiling, census.not_started, census.troubles) == (1, 0, ("exceeded quota: pods=1",))
    assert roster.count("small", 5 + QUOTA_PAUSE_S).ceiling is None


def test_profiles_are_counted_apart(roster):
    roster.add("w-2", "big", now=3)
    assert roster.count("small", 3).starting == 0
    assert roster.count("big", 3).starting == 1
    assert roster.total == 2


def test_workers_that_were_there_before_are_taken_over_and_their_numbers_not_used_again():
    roster = Roster()
    roster.adopt([pod("pool-x-7"), pod("pool-x-9", has_ended=True), pod("pool-x-8", is_leaving=True)], now=0)
    assert roster.next_number() == 10
    roster.see([pod("pool-x-7")], [works("pool-x-7")], now=1)
    assert roster.count("small", 1).workers == 1


def made_pod(status, **metadata):
    limits = {"resources": {"limits": {"memory": "2000000000"}}}
    labels = {"continuum/profile": "small"}
    return {
        "metadata": {"name": "w-1", "labels": labels} | metadata,
        "spec": {"containers": [limits]},
        "status": status,
    }


def ended(**parts):
    return {"phase": "Failed", "containerStatuses": [{"state": {"terminated": parts}}]}


@pytest.mark.parametrize(
    ("status", "ending", "trouble"),
    [
        (ended(reason="OOMKilled", exitCode=137), "it was killed for memory (limit 2 GB)", ""),
        (ended(reason="Error", exitCode=1), "its pod ended: Error, exit status 1", ""),
        (
            {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource"},
            "its pod ended: Evicted: The node was low on resource",
            "",
        ),
        ({"phase": "Succeeded"}, "its pod ended", ""),
        ({"phase": "Running"}, "", ""),
        (
            {
                "phase": "Pending",
                "conditions": [
                    {"type": "PodScheduled", "status": "False", "message": "0/1 nodes: Insufficient cpu."}
                ],
            },
            "",
            "no machine takes it: 0/1 nodes: Insufficient cpu.",
        ),
        (
            {
                "phase": "Pending",
                "containerStatuses": [{"state": {"waiting": {"reason": "ErrImagePull", "message": "gone"}}}],
            },
            "",
            "ErrImagePull: gone",
        ),
    ],
)
def test_what_a_pod_says_is_put_into_words(status, ending, trouble):
    seen = parse_pod(made_pod(status))
    assert (seen.ending, seen.trouble, seen.profile) == (ending, trouble, "small")


def test_a_pod_that_is_being_deleted_is_leaving():
    assert parse_pod(made_pod({"phase": "Running"}, deletionTimestamp="2026-01-01T00:00:00Z")).is_leaving
