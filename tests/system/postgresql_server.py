"""A real PostgreSQL on a free loopback port, for tests: one server, a new database for each test.

The binaries are Debian's (`PACKAGES`), which keeps them out of the PATH. PostgreSQL refuses to run as root;
then it runs as `nobody`, in a folder of its own beneath the system's temporary one. Nothing is flushed to the
disk: tests kill hubs, not the database.
"""

import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest
from taking_ports import explain_end, start_on_free_ports

PACKAGES = "postgresql"
PASSWORD = "a password for tests"
START_S = 60.0
_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "unix_socket_directories": "",
    "logging_collector": "off",
}


def find_programs() -> Path | None:
    """Return the folder with PostgreSQL's programs, the newest if there are several."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return folders[-1].parent if folders else None


def require_programs() -> Path:
    """Return the folder with PostgreSQL's programs; skip the test, aloud, where there is none."""
    programs = find_programs()
    if programs is not None:
        return programs
    said = f"PostgreSQL is not tested: it is not installed; apt-get install {PACKAGES}"
    if os.environ.get("CONTINUUM_REQUIRE_POSTGRESQL"):
        pytest.fail(said)
    pytest.skip(said)


class PostgresServer:
    """`start` it; `make_database()` gives the URL of a new one; `stop` it."""

    def __init__(self, programs: Path, *, settings: dict[str, str] | None = None) -> None:
        self._programs = programs
        self._settings = _SETTINGS | (settings or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._names = itertools.count(1)
        self.folder = Path(tempfile.mkdtemp(prefix="continuum-postgresql-"))
        self.port = 0

    def start(self) -> None:
        """Make a cluster, start it, wait until it answers."""
        password = self.folder / "password"
        password.write_text(PASSWORD)
        if _user():
            for path in (self.folder, password):
                shutil.chown(path, **_user())
        self._run(
            "initdb", "-D", self.folder / "data", "-U", "continuum", f"--pwfile={password}",
            "-A", "scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions",
        )  # fmt: skip
        start_on_free_ports(1, self._start)

    def _start(self, ports: list[int]) -> None:
        (self.port,) = ports
        flags = [flag for name, value in self._settings.items() for flag in ("-c", f"{name}={value}")]
        log_file = self.folder / "log"
        with log_file.open("wb") as log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", self.folder / "data",
                 "-h", "127.0.0.1", "-p", str(self.port), *flags],
                cwd=self.folder, stdout=log, stderr=log, **_as_user(),
            )  # fmt: skip
        self._wait(self._process, log_file)

    def _run(self, program: str, *arguments: str | Path) -> None:
        ran = subprocess.run(
            [self._programs / program, *arguments],
            cwd=self.folder, capture_output=True, text=True, check=False, timeout=START_S, **_as_user(),
        )  # fmt: skip
        assert ran.returncode == 0, ran.stderr

    def _wait(self, process: "subprocess.Popen[bytes]", log_file: Path) -> None:
        give_up_at = time.monotonic() + START_S
        while True:
            try:
                self.connect().close()
            except psycopg.OperationalError:
                if process.poll() is not None:
                    raise explain_end(log_file) from None
                if time.monotonic() > give_up_at:
                    raise
                time.sleep(0.05)
            else:
                return

    def connect(self, database: str = "postgres") -> "psycopg.Connection[Any]":
        """Return a connection of its own to a database."""
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user="continuum", password=PASSWORD, dbname=database,
            autocommit=True, connect_timeout=5,
        )  # fmt: skip

    def make_database(self, template: str = "template1") -> str:
        """Return the URL of a new database."""
        name = f"test_{next(self._names)}"
        with self.connect() as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)

    def url(self, name: str) -> str:
        """Return the URL of a database."""
        password = PASSWORD.replace(" ", "%20")
        return f"postgresql://continuum:{password}@127.0.0.1:{self.port}/{name}"

    def drop_database(self, url: str) -> None:
        """Drop a database and whoever is connected to it."""
        with self.connect() as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {url.rpartition('/')[2]} WITH (FORCE)")

    def stop(self) -> None:
        """End it at once and remove it."""
        if self._process is not None:
            self._process.terminate()  # "smart" would wait for its clients; so would tests
            self._process.send_signal(2)
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        shutil.rmtree(self.folder, ignore_errors=True)


def _user() -> dict[str, Any]:
    if os.getuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid}


def _as_user() -> dict[str, Any]:
    return {**_user(), "extra_groups": []} if _user() else {}
