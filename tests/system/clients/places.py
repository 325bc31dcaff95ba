"""Where clients are tried: a store directly, and the gateway before such a store; and how they are run there.

Programs that use a client's library run in the environment that `scripts/prepare clients` makes, for it has
versions of its own; they tell what they saw as JSON, which is compared.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec

CLIENTS = Path(sys.prefix) / "clients" / "bin"
PROGRAMS = Path(__file__).parents[1] / "programs" / "clients"
LIMIT_S = 90
REGION = "us-east-1"
STEP_BYTES = 1024 * 1024

FILES = {
    "a.txt": b"a\n",
    "empty": b"",
    "folder/with space+plus%&.bin": bytes(range(256)) * 100,
    "folder/deeper/\u00fc \u6771.txt": "\u00fc".encode(),
    "large.bin": b"".join(bytes([number]) * STEP_BYTES for number in range(6)),  # a part of 5 MiB and a rest
}


class Place(msgspec.Struct, frozen=True):
    """An S3 endpoint, and a folder for what a client keeps while it is tried there."""

    name: str
    url: str
    access_key: str
    secret_key: str
    folder: Path

    def variables(self) -> dict[str, str]:
        """Return an environment that knows nothing but this place."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON"))}
        return kept | {
            "HOME": str(self.folder),
            "S3_URL": self.url,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_MAX_ATTEMPTS": "1",
        }


def lay_files(folder: Path) -> Path:
    """Write `FILES` into a folder and return it."""
    for name, body in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(body)
    return folder


def read_files(folder: Path) -> dict[str, bytes]:
    """Return what files a folder has, also beneath."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def run(place: Place, *command: str | Path, status: int | None = 0, **variables: str) -> str:
    """Run a command at a place and return what it printed."""
    done = subprocess.run(
        [str(word) for word in command],
        env=place.variables() | variables,
        cwd=place.folder,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    wanted = done.returncode if status is None else status
    assert done.returncode == wanted, f"{place.name}: {command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def run_program(place: Place, name: str) -> dict[str, Any]:
    """Run a program of the clients' environment on a new bucket and return what it told."""
    files = lay_files(place.folder / "files")
    printed = run(place, CLIENTS / "python", PROGRAMS / f"{name}_client.py", files, f"{name}-bucket")
    told: dict[str, Any] = json.loads(printed.splitlines()[-1])
    return told
