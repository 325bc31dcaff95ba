"""Whatever happens to a site in whatever state of a task, a run ends with what the program means or says why.

Sites and their workers are processes of this machine; workers are killed, sites die, are cut off, come back,
lose messages, say them twice and too late, lose data; the store refuses to take any. See `faulty_sites`.
"""

import os
import threading
from collections.abc import Callable
from pathlib import Path

import faulted
import pytest
from faulted import digest
from faulty_sites import Moment, World, children_of

from continuum.model.tasks import TaskState
from continuum.testing import wait_until
from continuum.workflow import TaskFailedError, barrier, group, pinned, use_run, wait_on

pytestmark = pytest.mark.timeout(90)

BASE = digest(b"base")  # too large for a message: it is supplied to a site


# ---- faults ----


def a_worker_is_killed(site, go_on):
    site.kill_workers()
    go_on()


def the_site_is_cut_off(site, go_on):
    site.fall_silent()
    go_on()


def the_site_dies_and_comes_back(site, go_on):
    site.die()
    site.come_back()


def the_message_comes_twice(site, go_on):
    go_on()
    go_on()


def the_message_comes_after_the_return_of_the_site(site, go_on):
    submissions = site.world.submissions
    site.fall_silent()
    site.come_back()
    site.world.await_submission(submissions)  # the next try is under way then, if there is one
    go_on()


def the_data_of_the_site_are_lost(site, go_on):
    site.forget()
    go_on()


FAULTS = [
    a_worker_is_killed,
    the_site_is_cut_off,
    the_site_dies_and_comes_back,
    the_message_comes_twice,
    the_message_comes_after_the_return_of_the_site,
    the_data_of_the_site_are_lost,
]


# ---- programs: each returns what it gives, and what it means ----


def chain(world, folder):
    made = faulted.make(BASE, 1)
    value = wait_on(faulted.use(faulted.victim(made, folder)))
    return value, digest(digest(digest(BASE, b"\1"), b"victim"), b"use")


def across(world, folder):
    with pinned("edge"):
        one = faulted.make(BASE, 1)
    with pinned("cloud"):
        other = faulted.make(BASE, 2)
    return wait_on(faulted.join(one, other)), digest(digest(BASE, b"\1"), digest(BASE, b"\2"))


def many(world, folder):
    values = wait_on([faulted.short(number) for number in range(20)])
    return values, [digest(bytes([number])) for number in range(20)]


def updating(world, folder):
    values = faulted.begin(BASE)
    for _ in range(3):
        faulted.update(values, folder)
    expected = BASE
    for _ in range(3):
        expected = digest(expected, b"update")
    return wait_on(values)["data"], expected


def commuting(world, folder):
    values = faulted.begin(BASE)
    for number in range(4):
        faulted.add(values, number, folder)
    return sorted(wait_on(values)["numbers"]), [0, 1, 2, 3]


def in_a_group(world, folder):
    with group("together"):
        one = faulted.victim(BASE, folder)
        faulted.make(BASE, 1)
    return wait_on(one), digest(BASE, b"victim")


def checkpointed(world, folder):
    kept = faulted.make(BASE, 1)
    wait_on(kept)
    world.run.snapshot()
    return wait_on(faulted.victim(kept, folder)), digest(digest(BASE, b"\1"), b"victim")


def cancelled(world, folder):
    one = faulted.victim(BASE, folder)
    other = faulted.use(faulted.make(BASE, 1))
    wait_until(lambda: world.runs > 0)
    assert one.cancel()
    with pytest.raises(TaskFailedError, match="cancelled"):
        wait_on(one)
    return wait_on(other), digest(digest(BASE, b"\1"), b"use")


class State:
    """A state of a task. `holds`: the tasks that can wait do so until the fault has happened."""

    def __init__(self, program: Callable, what: str, function: str, *, holds: bool = True) -> None:
        self.program = program
        self.moment = Moment(what, function)
        self.holds = holds


STATES = {
    "waiting": State(chain, "TaskFinished", "make"),
    "queued": State(many, "TaskFinished", "short"),
    "sent": State(chain, "submit", "victim"),
    "moving": State(across, "publish", "make"),
    "moved": State(across, "DatumPublished", "make"),
    "running": State(chain, "TaskStarted", "victim"),
    "done": State(chain, "TaskFinished", "victim", holds=False),
    "used": State(chain, "submit", "use", holds=False),
    "updating": State(updating, "TaskStarted", "update"),
    "updated": State(updating, "TaskFinished", "update", holds=False),
    "commuting": State(commuting, "TaskStarted", "add"),
    "commuted": State(commuting, "TaskFinished", "add", holds=False),
    "in a group": State(in_a_group, "TaskStarted", "victim"),
    "checkpointed": State(checkpointed, "submit", "victim"),
    "cancelled": State(cancelled, "cancel", "victim"),
}


