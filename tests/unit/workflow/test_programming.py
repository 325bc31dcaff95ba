"""Decorators: what they accept in all spellings, and what they refuse by name."""

import importlib
import sys

import pytest

from continuum.model.errors import InvalidInputError
from continuum.model.tasks import Needs, OnFailure
from continuum.workflow import (
    COLLECTION_FILE_IN,
    COLLECTION_IN,
    FILE_IN,
    FILE_OUT,
    IN,
    INOUT,
    constraint,
    install_pycompss,
    on_failure,
    task,
)
from continuum.workflow.directions import (
    COLLECTION_FILE,
    COMMUTATIVE,
    DEPTH,
    DICTIONARY,
    DIRECTION,
    FILE,
    IN_DELETE,
    OUT,
    STREAM,
    STREAM_IN,
    STREAM_OUT,
    STREAMED,
    TYPE,
    parse_direction,
)
from continuum.workflow.returning import parse_returns

TWO = 2
UNITS = 3


@pytest.mark.parametrize(
    ("given", "count"),
    [
        (1, 1),
        (0, 0),
        (2, 2),
        ("2", 2),
        ("TWO", 2),
        (int, 1),
        (list, 1),
        (object, 1),
        ((int, str), 2),
        ([int, int, int], 3),
        ({}, 1),
    ],
)
def test_returns_is_understood_in_every_spelling(given, count):
    assert parse_returns(given, test_returns_is_understood_in_every_spelling).count == count


@pytest.mark.parametrize("given", ["three", True, -1])
def test_returns_that_says_nothing_is_refused(given):
    with pytest.raises(InvalidInputError):
        parse_returns(given, test_returns_that_says_nothing_is_refused)


def nothing():
    pass


def early(x):
    if x:
        return
    str(x)


def one(x):
    return x


def sometimes(x):
    if x:
        return x
    return None


def pair(x):
    if x:
        return x, 1
    return 2, x


def mixed(x):
    if x:
        return x, 1
    return x


def annotated(x) -> tuple[int, str]:
    return x


def annotated_none(x) -> None:
    return x


def annotated_many(x) -> tuple[int, ...]:
    return x


@pytest.mark.parametrize(
    ("function", "count"),
    [
        (nothing, 0),
        (early, 0),
        (one, 1),
        (sometimes, 1),
        (pair, 2),
        (mixed, 1),
        (annotated, 2),
        (annotated_none, 0),
        (annotated_many, 1),
    ],
)
def test_without_returns_the_function_itself_tells(function, count):
    assert parse_returns(None, function).count == count


@pytest.mark.parametrize(
    ("given", "name", "is_file"),
    [
        (IN, "IN", False),
        ({TYPE: FILE_IN}, "FILE_IN", True),
        ({TYPE: FILE, DIRECTION: INOUT}, "FILE_INOUT", True),
        ({DIRECTION: INOUT}, "INOUT", False),
        ({"Type": COLLECTION_IN, "Depth": 2}, "COLLECTION_IN", False),
        ({TYPE: COLLECTION_FILE_IN, DEPTH: 2}, "COLLECTION_FILE_IN", True),
        ({TYPE: FILE_OUT, "keep_rename": False}, "FILE_OUT", True),
        ({TYPE: COLLECTION_IN, DIRECTION: INOUT}, "COLLECTION_INOUT", False),
        ({TYPE: COLLECTION_FILE, DIRECTION: OUT}, "COLLECTION_FILE_OUT", True),
        ({TYPE: DICTIONARY, DIRECTION: IN_DELETE}, "DICTIONARY_IN_DELETE", False),
        ({TYPE: FILE, DIRECTION: COMMUTATIVE}, "FILE_COMMUTATIVE", True),
        ({TYPE: FILE_IN, DIRECTION: IN_DELETE}, "FILE_IN_DELETE", True),
    ],
)
def test_directions_are_understood_in_the_long_form_too(given, name, is_file):
    direction = parse_direction("x", given)
    assert (direction.name, direction.is_file) == (name, is_file)


def test_the_long_form_says_what_programs_need():
    given = {TYPE: FILE_OUT, STREAM: "STDOUT", "Prefix": "--out=", "Weight": "2.5", "Keep_rename": True}
    direction = parse_direction("x", given)
    assert (direction.stream, direction.prefix, direction.weight) == ("stdout", "--out=", 2.5)
    assert direction.keep_rename


