"""Tasks that update a variable in any order: one at a time, none lost, none waited for in vain."""

import random
from typing import NamedTuple

from graph_bench import Bench, Produced
from hypothesis import given, settings
from hypothesis import strategies as st

from continuum.model.commuting import Chain, Turn, choose_chain
from continuum.model.tasks import Datum, DatumState, Task, TaskState

VARIABLES = 2


class Variable:
    def __init__(self, bench: Bench) -> None:
        self.number = next(bench.numbers)
        self.datum = bench.base()
        self.chain: Chain | None = None


def update(bench: Bench, *variables: Variable, reads=(), results=0) -> Task:
    """Call a task that updates variables in any order."""
    chain = choose_chain([each.chain for each in variables], frozenset(each.number for each in variables))
    superseded = [each.datum for each in variables]
    count = len(variables)
    writes = [bench.datum() for _ in range(count + results)]
    task = Task(next(bench.numbers), "update", [*reads, *superseded], writes)
    task.commuting = Turn(chain, tuple(range(len(reads), len(reads) + count)), tuple(range(count)))
    for variable, datum in zip(variables, writes, strict=False):
        variable.chain, variable.datum = chain, datum
    bench.graph.submit(task, bench.at)
    for datum in superseded:
        bench.graph.release(datum)
    bench.act()
    return task


def test_who_is_ready_first_goes_first():
    bench = Bench()
    variable = Variable(bench)
    late, early = bench.datum(), bench.datum()
    slow, quick = bench.call(writes=[late]), bench.call(writes=[early])
    first = update(bench, variable, reads=[late])
    second = update(bench, variable, reads=[early])
    bench.run(quick)
    assert bench.ready == [slow, second]
    bench.run(second)
    assert bench.ready == [slow]
    bench.run(slow)
    assert bench.ready == [first]
    bench.run(first)
    assert variable.datum.state is DatumState.READY
    assert variable.datum.producer is first


def test_who_is_ready_first_goes_first_among_those_that_update_the_same_two_variables():
    bench = Bench()
    one, two = Variable(bench), Variable(bench)
    late = bench.datum()
    slow = bench.call(writes=[late])
    first = update(bench, one, two, reads=[late])
    second = update(bench, one, two)
    alone = update(bench, two)
    assert bench.ready == [slow, second]
    bench.run(second)
    assert bench.ready == [slow]
    bench.run(slow)
    bench.run(first)
    assert bench.ready == [alone]
    bench.run(alone)
    assert one.datum.producer is first
    assert two.datum.producer is alone


def test_only_one_is_under_way():
    bench = Bench()
    variable = Variable(bench)
    tasks = [update(bench, variable) for _ in range(3)]
    assert bench.ready == tasks[:1]
    assert bench.place(tasks[0])
    assert bench.ready == []
    bench.finish(tasks[0])
    assert bench.ready == tasks[1:2]


def test_a_task_that_needs_the_result_of_one_that_lost_its_turn_does_not_wait_for_ever():
    bench = Bench()
    variable = Variable(bench)
    late = bench.datum()
    slow = bench.call(writes=[late])
    first = update(bench, variable, reads=[late], results=1)
    second = update(bench, variable, reads=[first.writes[1]])
    third = update(bench, variable)
    assert bench.ready == [slow, third]
    bench.run(third)
    bench.run(slow)
    bench.run(first)
    bench.run(second)
    assert variable.datum.state is DatumState.READY


class Kept(NamedTuple):
    size_bytes: int = 1
    inline: bytes | None = b"v"
    sites: tuple[str, ...] = ()
    published: object = None


def test_what_was_done_before_the_driver_was_started_again_stays_where_it_was():
    bench = Bench()
    variable = Variable(bench)
    chain = variable.chain = Chain(frozenset([variable.number]))
    late = bench.datum()
    slow = bench.call(writes=[late])
    first = update(bench, variable, reads=[late])
    done = Task(next(bench.numbers), "update", [variable.datum], [bench.datum()])
    done.commuting = Turn(chain, (0,), (0,))
    variable.datum = done.writes[0]
    bench.graph.remember(done, [Kept()], bench.at)
    waits = update(bench, variable, reads=[late])
    quick = update(bench, variable)
    assert bench.ready == [slow, quick]
    assert quick.reads == [done.writes[0]]
    bench.run(quick)
    bench.run(slow)
    assert bench.ready == [first, waits]
    assert not first.commuting.is_moved


