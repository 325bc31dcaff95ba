"""Runs that are resumed: wherever their memory ends, the result is that of one run; nothing is done twice."""

import shutil
import threading
import time
from pathlib import Path

import pytest

from continuum.model import stories
from continuum.workflow import (
    COMMUTATIVE,
    FILE_IN,
    FILE_INOUT,
    INOUT,
    Driver,
    LocalExecutor,
    Run,
    task,
    use_run,
    wait_on,
    wait_on_file,
)
from continuum.workflow.checkpointing import Checkpoints, parse_policy
from continuum.workflow.coding import archive_modules
from continuum.workflow.journals import Journal, read_records
from continuum.workflow.memories import FILE, Begun, Memory, recall
from continuum.workflow.messages import ObjectName, RunSpec
from continuum.workflow.transferring import SHELF

LARGE = 20_000  # bytes: half of it is more than travels in messages


class SlowlySaving(LocalExecutor):
    """A site that is long in beginning to save."""

    def __init__(self, **options):
        super().__init__(**options)
        self.waiting = []

    def publish(self, data):
        self.waiting.append(threading.Timer(0.3, super().publish, (data,)))
        self.waiting[-1].start()

    def close(self):
        for each in self.waiting:
            each.join()
        super().close()


class Place:
    """A folder in which a run is started, and started again."""

    def __init__(self, folder, policy="results"):
        self.folder = folder
        self.policy = policy
        self.units = 1
        self.site = LocalExecutor
        self.driver = None

    def run(self, program):
        before = recall(self.folder)
        journal = Journal(self.folder / f"story-{before.incarnation + 1}")
        memory = Memory(self.folder)
        memory.add(Begun(before.incarnation + 1, 0.0))
        checkpoints = Checkpoints(
            memory,
            parse_policy(self.policy),
            place_of=lambda datum: ObjectName(SHELF, datum.id),
            before=before,
        )
        spec = RunSpec(
            run_id="resumed",
            application="tests",
            code=archive_modules(Path(__file__).with_name("conftest.py")),
            objects=ObjectName("b", "resumed"),
            incarnation=before.incarnation + 1,
        )
        executor = self.site(computing_units=self.units, shelf=self.folder / "shelf")
        self.driver = Driver(spec, [executor], journal, checkpoints=checkpoints)
        self.driver.start()
        try:
            with use_run(run := Run(self.driver)):
                result = program(self.folder)
                assert run.finish() == []
                if self.policy == "each":
                    self.driver.snapshot()  # saving goes on beside the tasks
                return result
        finally:
            self.driver.close()

    @property
    def remembered(self):
        return self.driver.checkpoints.remembered

    def done(self):
        path = self.folder / "done.txt"
        return path.read_text().split() if path.exists() else []


def note(folder, what):
    with (folder / "done.txt").open("a") as file:
        file.write(what + "\n")


@task(returns=1)
def make(folder, number, size):
    note(folder, f"make{number}")
    return bytes([number]) * size


