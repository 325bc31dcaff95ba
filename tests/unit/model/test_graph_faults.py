"""Faults at every state of a task: whatever is lost, late, repeated or stopped, a run ends right or says why.

Programs are random (ordered updates, updates that commute, groups, policies), and so is all that happens to
them; sites that were lost may go on with what they had, and say so late. After each step the graph must be
consistent, and nothing may wait for something that is not under way.
"""

from collections import Counter
from typing import NamedTuple

from graph_bench import Produced
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from continuum.model.commuting import Chain, Turn
from continuum.model.graph import Commands, Graph
from continuum.model.grouping import Group
from continuum.model.tasks import Datum, DatumState, OnFailure, Task, TaskState

SITES = ("edge", "cloud", "far")
VARIABLES = 3
COMMUTING = 2  # the last variable is only updated in any order
FINAL = {TaskState.FINISHED, TaskState.FAILED, TaskState.IGNORED, TaskState.CANCELLED}
AT_SITE = {TaskState.SUBMITTED, TaskState.RUNNING}
DEFAULT = b"default"
picks = st.integers(0, 1000)


class Try(NamedTuple):
    """An attempt of a task as the site that has it knows it."""

    task: Task
    attempt: int
    site: str
    life: int  # which life of the site


class GraphUnderFaults(RuleBasedStateMachine):
    """A program, its graph, and sites that do what they are told unless something happens to them."""

    def __init__(self) -> None:
        super().__init__()
        self.graph = Graph()
        self.at = 0.0
        self.numbers = iter(range(1, 100_000))
        self.called: list[Task] = []
        self.data: list[Datum] = []
        self.ready: list[Task] = []
        self.tries: list[Try] = []
        self.publishing: list[tuple[str, int, Datum]] = []
        self.supplying: list[tuple[str, int, Datum]] = []
        self.to_supply: list[Datum] = []
        self.is_busy = False  # the driver takes several events before it acts
        self.lives = dict.fromkeys(SITES, 0)
        self.alive = set(SITES)
        self.held: dict[str, set[str]] = {site: set() for site in SITES}
        self.store: set[str] = set()
        self.values: dict[str, object] = {}
        self.is_cancelled = False

    # ---- the program ----

    @initialize(inline=st.lists(st.booleans(), min_size=VARIABLES, max_size=VARIABLES))
    def begin(self, inline: list[bool]) -> None:
        self.groups = [Group("one"), Group("two")]
        self.current = [self.base(index, is_inline) for index, is_inline in enumerate(inline)]
        self.chain: Chain | None = None
        self.act()

    def datum(self) -> Datum:
        datum = Datum(f"d{next(self.numbers)}v1")
        datum.holders = 1
        self.data.append(datum)
        return datum

    def base(self, index: int, is_inline: bool) -> Datum:
        datum = self.datum()
        value: object = frozenset() if index == COMMUTING else ("start", index)
        self.values[datum.id] = value
        if is_inline:
            datum.inline, datum.state = b"base", DatumState.READY
        else:
            datum.origin = "a file of the program"
            self.graph.keep(datum)
            self.to_supply.append(datum)
        return datum

    @precondition(lambda self: len(self.called) < 12)
    @rule(
        accesses=st.dictionaries(
            st.integers(0, COMMUTING - 1), st.sampled_from(["in", "inout", "out"]), min_size=1, max_size=2
        ),
        sees=st.booleans(),
        policy=st.sampled_from([OnFailure.RETRY, OnFailure.RETRY, *OnFailure]),
        groups=st.sampled_from([(), (), (), (0,), (1,), (0, 1)]),
        follows=st.booleans(),
    )
    def call(self, accesses, sees, policy, groups, follows) -> None:
        reads = [self.current[index] for index, how in sorted(accesses.items()) if how != "out"]
        writes = []
        superseded = []
        for index, how in sorted(accesses.items()):
            if how == "in":
                continue
            made = self.datum()
            if how == "inout":
                made.previous = self.current[index]
            superseded.append(self.current[index])
            self.current[index] = made
            writes.append(made)
        if sees:
            reads.append(self.current[COMMUTING])
            self.chain = None
        after = tuple(self.called[-1:]) if follows else ()
        task = Task(next(self.numbers), "f", tuple(reads), tuple(writes), on_failure=policy, after=after)
        task.defaults = {index: DEFAULT for index, datum in enumerate(writes) if datum.previous is None}
        self.submit(task, groups, superseded)

    @precondition(lambda self: len(self.called) < 12)
    @rule(reads_other=st.booleans(), groups=st.sampled_from([(), (), (0,)]))
    def commute(self, reads_other, groups) -> None:
        chain = self.chain = self.chain or Chain()
        before, made = self.current[COMMUTING], self.datum()
        made.previous = before
        reads = [before, self.current[0]] if reads_other else [before]
        task = Task(next(self.numbers), "commute", reads, [made])
        task.commuting = Turn(chain, (0,), (0,))
        self.current[COMMUTING] = made
        self.submit(task, groups, [before])

    def submit(self, task: Task, groups, superseded) -> None:
        task.groups = tuple(self.groups[index] for index in groups)
        self.called.append(task)
        self.graph.submit(task, self.now())
        for datum in superseded:
            self.graph.release(datum)
        self.act()

    @rule(which=picks)
    def ask_for(self, which) -> None:
        self.graph.require(self.current[which % VARIABLES], self.now())
        self.act()

    @precondition(lambda self: self.called)
    @rule(which=st.integers(0, 1))
    def cancel_a_group(self, which) -> None:
        self.graph.cancel_group(self.groups[which], "the program says so", self.now())
        self.groups[which] = Group(f"after {which}")
        self.act()

    @precondition(lambda self: self.called)
    @rule(which=picks)
    def cancel_what_makes(self, which) -> None:
        self.graph.cancel_producer(self.current[which % VARIABLES], "the program says so", self.now())
        self.act()

    # ---- the driver ----

    def now(self) -> float:
        self.at += 1.0
        return self.at

    @rule()
    def take_several_events(self) -> None:
        self.is_busy = True

    def act(self) -> None:
        if not self.is_busy:
            self.carry_out()

    def carry_out(self) -> None:
        self.is_busy = False
        commands = self.graph.take_commands()
        self.ready += commands.place
        for task in commands.submit:
            if task.state is TaskState.SUBMITTED:
                self.hand_over(task)
        self.carry_out_for_data(commands)
        for site, task in commands.cancel:
            assert site in SITES
            self.tries = [each for each in self.tries if each.task is not task or self.is_over(each)]
        for datum in commands.watched:
            watchers, datum.watchers = datum.watchers, []
            for watcher in watchers:
                watcher.one_less()
        if commands.watched:
            self.carry_out()
        self.ready = [task for task in self.ready if task.state is TaskState.READY]

    def carry_out_for_data(self, commands: Commands) -> None:
        for site, datum in commands.publish:
            if site in self.alive:
                self.publishing.append((site, self.lives[site], datum))
        for name, sites, _ in commands.drop:
            for site in sites:
                self.held[site].discard(name)
            self.store.discard(name)
        self.to_supply += commands.supply
        self.supply_again()

    def supply_again(self) -> None:
        if self.alive:
            home = min(self.alive)
            for datum in self.to_supply:
                self.graph.supplying(datum, home)
                self.supplying.append((home, self.lives[home], datum))
            self.to_supply.clear()

    def hand_over(self, task: Task) -> None:
        self.tries.append(Try(task, task.attempt, task.site, self.lives[task.site]))

    @precondition(lambda self: self.ready and self.alive)
    @rule(which=picks, where=picks)
    def place(self, which, where) -> None:
        self.carry_out()
        if not self.ready:
            return
        task = self.ready.pop(which % len(self.ready))
        sites = sorted(self.alive)
        if self.graph.place(task, sites[where % len(sites)]):
            self.hand_over(task)
        self.act()

    # ---- the sites ----

    def is_over(self, each: Try) -> bool:
        return each.life != self.lives[each.site] or each.site not in self.alive

    def is_overtaken(self, each: Try) -> bool:
        return self.is_over(each) or each.attempt != each.task.attempt or each.task.state not in AT_SITE

    @precondition(lambda self: self.tries)
    @rule(which=picks)
    def start(self, which) -> None:
        one = self.tries[which % len(self.tries)]
        self.graph.started(one.task.id, one.attempt, self.now())
        self.act()

    @precondition(lambda self: self.tries)
    @rule(which=picks, inline=st.booleans(), again=st.booleans())
    def finish(self, which, inline, again) -> None:
        one = self.tries.pop(which % len(self.tries))
        lost = None if self.is_overtaken(one) else self.find_lost_input(one)
        if lost is not None:
            self.tell_of_failure(one, "input_lost", lost)
            return
        outputs = [Produced(datum.id, inline=b"v" if inline else None) for datum in one.task.writes]
        if not self.is_overtaken(one):
            self.execute(one, inline)
        for _ in range(1 + again):
            self.graph.finished(one.task.id, one.attempt, outputs, self.now())
        self.act()

    def find_lost_input(self, one: Try) -> str | None:
        for read in one.task.reads:
            name = read.source.id
            if read.inline is None and name not in self.held[one.site] and name not in self.store:
                return name
        return None

    def execute(self, one: Try, inline: bool) -> None:
        task = one.task
        if task.commuting is not None:
            before = self.value(task.reads[0])
            assert task.id not in before, "its effect is there twice"
            made = before | {task.id}
        else:
            made = (task.id, *(self.value(read) for read in task.reads))
        for datum in task.writes:
            self.values[datum.id] = made
            if not inline:
                self.held[one.site].add(datum.id)

    def value(self, datum: Datum) -> object:
        return DEFAULT if datum.inline == DEFAULT else self.values[datum.source.id]

    @precondition(lambda self: self.tries)
    @rule(
        which=picks,
        kind=st.sampled_from(["raised", "worker_lost", "unfit_output", "raised_for_group", "input_lost"]),
        again=st.booleans(),
    )
    def fail(self, which, kind, again) -> None:
        one = self.tries.pop(which % len(self.tries))
        lost = one.task.reads[0].source.id if kind == "input_lost" and one.task.reads else ""
        self.tell_of_failure(one, kind, lost)
        if again:
            self.tell_of_failure(one, kind, lost)

    def tell_of_failure(self, one: Try, kind: str, lost: str) -> None:
        self.graph.failed(one.task.id, one.attempt, kind, "it broke", self.now(), lost_datum=lost)
        self.act()

    @precondition(lambda self: self.publishing)
    @rule(which=picks, works=st.booleans())
    def publish(self, which, works) -> None:
        site, _, datum = self.publishing.pop(which % len(self.publishing))
        if works and datum.id in self.held[site]:
            self.store.add(datum.id)
            self.graph.published(datum.id, site, datum.id, self.now())
        else:
            self.graph.unpublished(datum.id, site, "it is not here", self.now())
        self.act()

    @precondition(lambda self: self.supplying)
    @rule(which=picks, works=st.sampled_from([True, True, True, False]))
    def supply(self, which, works) -> None:
        site, life, datum = self.supplying.pop(which % len(self.supplying))
        if works and site in self.alive and life == self.lives[site]:
            self.held[site].add(datum.id)
            self.graph.published(datum.id, site, None, self.now())
        else:
            self.graph.unpublished(datum.id, site, "its disk is full", self.now())
        self.act()

    @precondition(lambda self: self.alive)
    @rule(which=picks, is_silent=st.booleans())
    def lose_a_site(self, which, is_silent) -> None:
        site = sorted(self.alive)[which % len(self.alive)]
        self.alive.remove(site)
        self.held[site].clear()
        if not is_silent:
            self.tries = [one for one in self.tries if one.site != site]
            self.publishing = [each for each in self.publishing if each[0] != site]
            self.supplying = [each for each in self.supplying if each[0] != site]
        self.graph.site_lost(site, "it burnt down", self.now())
        self.act()

    @precondition(lambda self: len(self.alive) < len(SITES))
    @rule(which=picks)
    def return_of_a_site(self, which) -> None:
        lost = sorted(set(SITES) - self.alive)
        site = lost[which % len(lost)]
        self.alive.add(site)
        self.lives[site] += 1
        self.supply_again()

    @precondition(lambda self: any(self.held.values()))
    @rule(which=picks)
    def lose_a_file(self, which) -> None:
        found = sorted((site, name) for site, names in self.held.items() for name in names)
        site, name = found[which % len(found)]
        self.held[site].discard(name)

    @precondition(lambda self: self.store)
    @rule(which=picks)
    def lose_an_object(self, which) -> None:
        name = sorted(self.store)[which % len(self.store)]
        self.store.discard(name)
        datum = next(each for each in self.data if each.id == name)
        self.graph.datum_lost(datum, "", self.now())
        self.act()

    # ---- what must always hold ----

    @invariant()
    def tasks_are_counted_by_their_states(self) -> None:
        counted = Counter()
        for function, counts in self.graph.counts.items():
            counted.update({(function, state): number for state, number in counts.items() if number})
        assert counted == Counter((task.function, task.state) for task in self.called)

    @invariant()
    def only_tasks_that_have_not_ended_are_in_the_graph(self) -> None:
        unsettled = {task.id for task in self.called if task.state not in FINAL}
        assert unsettled == set(self.graph.tasks)

    @invariant()
    def readers_are_counted(self) -> None:
        readers = Counter(id(read) for task in self.graph.tasks.values() for read in task.reads)
        for datum in self.data:
            assert datum.readers == readers[id(datum)], f"readers of {datum}"

    @invariant()
    def nothing_waits_in_vain(self) -> None:
        if self.is_busy:
            return
        for task in self.graph.tasks.values():
            match task.state:
                case TaskState.WAITING:
                    self.check_waiting(task)
                case TaskState.READY:
                    assert task in self.ready, f"{task} is forgotten"
                    assert all(read.source.is_available for read in task.reads), f"{task} lacks an input"
                case TaskState.MOVING:
                    assert task.site in self.alive, f"{task} moves to a lost site"
                    self.check_moving(task)
                case _:
                    assert any(one.task is task and not self.is_overtaken(one) for one in self.tries), task

    def is_under_way(self, each: tuple[str, int, Datum]) -> bool:
        site, life, datum = each
        return datum.publishing == site and life == self.lives[site] and site in self.alive

    def check_waiting(self, task: Task) -> None:
        reasons = [read for read in task.reads if read.state is not DatumState.READY]
        for read in reasons:
            assert task in read.waiting, f"{read} does not know that {task} waits"
            assert read.state is DatumState.PENDING, f"{task} waits for {read}"
            self.check_pending(read)
        order = [other for other in task.after if other.followers and task in other.followers]
        assert reasons or any(other.id in self.graph.tasks for other in order), f"{task} waits for nothing"
        assert task.missing == len(reasons) + sum(other.followers.count(task) for other in order), task

    def check_pending(self, datum: Datum) -> None:
        if datum.producer is None:
            supplied = [each[2] for each in self.supplying if self.is_under_way(each)]
            assert datum in [*supplied, *self.to_supply], f"nobody supplies {datum}"
        elif datum.producer.id not in self.graph.tasks:
            roots = [each for each in self.data if any(heir.datum is datum for heir in each.watchers)]
            assert [root for root in roots if root.state is DatumState.PENDING], f"nobody makes {datum}"

    def check_moving(self, task: Task) -> None:
        under_way = {(each[0], each[2].id) for each in self.publishing if self.is_under_way(each)}
        awaited = [read.source for read in task.reads if task in read.source.awaiting]
        assert awaited, f"{task} moves nothing"
        for datum in awaited:
            assert (datum.publishing, datum.id) in under_way, f"nobody publishes {datum}"

    # ---- the end ----

    def teardown(self) -> None:
        if not self.called:
            return
        self.carry_out()
        for _ in range(2000):
            if not self.go_on():
                break
        assert not self.graph.tasks, "the run does not end"
        self.nothing_waits_in_vain()
        self.every_end_is_right_or_says_why()

    def go_on(self) -> bool:
        for site in SITES:
            if site not in self.alive:
                self.alive.add(site)
                self.lives[site] += 1
        self.supply_again()
        if self.publishing:
            self.publish(0, True)
        elif self.supplying:
            self.supply(0, True)
        elif self.ready:
            self.place(0, self.ready[0].id)
        elif self.tries:
            self.finish(0, False, False)
        elif any(datum.state is DatumState.DROPPED for datum in self.current):
            for datum in self.current:
                self.graph.require(datum, self.now())
            self.act()
        else:
            return False
        self.nothing_waits_in_vain()
        return True

    def every_end_is_right_or_says_why(self) -> None:
        # a default after all: others have seen what the task made before it had to run again
        is_unsteady = any(task.recoveries and task.state is TaskState.IGNORED for task in self.called)
        for datum in self.current:
            assert datum.state in {DatumState.READY, DatumState.FAILED}, datum
            if datum.state is DatumState.FAILED:
                assert datum.problem is not None
                assert datum.problem.message
            elif datum is not self.current[COMMUTING] and not is_unsteady:
                assert self.value(datum) == self.expected(datum)
        for task in self.called:
            assert (task.problem is not None) or task.state is TaskState.FINISHED

    def expected(self, datum: Datum) -> object:
        task = datum.producer
        if task is None:
            return self.values[datum.id]
        if task.state is TaskState.FINISHED or task.recoveries:
            if task.commuting is not None:
                return self.values[datum.source.id]
            return (task.id, *(self.expected(read) for read in task.reads))
        if datum.previous is not None:
            return self.expected(datum.previous)
        return DEFAULT


GraphUnderFaults.TestCase.settings = settings(
    max_examples=40,
    stateful_step_count=50,
    deadline=None,
    report_multiple_bugs=False,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # shrinking takes minutes
)
TestGraphUnderFaults = GraphUnderFaults.TestCase
