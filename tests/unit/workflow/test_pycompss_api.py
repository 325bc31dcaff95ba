"""The functions of `pycompss` besides its decorators: in a run, and as sequential dummies without one."""

import logging
import time
from pathlib import Path

import awaited
import programs
import pytest
from own_runs import open_run

from continuum.model.errors import InvalidInputError
from continuum.workflow import TaskFailedError, set_wall_clock, use_run, wait_on
from continuum.workflow.pycompss.api import api
from continuum.workflow.pycompss.api.data_transformation import dt
from continuum.workflow.pycompss.api.local import local
from continuum.workflow.pycompss.functions import data, elapsed_time, profile
from continuum.workflow.pycompss.functions import map as mapping
from continuum.workflow.pycompss.util.mpi.helper import rank_distributor
from continuum.workflow.pycompss.util.serialization import serializer

pytestmark = pytest.mark.timeout(60)


def test_files_exist_once_the_tasks_that_write_them_have(either_way, tmp_path):
    path = str(tmp_path / "text.txt")
    programs.write(path, "text")
    assert api.compss_file_exists(path)
    assert api.compss_exists(path, str(tmp_path / "nothing")) == [True, False]
    assert api.compss_wait_on_file(path) == path
    with api.compss_open(path) as file:
        assert file.read() == "text"
    assert api.compss_delete_file(path)
    assert not Path(path).exists()


def test_resources_are_counted_and_asking_for_more_is_refused_in_a_run(run):
    assert api.compss_get_number_of_resources() == 1
    for ask in (api.compss_request_resources, api.compss_free_resources):
        with pytest.raises(InvalidInputError, match=r"compss_.*_resources"):
            ask(2, "group")


def test_without_a_run_everything_may_be_called(capsys):
    api.compss_start()
    api.compss_barrier(no_more_tasks=True)
    api.compss_barrier_group("none")
    api.compss_cancel_group("none")
    api.compss_request_resources(1, None)
    api.compss_free_resources(1, None)
    api.compss_set_wall_clock(10)
    api.compss_snapshot()
    assert api.compss_get_number_of_resources() == 1
    assert api.compss_wait_on(1, [2]) == [1, [2]]
    assert api.compss_delete_object([1])
    api.compss_stop()


def test_a_run_ends_at_its_wall_clock_limit(tmp_path):
    run = open_run()
    try:
        with use_run(run):
            stuck = awaited.wait_for(str(tmp_path / "never"))
            set_wall_clock(0.2)
            with pytest.raises(TaskFailedError, match="wall clock limit"):
                wait_on(stuck)
            deadline = time.monotonic() + 30
            with pytest.raises(TaskFailedError, match="wall clock limit"):  # noqa: PT012
                while time.monotonic() < deadline:
                    wait_on(programs.add(1))
        with pytest.raises(InvalidInputError, match="no number of seconds"):
            api.compss_set_wall_clock("soon")
    finally:
        run.driver.close()


def test_a_logger_of_the_program_is_heard(capsys):
    api.compss_add_logger("of.the.program")
    logging.getLogger("of.the.program").info("something happened")
    assert "something happened" in capsys.readouterr().err


def test_data_are_generated_in_fragments(either_way):
    made = data.generator((10, 3), 4, seed=7, wait=True)
    assert [len(each) for each in made] == [3, 3, 2, 2]
    assert made == wait_on(data.generator((10, 3), 4, seed=7))
    low = min(min(row) for each in data.generator((50, 2), 2, 1, "uniform", wait=True) for row in each)
    assert -1 <= low < 0
    assert list(data.chunks(range(7), 3)) == [range(3), range(3, 6), range(6, 7)]
    assert [len(each) for each in data.chunks(range(8), 3, balanced=True)] == [4, 4]
    with pytest.raises(InvalidInputError, match="poisson"):
        data.generator((1, 1), 1, distribution="poisson")


def test_small_functions_around_tasks(either_way, capsys, tmp_path):
    assert wait_on(mapping.map(programs.add, [1, 2], [3, 4])) == [4, 6]
    result, took_s = elapsed_time.timeit(sum)([1, 2])
    assert result == 3
    assert took_s >= 0
    assert profile.profile(full_report=False)(sum)([1, 2]) == 3
    assert "MiB" in capsys.readouterr().out
    serializer.serialize_to_file({"a": 1}, str(tmp_path / "object"))
    assert serializer.deserialize_from_file(str(tmp_path / "object")) == {"a": 1}


def test_a_local_function_gets_values(either_way):
    @local
    def shown(number, more=()):
        return f"{number} {list(more)}"

    assert shown(programs.add(1, 2), more=[programs.add(3)]) == "3 [3]"


def test_an_argument_is_transformed_by_a_task_of_its_own(either_way):
    transformed = dt("a", programs.scale_plain, factor=10)(
        dt("b", programs.add, is_workflow=True)(programs.add)
    )
    assert wait_on(transformed(1, b=2)) == 12
    with pytest.raises(InvalidInputError, match="no parameter c"):
        dt("c", programs.scale_plain)(programs.add)
    with pytest.raises(InvalidInputError, match="type=") as told:
        dt("a", type="FILE_TO_OBJECT")
    assert "function" in told.value.hint


@pytest.mark.parametrize(
    ("rank", "layout", "positions"),
    [
        (0, (2, 2, 2), [0, 1]),
        (1, (2, 2, 2), [2, 3]),
        (1, (5, 1, 3), [3, 9]),
        (0, (-1, -1, -1), [0]),
        (1, (1, 4, 4), []),
    ],
)
def test_positions_of_a_rank_follow_the_layout(monkeypatch, rank, layout, positions):
    monkeypatch.setenv("OMPI_COMM_WORLD_RANK", str(rank))
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "2")
    assert rank_distributor(layout) == positions
