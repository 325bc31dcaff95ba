"""PyCOMPSs programs, unmodified, on a continuum and on this machine alone; and what is told of their runs."""

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

pytestmark = pytest.mark.system

PROGRAMS = Path(__file__).parent / "programs"
EVERYWHERE = [
    ("matrices.py", ("3", "40")),
    ("words.py", ("FOLDER",)),
    ("clusters.py", ("2000",)),
    ("accounts.py", ()),
]


def arguments_of(arguments, tmp_path):
    return [str(tmp_path) if word == "FOLDER" else word for word in arguments]


@pytest.mark.parametrize(("program", "arguments"), EVERYWHERE)
@pytest.mark.parametrize("options", [(), ("--placement", "load"), ("--placement", "cloud"), ("--local",)])
def test_a_pycompss_program_runs_unmodified(embedded, tmp_path, program, arguments, options):
    words = arguments_of(arguments, tmp_path)
    done = embedded.continuum("run", *options, str(PROGRAMS / program), *words)
    assert done.stdout == f"{program.removesuffix('.py')} ok\n"
    if program == "words.py":
        assert (tmp_path / "end.txt").read_text() == "at the end 2\n"


@pytest.mark.parametrize(("program", "arguments"), EVERYWHERE)
def test_a_pycompss_program_runs_sequentially_with_plain_python(embedded, tmp_path, program, arguments):
    words = arguments_of(arguments, tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "continuum.workflow.pycompss", PROGRAMS / program, *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == f"{program.removesuffix('.py')} ok\n", done.stderr


def test_modules_beside_the_program_arguments_and_environment_reach_the_tasks(embedded):
    program = PROGRAMS / "packaged" / "main.py"
    done = embedded.continuum("run", "--env", "COLOUR=blue", str(program), "--name", "x")
    assert done.stdout == "area 27.0 blue ['--name', 'x']\n"


def test_a_run_is_listed_shown_explained_and_drawn(embedded):
    done = embedded.continuum("run", "--name", "looked-at", "--json", str(PROGRAMS / "accounts.py"))
    summary = json.loads(done.stdout)
    assert (summary["state"], summary["exit_status"], summary["name"]) == ("succeeded", 0, "looked-at")
    run_id = summary["run_id"]
    listed = json.loads(embedded.continuum("run", "list", "--json").stdout)
    assert [each["state"] for each in listed if each["run_id"] == run_id] == ["succeeded"]
    assert run_id in embedded.continuum("run", "list").stdout
    shown = embedded.continuum("run", "show", "looked-at").stdout
    assert "Account.deposit" in shown
    assert json.loads(embedded.continuum("run", "show", run_id, "--json").stdout) == summary
    story = embedded.continuum("run", "explain", run_id, "2").stdout
    assert "placed at" in story
    assert "executing" in story  # the table of estimates
    events = json.loads(embedded.continuum("run", "explain", run_id, "2", "--json").stdout)
    assert [event["event"] for event in events if event["event"] != "started"] == [
        "submitted",
        "placed",
        "finished",
    ]
    assert "transfer" in embedded.continuum("run", "explain", run_id).stdout
    files = json.loads(embedded.continuum("run", "graph", run_id, "--json").stdout)
    ET.parse(files["svg"])
    assert Path(files["dot"]).read_text().startswith("digraph")


def test_the_hub_lists_runs_for_those_who_do_not_have_its_home(embedded, tmp_path):
    embedded.continuum("run", "--name", "announced", str(PROGRAMS / "accounts.py"))
    folder = embedded.home.runs()
    hidden = folder.rename(tmp_path / "runs")
    try:
        listed = json.loads(embedded.continuum("run", "list", "--json").stdout)
    finally:
        hidden.rename(folder)
    [run] = [each for each in listed if each["name"] == "announced"]
    assert (run["state"], run["tasks"] > 20) == ("succeeded", True)


def test_the_help_teaches(embedded):
    text = embedded.continuum("run", "--help").stdout
    assert "continuum run explain RUN" in text
    assert "--after" in text
    assert "run program" not in text


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("nowhere.py",), "there is no program nowhere.py"),
        (("--placement", "moon", "accounts.py"), "no placement and no site is called 'moon'"),
        (("--site", "moon", "accounts.py"), "there is no site 'moon'"),
        (("--env", "COLOUR", "accounts.py"), "--env COLOUR says nothing"),
        (("show", "nothing-like-it"), "there is no run called 'nothing-like-it'"),
        (("explain", "last", "9999"), "has no task 9999"),
    ],
)
def test_a_command_that_cannot_be_done_says_why(embedded, words, says):
    embedded.continuum("run", "--quiet", str(PROGRAMS / "accounts.py"))
    done = embedded.continuum("run", *words, status=1, cwd=PROGRAMS)
    assert says in done.stderr


def test_without_a_continuum_only_a_local_run_works(embedded, tmp_path):
    home = ("--home", str(tmp_path / "home"))
    done = embedded.continuum("run", *home, str(PROGRAMS / "accounts.py"), status=1)
    assert "continuum up" in done.stderr
    done = embedded.continuum("run", *home, "--local", str(PROGRAMS / "accounts.py"))
    assert done.stdout == "accounts ok\n"
    assert "succeeded" in embedded.continuum("run", "list", *home).stdout
