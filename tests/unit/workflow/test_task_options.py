"""Methods of every form, calls that go round the sites, and functions that are compiled where they run."""

import importlib.util

import data_programs as programs
import pytest
from local_sites import open_run_of

from continuum.model.errors import InvalidInputError, UnavailableError
from continuum.workflow import TaskFailedError, barrier, task, use_run, wait_on

pytestmark = pytest.mark.timeout(120)


def test_class_methods_and_static_methods_may_stand_below_task(either_way):
    assert wait_on(programs.Shape.count()) == 0
    assert wait_on(programs.Square.count()) == 4
    assert wait_on(programs.Square().count()) == 4
    assert wait_on(programs.Square.double(3)) == wait_on(programs.Square().double(3)) == 6


def test_inherited_methods_change_their_object_and_properties_are_plain(either_way):
    square = programs.Square()
    assert square.size == 1
    square.grow(2)
    assert wait_on(square.grow_and_tell(3)) == 6
    for value in (10, 20, 30):
        square.add(programs.make(value))
    assert wait_on(square).size == 66


@pytest.fixture
def two_sites():
    run = open_run_of("edge", "cloud")
    with use_run(run):
        yield run
    run.driver.close()


def test_distributed_calls_take_one_site_after_the_other(two_sites):
    one, two, three, four = wait_on([programs.where(number) for number in range(4)])
    assert one == three != two == four


def test_a_replicated_call_runs_at_every_site(two_sites, tmp_path):
    assert wait_on(programs.prepare(str(tmp_path))) == "ready"
    barrier()
    assert len(list(tmp_path.iterdir())) == 2
    with pytest.raises(InvalidInputError, match="once at each site"):
        programs.prepare_in_place([])


def test_what_a_run_refuses_is_refused_without_one_too():
    with pytest.raises(InvalidInputError, match="once at each site"):
        programs.prepare_in_place([])


@pytest.mark.skipif(importlib.util.find_spec("numba") is not None, reason="Numba is there")
def test_a_function_that_means_nothing_uncompiled_says_what_is_missing():
    made = task(returns=1, numba="stencil")(lambda values: values[0])
    with pytest.raises(UnavailableError, match="needs Numba"):
        made([1])


def test_a_compiled_function_gives_the_same_or_says_what_is_missing(either_way, request):
    if importlib.util.find_spec("numba") or "plain" in request.node.name:
        assert wait_on(programs.compiled_sum(10)) == 45
    else:
        with pytest.raises(TaskFailedError, match="needs Numba"):
            wait_on(programs.compiled_sum(10))


@pytest.mark.parametrize("retries", [0, 3])
def test_a_task_says_how_often_it_is_tried_again(two_sites, tmp_path, retries):
    failing = programs.never_again if not retries else programs.three_times_more
    with pytest.raises(TaskFailedError, match="not yet"):
        wait_on(failing(str(tmp_path)))
    assert len(list(tmp_path.iterdir())) == 1 + retries


@pytest.mark.parametrize("retries", [-1, 1.5, True, "2", 101])
def test_a_number_of_retries_that_cannot_be_is_refused_where_it_is_said(retries):
    with pytest.raises(InvalidInputError, match="retries="):
        task(retries=retries)(len_of)


def len_of(value):
    return len(value)