@pytest.mark.parametrize(
    ("name", "access", "stream"),
    [
        ("FILE_STDIN", "read", "stdin"),
        ("FILE_STDERR", "write", "stderr"),
        ("FILE_INOUT_STDOUT", "update", "stdout"),
        ("FILE_CONCURRENT_STDERR", "update", "stderr"),
    ],
)
def test_a_file_may_be_a_standard_stream(name, access, stream):
    direction = parse_direction("x", STREAMED[name])
    assert (direction.name, direction.access, direction.stream) == (name, access, stream)


@pytest.mark.parametrize("direction", [STREAM_IN, STREAM_OUT])
def test_a_stream_is_given_as_it_is(direction):
    assert parse_direction("x", direction).access == "read"


@pytest.mark.parametrize(
    "given",
    [
        {TYPE: FILE, "color": "-f"},
        {TYPE: FILE, STREAM: "STDLOG"},
        {TYPE: FILE, "weight": "heavy"},
        {TYPE: 3},
        3,
        {DEPTH: 0},
        {DEPTH: True},
        {DEPTH: 101},
    ],
)
def test_a_direction_that_means_nothing_is_refused(given):
    with pytest.raises(InvalidInputError):
        parse_direction("x", given)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"is_reduce": True}, "is_reduce"),
        ({"isReduce": True}, "is_reduce"),
        ({"numba": "gpu"}, "numba='gpu'"),
        ({"numba": "guvectorize"}, "numba_signature"),
        ({"colour": "red"}, "no option colour"),
        ({"on_failure": "PANIC"}, "PANIC"),
        ({"time_out": "soon"}, "time_out"),
    ],
)
def test_an_option_that_is_not_supported_is_refused_by_its_name(options, says):
    def function():
        pass

    with pytest.raises(InvalidInputError, match=says):
        task(**options)(function).failing  # noqa: B018 - looked at on the first call


def test_a_task_needs_a_plain_function():
    with pytest.raises(InvalidInputError, match="needs a function"):
        task()(3)

    async def coroutine():
        pass

    with pytest.raises(InvalidInputError, match="coroutine"):
        task()(coroutine)


@pytest.mark.parametrize(
    ("options", "needs"),
    [
        ({"computing_units": 2}, Needs(computing_units=2)),
        ({"computing_units": "2"}, Needs(computing_units=2)),
        ({"computingUnits": "2"}, Needs(computing_units=2)),
        ({"ComputingUnits": 2}, Needs(computing_units=2)),
        ({"computing_units": "$UNITS_OF_TEST"}, Needs(computing_units=5)),
        ({"computing_units": "${UNITS_OF_TEST}"}, Needs(computing_units=5)),
        ({"computing_units": "UNITS"}, Needs(computing_units=3)),
        ({"processors": [{"ProcessorType": "CPU", "ComputingUnits": "4"}]}, Needs(computing_units=4)),
        ({"memory_size": 1.5}, Needs(memory_bytes=1_500_000_000)),
        ({"app_software": "casa, wsclean"}, Needs(software=("casa", "wsclean"))),
        ({"site": "edge"}, Needs(site="edge")),
        ({"is_local": True}, Needs(site="home")),
        ({"processor_architecture": "arm64"}, Needs(architecture="arm64")),
        (
            {"storage_size": "2", "storage_type": "SSD"},
            Needs(storage_bytes=2 * 10**9, labels=(("storage_type", "SSD"),)),
        ),
        ({"processors": [{"ProcessorType": "GPU"}]}, Needs(gpus=1)),
        (
            {
                "processors": [
                    {"processorType": "CPU", "computingUnits": "2"},
                    {"processorType": "GPU", "name": "A100"},
                ]
            },
            Needs(computing_units=2, gpus=1, labels=(("gpu_name", "A100"),)),
        ),
        ({"processors": [{"ProcessorType": "FPGA", "ComputingUnits": 2}]}, Needs(labels=(("fpgas", "2"),))),
        ({"host_queues": ["long", "gpu"]}, Needs(labels=(("host_queues", "long,gpu"),))),
        ({"operating_system_type": "Linux"}, Needs(labels=(("operating_system_type", "Linux"),))),
        ({"processor_property_name": "AVX512"}, Needs(labels=(("processor_AVX512", "true"),))),
        ({"memory_size": "[unassigned]"}, Needs()),
        ({"computing_units": "x * 2"}, Needs(computing_units=2)),
        ({"computing_units": "min(x, UNITS) + 1"}, Needs(computing_units=2)),
    ],
)
def test_constraints_are_understood_in_every_spelling(options, needs, monkeypatch):
    monkeypatch.setenv("UNITS_OF_TEST", "5")
    assert constraint(**options)(task()(one)).needs_of((1,), {}) == needs


