"""The examples, each run as its README says, on a running continuum."""

import importlib.util
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

EXAMPLES = Path(__file__).parents[2] / "examples"


def load(path: str) -> Any:
    """Import a module of the examples, which are programs and not packages."""
    spec = importlib.util.spec_from_file_location(Path(path).stem, EXAMPLES / path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run_program(embedded: Any, *arguments: str) -> str:
    """Run a program of the examples with `continuum run` and return what it printed."""
    return embedded.continuum("run", *arguments).stdout


def test_the_demonstrator_of_the_sky_store_gets_every_reply_that_it_expects(embedded):
    done = subprocess.run(
        [sys.executable, EXAMPLES / "skystore_demo" / "demo.py", "--home", embedded.home.path],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "every reply was as expected" in done.stdout


def test_three_workflows_started_at_once_give_the_expected_objects_and_the_third_waits(embedded):
    edge, cloud = (embedded.boto3_client(site) for site in ("edge", "cloud"))
    edge.create_bucket(Bucket="mvp")
    folder = EXAMPLES / "mvp_workflows"
    for client, name in ((edge, "img01.hex"), (cloud, "img02.hex")):
        client.put_object(Bucket="mvp", Key=name, Body=(folder / name).read_bytes())
    waits = ["--after", "workflow1", "--after", "workflow2"]
    commands = [
        ("--name", "workflow3", *waits, str(folder / "workflow3.py")),
        ("--name", "workflow1", str(folder / "workflow1.py")),
        ("--name", "workflow2", str(folder / "workflow2.py")),
    ]
    with ThreadPoolExecutor(3) as pool:
        printed = list(pool.map(lambda words: run_program(embedded, *words), commands))
    assert "joined" in printed[0]
    expected = load("mvp_workflows/expected.py")
    joined = ""
    for number, numbers in expected.ADDED_AND_SUBTRACTED.items():
        image = (folder / f"img0{number}.hex").read_text()
        hexadecimal, decimal = expected.expected_texts(image, *numbers)
        joined += hexadecimal
        for client in (edge, cloud):
            assert read(client, f"result{number}.txt") == hexadecimal
            assert read(client, f"decimal_img0{number}.txt") == decimal
    assert read(edge, "joined.txt") == read(cloud, "joined.txt") == joined


def test_a_workflow_of_the_demonstrator_runs_with_plain_files_too(embedded, tmp_path):
    result, decimal = tmp_path / "result.txt", tmp_path / "decimal.txt"
    program, image = EXAMPLES / "mvp_workflows" / "workflow1.py", EXAMPLES / "mvp_workflows" / "img01.hex"
    run_program(embedded, str(program), str(image), str(result), str(decimal))
    expected = load("mvp_workflows/expected.py")
    wanted = expected.expected_texts(image.read_text(), *expected.ADDED_AND_SUBTRACTED[1])
    assert (result.read_text(), decimal.read_text()) == wanted


def test_the_survey_finds_the_planted_sources_and_moves_less_with_data_gravity(embedded):
    tiles = 8
    embedded.boto3_client("edge").create_bucket(Bucket="sky-survey")
    folder = EXAMPLES / "sky_survey"
    for telescope, site in enumerate(("edge", "cloud")):
        run_program(embedded, "--placement", site, str(folder / "observe.py"), str(telescope), str(tiles))
    moved = {}
    sky = load("sky_survey/sky.py")
    planted = [
        [number, *place[:2]] for number in range(tiles) for place in sorted(sky.planted_sources(number))
    ]
    for placement in ("gravity", "load"):
        name = f"survey-{placement}"
        run_program(embedded, "--name", name, "--placement", placement, str(folder / "survey.py"), str(tiles))
        moved[placement] = embedded.run_summary(name)["moved_bytes"]
        summary = json.loads(read(embedded.boto3_client("cloud"), "summary.json", bucket="sky-survey"))
        assert [source[:3] for source in summary["sources"]] == planted
    assert moved["gravity"] < moved["load"]


def test_a_measurement_set_is_imaged_over_two_sites_as_on_one_machine(embedded, tmp_path):
    embedded.boto3_client("edge").create_bucket(Bucket="taska")
    folder, shape = EXAMPLES / "taska_c", ("2", "2", "20", "4")
    archive = tmp_path / "observation.ms.tar"
    run_program(embedded, str(folder / "observe.py"), "s3://taska/observation.ms.tar", *shape)
    printed = run_program(
        embedded, "--name", "taska", str(folder / "taska_c.py"), "s3://taska/observation.ms.tar", "s3://taska"
    )
    sites = embedded.run_summary("taska")["sites"]
    assert sorted(site["name"] for site in sites if site["tasks"]) == ["cloud", "edge"]
    run_program(embedded, "--local", str(folder / "observe.py"), str(archive), *shape)
    alone = run_program(embedded, "--local", str(folder / "taska_c.py"), str(archive), str(tmp_path))
    cloud = embedded.boto3_client("cloud")
    found = json.loads(read(cloud, "sources.json", bucket="taska"))["sources"]
    here = json.loads((tmp_path / "sources.json").read_text())["sources"]
    assert [source["east_rad"] for source in found] == [source["east_rad"] for source in here]
    assert [source["flux_jy"] for source in found] == pytest.approx([source["flux_jy"] for source in here])
    assert printed.splitlines()[1:] == alone.splitlines()[1:]
    catalogued = [(0.0005, 0.0003), (-0.0052, 0.0041), (0.0061, -0.0034)]
    places = [(source["east_rad"], source["north_rad"]) for source in found[:3]]
    for place, true in zip(places, catalogued, strict=True):
        assert place == pytest.approx(true, abs=1e-4)
    fits = cloud.get_object(Bucket="taska", Key="image.fits")["Body"].read()
    assert b"RA---SIN" in fits[:5760]
    assert len(fits) % 2880 == 0
    assert cloud.get_object(Bucket="taska", Key="picture.png")["Body"].read(8) == b"\x89PNG\r\n\x1a\n"


def read(client: Any, key: str, bucket: str = "mvp") -> str:
    """Return an object as text."""
    return client.get_object(Bucket=bucket, Key=key)["Body"].read().decode()
