"""Two clusters and a machine as one continuum: workflows over them, and what happens when one goes away."""

import importlib.util
import json
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from embedding import Embedded

from benchmarks.clusters import PROJECT, Cluster, NoClustersError, wait_until

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(600)]

EXAMPLES = PROJECT / "examples" / "mvp_workflows"

WORK = """
import time
from continuum.workflow import task, wait_on

@task(returns=1)
def work(number):
    time.sleep(12)
    return bytes([number]) * 50_000

@task(returns=1)
def total(parts):
    return sum(part[0] for part in parts)

print("total", wait_on(total([work(number) for number in range(4)])))
"""


def load_expected() -> ModuleType:
    spec = importlib.util.spec_from_file_location("expected", EXAMPLES / "expected.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def records_of(listening: Embedded, name: str) -> list[dict[str, Any]]:
    """Return the journal of the newest run of a name so far."""
    folders = sorted(listening.home.runs().glob(f"{name}-*"), key=lambda folder: folder.stat().st_mtime)
    journal = folders[-1] / "journal.jsonl" if folders else None
    if journal is None or not journal.exists():
        return []
    return [json.loads(line) for line in journal.read_text().splitlines() if line.endswith("}")]


def sites_of(listening: Embedded, name: str) -> set[str]:
    return {each["site"] for each in records_of(listening, name) if each["event"] == "placed"}


def begun(listening: Embedded, name: str) -> list[tuple[int, int]]:
    """Return which tries of which tasks have begun."""
    records = records_of(listening, name)
    return sorted({(each["task"], each["attempt"]) for each in records if each["event"] == "started"})


def test_three_workflows_run_on_two_clusters_and_a_machine(
    sites: tuple[Cluster, Cluster], listening: Embedded
) -> None:
    client = listening.boto3_client("edge")
    client.create_bucket(Bucket="mvp")
    for number in (1, 2):
        client.upload_file(str(EXAMPLES / f"img0{number}.hex"), "mvp", f"img0{number}.hex")
    after = ("--after", "workflow1", "--after", "workflow2")
    with listening.running(
        "--name", "workflow3", *after, "--placement", "cloud", str(EXAMPLES / "workflow3.py")
    ) as third:
        for number, site in ((1, "west"), (2, "east")):
            listening.continuum(
                *("run", "--name", f"workflow{number}", "--placement", site),
                str(EXAMPLES / f"workflow{number}.py"),
                timeout_s=200,
            )
        _, problems = third.communicate(timeout=200)
        assert third.returncode == 0, problems
    expected, joined = load_expected(), ""
    for number, (added, subtracted) in expected.ADDED_AND_SUBTRACTED.items():
        texts = expected.expected_texts((EXAMPLES / f"img0{number}.hex").read_text(), added, subtracted)
        for key, text in zip((f"result{number}.txt", f"decimal_img0{number}.txt"), texts, strict=True):
            assert (
                listening.boto3_client("edge").get_object(Bucket="mvp", Key=key)["Body"].read().decode()
                == text
            )
        joined += texts[0]
    found = client.get_object(Bucket="mvp", Key="joined.txt")["Body"].read().decode()
    assert found == joined
    assert sites_of(listening, "workflow1") == {"west"}
    assert sites_of(listening, "workflow2") == {"east"}


def test_a_cluster_that_is_cut_off_goes_on_and_reports_later(
    sites: tuple[Cluster, Cluster], listening: Embedded, tmp_path: Path
) -> None:
    west = sites[0]
    program = tmp_path / "cut.py"
    program.write_text(WORK)
    with listening.running("--name", "cut", "--placement", "west", str(program)) as process:
        wait_until(lambda: len(begun(listening, "cut")) >= 2, 120.0, "no tasks have begun")
        try:
            west.cut()
        except NoClustersError as problem:
            pytest.skip(f"not tried: {problem}")
        try:
            time.sleep(20.0)  # the tasks end meanwhile, and nobody hears of it
        finally:
            west.mend()
        out, problems = process.communicate(timeout=200)
    assert process.returncode == 0, problems
    assert "total 6" in out
    assert "is silent" in problems
    assert "answers again" in problems
    assert len(begun(listening, "cut")) == len({task for task, _ in begun(listening, "cut")})


def test_an_api_server_that_is_away_holds_up_nothing(
    sites: tuple[Cluster, Cluster], listening: Embedded, tmp_path: Path
) -> None:
    east = sites[1]
    program = tmp_path / "away.py"
    program.write_text(WORK)
    with listening.running("--name", "away", "--placement", "east", str(program)) as process:
        wait_until(lambda: len(begun(listening, "away")) >= 1, 180.0, "no task has begun")
        try:
            east.kill("apiserver")
        except NoClustersError as problem:
            pytest.skip(f"not tried: {problem}")
        try:
            time.sleep(15.0)
        finally:
            east.start("apiserver")
        out, problems = process.communicate(timeout=300)
    assert process.returncode == 0, problems
    assert "total 6" in out
    assert len(begun(listening, "away")) == len({task for task, _ in begun(listening, "away")})
