"""What the documentation tells people to type, typed: a page's commands in order, on a running continuum."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.system

PROJECT = Path(__file__).parents[2]
BLOCK = re.compile(
    r"(?:Save this as `(?P<name>[^`]+)`:\n\n)?^```(?P<language>sh|python)\n(?P<text>.*?)^```", re.M | re.S
)
# Done by the fixture, or before there is anything to try.
LEFT_OUT = ("sudo ", "make ", ". .venv", "continuum up", "continuum down")


def script_of(page: Path, gateways: dict[str, str]) -> str:
    """Return the page's commands as one shell script; Python blocks are saved under their name, or run."""
    parts = ["set -eu"]
    for block in BLOCK.finditer(page.read_text()):
        name, text = block["name"] or "block.py", block["text"]
        if block["language"] == "sh":
            parts += [line for line in text.splitlines() if not line.startswith(LEFT_OUT)]
        else:
            parts.append(f"cat > {name} <<'END_OF_BLOCK'\n{text}END_OF_BLOCK")
            if not block["name"]:
                parts.append(f"python {name}")
    script = "\n".join(parts)
    for site, usual in (("edge", "http://127.0.0.1:8002"), ("cloud", "http://127.0.0.1:8003")):
        script = script.replace(usual, gateways[site])
    return script


@pytest.mark.parametrize("page", ["README.md", "docs/getting-started.md"])
def test_a_page_can_be_followed_command_by_command(page: str, embedded: Any, tmp_path: Path) -> None:
    (tmp_path / "examples").symlink_to(PROJECT / "examples")
    client = embedded.boto3_client("edge")
    if "readings" in [bucket["Name"] for bucket in client.list_buckets()["Buckets"]]:
        for entry in client.list_objects_v2(Bucket="readings").get("Contents", []):
            client.delete_object(Bucket="readings", Key=entry["Key"])
        client.delete_bucket(Bucket="readings")
    done = subprocess.run(
        ["bash", "-c", script_of(PROJECT / page, embedded.gateways)],
        cwd=tmp_path,
        env=os.environ
        | {
            "CONTINUUM_HOME": str(embedded.home.path),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        },
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    if page.endswith("getting-started.md"):
        assert "mean: 21.875" in done.stdout
