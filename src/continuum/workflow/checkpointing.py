"""The driver's memory at work: what finishes is remembered, what was remembered is not done again.

How much is kept is the user's choice (`Policy`). That a task has finished, and its small results, are always
kept, for a few microseconds; large results lie at their sites and are copied to where they outlive the run's
processes (the store; for a local run, its folder) only when the policy or the program (`snapshot`) says so.
What of it is gone when the run is resumed is computed again, if anybody needs it.

`Checkpoints` belongs to the driver's thread, except where it says so.
"""

import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from continuum.model.errors import InvalidInputError
from continuum.model.graph import Graph
from continuum.model.tasks import Datum, DatumState, Task, TaskState
from continuum.workflow.applying import Orders
from continuum.workflow.canonical import canonical
from continuum.workflow.fingerprinting import (
    Names,
    digest_of_bytes,
    digest_of_file,
    digest_of_name,
)
from continuum.workflow.holding import Held
from continuum.workflow.memories import (
    Brought,
    Decided,
    Done,
    Kept,
    Looked,
    Memory,
    Recollection,
    Saved,
    Took,
)
from continuum.workflow.messages import ObjectName, Produced, Staged
from continuum.workflow.operations import Waiter
from continuum.workflow.queues import SiteQueue

SYNC_EVERY_S = 5.0

Drop = tuple[
    str, tuple[str, ...], Any
]  # a datum that sites can forget, the sites, its name in the store or None

_EVERY = re.compile(r"(\d{1,9})(s?)")


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """When large results are copied to where they outlive the run: after so many tasks (`count`), every so
    many seconds, or (both 0) only when the program says `snapshot`.
    """

    is_on: bool = True
    count: int = 0
    period_s: float = 0.0


def parse_policy(text: str) -> Policy:
    """Return what `--checkpoint` says: off, results, each, N (tasks), Ns (seconds)."""
    known = {"off": Policy(is_on=False), "results": Policy(), "each": Policy(count=1)}
    if text in known:
        return known[text]
    found = _EVERY.fullmatch(text)
    if found is None or not int(found[1]):
        raise InvalidInputError(
            f"--checkpoint {text} is not known", hint="off, results, each, 100 (tasks) or 60s (seconds)"
        )
    number = int(found[1])
    return Policy(period_s=number) if found[2] else Policy(count=number)


