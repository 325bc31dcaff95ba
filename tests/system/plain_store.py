"""A real SeaweedFS on free loopback ports, plain HTTP, for tests that need a store and no continuum."""

import contextlib
import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from taking_ports import explain_end, start_on_free_ports

from continuum.sites import choose_free_ports

START_S = 40.0
DOMAIN = "localhost"  # buckets can be named as `bucket.localhost` too
PORTS = ("master", "volume", "filer", "s3")


class PlainStore:
    """`start` it; then `endpoint`, `access_key`, `secret_key`; `stop` it."""

    access_key = "test"
    secret_key = "test-secret"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._log = folder / "weed.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.endpoint = ""

    def start(self, choose: Callable[[int], list[int]] = choose_free_ports) -> None:
        """Start it and wait until it serves."""
        start_on_free_ports(2 * len(PORTS), self._start, choose)

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _start(self, ports: list[int]) -> None:
        flags = [f"-{name}.port={ports[i]}" for i, name in enumerate(PORTS)]
        flags += [f"-{name}.port.grpc={ports[len(PORTS) + i]}" for i, name in enumerate(PORTS)]
        identity = {
            "name": "test",
            "credentials": [{"accessKey": self.access_key, "secretKey": self.secret_key}],
            "actions": ["Admin"],
        }
        config = self._folder / "s3.json"
        config.write_text(json.dumps({"identities": [identity]}))
        self.endpoint = f"http://127.0.0.1:{ports[PORTS.index('s3')]}"
        command = [
            str(Path(sys.executable).with_name("weed")),
            "-logtostderr=true",
            "server",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            f"-dir={self._folder}",
            "-filer",
            "-s3",
            *flags,
            "-s3.port.iceberg=0",
            f"-s3.domainName={DOMAIN}",
            "-s3.port.lance=0",
            "-master.telemetry=false",
            "-master.electionTimeout=1s",
            "-master.volumeSizeLimitMB=256",
            "-volume.max=100",
            "-volume.preStopSeconds=0",
            f"-s3.config={config}",
        ]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        self._wait(self._process)

    def _wait(self, process: "subprocess.Popen[bytes]") -> None:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise explain_end(self._log)
            with contextlib.suppress(OSError):
                try:
                    urllib.request.urlopen(self.endpoint + "/healthz", timeout=1).close()
                except urllib.error.HTTPError as answer:
                    answer.close()
                return
            time.sleep(0.05)
        self.stop()
        raise explain_end(self._log)
