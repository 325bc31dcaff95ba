"""One format for values: small ones plain, large buffers beside the pickle and mapped without a copy."""

import collections
import datetime as dt
import pickle
import subprocess
import sys
import threading
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from continuum.workflow.serialising import (
    ALIGNMENT,
    MAGIC,
    MAP_FROM_BYTES,
    dump,
    dump_call,
    dumps,
    load,
    load_call,
    load_file,
)

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


class Point:
    def __init__(self, x, y):
        self.x, self.y = x, y

    def __eq__(self, other):
        return (self.x, self.y) == (other.x, other.y)

    __hash__ = None


@given(values)
def test_any_plain_value_comes_back_equal(value):
    assert load(dumps(value)) == value


@pytest.mark.parametrize(
    "value",
    [
        Point(1, [2, 3]),
        collections.OrderedDict(a=1),
        dt.datetime(2026, 1, 2, tzinfo=dt.UTC),
        {1, 2, 3},
        range(5),
        ValueError("wrong", 3),
        bytearray(b"x" * 10_000),
        b"y" * 100_000,
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_python_object_comes_back(value):
    back = load(dumps(value))
    assert type(back) is type(value)
    assert repr(back) == repr(value) or back == value


@pytest.mark.parametrize(
    "array",
    [
        np.arange(5),
        np.arange(100_000.0),
        np.asfortranarray(np.arange(60_000).reshape(200, 300)),
        np.arange(100_000)[::3],
        np.zeros(0),
        np.array(["a", "bc"] * 2000),
        np.array([Point(1, 2), None], dtype=object),
        np.zeros(5000, dtype=[("a", "i4"), ("b", "f8")]),
        np.array(7.5),
    ],
    ids=["small", "large", "fortran", "strided", "empty", "text", "objects", "records", "scalar"],
)
def test_an_array_comes_back_with_its_type_and_order(array):
    back = load(dumps(array))
    assert back.dtype == array.dtype
    assert back.shape == array.shape
    assert np.array_equal(back, array)
    assert back.flags.writeable


def test_a_large_array_is_a_view_of_the_mapped_file_and_changes_stay_private(tmp_path):
    path = tmp_path / "datum"
    array = np.arange(MAP_FROM_BYTES, dtype=np.int64)
    path.write_bytes(dumps({"a": array, "b": array[:5000] * 2}))
    first, second = load_file(path), load_file(path)
    assert not first["a"].flags.owndata
    first["a"][:] = -1
    assert np.array_equal(second["a"], array)
    assert np.array_equal(load_file(path)["a"], array)


def test_a_mapped_value_outlives_its_file(tmp_path):
    path = tmp_path / "datum"
    path.write_bytes(dumps(np.ones(MAP_FROM_BYTES)))
    value = load_file(path)
    path.unlink()
    assert value.sum() == MAP_FROM_BYTES


def test_a_small_file_gives_a_writable_array_too(tmp_path):
    path = tmp_path / "datum"
    path.write_bytes(dumps(np.ones(1000)))
    value = load_file(path)
    value += 1
    assert value.sum() == 2000


def test_buffers_are_not_copied_when_dumped_and_are_aligned():
    array = np.arange(10_000.0)
    pieces = dump([array, array * 2])
    assert any(
        np.shares_memory(np.frombuffer(piece, dtype=np.uint8), array)
        for piece in pieces
        if len(piece) == 80_000
    )
    data = b"".join(pieces)
    assert data.startswith(MAGIC)
    assert data.index(array.tobytes()) % ALIGNMENT == 0


def test_an_array_from_read_only_bytes_may_be_changed():
    array = load(dumps(np.zeros(10_000)))
    array += 1
    assert array.sum() == 10_000


def test_a_read_only_array_stays_read_only():
    array = np.zeros(10_000)
    array.flags.writeable = False
    assert not load(dumps(array)).flags.writeable


def test_lambdas_and_local_classes_travel_by_value():
    class Local:
        value = 4

    assert load(dumps(lambda x: x + 1))(2) == 3
    assert load(dumps([Local()]))[0].value == 4


def test_what_cannot_travel_says_so():
    with pytest.raises((TypeError, pickle.PicklingError), match="lock"):
        dumps(threading.Lock())


def test_bytes_that_are_no_value_are_refused():
    with pytest.raises(pickle.UnpicklingError):
        load(b"\x00XXX" + bytes(60))


def test_what_the_main_program_defines_travels_to_another_process(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        "import sys\n"
        "from continuum.workflow.serialising import dumps, dump_call\n"
        "class Shape:\n    sides = 4\n"
        "def double(x): return 2 * x\n"
        "marker = object()\n"
        "slot_of = lambda value: 0 if value is marker else None\n"
        "call = dump_call((Shape(), marker, double), {}, slot_of)\n"
        "open(sys.argv[1], 'wb').write(dumps((Shape(), double, call)))\n"
    )
    subprocess.run([sys.executable, program, tmp_path / "out"], check=True, timeout=60)
    shape, double, call = load_file(tmp_path / "out")
    (again, filled, function), _ = load_call(call, ["filled"])
    assert (shape.sides, double(4), again.sides, filled, function(3)) == (4, 8, 4, "filled", 6)


def test_slots_are_filled_wherever_they_stand_and_keep_identity():
    first, second = object(), object()
    slots = {id(first): 0, id(second): 1}

    def slot_of(value):
        return slots.get(id(value))

    data = dump_call((first, [second, {"k": first}]), {"key": (first, 5)}, slot_of)
    a, b = ["a"], ["b"]
    args, kwargs = load_call(data, [a, b])
    assert args[0] is a
    assert args[1] == [b, {"k": a}]
    assert args[1][1]["k"] is a
    assert kwargs["key"][0] is a


def test_slots_work_beside_a_lambda():
    marker = object()
    data = dump_call((lambda x: x * 2, marker), {}, lambda value: 0 if value is marker else None)
    (function, value), _ = load_call(data, [21])
    assert function(value) == 42


@given(st.lists(values, max_size=4), st.dictionaries(st.text(), values, max_size=3))
def test_a_call_without_slots_comes_back_equal(args, kwargs):
    assert load_call(dump_call(tuple(args), kwargs)) == (tuple(args), kwargs)
    assert load_call(dump_call(tuple(args), kwargs, lambda _: None), ["unused"]) == (tuple(args), kwargs)


def test_a_file_is_closed_after_it_was_loaded(tmp_path):
    path = tmp_path / "datum"
    path.write_bytes(dumps(np.ones(MAP_FROM_BYTES)))
    before = len(list(Path("/proc/self/fd").iterdir()))
    value = load_file(path)
    del value
    assert len(list(Path("/proc/self/fd").iterdir())) == before