class RandomRun:
    """Calls that update, read and make values; sites run them in a random order, and are lost."""

    def __init__(self, calls: list, chance: random.Random, faults: int) -> None:
        self.bench = Bench()
        self.chance = chance
        self.faults = faults
        self.sites = [f"site{number}" for number in range(faults + 1)]
        self.values: dict[str, frozenset] = {}
        self.running: list[Task] = []
        self.variables = [Variable(self.bench) for _ in range(VARIABLES)]
        self.results: list[Datum] = []
        self.expected: list[tuple[Datum, frozenset]] = []
        self.sums = [frozenset[int]() for _ in self.variables]
        for variable in self.variables:
            self.values[variable.datum.id] = frozenset()
        for kind, which, wanted in calls:
            self.call(kind, which, [self.results[i % len(self.results)] for i in wanted if self.results])

    def call(self, kind: str, which: int, wanted: list[Datum]) -> None:
        variable = self.variables[which]
        wanted = list(dict.fromkeys(wanted))
        if kind == "update":
            task = update(self.bench, variable, reads=wanted, results=1)
            self.results.append(task.writes[1])
            self.sums[which] |= {task.id}
        elif kind == "both":
            task = update(self.bench, *self.variables, reads=wanted, results=1)
            self.results.append(task.writes[-1])
            self.sums = [each | {task.id} for each in self.sums]
        elif kind == "read":
            made = self.bench.datum()
            variable.chain = None
            self.bench.call(reads=[variable.datum], writes=[made], function="read")
            self.expected.append((made, self.sums[which]))
        else:
            self.results.append(made := self.bench.datum())
            self.bench.call(reads=wanted, writes=[made], function="make")

    def execute(self, task: Task) -> None:
        outputs = []
        for index, datum in enumerate(task.writes):
            value = frozenset[int]()
            if task.function == "read":
                value = self.values[task.reads[0].id]
            elif task.commuting is not None and index < len(task.commuting.reads):
                before = self.values[task.reads[task.commuting.reads[index]].id]
                assert task.id not in before, "its effect is there twice"
                value = before | {task.id}
            self.values[datum.id] = value
            outputs.append(Produced(datum.id))
        self.bench.graph.finished(task.id, task.attempt, outputs, self.bench.at)
        self.bench.act()

    def lose_a_site(self) -> None:
        self.faults -= 1
        site = self.sites.pop(self.chance.randrange(len(self.sites)))
        self.bench.graph.site_lost(site, "it burnt down", self.bench.at)
        self.bench.act()

    def step(self) -> bool:
        if self.faults and self.chance.random() < 0.1:
            self.lose_a_site()
        running = [task for task in self.bench.graph.tasks.values() if task.state is TaskState.SUBMITTED]
        ready = [task for task in self.bench.ready if task.state is TaskState.READY]
        self.bench.ready = ready
        for site, datum in self.bench.published:
            if datum.publishing == site:
                self.bench.graph.published(datum.id, site, "name", self.bench.at)
        self.bench.published.clear()
        self.bench.act()
        running += [task for task in self.bench.submitted if task not in running]
        self.bench.submitted.clear()
        running = [task for task in running if task.state is TaskState.SUBMITTED]
        if not running and not ready:
            return False
        chosen = self.chance.choice([*running, *ready])
        if chosen in ready:
            self.bench.place(chosen, self.chance.choice(self.sites))
        else:
            self.execute(chosen)
        return True

    def finish(self) -> None:
        """Run to the end, then ask for what was lost, as the program would."""
        wanted = [datum for datum, _ in self.expected] + [each.datum for each in self.variables]
        while True:
            while self.step():
                pass
            assert not self.bench.graph.tasks, "tasks wait in vain"
            if all(datum.state is DatumState.READY for datum in wanted):
                return
            for datum in wanted:
                self.bench.graph.require(datum, self.bench.at)
            self.bench.act()


calls = st.lists(
    st.tuples(
        st.sampled_from(["update", "update", "both", "both", "make", "read"]),
        st.integers(0, VARIABLES - 1),
        st.lists(st.integers(0, 20), max_size=2),
    ),
    max_size=14,
)


@settings(max_examples=150)
@given(calls=calls, seed=st.integers(0, 2**32), faults=st.integers(0, 2))
def test_every_update_is_made_once_and_readers_see_all_that_were_called_before(calls, seed, faults):
    run = RandomRun(calls, random.Random(seed), faults)
    run.finish()
    for datum, expected in run.expected:
        assert run.values[datum.id] == expected
    for variable, expected in zip(run.variables, run.sums, strict=True):
        assert run.values[variable.datum.id] == expected
