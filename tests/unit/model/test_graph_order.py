"""Any order that the graph allows, with any faults, gives what the program's own order gives."""

import random

from graph_bench import Bench
from hypothesis import given, settings
from hypothesis import strategies as st

from continuum.model.tasks import Datum, DatumState, Task, TaskState

Access = tuple[int, str]  # variable, "in" | "inout" | "out"
VARIABLES = 4
programs = st.lists(
    st.lists(
        st.tuples(st.integers(0, VARIABLES - 1), st.sampled_from(["in", "inout", "out"])),
        min_size=1,
        max_size=3,
    ).map(dict),
    max_size=12,
)


def effect(number: int, values: list[tuple]) -> tuple:
    """What task `number` computes: all that it read, and who it is."""
    return (number, *values)


def sequential(program: list[dict[int, str]]) -> list[tuple]:
    """The values of the variables after the naive interpretation of the program, in its order."""
    values: list[tuple] = [("start", variable) for variable in range(VARIABLES)]
    for number, accesses in enumerate(program):
        read = [values[variable] for variable, how in sorted(accesses.items()) if how != "out"]
        for variable, how in accesses.items():
            if how != "in":
                values[variable] = effect(number, read)
    return values


class RandomRun:
    """A run whose sites do everything in a random order, and some of which are lost."""

    def __init__(self, program: list[dict[int, str]], chance: random.Random, faults: int) -> None:
        self.chance = chance
        self.faults = faults
        self.bench = Bench()
        self.sites = ["edge", "cloud", "far", "hpc"]
        self.running: list[Task] = []
        self.numbers: dict[int, int] = {}
        self.current = [self.bench.base() for _ in range(VARIABLES)]
        self.values = {datum.id: ("start", variable) for variable, datum in enumerate(self.current)}
        for number, accesses in enumerate(program):
            self.call(number, accesses)

    def call(self, number: int, accesses: dict[int, str]) -> None:
        reads = [self.current[variable] for variable, how in sorted(accesses.items()) if how != "out"]
        writes = {variable: self.bench.datum() for variable, how in accesses.items() if how != "in"}
        task = self.bench.call(reads=reads, writes=list(writes.values()))
        self.numbers[task.id] = number
        for variable, datum in writes.items():
            self.current[variable] = datum

    def step(self) -> bool:
        """Let something happen; return False when nothing can any more."""
        bench = self.bench
        self.publish()
        bench.ready = [task for task in bench.ready if task.state is TaskState.READY]
        self.running = [task for task in self.running if task.state is TaskState.SUBMITTED]
        if self.faults and self.chance.random() < 0.1:
            self.faults -= 1
            bench.graph.site_lost(self.sites.pop(), "chance", bench.at)
            bench.act()
        elif bench.ready and (not self.running or self.chance.random() < 0.5):
            task = self.chance.choice(bench.ready)
            if bench.place(task, self.chance.choice(self.sites)):
                self.running.append(task)
        elif self.running:
            self.execute(self.running.pop(self.chance.randrange(len(self.running))))
        else:
            return bool(bench.published or bench.submitted)
        return True

    def publish(self) -> None:
        for site, datum in self.bench.published:
            if datum.publishing == site:
                self.bench.graph.published(datum.id, site, datum.id, self.bench.at)
        self.bench.published.clear()
        self.bench.act()
        self.running += self.bench.submitted
        self.bench.submitted.clear()

    def execute(self, task: Task) -> None:
        for datum in task.reads:
            assert datum.is_available, f"{task} runs without {datum}"
        value = effect(self.numbers[task.id], [self.values[datum.id] for datum in task.reads])
        for datum in task.writes:
            self.values[datum.id] = value
        self.bench.finish(task, inline=self.chance.random() < 0.2)

    def finish(self) -> list[Datum]:
        """Run to the end, then ask for the newest versions as the program would."""
        while self.step():
            pass
        while any(datum.state is DatumState.DROPPED for datum in self.current):
            for datum in self.current:
                self.bench.graph.require(datum, self.bench.at)
            self.bench.act()
            while self.step():
                pass
        assert not self.bench.graph.tasks
        return self.current


@settings(max_examples=300, deadline=None)
@given(program=programs, chance=st.randoms(use_true_random=False), faults=st.integers(0, 3))
def test_any_allowed_order_with_any_faults_gives_the_sequential_result(program, chance, faults):
    run = RandomRun(program, chance, faults)
    newest = run.finish()
    assert all(datum.state is DatumState.READY for datum in newest)
    assert [run.values[datum.id] for datum in newest] == sequential(program)
