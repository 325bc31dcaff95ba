"""Is the history of one register linearisable? A search after Wing and Gong, just in time (Lowe 2017).

Steps are taken in the order of time. A configuration is a state of the register and the set of steps under
way that have taken effect already. When a step returns, every configuration in which it has not taken effect
is extended: other steps under way may take effect first, in any order, as far as that is needed; those from
which the step can take effect go on, the others die. If none is left, the history is not linearisable, and
the step at whose return that happened is the witness.

A step with an unknown outcome (`is_certain` false) may take effect at any time between its beginning and
its end, or never; the caller says how long that is. What keeps the search small:

* a step that changes nothing takes effect as soon as the state allows it (it can only help),
* uncertain steps of equal effect are interchangeable: the one that ends first is taken first,
* an uncertain step takes effect early only where another step needs that at once,
* values that nobody ever saw are one value,
* a configuration that spent more uncertain steps than another, for the same, is dropped.

`MAX_VISITS` bounds it: a history that needs more is reported as undecided, never as good.
"""

from collections.abc import Iterable, Iterator
from enum import Enum

import msgspec

MAX_VISITS = 2_000_000
BEGINS, RETURNS, RUNS_OUT = 0, 1, 2
_NONE: frozenset[int] = frozenset()


class Guard(Enum):
    """What must be so for a step to take effect."""

    ANY = "any"
    IS = "is"  # the value of the step's `value`
    IS_ANOTHER = "is another"  # there is a value, and it is not the step's
    PRESENT = "present"
    ABSENT = "absent"


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One operation on the register. `writes`: it leaves `target` (None: nothing, a deletion)."""

    began_s: float
    ended_s: float
    guard: Guard = Guard.ANY
    value: str | None = None
    writes: bool = False
    target: str | None = None
    is_certain: bool = True
    record: int = -1

    def allows(self, state: str | None) -> bool:
        """Whether the step can take effect in `state`."""
        match self.guard:
            case Guard.ANY:
                return True
            case Guard.IS:
                return state == self.value
            case Guard.IS_ANOTHER:
                return state is not None and state != self.value
            case Guard.PRESENT:
                return state is not None
            case Guard.ABSENT:
                return state is None


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """`witness` is the index of the step that cannot be explained; None: all can. `states` are the values
    that the register could have had then."""

    witness: int | None = None
    states: tuple[str | None, ...] = ()
    is_decided: bool = True

    @property
    def is_good(self) -> bool:
        """Whether the history is linearisable, for certain."""
        return self.witness is None and self.is_decided


class _TooMuchError(Exception):
    """The search visited more than it may."""


_Configuration = tuple[str | None, frozenset[int]]


class _Search:
    """The configurations that are possible, over time."""

    def __init__(self, steps: list[Step], initial: str | None) -> None:
        self.steps = steps
        self.pending: dict[int, Step] = {}
        self.configurations: set[_Configuration] = {(initial, _NONE)}
        self.visits = 0

    def take(self, phase: int, index: int) -> bool:
        """A step begins, returns or runs out; return whether that can be explained."""
        if phase == BEGINS:
            self.pending[index] = self.steps[index]
        elif phase == RETURNS:
            return self.end(index)
        else:
            self.expire(index)
        return True

    def expire(self, index: int) -> None:
        """An uncertain step had its effect at the last moment, or never."""
        after = set(self.configurations)
        seen: set[_Configuration] = set()
        for configuration in self.configurations:
            self._extend(configuration, index, after, seen)
        del self.pending[index]
        self.configurations = self._thin({(state, done - {index}) for state, done in after})

    def end(self, index: int) -> bool:
        """The step returned; return whether that can be explained."""
        after: set[_Configuration] = set()
        seen: set[_Configuration] = set()
        for configuration in self.configurations:
            self._extend(configuration, index, after, seen)
        del self.pending[index]
        if after:
            self.configurations = self._thin({(state, done - {index}) for state, done in after})
        return bool(after)

    def force(self, index: int) -> None:
        """Go on as if the step had been possible."""
        step = self.steps[index]
        state = step.target if step.writes else step.value if step.guard is Guard.IS else None
        if step.guard is Guard.ABSENT or step.writes or step.guard is Guard.IS:
            self.configurations = {(state, _NONE)}

    def _extend(
        self, first: _Configuration, index: int, after: set[_Configuration], seen: set[_Configuration]
    ) -> None:
        stack = [self._settle(first)]
        while stack:
            here = stack.pop()
            if here in seen:
                continue
            seen.add(here)
            self.visits += 1
            if self.visits > MAX_VISITS:
                raise _TooMuchError
            state, done = here
            if index in done:
                after.add(here)
                continue
            for other in self._choose(state, done):
                there = self._settle((self.steps[other].target, done | {other}))
                if other == index or self.steps[other].is_certain or self._helps(here, there, other):
                    stack.append(there)

    def _helps(self, before: _Configuration, after: _Configuration, index: int) -> bool:
        """Whether an uncertain step makes another one possible at once; else it may as well wait."""
        if len(after[1]) > len(before[1]) + 1:
            return True
        return any(
            step.allows(after[0]) and not step.allows(before[0])
            for other, step in self.pending.items()
            if other not in after[1] and other != index and step.guard is not Guard.ANY
        )

    def _settle(self, configuration: _Configuration) -> _Configuration:
        """Let all steps take effect that change nothing and can."""
        state, done = configuration
        more = [
            index
            for index, step in self.pending.items()
            if not step.writes and index not in done and step.allows(state)
        ]
        return (state, done.union(more)) if more else configuration

    def _choose(self, state: str | None, done: frozenset[int]) -> Iterator[int]:
        """Yield the writes under way that can take effect now; of equal uncertain ones that which ends
        first."""
        uncertain: dict[tuple[Guard, str | None, str | None], int] = {}
        for index, step in self.pending.items():
            if not step.writes or index in done or not step.allows(state):
                continue
            if step.is_certain:
                yield index
                continue
            kind = (step.guard, step.value, step.target)
            rival = uncertain.get(kind)
            if rival is None or step.ended_s < self.steps[rival].ended_s:
                uncertain[kind] = index
        yield from uncertain.values()

    def _thin(self, configurations: set[_Configuration]) -> set[_Configuration]:
        """Drop what spent more uncertain steps than another configuration, for the same."""
        groups: dict[_Configuration, list[frozenset[int]]] = {}
        for state, done in configurations:
            spent = frozenset(index for index in done if not self.steps[index].is_certain)
            groups.setdefault((state, done - spent), []).append(spent)
        return {
            (state, certain | spent)
            for (state, certain), all_spent in groups.items()
            for spent in all_spent
            if not any(other < spent for other in all_spent)
        }


def find_faults(steps: Iterable[Step], *, initial: str | None = None, limit: int = 3) -> list[Verdict]:
    """Return what cannot be explained, at most `limit` of it; after each the search goes on as if it could.

    An empty list: the history is linearisable. Times that are equal count as overlapping.
    """
    ordered = merge_unseen(list(steps))
    search = _Search(ordered, initial)
    faults: list[Verdict] = []
    for _, phase, index in _events(ordered):
        try:
            is_explained = search.take(phase, index)
        except _TooMuchError:
            return [*faults, Verdict(witness=index, is_decided=False)]
        if not is_explained:
            states = sorted({state for state, _ in search.configurations}, key=str)
            faults.append(Verdict(witness=index, states=tuple(states)))
            if len(faults) >= limit:
                return faults
            search.force(index)
    return faults


def _events(steps: list[Step]) -> list[tuple[float, int, int]]:
    """At one instant: first what begins, then what returns, then what will not happen any more."""
    begins = [(step.began_s, BEGINS, index) for index, step in enumerate(steps)]
    ends = [
        (step.ended_s, RETURNS if step.is_certain else RUNS_OUT, index) for index, step in enumerate(steps)
    ]
    return sorted(begins + ends)


def merge_unseen(steps: list[Step]) -> list[Step]:
    """Give one value to all uncertain writes whose own value nobody ever saw or asked for."""
    seen = {step.value for step in steps if step.value is not None}
    return [
        msgspec.structs.replace(step, target="(unseen)")
        if step.writes and not step.is_certain and step.target is not None and step.target not in seen
        else step
        for step in steps
    ]
