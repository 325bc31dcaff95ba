"""A running embedded continuum for tests: started, asked and stopped by commands, as a user would."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import boto3
import msgspec
from botocore.config import Config

from continuum.model.stories import story_of
from continuum.sites import Home, find_status
from continuum.workflow import find_folder, read_records, read_summary, with_counts

COMMAND_LIMIT_S = 90.0


class CommandFailedError(AssertionError):
    """A command ended with another status than expected."""


class Embedded:
    """An embedded continuum in `path`. `up()` and `down()` it; ask it anything a client may ask."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.home = Home(path)

    # ---- the command line ----

    def continuum(
        self,
        *arguments: str,
        status: int | None = 0,
        timeout_s: float = COMMAND_LIMIT_S,
        cwd: Path | None = None,
    ) -> "subprocess.CompletedProcess[str]":
        """Run `continuum …` on this home and return what it printed; with `status` None any exit will do."""
        done = subprocess.run(
            [self.program("continuum"), *arguments],
            env=self.environment(),
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        if status is not None and done.returncode != status:
            raise CommandFailedError(
                f"continuum {' '.join(arguments)} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
            )
        return done

    @contextmanager
    def running(
        self, *arguments: str, out: IO[str] | int = subprocess.PIPE, err: IO[str] | int = subprocess.PIPE
    ) -> Iterator["subprocess.Popen[str]"]:
        """Start `continuum run …`; whatever happens it does not outlive the block."""
        process = subprocess.Popen(
            [self.program("continuum"), "run", *arguments],
            env=self.environment(),
            stdout=out,
            stderr=err,
            text=True,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.communicate()

    def environment(self) -> dict[str, str]:
        """Return this process's environment with the home in it and nobody's AWS keys."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        return kept | {"CONTINUUM_HOME": str(self.path), "PYTHONWARNINGS": "default"}

    def up(self, *options: str, status: int | None = 0) -> "subprocess.CompletedProcess[str]":
        """Start it; on free ports if it was never up."""
        ports = [] if self.home.continuum_file.exists() else ["--hub-port", "0", "--gateway-ports", "0,0"]
        return self.continuum("up", *(options or ports), status=status)

    def down(self) -> None:
        """Stop it."""
        self.continuum("down")

    @property
    def state(self) -> str:
        """`up`, `starting`, `degraded`, `stopping` or `down`, asked without the cost of a command."""
        return find_status(self.home).state

    def status(self) -> dict[str, Any]:
        """Return what `continuum status --json` says."""
        found: dict[str, Any] = json.loads(self.continuum("status", "--json", status=None).stdout)
        return found

    def program(self, name: str) -> Path:
        """Return a program of this environment: `continuum`, `aws`, `skystore`."""
        return Path(sys.executable).with_name(name)

    def run_summary(self, run: str) -> dict[str, Any]:
        """Return what `continuum run show --json` says of a run that was started here."""
        folder = find_folder(self.home.runs(), run)
        summary: dict[str, Any] = msgspec.to_builtins(with_counts(read_summary(folder), folder), enc_hook=str)
        return summary

    def task_story(self, run: str, task: int) -> list[dict[str, Any]]:
        """Return what `continuum run explain --json` says of a task."""
        records = read_records(find_folder(self.home.runs(), run))
        story: list[dict[str, Any]] = msgspec.to_builtins(story_of(task, records), enc_hook=str)
        return story

    # ---- what there is ----

    @property
    def gateways(self) -> dict[str, str]:
        """The gateways' URLs by site."""
        return {site.name: site.gateway_url for site in self.home.continuum().sites}

    @property
    def credentials(self) -> tuple[str, str]:
        """Access key and secret key of `admin`."""
        return self.home.credentials()

    def boto3_client(
        self, site: str, credentials: tuple[str, str] | None = None, *, attempts: int = 5
    ) -> Any:
        """Return a boto3 client of the gateway of `site`; it tries `attempts` times."""
        access_key, secret_key = credentials or self.credentials
        return boto3.client(
            "s3",
            endpoint_url=self.gateways[site],
            aws_access_key_id=access_key,
            aws_secret_access_key=secret_key,
            region_name="us-east-1",
            config=Config(
                connect_timeout=5,
                read_timeout=30,
                retries={"total_max_attempts": attempts, "mode": "standard"},
                s3={"addressing_style": "path"},
            ),
        )

    # ---- harm ----

    def process(self, name: str) -> dict[str, Any]:
        """Return the status of one process."""
        for process in find_status(self.home).processes:
            if process.name == name:
                found: dict[str, Any] = msgspec.to_builtins(process, enc_hook=str)
                return found
        raise AssertionError(f"there is no process {name}")

    def kill(self, name: str) -> int:
        """Kill -9 a process by its name in `continuum status`, or the `supervisor`; return its pid.

        When it returns, the supervisor has noticed (or everything has gone with it).
        """
        before = {} if name == "supervisor" else self.process(name)
        pid = before["pid"] if before else find_status(self.home).supervisor_pid
        assert pid, f"{name} does not run"
        os.kill(pid, signal.SIGKILL)
        if before:
            restarts = before["restarts"]
            wait_until(lambda: self.process(name)["restarts"] > restarts, 30.0, f"{name} still runs")
        else:
            wait_until(lambda: self.state == "down", 30.0, "the supervisor still runs")
        return int(pid)

    def wait_until_ready(self, timeout_s: float = 40.0) -> None:
        """Return when every process is ready."""
        wait_until(lambda: self.state == "up", timeout_s, "the continuum is not up")


def wait_until(is_so: Callable[[], bool], timeout_s: float, otherwise: str) -> None:
    """Return when `is_so`; fail with `otherwise` after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < deadline, f"{otherwise} after {timeout_s:.0f} s"
        time.sleep(0.05)