UNSETTLED = [
    TaskState.WAITING,
    TaskState.READY,
    TaskState.MOVING,
    TaskState.SUBMITTED,
    TaskState.RUNNING,
]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    before = {thread.name for thread in threading.enumerate()}, children_of(os.getpid())
    world = World(tmp_path_factory.mktemp("faulty"))
    yield world
    world.close()
    assert children_of(os.getpid()) <= before[1]
    assert {thread.name for thread in threading.enumerate()} <= before[0]
    left = [*Path("/dev/shm").rglob("faulty.*"), *world.folder.glob("*/**/faulty.*")]
    assert left == []


def outcome_of(program, world):
    """Return what a program gives and what it means; if it fails, what the error says instead."""
    try:
        return program(world, str(world.folder))
    except TaskFailedError as problem:
        return str(problem), ""


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
@pytest.mark.parametrize("state", STATES)
def test_a_run_ends_right_whatever_happens(world, state, fault, monkeypatch):
    state = STATES[state]
    if fault is the_site_is_cut_off and state.program is across:
        monkeypatch.setattr("continuum.workflow.dispatching.RETURN_WITHIN_S", 0.2)
    world.arm(state.moment, fault)
    if not state.holds:
        world.release()
    with use_run(world.run):
        value, expected = outcome_of(state.program, world)
        if fault is the_site_is_cut_off and state.program is across:  # what is pinned there waits for it
            assert value == expected or "lost" in value
        else:
            assert value == expected
        world.heal()
        barrier()
    wait_until(lambda: not world.driver.graph.tasks)
    for counts in world.driver.graph.counts.values():
        assert not any(counts[state] for state in UNSETTLED)


def the_store_takes_nothing(site, go_on):
    site.world.break_store()
    go_on()


def the_store_takes_nothing_for_a_while(site, go_on):
    site.world.refusals.clear()
    site.world.break_store()
    go_on()
    wait_until(lambda: site.world.refusals)
    site.world.mend_store()


def test_a_store_that_takes_nothing_for_a_while_only_delays_a_run(world):
    world.arm(Moment("publish", "make"), the_store_takes_nothing_for_a_while)
    with use_run(world.run):
        value, expected = across(world, str(world.folder))
    world.heal()
    assert value == expected


def test_a_store_that_takes_nothing_at_all_fails_the_run_and_is_named(world):
    world.arm(Moment("publish", "make"), the_store_takes_nothing)
    with (
        use_run(world.run),
        pytest.raises(TaskFailedError, match=r"run again 5 times already.*Not a directory"),
    ):
        across(world, str(world.folder))
    world.heal()


def test_an_output_that_nobody_can_read_fails_at_once_and_is_named(world):
    world.arm(Moment("TaskFailed", "unfit"), the_message_comes_twice)
    world.release()
    with use_run(world.run), pytest.raises(TaskFailedError, match="generator") as told:
        wait_on(faulted.unfit(BASE, str(world.folder)))
    world.heal()
    assert told.value.kind == "unfit_output"
    assert world.runs == 1


def test_what_was_checkpointed_is_not_made_again_when_all_sites_are_lost(world):
    world.arm(Moment("submit", "use"), the_site_dies_and_comes_back)
    world.release()
    with use_run(world.run):
        kept = faulted.victim(BASE, str(world.folder))
        wait_on(kept)
        world.run.snapshot()
        for site in world.sites:
            site.die()
            site.come_back()
        assert wait_on(faulted.use(kept)) == digest(digest(BASE, b"victim"), b"use")
    world.heal()
    assert world.runs == 1


def test_a_value_of_the_program_that_was_replaced_cannot_be_had_again_and_the_error_says_so(world):
    world.arm(Moment("TaskFinished", "update"), the_data_of_the_site_are_lost)
    world.release()
    values = {"data": digest(b"only the program had it")}
    with use_run(world.run):
        faulted.update(values, str(world.folder))
        with pytest.raises(TaskFailedError, match="came from the main program"):
            wait_on(values)
    world.heal()
