"""Runs over two sites, seen from elsewhere and afterwards."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

PROGRAM = """
import sys
from continuum.workflow import FILE_OUT, group, task

@task(returns=1)
def load(n):
    return bytes(20_000)

@task(part=FILE_OUT)
def write(part, *blocks):
    with open(part, "wb") as file:
        file.writelines(blocks)

with group("all"):
    write(sys.argv[1], *[load(n) for n in range(12)])
"""


@pytest.fixture(scope="module")
def seen(embedded: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A run over both sites that wrote an object."""
    program = tmp_path_factory.mktemp("program") / "seen.py"
    program.write_text(PROGRAM)
    embedded.boto3_client("edge").create_bucket(Bucket="seen")
    embedded.continuum("run", "--name", "seen", "--provenance", str(program), "s3://seen/part")
    found: dict[str, Any] = json.loads(embedded.continuum("run", "show", "seen", "--json").stdout)
    return found


def test_a_run_over_two_sites_is_drawn_and_exported_with_what_it_wrote(embedded, seen, tmp_path):
    page = tmp_path / "report.html"
    embedded.continuum("run", "report", "seen", "-o", str(page))
    data = json.loads(page.read_text().partition('id="data">')[2].partition("</script>")[0])
    assert len(data["tasks"]["id"]) == 13
    assert {site["name"] for site in data["sites"]} == {"edge", "cloud"}
    assert set(data["tasks"]["group"]) == {"all"}
    assert all(
        start >= placed for start, placed in zip(data["tries"]["start"], data["tries"]["placed"], strict=True)
    )
    trace = tmp_path / "trace.json"
    embedded.continuum("run", "trace", "seen", "-o", str(trace))
    phases = [event["ph"] for event in json.loads(trace.read_text())["traceEvents"]]
    assert (phases.count("X"), phases.count("s")) == (13, 12)
    crate = json.loads(
        (embedded.home.runs() / seen["run_id"] / "crate" / "ro-crate-metadata.json").read_text()
    )
    part = hashlib.md5(bytes(12 * 20_000), usedforsecurity=False).digest()
    etag = hashlib.md5(part, usedforsecurity=False).hexdigest() + "-1"  # as S3 makes it of an upload in parts
    assert {"@id": f"#etag-{etag}", "@type": "PropertyValue", "name": "ETag", "value": etag} in crate[
        "@graph"
    ]


def test_a_run_whose_journal_is_elsewhere_is_known_from_the_hub(embedded, seen, tmp_path):
    folder: Path = embedded.home.runs() / seen["run_id"]
    away = tmp_path / "away"
    folder.rename(away)
    try:
        shown = json.loads(embedded.continuum("run", "show", "seen", "--json").stdout)
        watched = embedded.continuum("run", "watch", seen["run_id"]).stdout
    finally:
        away.rename(folder)
    assert {each["name"]: each["tasks"] for each in shown["functions"]} == {
        "load": {"finished": 12},
        "write": {"finished": 1},
    }
    assert watched.startswith("succeeded: 13 of 13 tasks done")
