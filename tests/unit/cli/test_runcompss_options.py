"""What command lines of `runcompss` mean."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from continuum.cli.runcompss import _source
from continuum.cli.runcompss.options import OPTIONS, parse_command, table
from continuum.model.errors import InvalidInputError


@pytest.mark.parametrize(
    ("line", "words", "app", "arguments"),
    [
        ("app.py 1 --x", [], "app.py", ["1", "--x"]),
        ("--lang=python -g app.py", ["--graph"], "app.py", []),
        ("--graph=false --graph app.py", ["--no-graph", "--graph"], "app.py", []),
        ("--lang python --uuid=ab app.py 2", ["--name", "ab"], "app.py", ["2"]),
        ("--local --units=2 app.py", ["--local", "--units", "2"], "app.py", []),
        (
            "--checkpoint=es.bsc.compss.checkpoint.policies.CheckpointPolicyPeriodicTime "
            "--checkpoint_params=period.time:2m app.py",
            ["--checkpoint", "120s"],
            "app.py",
            [],
        ),
        (
            "--checkpoint=CheckpointPolicyFinishedTasks --checkpoint_params=finished.tasks:5 app.py",
            ["--checkpoint", "5"],
            "app.py",
            [],
        ),
        ("--checkpoint=NoCheckpoint --streaming=OBJECTS app.py", ["--checkpoint", "off"], "app.py", []),
        ("--local --engine=dask app.py", ["--local", "--engine", "dask"], "app.py", []),
        (
            "--wall_clock_limit=60 --engine compss -g --project p.xml --graph=no --name=n app.py --engine=x",
            [
                "--compss-option=--wall_clock_limit=60",
                "--engine",
                "compss",
                "--compss-option=-g",
                "--compss-option=--project=p.xml",
                "--compss-option=--graph=no",
                "--name",
                "n",
            ],
            "app.py",
            ["--engine=x"],
        ),
    ],
)
def test_options_become_those_of_continuum_run(line, words, app, arguments):
    plan = parse_command(line.split())
    assert (plan.words, plan.app, plan.arguments) == (words, app, arguments)


def test_what_changes_nothing_is_told_with_its_reason():
    plan = parse_command(["--comm=es.bsc.compss.nio.master.NIOAdaptor", "-t", "--tracing=false", "app.py"])
    assert [note.split()[0] for note in plan.notes] == ["--comm", "-t"]
    assert "continuum run trace" in plan.notes[1]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("--project=p.xml app.py", "--project is not supported"),
        ("--lang=java app.Main", "--lang=java"),
        ("--grpah app.py", "no option --grpah"),
        ("--wall_clock_limit=soon app.py", "wall_clock_limit=soon"),
        ("--checkpoint=Mine app.py", "--checkpoint=Mine"),
        ("-d", "no program"),
        ("--lang", "--lang needs a value"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(line, says):
    with pytest.raises(InvalidInputError, match=says):
        parse_command(line.split())


def test_every_option_is_in_the_table_once_and_says_why():
    names = [name for option in OPTIONS for name in option.names]
    assert len(names) == len(set(names))
    assert all(option.text for option in OPTIONS)
    assert all(f"`{name}" in table() for name in names)


def test_a_script_gives_its_variables(tmp_path):
    script = tmp_path / "env.sh"
    script.write_text('export CONTINUUM_TEST_COLOUR="dark blue"\necho noise\n')
    assert _source(str(script)) == {"CONTINUUM_TEST_COLOUR": "dark blue"}
    script.write_text("return 3\n")
    with pytest.raises(InvalidInputError, match="env_script"):
        _source(str(script))


@pytest.mark.parametrize("status", [0, 7])
def test_the_status_is_that_of_the_program(tmp_path, status):
    program = tmp_path / "app.py"
    program.write_text(f"import sys\nsys.exit({status})\n")
    done = subprocess.run(
        [Path(sys.executable).with_name("continuum"), "runcompss", "--local", program],
        env={**os.environ, "CONTINUUM_HOME": str(tmp_path / "home")},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == status, done.stderr
