"""Sites in virtual time: executors that take as long as their tasks would, and links between them.

A site runs what it is handed in order, as its units allow; a task's inputs come first, all at once. A link
carries its transfers one after the other, which takes as long altogether as if they shared it.
"""

import heapq
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from continuum.model.errors import UnavailableError
from continuum.model.placement import OBJECT_S
from continuum.model.sites import Link, Transfer
from continuum.workflow.messages import (
    DatumBrought,
    DatumPublished,
    Event,
    EventSink,
    FunctionCode,
    ObjectName,
    Produced,
    RunSpec,
    Staged,
    TaskFinished,
    TaskSpec,
)
from continuum.workflow.simulating.continua import VirtualSite
from continuum.workflow.simulating.workloads import Shape

START_S = 0.0002  # what a task costs its site besides running


class World:
    """The time, what is going to happen, where data lie, and what has moved."""

    def __init__(self, links: Mapping[tuple[str, str], Link]) -> None:
        self.now = 0.0
        self.places: dict[str, set[str]] = {}
        self.sizes: dict[str, int] = {}
        self.moved_bytes = 0
        self.transfer_eur = 0.0
        self._links = links
        self._free_at: dict[tuple[str, str], float] = {}
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0

    def at(self, when: float, do: Callable[[], None]) -> None:
        """Have something happen."""
        self._count += 1
        heapq.heappush(self._due, (when, self._count, do))

    def advance(self) -> bool:
        """Let happen what happens next, and all at the same time; return whether there was anything."""
        if not self._due:
            return False
        self.now = self._due[0][0]
        while self._due and self._due[0][0] <= self.now:
            heapq.heappop(self._due)[2]()
        return True

    def carry(self, datum: str, target: str) -> Transfer:
        """Bring a datum to a site over the link by which it is there first."""
        size = self.sizes[datum]
        arrivals = [(self._arrival(source, target, size), source) for source in sorted(self.places[datum])]
        ended_at, source = min(arrivals)
        link = self._links[source, target]
        self._free_at[source, target] = ended_at - link.latency_s - OBJECT_S
        self.moved_bytes += size
        self.transfer_eur += size / 1e9 * link.price_eur_per_gb
        return Transfer(source, size, self.now, ended_at)

    def _arrival(self, source: str, target: str, size: int) -> float:
        link = self._links[source, target]
        begin = max(self.now, self._free_at.get((source, target), 0.0))
        return begin + size / link.bandwidth_bytes_per_s + link.latency_s + OBJECT_S


