"""Commands that show and export what a run did, from a journal in a home."""

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import journaled
import msgspec
import pytest
from typer.testing import CliRunner

from continuum.cli.main import cli
from continuum.model.errors import InvalidInputError, NotFoundError, UnavailableError
from continuum.workflow.journals import Journal, SiteSummary

CONTINUUM = str(Path(sys.executable).with_name("continuum"))


@pytest.fixture
def runner(tmp_path: Path) -> CliRunner:
    folder = tmp_path / "runs" / journaled.SUMMARY.run_id
    with Journal(folder) as journal:
        journal.add(journaled.records())
        journal.write_summary(journaled.SUMMARY)
    return CliRunner(env={"CONTINUUM_HOME": str(tmp_path), "NO_COLOR": "1", "COLUMNS": "200"})


def run(runner: CliRunner, *words: str) -> str:
    done = runner.invoke(cli, ["run", *words])
    if done.exception is not None:
        raise done.exception
    return done.stdout


@pytest.mark.parametrize(
    ("words", "name", "begins"),
    [
        (("gantt", "fit"), "gantt.svg", "<svg"),
        (("gantt", "fit", "--html"), "gantt.html", "<!doctype html>"),
        (("graph", "fit", "--html"), "graph.html", "<!doctype html>"),
        (("report", "fit"), "report.html", "<!doctype html>"),
    ],
)
def test_pictures_and_pages_lie_in_the_folder_of_the_run_or_where_one_says(
    runner, tmp_path, words, name, begins
):
    made = Path(run(runner, *words).strip())
    assert made == tmp_path / "runs" / journaled.SUMMARY.run_id / name
    assert made.read_text().startswith(begins)
    elsewhere = tmp_path / "elsewhere.file"
    told = json.loads(run(runner, *words, "-o", str(elsewhere), "--json"))
    assert list(told.values()) == [str(elsewhere)]
    assert elsewhere.read_text() == made.read_text()


def test_the_graph_is_drawn_as_svg_and_dot(runner, tmp_path):
    svg, dot = run(runner, "graph", "fit", "-o", str(tmp_path / "g.svg")).split()
    assert "<svg" in Path(svg).read_text()
    assert Path(dot).read_text().startswith("digraph")


def test_a_place_that_cannot_be_written_is_told(runner, tmp_path):
    with pytest.raises(UnavailableError, match="cannot be written"):
        run(runner, "report", "fit", "-o", str(tmp_path / "none" / "x.html"))


def test_events_are_told_as_sentences_or_as_they_lie_in_the_journal(runner, tmp_path):
    told = run(runner, "events", "fit").splitlines()
    assert len(told) == len(journaled.records())
    assert "00:16:43.000  task 2 failed at cloud (raised): ValueError: <no>; it is tried again" in told
    lines = run(runner, "events", "fit", "--json")
    assert lines == (tmp_path / "runs" / journaled.SUMMARY.run_id / "journal.jsonl").read_text()


def test_events_can_be_narrowed_to_a_task_and_to_kinds(runner):
    kinds = [json.loads(each)["event"] for each in run(runner, "events", "fit", "3", "--json").splitlines()]
    assert kinds == ["submitted", "placed", "finished"]
    words = ("events", "fit", "--kind", "failed", "--kind", "moved", "--json")
    kinds = [json.loads(each)["event"] for each in run(runner, *words).splitlines()]
    assert kinds == ["failed", "moved"]


def test_watching_a_run_that_has_ended_tells_how(runner):
    done = runner.invoke(cli, ["run", "watch", "fit"])
    assert done.exit_code == 0
    assert done.stdout.startswith("succeeded: 4 of 4 tasks done; edge: 3 done")


def test_a_run_leaves_a_crate_if_one_asks_and_can_be_compared_and_drawn(tmp_path):
    program = tmp_path / "app.py"
    program.write_text(
        "import sys\n"
        "from continuum.workflow import FILE_OUT, task, wait_on_file\n\n"
        "@task(out=FILE_OUT)\n"
        "def write(out, text):\n"
        "    with open(out, 'w') as file:\n"
        "        file.write(text)\n\n"
        f"write('{tmp_path}/out.txt', sys.argv[1])\n"
        f"wait_on_file('{tmp_path}/out.txt')\n"
    )
    environment = os.environ | {"CONTINUUM_HOME": str(tmp_path / "home"), "COLUMNS": "200"}

    def continuum(*words: str) -> str:
        done = subprocess.run(
            [CONTINUUM, "run", *words],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    told = continuum("--local", "--name", "one", "--provenance", "app.py", "same")
    crate = Path(re.search(r"the crate is (\S+)", told)[1])
    metadata = json.loads((crate / "ro-crate-metadata.json").read_text())
    written = next(each for each in metadata["@graph"] if each["@id"].endswith("/out.txt"))
    assert written["sha256"] == hashlib.sha256(b"same").hexdigest()
    continuum("--local", "--name", "two", "app.py", "same")
    compared = json.loads(continuum("compare", "one", "two", "--json"))
    assert [each["verdict"] for each in compared["results"]] == ["same"]
    assert compared["changes"] == []


def test_what_tasks_print_is_followed_until_the_run_has_ended(runner, tmp_path):
    folder = tmp_path / "runs" / journaled.SUMMARY.run_id
    printed = folder / "output.log"
    printed.write_text("[task 1 out] one\n[task 2 out] tw")
    alive = msgspec.structs.replace(journaled.SUMMARY, state="running", driver_pid=os.getpid(), ended_at=0.0)
    with Journal(folder) as journal:
        journal.write_summary(alive)
        command = [CONTINUUM, "run", "log", "fit", "--follow"]
        environment = os.environ | {"CONTINUUM_HOME": str(tmp_path)}
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "local [task 1 out] one\n"
            with printed.open("a") as file:
                file.write("o\n")
            assert process.stdout.readline() == "local [task 2 out] two\n"
            journal.write_summary(journaled.SUMMARY)
            assert process.stdout.read() == ""
            assert process.wait(timeout=60) == 0
    assert run(runner, "log", "fit", "2", "--follow") == "local [task 2 out] two\n"


@pytest.mark.parametrize("command", ["explain", "log", "events"])
def test_a_task_that_is_no_number_is_told_in_our_words(runner, command):
    with pytest.raises(InvalidInputError, match="'abc' is no number of a task"):
        run(runner, command, "fit", "abc")


def test_what_printed_elsewhere_is_told_with_where_it_lies(runner, tmp_path):
    sites = (SiteSummary(name="edge", computing_units=1, tasks=3),)
    summary = msgspec.structs.replace(journaled.SUMMARY, sites=sites)
    (tmp_path / "runs" / summary.run_id / "run.json").write_bytes(msgspec.json.encode(summary))
    with pytest.raises(NotFoundError) as missing:
        run(runner, "log", "fit")
    assert "edge" in missing.value.hint
    assert f"runs/{journaled.SUMMARY.run_id}.log" in missing.value.hint
    (tmp_path / "runs" / journaled.SUMMARY.run_id / "output.log").write_text("[task 1 f] here\n")
    done = runner.invoke(cli, ["run", "log", "fit"])
    assert "here" in done.stdout
    assert "is kept on the machines of these sites" in done.stderr
