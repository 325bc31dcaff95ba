"""Servers for the gateway's benchmark, on free loopback ports: a store, NATS, a locator, a gateway."""

import asyncio
import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import msgspec
import uvloop

from continuum.backbone import Backbone, BackboneSettings
from continuum.model.objects import Store, User
from continuum.security import create_identity
from continuum.sites import choose_free_ports
from continuum.store import GatewaySettings, Locator, LocatorSettings
from continuum.store.gateway import format_settings

START_S = 30.0
TICKS_PER_S = 100
PARTS = ("master", "volume", "filer", "s3")


def cpu_s(pid: int) -> float:
    """Return the CPU time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def program(name: str) -> str:
    """Return a program of this environment."""
    return str(Path(sys.executable).with_name(name))


class Process:
    """A server process with a log."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None

    def launch(self, command: list[str], log: Path) -> None:
        with log.open("wb") as file:
            self.process = subprocess.Popen(command, stdout=file, stderr=file)

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()


class StoreServer(Process):
    """A SeaweedFS with plain HTTP on a port of `host` and on a unix socket; `inside` names the network
    namespace that it runs in."""

    access_key = "BENCHKEY"
    secret_key = "benchsecret"

    def __init__(self, folder: Path, *, host: str = "127.0.0.1", inside: str = "") -> None:
        super().__init__()
        folder.mkdir()
        self.folder = folder
        self.host = host
        self.inside = ["ip", "netns", "exec", inside] if inside else []
        self.port = 0
        self.socket_path = folder / "s3.sock"

    @property
    def url(self) -> str:
        """Its endpoint."""
        return f"http://{self.host}:{self.port}"

    async def start(self) -> None:
        ports = choose_free_ports(2 * len(PARTS))
        self.port = ports[PARTS.index("s3")]
        identity = {
            "name": "bench",
            "credentials": [{"accessKey": self.access_key, "secretKey": self.secret_key}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }
        (self.folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
        data = self.folder / "data"
        data.mkdir()
        flags = [f"-{part}.port={port}" for part, port in zip(PARTS, ports, strict=False)]
        flags += [f"-{part}.port.grpc={port}" for part, port in zip(PARTS, ports[len(PARTS) :], strict=True)]
        self.launch(
            [
                *(*self.inside, program("weed"), "-logtostderr=true", "server"),
                *(f"-ip={self.host}", f"-ip.bind={self.host}", f"-dir={data}"),
                *("-filer", "-s3", "-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false"),
                *("-master.volumeSizeLimitMB=1024", "-volume.max=100", "-volume.preStopSeconds=0"),
                f"-s3.localSocket={self.socket_path}",
                f"-s3.config={self.folder / 's3.json'}",
                *flags,
            ],
            self.folder / "weed.log",
        )
        await asyncio.to_thread(self._wait)

    def _wait(self) -> None:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            if self.inside:
                probe = [
                    *self.inside,
                    "curl",
                    "-s",
                    "-o",
                    "/dev/null",
                    "--max-time",
                    "1",
                    f"{self.url}/healthz",
                ]
                if subprocess.run(probe, check=False).returncode == 0:
                    return
                time.sleep(0.1)
                continue
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=1).close()
            except urllib.error.HTTPError as answer:
                answer.close()
                return
            except OSError:
                time.sleep(0.1)
            else:
                return
        raise SystemExit((self.folder / "weed.log").read_text()[-2000:])


class NatsServer(Process):
    """A nats-server with mutual TLS."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.port = choose_free_ports(1)[0]

    async def start(self) -> None:
        files = create_identity(self.folder, "backbone", "backbone")
        configuration = self.folder / "nats.conf"
        configuration.write_text(
            f'listen: "127.0.0.1:{self.port}"\nmax_payload: 8388608\n'
            f'tls {{ cert_file: "{files.certificate_file}", key_file: "{files.key_file}", '
            f'ca_file: "{files.ca_file}", verify: true }}\n'
        )
        self.launch([program("nats-server"), "-c", str(configuration)], self.folder / "nats.log")

    def settings(self, name: str) -> BackboneSettings:
        """Return how `name` connects."""
        files = create_identity(self.folder, name, name.partition(".")[0])
        return BackboneSettings(
            url=f"tls://127.0.0.1:{self.port}",
            name=name,
            ca_file=files.ca_file,
            certificate_file=files.certificate_file,
            key_file=files.key_file,
        )


class LocatorServer(Process):
    """A locator in a process of its own."""

    def __init__(self, folder: Path, nats: NatsServer) -> None:
        super().__init__()
        self.folder = folder
        self._nats = nats
        self.user: User

    async def start(self) -> None:
        arguments = self.folder / "locator.json"
        settings = self._nats.settings("hub")
        arguments.write_bytes(msgspec.json.encode(settings, enc_hook=str))
        ready = self.folder / "user.json"
        self.launch([sys.executable, __file__, str(arguments), str(self.folder)], self.folder / "locator.log")
        deadline = time.monotonic() + START_S
        self.user = await asyncio.to_thread(self._wait, ready, deadline)

    def _wait(self, ready: Path, deadline: float) -> User:
        while not ready.exists():
            if time.monotonic() > deadline:
                raise SystemExit((self.folder / "locator.log").read_text()[-2000:])
            time.sleep(0.05)
        return msgspec.json.decode(ready.read_bytes(), type=User)


class GatewayServer:
    """A gateway in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self._process = process
        self.pid = process.pid
        self.port = port

    async def stop(self) -> None:
        self._process.terminate()
        await self._process.wait()


async def start_gateway(
    folder: Path, store: StoreServer, nats: NatsServer, **changes: object
) -> GatewayServer:
    """Start a gateway over a store, as an embedded continuum does; `changes` of its settings."""
    own = Store(
        name="store.edge",
        site="edge",
        endpoint=f"unix:{store.socket_path}",
        region="us-east-1",
        bucket="physical",
        access_key=store.access_key,
        secret_key=store.secret_key,
    )
    settings = GatewaySettings(
        site="edge",
        gateway="gateway.edge",
        listen_port=choose_free_ports(1)[0],
        backbone=nats.settings("gateway.edge"),
        own_store=own,
    )
    settings = msgspec.structs.replace(settings, **changes)
    path = folder / f"{settings.gateway}.json"
    path.write_bytes(format_settings(settings))
    log_file = folder / f"{settings.gateway}.log"
    log = log_file.open("wb")
    with log:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "continuum.store.gateway", "--settings", str(path)),
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
        )
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), START_S)
    if not line.startswith(b"ready"):
        raise SystemExit(log_file.read_text()[-2000:])
    return GatewayServer(process, settings.listen_port)


async def serve_locator(settings: BackboneSettings, folder: Path) -> None:
    """Be the locator until killed."""
    backbone = await Backbone.connect(settings, wait_s=START_S)
    locator = Locator(
        LocatorSettings(database_url=f"sqlite:///{folder}/index.sqlite", key_file=folder / "hub.key")
    )
    await locator.start(backbone)
    user = await locator.ensure_user("admin")
    made = folder / "user.tmp"
    made.write_bytes(msgspec.json.encode(user))
    made.rename(folder / "user.json")
    await asyncio.Event().wait()


if __name__ == "__main__":
    decoded = msgspec.json.decode(
        Path(sys.argv[1]).read_bytes(),
        type=BackboneSettings,
        dec_hook=lambda kind, value: kind(value),
    )
    uvloop.run(serve_locator(decoded, Path(sys.argv[2])))
