"""Runs that a script or a notebook opens itself."""

import awaited
import programs
import pytest

from continuum.model.errors import InvalidInputError
from continuum.workflow import TaskFailedError, find_folder, read_summary, run, wait_on
from continuum.workflow.pycompss import interactive

pytestmark = pytest.mark.timeout(60)


def test_a_script_opens_a_run_and_leaving_it_waits(tmp_path):
    with run("mine", home=tmp_path, program=__file__, computing_units=1) as opened:
        assert wait_on(programs.add(1, 2)) == 3
        late = programs.add(3, 4)
        with run() as same:  # as under `continuum run`
            assert same is opened
    assert late.done()
    summary = read_summary(find_folder(tmp_path / "runs", "mine"))
    assert (summary.state, summary.name, summary.exit_status) == ("succeeded", "mine", 0)


def test_leaving_a_run_tells_of_a_failure_that_nobody_asked_for(tmp_path):
    with pytest.raises(TaskFailedError, match="no"), run("failing", home=tmp_path, program=__file__):
        programs.fail()
    assert read_summary(find_folder(tmp_path / "runs", "failing")).state == "failed"


async def test_a_run_in_an_event_loop(tmp_path):
    with run(home=tmp_path, program=__file__, local=True):
        assert await awaited.double(4) == 8


def test_a_prompt_starts_looks_and_stops(tmp_path, capsys):
    interactive.start(home=tmp_path, program=__file__, graph=True, monitor=1000)
    assert "graph, monitor change nothing" in capsys.readouterr().err
    with pytest.raises(InvalidInputError, match="going on"):
        interactive.start()
    assert wait_on(programs.add(1, 2)) == 3
    assert interactive.tasks_status() == {"add": {"finished": 1}}
    assert interactive.statistics() == {"tasks": 1, "finished": 1}
    interactive.tasks_info()
    assert "add: 1 finished" in capsys.readouterr().out
    assert list(interactive.resources_status()) == ["local"]
    assert "<svg" in str(getattr(interactive.current_task_graph(), "data", interactive.current_task_graph()))
    interactive.stop(sync=False)
    interactive.stop()
    with pytest.raises(InvalidInputError, match="no run"):
        interactive.tasks_status()