@task(returns=2)
def split(folder, data):
    note(folder, "split")
    return data[: len(data) // 2], data[len(data) // 2 :]


@task(held=INOUT)
def add(folder, held, number):
    note(folder, f"add{number}")
    held.append(number)


@task(path=FILE_INOUT)
def bump(folder, path):
    note(folder, "bump")
    number = int(Path(path).read_text())
    Path(path).write_text(f"{number + 1}\n")


@task(returns=1, path=FILE_IN)
def read(folder, path):
    note(folder, "read")
    return Path(path).read_text()


def everything(folder):
    """A program with small and large values, changes in place, and a file that it finds and changes."""
    held = [0]
    add(folder, held, 1)
    large = make(folder, 1, LARGE)
    first, second = split(folder, large)
    small = make(folder, 2, 3)
    counter = folder / "counter"
    bump(folder, counter)
    wait_on_file(counter)
    bump(folder, counter)
    seen = read(folder, counter)
    add(folder, held, 2)
    return wait_on(held), len(wait_on(first) + wait_on(second)), wait_on(small), wait_on(seen), wait_on(seen)


EXPECTED = ([0, 1, 2], LARGE, b"\x02\x02\x02", "12\n", "12\n")
CALLS = ["add1", "add2", "bump", "bump", "make1", "make2", "read", "split"]


@pytest.fixture
def place(tmp_path):
    (tmp_path / "counter").write_text("10\n")
    return Place(tmp_path)


def test_small_results_and_changes_of_files_are_not_done_twice_wherever_the_memory_ends(place):
    assert place.run(everything) == EXPECTED
    assert sorted(place.done()) == CALLS
    whole = (place.folder / FILE).read_bytes()
    for end in (0, len(whole) // 3, 2 * len(whole) // 3, len(whole)):
        (place.folder / FILE).write_bytes(whole[:end])
        brought = recall(place.folder).brought.get(str(place.folder / "counter"), ())
        (place.folder / "counter").write_text(f"{10 + len(brought)}\n")
        (place.folder / "done.txt").unlink()
        assert place.run(everything) == EXPECTED
        assert place.remembered + len(set(place.done()) - {"make1", "split"}) >= len(CALLS) - 3
    assert place.remembered == len(CALLS)
    assert sorted(place.done()) == ["make1", "split"]  # large results went with the run, and are waited for


def interrupted(last):
    """Return the program as it is up to a point at which its driver dies."""

    def program(folder):
        counter = folder / "counter"
        for step in range(last):
            if step % 2:
                wait_on_file(counter)
            else:
                bump(folder, counter)
        raise KeyboardInterrupt

    return program


def counting(folder):
    counter = folder / "counter"
    for step in range(8):
        if step % 2:
            wait_on_file(counter)
        else:
            bump(folder, counter)
    wait_on_file(counter)
    return counter.read_text()


@pytest.mark.parametrize("last", range(1, 9, 2))
def test_a_file_that_a_run_found_is_changed_once_by_each_task(place, last):
    with pytest.raises(KeyboardInterrupt):
        place.run(interrupted(last))
    assert place.run(counting) == "14\n"
    assert place.done().count("bump") in {4, 5}  # what ran when the driver died had changed nothing yet


def test_every_result_is_kept_if_the_user_says_so(place):
    place.policy = "each"
    assert place.run(everything) == EXPECTED
    done = place.done()
    assert place.run(everything) == EXPECTED
    assert place.done() == done
    assert place.remembered == len(CALLS)
    records = list(read_records(place.folder / "story-1"))
    assert sum(isinstance(record, stories.Remembered) for record in records) == len(CALLS)


def test_what_a_program_lets_go_of_while_it_is_saved_is_kept_all_the_same(place):
    place.policy = "each"
    place.site = SlowlySaving
    assert place.run(everything) == EXPECTED
    done = place.done()
    assert place.run(everything) == EXPECTED
    assert place.done() == done


@task(total=COMMUTATIVE)
def join(folder, total, number):
    note(folder, f"join{number}")
    total.append(number)


@task(returns=1)
def late(folder, number):
    note(folder, f"late{number}")
    while len(place_of_joins(folder)) < 2:
        time.sleep(0.01)
    return number


def place_of_joins(folder):
    return [each for each in (folder / "done.txt").read_text().split() if each.startswith("join")]


def joining(folder):
    total = []
    join(folder, total, late(folder, 1))
    for number in (2, 3):
        join(folder, total, number)
    return wait_on(total)


def test_updates_that_were_applied_in_another_order_are_not_applied_again(place):
    place.units = 2
    result = place.run(joining)
    assert sorted(result) == [1, 2, 3]
    assert result[-1] == 1  # it waited for the others
    assert place.run(joining) == result
    assert sorted(place.done()) == ["join1", "join2", "join3", "late1"]
    assert place.remembered == 4


@pytest.mark.parametrize("share", [3, 2])
def test_some_of_the_updates_are_applied_again_if_only_some_are_known(place, share):
    place.units = 2
    place.run(joining)
    whole = (place.folder / FILE).read_bytes()
    (place.folder / FILE).write_bytes(whole[: len(whole) * (share - 1) // share])
    assert sorted(place.run(joining)) == [1, 2, 3]


def test_a_snapshot_keeps_what_there_is(place):
    def program(folder):
        large = make(folder, 1, LARGE)
        wait_on(large)
        place.driver.snapshot()
        later = make(folder, 2, LARGE)
        return wait_on(large) + wait_on(later)

    result = place.run(program)
    assert place.run(program) == result
    assert place.done() == ["make1", "make2", "make2"]


def test_what_was_kept_and_is_gone_is_made_again(place):
    place.policy = "each"
    place.run(everything)
    shutil.rmtree(place.folder / "shelf")
    assert place.run(everything) == EXPECTED
    assert place.done().count("make1") == 2
    assert place.done().count("bump") == 2


def test_a_changed_argument_runs_what_follows_from_it_and_nothing_else(place):
    def program(numbers):
        def of(folder):
            made = [make(folder, number, 3) for number in numbers]
            held = []
            add(folder, held, len(numbers))
            return [wait_on(each) for each in made], wait_on(held)

        return of

    place.run(program([1, 2, 3]))
    place.run(program([1, 4, 3]))
    assert place.done() == ["make1", "make2", "make3", "add3", "make4"]


@pytest.mark.parametrize(
    ("text", "count", "period_s"), [("each", 1, 0), ("100", 100, 0), ("60s", 0, 60), ("results", 0, 0)]
)
def test_policies_are_told_in_words(text, count, period_s):
    policy = parse_policy(text)
    assert (policy.is_on, policy.count, policy.period_s) == (True, count, period_s)
