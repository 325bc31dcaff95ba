"""The checker of histories is checked: against histories that are known, against all orders, and against
mutations."""

import itertools
import random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.chaos import linearising
from benchmarks.chaos.linearising import Guard, Step, find_faults

FOREVER = 1000.0


def put(began: float, ended: float, value: str) -> Step:
    return Step(began_s=began, ended_s=ended, writes=True, target=value)


def delete(began: float, ended: float) -> Step:
    return Step(began_s=began, ended_s=ended, writes=True)


def get(began: float, ended: float, value: str | None) -> Step:
    return Step(began_s=began, ended_s=ended, guard=Guard.ABSENT if value is None else Guard.IS, value=value)


def create(began: float, ended: float, value: str) -> Step:
    return Step(began_s=began, ended_s=ended, guard=Guard.ABSENT, writes=True, target=value)


def replace(began: float, ended: float, before: str, after: str) -> Step:
    return Step(began_s=began, ended_s=ended, guard=Guard.IS, value=before, writes=True, target=after)


def refused(began: float, ended: float, value: str | None = None) -> Step:
    guard = Guard.PRESENT if value is None else Guard.IS_ANOTHER
    return Step(began_s=began, ended_s=ended, guard=guard, value=value)


def unknown(step: Step, until: float = FOREVER) -> Step:
    return msgspec.structs.replace(step, is_certain=False, ended_s=until)


GOOD = {
    "nothing was written": [get(0, 1, None)],
    "a write is read": [put(0, 1, "a"), get(2, 3, "a")],
    "a read beside a write sees what was before": [put(0, 1, "a"), put(2, 5, "b"), get(3, 4, "a")],
    "a read beside a write sees it": [put(0, 1, "a"), put(2, 5, "b"), get(3, 4, "b")],
    "reads beside a write see first the old, then the new": [
        put(0, 1, "a"),
        put(2, 9, "b"),
        get(3, 4, "a"),
        get(5, 6, "b"),
    ],
    "two writes at once end in either order": [
        put(0, 5, "a"),
        put(0, 5, "b"),
        get(6, 7, "a"),
        get(8, 9, "a"),
    ],
    "a lost request never happened": [put(0, 1, "a"), unknown(put(2, 3, "b")), get(4, 5, "a")],
    "a lost request happened late": [
        put(0, 1, "a"),
        unknown(put(2, 3, "b")),
        get(4, 5, "a"),
        get(6, 7, "b"),
    ],
    "a lost deletion explains that nothing is there": [
        put(0, 1, "a"),
        unknown(delete(2, 3)),
        get(4, 5, "a"),
        get(6, 7, None),
    ],
    "one of two creations wins": [create(0, 5, "a"), refused(0, 5), get(6, 7, "a")],
    "a lost creation explains a refusal": [unknown(create(0, 1, "a")), refused(2, 3), get(4, 5, "a")],
    "one of two replacements wins": [
        put(0, 1, "a"),
        replace(2, 6, "a", "b"),
        refused(2, 6, "a"),
        get(7, 8, "b"),
    ],
    "what was written between is seen by nobody": [
        put(0, 9, "a"),
        put(0, 9, "b"),
        put(0, 9, "c"),
        get(10, 11, "b"),
    ],
}
BAD = {
    "an acknowledged write is lost": [put(0, 1, "a"), get(2, 3, None)],
    "an older value comes back": [put(0, 1, "a"), put(2, 3, "b"), get(4, 5, "b"), get(6, 7, "a")],
    "a deleted object comes back": [put(0, 1, "a"), delete(2, 3), get(4, 5, "a")],
    "a reader sees the new and a later one the old": [
        put(0, 1, "a"),
        put(2, 9, "b"),
        get(3, 4, "b"),
        get(5, 6, "a"),
    ],
    "a value is read before it is written": [get(0, 1, "a"), put(2, 3, "a")],
    "both of two creations win": [create(0, 5, "a"), create(0, 5, "b")],
    "a creation is refused where nothing ever was": [refused(0, 1)],
    "both of two replacements win": [put(0, 1, "a"), replace(2, 6, "a", "b"), replace(2, 6, "a", "c")],
    "a replacement is refused though nobody else wrote": [put(0, 1, "a"), refused(2, 3, "a")],
    "a lost request happens twice": [
        put(0, 1, "a"),
        unknown(delete(2, 3)),
        get(4, 5, None),
        put(6, 7, "b"),
        get(8, 9, None),
    ],
    "a lost request happens after its time": [
        put(0, 1, "a"),
        unknown(put(2, 3, "b"), until=5),
        get(6, 7, "a"),
        get(8, 9, "b"),
    ],
}


@pytest.mark.parametrize("name", GOOD)
def test_a_history_that_can_be_explained_is_good(name):
    assert find_faults(GOOD[name]) == []


