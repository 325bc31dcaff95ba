"""What stands around a graph in tests: a driver and sites that do what they are told."""

from typing import NamedTuple

from continuum.model.graph import Graph
from continuum.model.tasks import Datum, DatumState, Task


class Produced(NamedTuple):
    datum: str
    size_bytes: int = 10
    inline: bytes | None = None
    published: object = None


class Bench:
    """A graph with what a driver would do around it: sites take what is placed and keep what they make."""

    def __init__(self) -> None:
        self.graph = Graph()
        self.at = 0.0
        self.submitted: list[Task] = []
        self.ready: list[Task] = []
        self.published: list[tuple[str, Datum]] = []
        self.dropped: list[str] = []
        self.settled: list[Task] = []
        self.supplied: list[Datum] = []
        self.numbers = iter(range(1, 10_000))
        self.data = iter(range(1, 10_000))

    def datum(self, *, held: bool = True) -> Datum:
        datum = Datum(f"d{next(self.data)}v1")
        datum.holders = int(held)
        return datum

    def base(self, inline: bytes = b"base") -> Datum:
        datum = self.datum()
        datum.inline, datum.state = inline, DatumState.READY
        return datum

    def call(self, reads=(), writes=(), **options) -> Task:
        task = Task(next(self.numbers), options.pop("function", "f"), tuple(reads), tuple(writes), **options)
        self.graph.submit(task, self.at)
        self.act()
        return task

    def act(self) -> None:
        commands = self.graph.take_commands()
        self.ready += commands.place
        self.submitted += commands.submit
        self.published += commands.publish
        self.dropped += [datum for datum, _, _ in commands.drop]
        self.settled += commands.settled
        self.supplied += commands.supply
        self.records = commands.records
        for datum in commands.watched:
            watchers, datum.watchers = datum.watchers, []
            for watcher in watchers:
                watcher.one_less()
        if commands.watched:
            self.act()

    def place(self, task: Task, site: str = "edge") -> bool:
        assert task in self.ready, f"{task} is not ready"
        self.ready.remove(task)
        now = self.graph.place(task, site)
        self.act()
        return now

    def finish(self, task: Task, *, inline: bool = False, published: object = None) -> None:
        outputs = [Produced(d.id, inline=b"v" if inline else None, published=published) for d in task.writes]
        self.graph.finished(task.id, task.attempt, outputs, self.at)
        self.act()

    def run(self, task: Task, site: str = "edge", *, inline: bool = False) -> None:
        assert self.place(task, site)
        self.finish(task, inline=inline)

    def fail(self, task: Task, kind: str = "raised", lost: str = "") -> None:
        self.graph.failed(task.id, task.attempt, kind, "it broke", self.at, lost_datum=lost)
        self.act()
