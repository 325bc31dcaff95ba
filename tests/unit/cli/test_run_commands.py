"""`continuum run` on this machine, without a continuum: mistakes are told, results are for programs."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rich.console import Console
from typer.testing import CliRunner

from continuum.cli.main import cli
from continuum.cli.run.executing import Outcome
from continuum.cli.run.looking import _table_of
from continuum.cli.run.progress import print_end
from continuum.model.errors import ContinuumError
from continuum.workflow import RunEntry, RunSummary
from continuum.workflow.journals import FunctionSummary, Journal

CONTINUUM = str(Path(sys.executable).with_name("continuum"))

TASKS = """
import sys
from continuum.workflow import FILE_IN, task, wait_on

@task(returns=1)
def add(a, b=0):
    print("adding", a)
    return a + b

@task(path=FILE_IN, returns=1)
def read(path):
    return 1

@task(returns=1)
def outer(n):
    return add(n, 1) + 1

@task(returns=1)
def bad():
    raise ValueError("no good")
"""


class Machine:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"

    def run(self, *words: str, status: int = 0, columns: int = 200) -> "subprocess.CompletedProcess[str]":
        environment = os.environ | {"CONTINUUM_HOME": str(self.home), "COLUMNS": str(columns)}
        done = subprocess.run(
            [CONTINUUM, "run", *words],
            env=environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == status, done.stderr
        return done

    def program(self, *lines: str) -> str:
        (self.folder / "app.py").write_text(TASKS + "\n".join(lines) + "\n")
        return "app.py"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture
def runner(machine: Machine) -> CliRunner:
    return CliRunner(env={"CONTINUUM_HOME": str(machine.home), "NO_COLOR": "1", "COLUMNS": "200"})


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["nofile.py"], "there is no program nofile.py"),
        (["lsit"], "did you mean `continuum run list`?"),
        (["provenance"], "did you mean `continuum run crate`?"),
        (["."], "is a folder, not a program"),
        (["--units", "2", "APP"], "add --local"),
        (["APP"], "`continuum up` starts one; --local runs on this machine alone"),
        (["--local", "--placement", "mars", "APP"], "no placement and no site is called 'mars'"),
    ],
)
def test_mistakes_are_told_with_what_helps_and_leave_no_run(
    machine: Machine, runner: CliRunner, words: list[str], says: str
) -> None:
    app = machine.folder / machine.program("print('never')")
    done = runner.invoke(cli, ["run", *(str(app) if word == "APP" else word for word in words)])
    assert isinstance(done.exception, ContinuumError)
    assert says in f"{done.exception.message} {done.exception.hint}"
    assert not (machine.home / "runs").exists()


def test_a_mistaken_option_names_the_command_that_one_types(runner: CliRunner) -> None:
    done = runner.invoke(cli, ["run", "--nope"])
    assert "run -h'" in done.output
    assert "program -h" not in done.output


def test_run_alone_shows_its_help_with_the_status_of_other_groups(runner: CliRunner) -> None:
    done = runner.invoke(cli, ["run"])
    assert done.exit_code == runner.invoke(cli, ["site"]).exit_code
    assert "continuum run list" in done.output


def test_json_is_all_that_stands_on_standard_output(machine: Machine) -> None:
    lines = ("import os", "print('from the program')", "os.system('echo from a child')", "wait_on(add(1))")
    done = machine.run("--local", "--json", machine.program(*lines))
    assert json.loads(done.stdout)["state"] == "succeeded"
    assert "from the program\n" in done.stderr
    assert "from a child\n" in done.stderr


def problem_of(machine: Machine, *lines: str) -> tuple[str, dict[str, Any]]:
    done = machine.run("--local", machine.program(*lines), status=1)
    return done.stderr, json.loads(machine.run("show", "last", "--json").stdout)


def test_a_missing_input_is_named_and_its_story_can_be_asked_for(machine: Machine) -> None:
    told, run = problem_of(machine, "add(1)", "wait_on(read('s3://data/none'))")
    assert "s3://data/none: this run has no store" in told
    hint = told.partition("the story: continuum run ")[2].partition(";")[0]
    assert hint == f"explain {run['run_id']} 2"
    assert "its input d2v1 cannot be had: s3://data/none" in machine.run(*hint.split()).stdout
    assert "task 2: cancelled: its input" in machine.run("explain", "last").stdout


def test_a_missing_input_that_nobody_waits_for_fails_the_run(machine: Machine) -> None:
    told, run = problem_of(machine, "read('s3://data/none')")
    assert run["state"] == "failed"
    assert "s3://data/none" in told


def test_a_failure_is_shown_with_the_program_s_lines_alone(machine: Machine) -> None:
    lines = ("import os", "os.chdir('/')", "from concurrent.futures import ThreadPoolExecutor")
    told, _ = problem_of(machine, *lines, "ThreadPoolExecutor(1).submit(wait_on, bad()).result()")
    assert "submit(wait_on, bad()).result()" in told
    assert "concurrent/futures" not in told
    assert 'raise ValueError("no good")' in told


def test_a_call_with_wrong_arguments_is_an_error_where_it_is_made(machine: Machine) -> None:
    told, run = problem_of(machine, "add()")
    assert "TypeError: add(): missing a required argument: 'a'" in told
    assert "    add()\n" in told
    assert "continuum/workflow" not in told
    assert run["functions"] == []


def test_a_task_that_calls_a_task_runs_it_as_part_of_itself(machine: Machine) -> None:
    done = machine.run("--local", machine.program("print(wait_on(outer(1)))"))
    assert done.stdout == "3\n"
    run = json.loads(machine.run("show", "last", "--json").stdout)
    assert [function["name"] for function in run["functions"]] == ["outer"]


def entry(name: str, started_at: float) -> RunEntry:
    run_id = f"{name}-20261123-133936-803796"
    return RunEntry(
        run_id=run_id, name=name, application="a.py", state="succeeded", started_at=started_at, ended_at=99.0
    )


@pytest.mark.parametrize("columns", [60, 100, 200])
@pytest.mark.parametrize("name", ["fit", "a-rather-long-name"])
def test_ids_of_runs_are_never_cut(columns: int, name: str) -> None:
    console = Console(width=columns, file=io.StringIO())
    entries = [entry(f"{name}{number}", float(number)) for number in range(3)]
    console.print(_table_of(entries, columns))
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue().splitlines()
    assert [line.split()[0] for line in shown[1:]] == [each.run_id for each in entries]
    assert all("succeeded" in line for line in shown[1:])
    assert ("0 B" in shown[1]) == (columns == 200 or (columns == 100 and name == "fit"))


def test_the_newest_runs_are_listed_first_and_all_if_asked_for(machine: Machine, runner: CliRunner) -> None:
    for number in range(25):
        with Journal(machine.home / "runs" / f"fit-{number}") as journal:
            head = RunSummary(
                run_id=f"fit-{number}",
                name="fit",
                application="a.py",
                arguments=(),
                state="succeeded",
                started_at=float(number),
            )
            journal.write_summary(head)
    listed = [each["run_id"] for each in json.loads(runner.invoke(cli, ["run", "list", "--json"]).stdout)]
    assert listed == [f"fit-{number}" for number in range(24, 4, -1)]
    assert len(json.loads(runner.invoke(cli, ["run", "list", "-n", "3", "--json"]).stdout)) == 3
    assert len(json.loads(runner.invoke(cli, ["run", "list", "--all", "--json"]).stdout)) == 25


def test_what_tasks_printed_is_shown_by_site_and_by_task(machine: Machine, runner: CliRunner) -> None:
    folder = machine.home / "runs" / "fit-1"
    head = RunSummary(
        run_id="fit-1", name="fit", application="a.py", arguments=(), state="succeeded", started_at=1.0
    )
    with Journal(folder) as journal:
        journal.write_summary(head)
    assert "no output" in str(runner.invoke(cli, ["run", "log", "fit"]).exception)
    for site in ("edge", "cloud"):
        kept = machine.home / "sites" / site / "agent" / "runs" / "fit-1.log"
        kept.parent.mkdir(parents=True)
        kept.write_text(f"[task 1 out] one at {site}\n[task 12 err] twelve at {site}\n")
    assert runner.invoke(cli, ["run", "log", "fit"]).stdout.splitlines() == [
        "cloud [task 1 out] one at cloud",
        "cloud [task 12 err] twelve at cloud",
        "edge [task 1 out] one at edge",
        "edge [task 12 err] twelve at edge",
    ]
    alone = json.loads(runner.invoke(cli, ["run", "log", "fit", "1", "--json"]).stdout)
    assert alone == {"cloud": ["[task 1 out] one at cloud"], "edge": ["[task 1 out] one at edge"]}
    assert str(kept) in runner.invoke(cli, ["run", "show", "fit"]).stdout


def test_the_end_of_a_run_names_the_functions_whose_failures_were_ignored(capsys, tmp_path):
    functions = (
        FunctionSummary(name="fetch", tasks={"finished": 1, "ignored": 2}),
        FunctionSummary(name="fit", tasks={"finished": 1}),
    )
    summary = RunSummary(
        run_id="r", name="r", application="a.py", arguments=(), state="succeeded", started_at=1.0
    )
    summary = msgspec.structs.replace(summary, functions=functions)
    print_end(summary, tmp_path, Outcome("succeeded", 0))
    said = capsys.readouterr().err
    assert "failures that the program ignores" in said
    assert "fetch 2" in said
    assert "fit 1" not in said
