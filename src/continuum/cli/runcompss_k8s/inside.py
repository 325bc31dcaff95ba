"""The driver's pod: `python -m continuum.cli.runcompss_k8s.inside ORDER_FOLDER STATE_FOLDER`.

Makes a home of what the pod was given, runs the program as `continuum run` does, puts the run's folder (its
journal, its picture) into the store, and ends as the program did. SIGTERM ends the run as Ctrl-C does.
"""

import asyncio
import io
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import msgspec

from continuum.cli.runcompss_k8s.orders import (
    CA,
    DRIVER,
    FOLDERS,
    HOME_FILES,
    IDENTITY,
    ORDER,
    PROGRAM,
    DriverOrder,
)
from continuum.model.errors import ContinuumError
from continuum.security import write_private
from continuum.sites import Home
from continuum.store import ObjectClient

BUCKET = "continuum-runs"
ENDS_WITHIN_S = 40.0
TOLD = "continuum: the run's folder was not put into the store:"


def main() -> None:
    """Run what was ordered, and exit as it did."""
    given, state = map(Path, sys.argv[1:3])
    order = msgspec.json.decode((given / ORDER).read_bytes(), type=DriverOrder)
    home = make_home(given, state / "home")
    folder = _unpack(given, state / "work", order)
    status = _run(order, home, folder)
    try:
        asyncio.run(_keep(home, order.run_id))
    except (ContinuumError, OSError) as problem:
        print(f"{TOLD} {problem}", file=sys.stderr)  # noqa: T201
    sys.exit(status)


def make_home(given: Path, path: Path) -> Home:
    """Return a home in `path` made of the files in `given`."""
    home = Home(path)
    for name in HOME_FILES:
        write_private(path / name, (given / name).read_bytes())
    write_private(home.ca_file, (given / CA).read_bytes())
    folder = home.identity(DRIVER).key_file.parent
    for name in IDENTITY:
        write_private(folder / name, (given / name).read_bytes())
    return home


def _unpack(given: Path, folder: Path, order: DriverOrder) -> Path:
    if order.folder:
        return Path(order.folder)
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(io.BytesIO((given / PROGRAM).read_bytes())) as archive:
        archive.extractall(folder)  # noqa: S202 -- names that lead outside are made harmless by zipfile
    return folder


def _run(order: DriverOrder, home: Home, folder: Path) -> int:
    words = [*order.words, "--home", str(home.path), order.app, *order.arguments]
    debug = ["--debug"] if order.is_debug else []
    command = [sys.executable, "-c", "from continuum.cli import main; main()", *debug, "run", *words]
    process = subprocess.Popen(command, cwd=folder, env=os.environ | {"CONTINUUM_HOME": str(home.path)})
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    try:
        status = process.wait(order.wall_clock_s or None)
    except subprocess.TimeoutExpired:
        print(f"continuum: the wall clock limit of {order.wall_clock_s:g} s was reached", file=sys.stderr)  # noqa: T201
        status = _end(process)
    return status if status >= 0 else 128 - status


def _end(process: "subprocess.Popen[bytes]") -> int:
    process.terminate()
    try:
        return process.wait(ENDS_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


async def _keep(home: Home, run_id: str) -> None:
    folder = home.runs() / run_id
    if not folder.is_dir():
        return  # it did not come so far, and said why
    shutil.rmtree(folder / "results", ignore_errors=True)
    packed = home.path / f"{run_id}.tar.gz"
    with tarfile.open(packed, "w:gz", compresslevel=1) as archive:
        archive.add(folder, run_id)
    site = home.continuum().sites[0]
    access_key, secret_key = home.credentials()
    async with ObjectClient(site.gateway_url, access_key, secret_key, home.ca_file) as objects:
        await objects.ensure_bucket(BUCKET)
        await objects.put(BUCKET, f"{FOLDERS}/{run_id}.tar.gz", packed)


if __name__ == "__main__":
    main()