def test_a_constraint_may_name_a_parameter():
    function = constraint(computing_units="x")(task()(one))
    assert function.needs_of((4,), {}).computing_units == 4
    assert function.needs_of((), {"x": 2}).computing_units == 2


def test_a_constraint_below_the_task_counts_too():
    assert task()(constraint(computing_units=2)(lambda: None)).needs_of((), {}).computing_units == 2


@pytest.mark.parametrize(
    "options", [{"colour": "red"}, {"processors": [{"ProcessorType": "TPU"}]}, {"processors": [{"size": 3}]}]
)
def test_a_constraint_that_there_is_not_is_refused_by_its_name(options):
    name = "colour" if "colour" in options else "TPU|size"
    with pytest.raises(InvalidInputError, match=name):
        constraint(**options)


def test_a_constraint_that_names_a_global_variable_follows_it(monkeypatch):
    function = constraint(computing_units="UNITS")(task()(one))
    assert function.needs_of((1,), {}).computing_units == 3
    monkeypatch.setitem(globals(), "UNITS", 7)
    assert function.needs_of((1,), {}).computing_units == 7


def test_the_wall_clock_limit_is_a_time_limit_in_minutes():
    assert constraint(wall_clock_limit="2")(task()(one)).time_out_s == 120
    assert constraint(wall_clock_limit=2)(task(time_out=5)(one)).time_out_s == 5


@pytest.mark.parametrize("value", ["many", -1, 1.5])
def test_a_constraint_that_is_no_number_is_refused(value):
    with pytest.raises(InvalidInputError):
        constraint(computing_units=value)(task()(one)).needs_of((1,), {})


def test_the_policy_comes_from_the_option_or_from_the_decorator():
    assert task(on_failure="FAIL")(one).failing.policy is OnFailure.FAIL
    assert task(onFailure="IGNORE")(one).failing.policy is OnFailure.IGNORE
    decorated = on_failure(management="IGNORE", returns=7)(task()(one))
    assert (decorated.failing.policy, decorated.failing.defaults) == (OnFailure.IGNORE, {"returns": 7})


# ---- PyCOMPSs' names ----


def test_every_module_of_pycompss_that_is_there_is_found_by_its_name():
    install_pycompss()
    names = (
        "task parameter constraint api on_failure exceptions binary mpi mpmd_mpi multinode ompss container"
    )
    names += " http prolog epilog IO software reduction implement"
    for name in names.split():
        module = importlib.import_module(f"pycompss.api.{name}")
        assert module is importlib.import_module(f"continuum.workflow.pycompss.api.{name}")
    from pycompss.functions.reduce import merge_reduce  # noqa: PLC0415

    assert merge_reduce(max, [3, 1, 4, 1, 5]) == 5


@pytest.mark.parametrize("module", ["compss", "julia", "decaf", "opencl"])
def test_a_decorator_that_is_not_supported_is_refused_when_it_is_used(module):
    decorator = getattr(importlib.import_module(f"pycompss.api.{module}"), module)
    with pytest.raises(InvalidInputError, match=f"{module} of PyCOMPSs is not supported .(use|call)"):
        decorator(binary="ls")


@pytest.mark.parametrize("module", ["pycompss.storage", "pycompss.api.magic"])
def test_a_module_that_is_not_supported_is_refused_when_it_is_imported(module):
    sys.modules.pop(module, None)
    with pytest.raises(InvalidInputError, match="is not supported yet"):
        importlib.import_module(module)
    with pytest.raises(ImportError):
        importlib.import_module(module)


def test_functions_that_are_not_there_are_refused_by_their_name():
    refusing = importlib.import_module("continuum.workflow.pycompss.refusing")
    with pytest.raises(InvalidInputError, match="compss_something"):
        refusing.refuse("compss_something")("a")