class Checkpoints:
    """Remembers for one run. `before` is what earlier drivers remembered; `changed` are the objects of the
    store that somebody else has written since.

    `place_of` returns the name under which the large results of a site are kept (None: nowhere).
    """

    def __init__(
        self,
        memory: Memory,
        policy: Policy,
        *,
        place_of: Callable[[Datum], ObjectName | None],
        before: Recollection | None = None,
        changed: Mapping[ObjectName, str] | None = None,
    ) -> None:
        self.memory = memory
        self.remembered = 0
        self.has_saved = False
        self._policy = policy
        self._place_of = place_of
        self._before = before or Recollection()
        self._changed = changed or {}
        self._names = Names()
        self._orders = Orders(_kept)
        self._held: dict[str, Held] = {}
        self._going_on: dict[bytes, tuple[str, tuple[str, ...]]] = {}  # calls: site, outputs
        self._to_save: dict[str, Datum] = {}
        self._saving: dict[str, tuple[Datum, str]] = {}  # and the site that does it
        self._withheld: dict[str, Drop] = {}
        self._freed: list[Drop] = []
        self._snapshots: list[Waiter] = []
        self._flushes: list[Waiter] = []
        self._finished = 0
        self._saved_at = self._synced_at = time.time()
        self._syncing: threading.Thread | None = None
        self._taking = threading.Lock()
        self._takes: Counter[str] = Counter()

    def hold(self, site: str, held: Held) -> None:
        """A site holds this from the time before."""
        self._held[site] = held
        self._going_on |= {key: (site, outputs) for key, outputs in held.tasks.items()}

    # ---- what the program calls ----

    def submit(self, graph: Graph, task: Task, at: float) -> None:
        """The program called a task: it is done already, or goes into the graph."""
        self._names.name(task)
        payload = task.payload
        kept = self._before.done.get(task.key)
        if kept is None or len(kept) != len(task.writes):
            if self._going_on:
                self._go_on(task)
            graph.submit(task, at, call=payload.title, group=payload.group)
            return
        self.remembered += 1
        left = [self._left_of(each) for each in kept]
        self._rename(task, [each.datum for each in kept])
        graph.remember(task, left, at, call=payload.title, group=payload.group)

    def _left_of(self, kept: Kept) -> Kept:
        sites = tuple(site for site, held in self._held.items() if kept.datum in held.data)
        published = self._before.saved.get(kept.datum, kept.published)
        return msgspec.structs.replace(kept, sites=sites, published=published)

    def _go_on(self, task: Task) -> None:
        """A site that has this call from the driver before is asked for it."""
        site, outputs = self._going_on.pop(task.key, ("", ()))
        if site and task.commuting is None and len(outputs) == len(task.writes):
            self._rename(task, outputs)
            task.payload.held_at = site

    def _rename(self, task: Task, left: Sequence[str]) -> None:
        """Let data go by the names under which they lie at sites and in the store."""
        payload = task.payload
        names = {datum.id: name for datum, name in zip(task.writes, left, strict=True)}
        payload.outputs = tuple(
            msgspec.structs.replace(output, datum=names[output.datum]) for output in payload.outputs
        )
        for datum, name in zip(task.writes, left, strict=True):
            datum.id = name

    def supplied(self, datum: Datum) -> None:
        """A large value of the program goes to its site: now is the time to look at it."""
        if not datum.identity and isinstance(datum.origin, bytes):
            datum.identity = digest_of_bytes(datum.origin if datum.is_file else canonical(datum.origin))

    def looked_for(self, datum: Datum) -> None:
        """The program named an object of the store."""
        datum.identity = digest_of_name(datum.published, self._changed.get(datum.published, ""))

    def located(self, datum: Datum, etag: str) -> None:
        """An object of the store is there."""
        if etag:
            self.memory.add(Looked(datum.published, etag))

    # ---- files of the program; on its thread ----

    def took(self, datum: Datum, path: Path, name: str) -> None:
        """The program's own version of the file or directory `name`, as it is at `path`, is given to tasks.

        If it is what the run itself put there before it was resumed, then it stands for what was there at
        first, whose content is gone.
        """
        inline = datum.inline
        found = digest_of_bytes(inline) if inline is not None else digest_of_file(path)
        with self._taking:
            number = self._takes[name]
            self._takes[name] = number + 1
        first = self._before.took.get((name, number))
        if first is not None and first != found and found in self._before.brought.get(name, ()):
            datum.identity = first
            datum.inline = datum.origin = None
            datum.state = DatumState.DROPPED
            return
        datum.identity = found
        self.memory.add(Took(name, number, found))

    def bringing(self, path: Path, data: bytes) -> None:
        """A file of the program is about to be replaced; `flush` must be waited for before it is."""
        self.memory.add(Brought(str(path), digest_of_bytes(data)))

    # ---- what happens ----

    def settled(self, tasks: Sequence[Task]) -> None:
        """Tasks have ended: remember those that have results."""
        for task in tasks:
            if task.commuting is not None:
                found = self._orders.settled(task)
                for done in found:
                    self.memory.add(done)
                self._finished += len(found)
                continue
            if task.state is TaskState.FINISHED or task.state is TaskState.IGNORED:
                outputs = tuple([_kept(datum) for datum in task.writes])
                if task.state is TaskState.FINISHED or all(each.inline is not None for each in outputs):
                    self.memory.add(Done(task.key, outputs))
                self._finished += 1
        if self._policy.count or self._policy.period_s:
            for task in tasks:
                for datum in task.writes:
                    if datum.inline is None and datum.sites and not datum.is_external:
                        self._to_save[datum.id] = datum

    def deciding(
        self, task: Task, site: str, outputs: Sequence[Produced], staged: tuple[Staged, ...]
    ) -> None:
        """A try of a task counts: what it has staged is going to be completed. Written at once."""
        if task.commuting is not None and task.commuting.chain.is_moved:
            return
        made = {output.datum: output for output in outputs}
        if all(datum.id in made for datum in task.writes):
            kept = tuple([_kept_of(made[datum.id], site) for datum in task.writes])
            self.memory.add(Decided(task.key, kept, staged))
            self.memory.flush()

    def published(self, datum_id: str, name: ObjectName | None) -> None:
        """A datum is in the store, or (None) could not be put there."""
        saving = self._saving.get(datum_id)
        if saving is None:
            return
        if name is None:
            self._saved([datum_id])
        elif name == self._place_of(saving[0]):
            self.has_saved = True
            self.memory.add(Saved(datum_id, name))
            self._saved([datum_id])

    def is_saving_alone(self, datum_id: str) -> bool:
        """Whether a datum is on its way into the store for our sake only."""
        saving = self._saving.get(datum_id)
        return saving is not None and not saving[0].publishing

    def act(self, sites: Mapping[str, SiteQueue], at: float) -> None:
        """Do what is due: save large results, give records to the system and to the disk."""
        policy = self._policy
        is_due = policy.count and self._finished >= policy.count
        if is_due or (policy.period_s and at - self._saved_at >= policy.period_s):
            self._finished, self._saved_at = 0, at
            if self._to_save:
                waiting, self._to_save = list(self._to_save.values()), {}
                self._save(waiting, sites)
        self.memory.flush()
        for waiter in self._flushes:
            waiter.one_less()
        self._flushes.clear()
        if at - self._synced_at >= SYNC_EVERY_S and (self._syncing is None or not self._syncing.is_alive()):
            self._synced_at = at
            self._syncing = threading.Thread(target=self.memory.sync, name="memory", daemon=True)
            self._syncing.start()

    def snapshot(self, graph: Graph, sites: Mapping[str, SiteQueue], waiter: Waiter) -> None:
        """Copy all that has finished to where it outlives the run; the waiter waits for it."""
        self._to_save.clear()
        self._snapshots.append(waiter)
        self._save(list(graph.stored.values()), sites)
        if not self._saving:
            self._end_snapshots()

    def _save(self, data: Sequence[Datum], sites: Mapping[str, SiteQueue]) -> None:
        by_site: dict[str, list[tuple[str, ObjectName]]] = {}
        for datum in data:
            name = self._place_of(datum)
            alive = [site for site in datum.sites if not sites[site].load.is_lost]
            is_made = datum.producer is not None and datum.state is DatumState.READY
            if (
                name is None
                or not alive
                or not is_made
                or datum.published == name
                or datum.id in self._saving
            ):
                continue
            self._saving[datum.id] = datum, alive[0]
            by_site.setdefault(alive[0], []).append((datum.id, name))
        for site, wanted in by_site.items():
            sites[site].executor.publish(wanted)

    def dropping(self, drops: Iterable[Drop]) -> list[Drop]:
        """Return those of these data that sites can forget now; the others once they are saved (`freed`)."""
        now = []
        for drop in drops:
            if drop[0] in self._saving:
                self._withheld[drop[0]] = drop
            else:
                self._to_save.pop(drop[0], None)
                now.append(drop)
        return now

    def freed(self) -> list[Drop]:
        """Return what sites can forget since the last call: it was being saved when it was dropped."""
        freed, self._freed = self._freed, []
        return freed

    def _saved(self, datum_ids: Iterable[str]) -> None:
        """These are saved, or cannot be. What was made again meanwhile stays."""
        for datum_id in datum_ids:
            datum, _ = self._saving.pop(datum_id)
            drop = self._withheld.pop(datum_id, None)
            if drop is not None and datum.state is DatumState.DROPPED:
                self._freed.append(drop)
        if not self._saving:
            self._end_snapshots()

    def site_lost(self, site: str) -> None:
        """What was being saved at a site that is gone is not."""
        self._held.pop(site, None)
        self._saved([datum_id for datum_id, (_, where) in self._saving.items() if where == site])

    def flush(self, waiter: Waiter) -> None:
        """Let somebody wait until all that has happened so far is written."""
        self._flushes.append(waiter)

    def _end_snapshots(self) -> None:
        if self._snapshots:
            self.memory.sync()
            waiters, self._snapshots = self._snapshots, []
            for waiter in waiters:
                waiter.one_less()

    def close(self) -> None:
        """Write what is left."""
        self.memory.close()


def _kept_of(made: Produced, site: str) -> Kept:
    sites = () if made.inline is not None else (site,)
    name = made.staged.name if made.staged is not None else None
    return Kept(made.datum, made.size_bytes, made.inline, sites, name)


def _kept(datum: Datum) -> Kept:
    source = datum.source
    published = source.published if datum.is_external else None
    return Kept(datum.id, source.size_bytes, source.inline, source.sites, published)
