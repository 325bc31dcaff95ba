"""Runs in which something goes wrong, runs that wait for runs, and runs whose data lie somewhere."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
from embedding import wait_until

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

PROGRAMS = Path(__file__).parent / "programs"


def states(run: dict[str, Any], function: str) -> dict[str, int]:
    return next(each["tasks"] for each in run["functions"] if each["name"] == function)


# ---- tasks that fail ----


@pytest.mark.parametrize("options", [(), ("--local",)])
@pytest.mark.parametrize(
    ("how", "printed"),
    [
        ("waits", ""),
        ("barrier", ""),
        ("ignores", "went on\n"),
        ("catches", "caught bad ValueError\nwent on\n"),
    ],
)
def test_a_task_that_raises_is_told_of_and_other_results_are_kept(embedded, tmp_path, how, printed, options):
    status = 0 if how == "catches" else 1
    kept = tmp_path / "kept.txt"
    done = embedded.continuum(
        "run", *options, "--name", "raising", str(PROGRAMS / "raising.py"), how, str(kept), status=status
    )
    assert kept.read_text() == "41"
    run = embedded.run_summary("raising")
    assert states(run, "bad") == {"failed": 1}
    assert states(run, "follow") == {"cancelled": 1}
    assert done.stdout == printed
    if how == "catches":
        assert run["state"] == "succeeded"
        return
    assert "ValueError: cannot do 13" in done.stderr
    assert "after 3 tries" in done.stderr
    assert 'raise ValueError(f"cannot do {number}")' in done.stderr or "in bad" in done.stderr
    assert run["state"] == "failed"
    assert run["problems"][0]["function"] == "bad"
    failed = run["problems"][0]["task_id"]
    story = embedded.continuum("run", "explain", "raising", str(failed)).stdout
    assert story.count("cannot do 13") >= 3
    assert "given up after 3 tries" in story


def test_a_failed_task_is_tried_at_the_other_site(embedded, tmp_path):
    embedded.continuum(
        "run", "--name", "twice", str(PROGRAMS / "raising.py"), "waits", str(tmp_path / "kept"), status=1
    )
    run = embedded.run_summary("twice")
    failed = run["problems"][0]["task_id"]
    events = embedded.task_story("twice", failed)
    tried = [event["site"] for event in events if event["event"] == "failed"]
    assert set(tried[:2]) == {"edge", "cloud"}


def test_a_program_that_raises_ends_as_in_python(embedded, tmp_path):
    program = tmp_path / "program.py"
    program.write_text("def f():\n    raise KeyError('lost')\n\n\nprint('begins')\nf()\n")
    done = embedded.continuum("run", "--quiet", str(program), status=1)
    assert done.stdout == "begins\n"
    assert done.stderr == (
        "Traceback (most recent call last):\n"
        f'  File "{program}", line 6, in <module>\n    f()\n'
        f"  File \"{program}\", line 2, in f\n    raise KeyError('lost')\n"
        "KeyError: 'lost'\n"
    )


@pytest.mark.parametrize(("ending", "status"), [("sys.exit(3)", 3), ("sys.exit()", 0), ("sys.exit('no')", 1)])
def test_the_exit_status_is_the_programs(embedded, tmp_path, ending, status):
    program = tmp_path / "program.py"
    program.write_text(f"import sys\n{ending}\n")
    embedded.continuum("run", "--local", str(program), status=status)


def test_a_syntax_error_is_shown_as_python_shows_it(embedded, tmp_path):
    program = tmp_path / "program.py"
    program.write_text("def f(:\n")
    done = embedded.continuum("run", "--local", str(program), status=1)
    assert "SyntaxError" in done.stderr
    assert "continuum/cli" not in done.stderr


# ---- processes that die ----


@pytest.mark.parametrize("options", [(), ("--local",)])
def test_a_task_whose_worker_is_killed_runs_again(embedded, tmp_path, options):
    program = str(PROGRAMS / "mortal.py")
    done = embedded.continuum("run", *options, "--name", "killed", program, "once", str(tmp_path / "marker"))
    assert done.stdout == "survived 1\n"
    events = json.loads(embedded.continuum("run", "explain", "killed", "1", "--json").stdout)
    assert [event["kind"] for event in events if event["event"] == "failed"] == ["worker_lost"]


def test_a_task_that_always_kills_its_worker_is_given_up(embedded):
    done = embedded.continuum("run", str(PROGRAMS / "mortal.py"), "always", "x", status=1)
    assert "die_always" in done.stderr
    assert "after 3 tries" in done.stderr


@pytest.mark.parametrize("site", ["edge", "cloud"])
def test_a_run_survives_the_loss_of_a_site(embedded, site):
    embedded.wait_until_ready()
    tasks = 40
    name = f"lost-{site}"
    agent = embedded.process(f"agent.{site}")["pid"]  # asked for now: asking takes as long as the run
    with embedded.running("--name", name, str(PROGRAMS / "mortal.py"), "work", str(tasks)) as process:
        wait_until(lambda: finished_at(embedded, name, site) >= 5, 30.0, f"{site} has finished nothing")
        os.kill(agent, signal.SIGKILL)
        out, err = process.communicate(timeout=90)
    assert process.returncode == 0, err
    assert out == f"total {sum(10_003 * number for number in range(tasks))}\n"
    assert f"site {site} was lost" in embedded.continuum("run", "explain", name).stdout
    embedded.wait_until_ready()


def finished_at(embedded: Any, name: str, site: str) -> int:
    """How many tasks of the run have finished at the site, by its journal."""
    for journal in embedded.home.runs().glob(f"{name}-*/journal.jsonl"):
        lines = journal.read_bytes().splitlines()
        return sum(b'"finished"' in line and f'"{site}"'.encode() in line for line in lines)
    return 0


@pytest.mark.parametrize("options", [(), ("--local",)])
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_ends_at_once_and_leaves_nothing(embedded, tmp_path, options, number, status):
    name = f"interrupted-{status}{''.join(options)}"
    with embedded.running(
        *options, "--name", name, str(PROGRAMS / "mortal.py"), "sleep", str(tmp_path)
    ) as process:
        wait_until(lambda: any(path.read_text() for path in tmp_path.iterdir()), 30.0, "no task runs")
        workers = [int(path.read_text()) for path in tmp_path.iterdir() if path.read_text()]
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
    assert process.returncode == status, err
    assert "Traceback" not in err
    assert embedded.run_summary(name)["state"] == "cancelled"
    wait_until(lambda: not any(map(psutil.pid_exists, workers)), 10.0, "a worker still runs")


def test_a_driver_that_is_killed_leaves_a_lost_run_and_no_workers(embedded, tmp_path):
    with embedded.running(
        "--local", "--name", "murdered", str(PROGRAMS / "mortal.py"), "sleep", str(tmp_path)
    ) as process:
        wait_until(lambda: any(path.read_text() for path in tmp_path.iterdir()), 30.0, "no task runs")
        workers = [int(path.read_text()) for path in tmp_path.iterdir() if path.read_text()]
        process.kill()
        process.wait(timeout=10)
    assert embedded.run_summary("murdered")["state"] == "lost"
    wait_until(lambda: not any(map(psutil.pid_exists, workers)), 10.0, "a worker still runs")


# ---- runs that wait for runs ----


def test_a_run_waits_for_others_wherever_they_were_started(embedded, tmp_path):
    first, second = tmp_path / "first.py", tmp_path / "second.py"
    first.write_text("import time\ntime.sleep(1.5)\nprint('first', time.time())\n")
    second.write_text("import time\nprint('second', time.time())\n")
    with embedded.running("--name", "then", "--after", "before", str(second)) as waiting:
        wait_until(lambda: has_begun(embedded, "then"), 20.0, "the waiting run has not begun")
        before = float(embedded.continuum("run", "--name", "before", str(first)).stdout.split()[1])
        out, err = waiting.communicate(timeout=60)
    assert waiting.returncode == 0, err
    assert float(out.split()[1]) > before
    assert "waiting for run before" in err


def has_begun(embedded: Any, name: str) -> bool:
    return any(embedded.home.runs().glob(f"{name}-*/run.json"))


@pytest.mark.parametrize(
    ("ending", "says"), [("raise ValueError('no')", "has failed: ValueError: no"), ("pass", "")]
)
def test_a_run_goes_on_only_if_the_run_that_it_waits_for_has_succeeded(embedded, tmp_path, ending, says):
    program = tmp_path / "program.py"
    program.write_text(f"{ending}\n")
    status = 1 if says else 0
    name = f"before-{status}"
    done = embedded.continuum("run", "--name", name, "--json", str(program), status=status)
    run_id = json.loads(done.stdout)["run_id"]
    follower = tmp_path / "follower.py"
    follower.write_text("print('follows')\n")
    for wanted in (run_id, name):
        done = embedded.continuum("run", "--after", wanted, str(follower), status=status)
        assert done.stdout == ("" if says else "follows\n")
        assert says in done.stderr


def test_a_run_that_waits_for_a_run_that_never_comes_is_told_so(embedded, tmp_path):
    program = tmp_path / "program.py"
    program.write_text("print('runs')\n")
    quick = (
        "import continuum.workflow.runs as runs; runs.APPEARS_WITHIN_S = 1.0; import sys;"
        "from continuum.cli import main; sys.argv[0] = 'continuum'; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", quick, "run", "--after", "nobody", str(program)],
        env=embedded.environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "no run called 'nobody' has appeared within 1 s" in done.stderr


# ---- data that lie somewhere ----


def test_tasks_go_where_their_objects_are_and_objects_are_overwritten_in_order(embedded):
    bucket = "near"
    embedded.boto3_client("edge").create_bucket(Bucket=bucket)
    uris = []
    for number in range(6):
        site = ("edge", "cloud")[number % 2]
        body = site[:4].encode() * 2_000_000
        embedded.boto3_client(site).put_object(Bucket=bucket, Key=f"{site}{number}", Body=body)
        uris.append(f"s3://{bucket}/{site}{number}")
    gravity = ("--placement", "gravity")  # what sites were found to take before does not count
    done = embedded.continuum("run", "--name", "near", *gravity, str(PROGRAMS / "near.py"), bucket, *uris)
    assert done.stdout == f"{['edge', 'clou'] * 3} ['edge', 'clou']\n!\n"
    for number in range(6):
        events = embedded.task_story("near", number + 1)
        [placed] = [event for event in events if event["event"] == "placed"]
        assert placed["site"] == ("edge", "cloud")[number % 2]
        moves = {row["site"]: row.get("move_bytes", 0) for row in placed["table"]}
        assert moves[placed["site"]] == 0
        assert max(moves.values()) == 8_000_000
    written = embedded.boto3_client("cloud").get_object(Bucket=bucket, Key="scratch")["Body"].read()
    assert written == b"clou" * 2_000_000 + b"!"


def test_an_object_that_does_not_exist_is_named(embedded):
    done = embedded.continuum(
        "run", str(PROGRAMS / "near.py"), "near", "s3://nowhere/a", "s3://nowhere/b", status=1
    )
    assert "there is no object s3://nowhere/a" in done.stderr


def test_nothing_of_a_run_stays_in_the_store(embedded):
    embedded.continuum(
        "run", "--name", "tidy", "--placement", "load", str(PROGRAMS / "matrices.py"), "3", "60"
    )
    run = embedded.run_summary("tidy")
    assert run["moved_bytes"] > 0
    listed = embedded.boto3_client("edge").list_objects_v2(Bucket="continuum-runs", Prefix=run["run_id"])
    assert listed["KeyCount"] == 0


def test_what_the_program_prints_goes_through_untouched(embedded, tmp_path):
    program = tmp_path / "program.py"
    program.write_text("import sys\nsys.stdout.write('[red]x[/]\\n' * 3)\nsys.stderr.write('to stderr\\n')\n")
    done = embedded.continuum("run", "--quiet", str(program))
    assert done.stdout == "[red]x[/]\n" * 3
    assert done.stderr == "to stderr\n"
