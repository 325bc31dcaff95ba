"""What several changed in copies of one value, put together: pure functions."""

import collections
import copy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from continuum.model.errors import ConflictError
from continuum.workflow.combining import combine, combine_files, merge_bytes


class Thing:
    def __init__(self, **values):
        self.__dict__.update(values)

    def __eq__(self, other):
        return vars(self) == vars(other)

    __hash__ = None


@pytest.mark.parametrize(
    ("before", "copies", "after"),
    [
        ([], [[1], [], [2, 3]], [1, 2, 3]),
        ([1, 2], [[9, 2], [1, 8, 7]], [9, 8, 7]),
        ({"a": 1, "b": 2}, [{"a": 1}, {"a": 5, "b": 2}], {"a": 5}),
        ({}, [{"k": [1]}, {"k": [2]}], {"k": [1, 2]}),
        ({1, 2}, [{1}, {1, 2, 3}, {1, 2, 4}], {1, 3, 4}),
        (Thing(x=1, y=[]), [Thing(x=2, y=[]), Thing(x=1, y=[3])], Thing(x=2, y=[3])),
        (5, [5, 6], 6),
        (float("nan"), [float("nan"), 2.0], 2.0),
        ((1, [2]), [(1, [2]), (1, [3])], (1, [3])),
        (bytearray(b"ab"), [bytearray(b"xb"), bytearray(b"abc")], bytearray(b"xbc")),
    ],
)
def test_changes_of_different_things_are_put_together(before, copies, after):
    assert combine(before, copies) == after


def test_elements_of_arrays_and_special_containers_are_put_together():
    before = np.array([1.0, np.nan, 3.0])
    one, two = before.copy(), before.copy()
    one[0], two[2] = 7, np.nan
    np.testing.assert_array_equal(combine(before, [one, two]), [7, np.nan, np.nan])
    found = combine(
        collections.defaultdict(list),
        [collections.defaultdict(list, a=[1]), collections.defaultdict(list, b=[2])],
    )
    assert found == {"a": [1], "b": [2]}
    assert found["c"] == []


class Table(dict):
    title = ""


class Queue(collections.deque):
    pass


class Slotted:
    __slots__ = ("value",)

    def __init__(self, value):
        self.value = value


def test_containers_of_classes_of_their_own_keep_their_attributes():
    one, two = Table(a=1), Table(b=2)
    one.title = "new"
    merged = combine(Table(), [one, two])
    assert type(merged) is Table
    assert merged == {"a": 1, "b": 2}
    assert merged.title == "new"


def test_what_is_equal_and_pickled_otherwise_was_not_changed():
    text = "".join(["a", "b"])
    before = Thing(pair=(text, "".join(["a", "b"])), items={1, 2})
    same = Thing(pair=(text, text), items={2, 1})
    assert combine(before, [same, same]) is before


@pytest.mark.parametrize(
    ("before", "copies", "what"),
    [
        ({"n": 0}, [{"n": 1}, {"n": 1}], r"the value\['n'\]"),
        ([1, 2], [[1], [2, 2]], "removed"),
        ((1,), [(2,), (3,)], "the value"),
        (Thing(a=Thing(b=1)), [Thing(a=Thing(b=2)), Thing(a=Thing(b=3))], r"the value\.a\.b"),
        (np.zeros(3), [np.ones(3), np.ones(3)], "the same elements"),
        (np.zeros(3), [np.ones(3), np.zeros(4)], "the form"),
        ({}, [{"k": 1}, {"k": "a"}], r"\['k'\]"),
        (Queue(), [Queue([1]), Queue([2])], "the value"),
        (Slotted(1), [Slotted(2), Slotted(3)], "the value"),
        (np.ma.array([1, 2]), [np.ma.array([3, 2]), np.ma.array([1, 4])], "the value"),
    ],
)
def test_changes_of_the_same_thing_are_told(before, copies, what):
    with pytest.raises(ConflictError, match=what) as told:
        combine(before, copies)
    assert "COMMUTATIVE" in told.value.hint


def test_files_are_appended_to_or_written_at_places(tmp_path):
    assert merge_bytes(b"head\n", [b"head\na\n", b"head\n", b"head\nb\n"]) == b"head\na\nb\n"
    assert merge_bytes(b"........", [b"aa......", b"......bb"]) == b"aa....bb"
    assert merge_bytes(b"", [b"aa", b"\0\0bb", b"\0\0\0\0cc"]) == b"aabbcc"
    for copies in ([b"ax", b"ay"], [b"", b"b"], [b"x", b"x"]):
        with pytest.raises(ConflictError):
            merge_bytes(b"a" + b"." * (len(copies[0]) - 1), copies)
    paths = [tmp_path / name for name in ("before", "one", "two")]
    for path, text in zip(paths, ("-", "-1", "-2"), strict=True):
        path.write_text(text)
    combine_files(str(paths[0]), [str(path) for path in paths[1:]])
    assert paths[0].read_text() == "-12"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5), st.integers(1, 9)), max_size=12))
def test_tasks_that_keep_out_of_each_others_way_leave_what_they_would_have_left_in_one_memory(changes):
    """Each of four tasks has keys, elements and members of its own, and appends to a list of all."""
    before = {"own": {}, "array": [0] * 24, "set": set(), "log": []}
    together = copy.deepcopy(before)
    copies = [copy.deepcopy(before) for _ in range(4)]
    for task, place, value in changes:
        for target in (together, copies[task]):
            target["own"][task, place] = value
            target["array"][task * 6 + place] = value
            target["set"].add((task, value))
            target["log"].append((task, place, value))
    merged = combine(before, copies)
    assert sorted(merged.pop("log")) == sorted(together.pop("log"))
    assert merged == together