class Machine:
    """A site in virtual time. See `messages.Executor`."""

    def __init__(self, site: VirtualSite, world: World, shapes: Sequence[Shape]) -> None:
        self.described = site
        self._world = world
        self._shapes = shapes
        self._free = site.computing_units
        self._ready: deque[tuple[TaskSpec, list[Transfer], float]] = deque()
        self._coming: dict[str, Transfer] = {}
        self.busy_unit_s = 0.0
        self.tasks = 0

    @property
    def site(self) -> str:
        """The site's name."""
        return self.described.name

    @property
    def computing_units(self) -> int:
        """How many units it has."""
        return self.described.computing_units

    def start(self, run: RunSpec, sink: EventSink) -> None:
        """Get ready."""
        del run
        self._sink = sink

    def submit(self, functions: Sequence[FunctionCode], tasks: Sequence[TaskSpec]) -> None:
        """Queue tasks; each begins when its inputs have come and units are free."""
        del functions
        for spec in tasks:
            transfers = self._fetch([given.datum for given in spec.inputs])
            if transfers:
                here_at = max(transfer.ended_at for transfer in transfers)
                self._world.at(here_at, lambda spec=spec, came=transfers: self._begin(spec, came))  # type: ignore[misc]
            else:
                self._ready.append((spec, [], self._world.now))
        self._run()

    def put(self, datum: str, source: bytes | Path, name: ObjectName) -> None:
        """Nothing is put in a simulation."""
        del source, name
        raise UnavailableError(f"{datum} cannot be put: a simulation has no data")

    def publish(self, data: Sequence[tuple[str, ObjectName]]) -> None:
        """Say that data can be read from elsewhere."""
        for datum, name in data:
            said = DatumPublished(datum=datum, published=name)
            self._world.at(self._world.now + OBJECT_S, lambda said=said: self._say([said]))  # type: ignore[misc]

    def bring(self, data: Sequence[tuple[str, ObjectName]]) -> None:
        """Fetch data ahead of need."""
        for datum, _ in data:
            if datum not in self._world.places:  # dropped meanwhile
                self._say([DatumBrought(datum=datum, problem="gone")])
                continue
            transfers = self._fetch([datum])
            said = DatumBrought(datum=datum, transfer=transfers[0] if transfers else None)
            here_at = transfers[0].ended_at if transfers else self._world.now
            self._world.at(here_at, lambda said=said: self._say([said]))  # type: ignore[misc]

    def complete(self, task_id: int, attempt: int, staged: Sequence[Staged]) -> None:
        """Nothing is staged here."""

    def give_up(self, reason: str) -> None:
        """Virtual sites are never away."""

    def unstage(self, staged: Sequence[Staged], *, is_complete: bool) -> None:
        """Nothing is staged here."""

    def drop(self, data: Sequence[str]) -> None:
        """Forget data."""
        for datum in data:
            places = self._world.places.get(datum)
            if places is not None:
                places.discard(self.site)
                if not places:
                    del self._world.places[datum], self._world.sizes[datum]

    def cancel(self, task_ids: Sequence[int]) -> None:
        """Nothing is cancelled in a simulation."""

    def read(self, datum: str, published: ObjectName | None) -> bytes:
        """Nothing is read in a simulation."""
        del published
        raise UnavailableError(f"{datum} cannot be read: a simulation has no data")

    def close(self) -> None:
        """Nothing has to be ended."""

    def _fetch(self, data: Sequence[str]) -> list[Transfer]:
        transfers = []
        for datum in data:
            if self.site in self._world.places[datum]:
                continue
            coming = self._coming.get(datum)
            if coming is None:
                coming = self._coming[datum] = self._world.carry(datum, self.site)
                self._world.at(coming.ended_at, lambda datum=datum: self._arrive(datum))  # type: ignore[misc]
            transfers.append(coming)
        return transfers

    def _arrive(self, datum: str) -> None:
        del self._coming[datum]
        if datum in self._world.places:
            self._world.places[datum].add(self.site)

    def _begin(self, spec: TaskSpec, transfers: list[Transfer]) -> None:
        self._ready.append((spec, transfers, self._world.now))
        self._run()

    def _run(self) -> None:
        while self._ready and self._ready[0][0].computing_units <= self._free:
            spec, transfers, _ = self._ready.popleft()
            self._free -= spec.computing_units
            run_s = self._shapes[spec.task_id - 1].run_s / self.described.speed
            self.busy_unit_s += run_s * spec.computing_units
            began_at = self._world.now
            self._world.at(
                began_at + START_S + run_s,
                lambda spec=spec, came=transfers, began_at=began_at: self._finish(spec, came, began_at),  # type: ignore[misc]
            )

    def _finish(self, spec: TaskSpec, transfers: Sequence[Transfer], began_at: float) -> None:
        world = self._world
        self._free += spec.computing_units
        self.tasks += 1
        for output in spec.outputs:
            world.places.setdefault(output.datum, set()).add(self.site)
        event = TaskFinished(
            task_id=spec.task_id,
            attempt=spec.attempt,
            outputs=tuple(
                [Produced(datum=each.datum, size_bytes=world.sizes[each.datum]) for each in spec.outputs]
            ),
            started_at=began_at,
            run_s=world.now - began_at,
            moved_bytes=sum(transfer.size_bytes for transfer in transfers),
            transfers=tuple(transfers),
        )
        self._say([event])
        self._run()

    def _say(self, events: Sequence[Event]) -> None:
        self._sink(self.site, events)
