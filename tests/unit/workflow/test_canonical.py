"""Values with sets are known again in another process, whatever order their items come in there."""

import subprocess
import sys

import pytest

from continuum.workflow.canonical import canonical
from continuum.workflow.capturing import Slot
from continuum.workflow.serialising import dump_call, dumps

PROGRAM = """
import hashlib, sys
sys.modules["__main__"].__dict__.update(globals())
from continuum.workflow.canonical import canonical
from continuum.workflow.fingerprinting import _without_trackers
from continuum.workflow.serialising import dumps, dump_call

WORDS = {f"word{number}" for number in range(30)}

class Thing:
    def __init__(self):
        self.words = WORDS

values = [WORDS, frozenset(WORDS), {"a": [WORDS]}, {frozenset(WORDS), frozenset("ab")}, Thing()]
calls = [dump_call((value, 1), {}) for value in values]
large = dumps((WORDS, bytearray(100_000)))
for data in [*calls, large]:
    print(hashlib.sha256(_without_trackers(canonical(data))).hexdigest(), hashlib.sha256(data).hexdigest())
"""


def say(seed):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={"PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return [line.split() for line in done.stdout.splitlines()]


def test_sets_are_the_same_in_every_process_wherever_they_are():
    first, second = say("1"), say("2")
    assert [line[0] for line in first] == [line[0] for line in second]
    assert [line[1] for line in first] != [line[1] for line in second]
    assert len({line[0] for line in first}) == len(first) == 6


@pytest.mark.parametrize("other", [{"a", "c"}, frozenset("ab"), ["a", "b"], {"a"}, {("a", "b")}])
def test_other_values_are_others(other):
    assert canonical(dump_call(({"a", "b"},), {})) != canonical(dump_call((other,), {}))


def test_data_of_a_call_keep_their_places():
    slots = [Slot(0), Slot(1)]

    def calls(first, second):
        return canonical(
            dump_call((first, {"a", "b"}, second), {}, lambda x: x.index if isinstance(x, Slot) else None)
        )

    assert calls(*slots) == calls(*slots) != calls(*reversed(slots))


class Stubborn:
    def __init__(self):
        self.words = {"a", "b"}

    def __setstate__(self, state):
        raise ValueError("never again")


@pytest.mark.parametrize("value", [Stubborn(), [1, "text", {"a": 1.5}], b"\x8f\x91"])
def test_what_has_no_sets_or_cannot_be_made_again_stays_as_it_is(value):
    data = dumps(value)
    assert canonical(data) == data