@pytest.mark.parametrize("name", BAD)
def test_a_history_that_cannot_be_explained_is_found(name):
    faults = find_faults(BAD[name])
    assert faults
    assert all(fault.witness is not None for fault in faults)


def test_a_witness_tells_what_the_register_could_have_been():
    (fault,) = find_faults([put(0, 1, "a"), put(2, 3, "b"), get(4, 5, "a")])
    assert (fault.witness, fault.states) == (2, ("b",))


def test_a_search_that_would_take_too_long_is_not_called_good(monkeypatch):
    monkeypatch.setattr(linearising, "MAX_VISITS", 10)
    steps = [put(0, 9, str(number)) for number in range(12)]
    (fault,) = find_faults([*steps, get(10, 11, "3")])
    assert not fault.is_decided


def explains(steps: list[Step]) -> bool:
    """Whether any order of any certain steps with some of the others is right: by trying all of them."""
    certain = [step for step in steps if step.is_certain]
    others = [step for step in steps if not step.is_certain]
    return any(
        _is_order(order)
        for count in range(len(others) + 1)
        for some in itertools.combinations(others, count)
        for order in itertools.permutations([*certain, *some])
    )


def _is_order(order: tuple[Step, ...]) -> bool:
    state: str | None = None
    for index, step in enumerate(order):
        if any(later.ended_s < step.began_s for later in order[index + 1 :]):
            return False
        if not step.allows(state):
            return False
        state = step.target if step.writes else state
    return True


_VALUES = st.sampled_from(("a", "b"))
_STEPS = st.one_of(
    st.builds(put, st.just(0), st.just(0), _VALUES),
    st.builds(delete, st.just(0), st.just(0)),
    st.builds(get, st.just(0), st.just(0), st.sampled_from(("a", "b", None))),
    st.builds(create, st.just(0), st.just(0), _VALUES),
    st.builds(replace, st.just(0), st.just(0), _VALUES, _VALUES),
    st.builds(refused, st.just(0), st.just(0), st.sampled_from(("a", "b", None))),
)


@st.composite
def histories(draw: st.DrawFn) -> list[Step]:
    steps = []
    for step in draw(st.lists(_STEPS, min_size=1, max_size=6)):
        began = draw(st.integers(0, 8))
        ended = began + draw(st.integers(0, 5))
        is_certain = not step.writes or draw(st.integers(0, 3)) > 0
        steps.append(msgspec.structs.replace(step, began_s=began, ended_s=ended, is_certain=is_certain))
    return steps


@given(histories())
@settings(max_examples=400, deadline=None)
def test_the_search_says_what_trying_all_orders_says(steps):
    assert (find_faults(steps) == []) == explains(steps)


def simulate(chance: random.Random, count: int) -> list[Step]:
    """Return a history of a register that works: each operation takes effect at an instant within it."""
    instants = sorted(chance.random() * count for _ in range(count))
    state: str | None = None
    steps = []
    for number, at in enumerate(instants):
        began, ended = at - chance.random() * 3, at + chance.random() * 3
        value = f"v{number}"
        match chance.choice(("put", "get", "get", "delete", "create", "replace", "lost", "never")):
            case "put":
                steps.append(put(began, ended, value))
                state = value
            case "get":
                steps.append(get(began, ended, state))
            case "delete":
                steps.append(delete(began, ended))
                state = None
            case "create" if state is None:
                steps.append(create(began, ended, value))
                state = value
            case "create":
                steps.append(refused(began, ended))
            case "replace" if state is not None:
                steps.append(replace(began, ended, state, value))
                state = value
            case "lost":
                steps.append(unknown(put(began, ended, value), until=ended + 20))
                state = value
            case _:
                steps.append(unknown(delete(began, ended), until=ended + 20))
    return steps


@given(st.integers(0, 10**9))
@settings(max_examples=60, deadline=None)
def test_every_history_of_a_register_that_works_is_good(seed):
    assert find_faults(simulate(random.Random(seed), 120)) == []


@given(st.integers(0, 10**9))
@settings(max_examples=60, deadline=None)
def test_a_read_that_is_changed_to_what_was_gone_before_is_found(seed):
    chance = random.Random(seed)
    steps = [put(float(n), n + 0.5, f"v{n}") if n % 2 else get(float(n), n + 0.5, None) for n in range(60)]
    state = None
    for index, step in enumerate(steps):
        if step.writes:
            state = step.target
        else:
            steps[index] = get(step.began_s, step.ended_s, state)
    assert find_faults(steps) == []
    reads = [index for index, step in enumerate(steps) if step.guard is Guard.IS and index > 4]
    changed = chance.choice(reads)
    older = f"v{chance.randrange(1, changed - 2, 2)}"
    steps[changed] = get(steps[changed].began_s, steps[changed].ended_s, older)
    assert [fault.witness for fault in find_faults(steps)][:1] == [changed]
