"""A process of a site's own Dask: `python -m continuum.workflow.engines.clustering SETTINGS` (JSON).

It says `ready ADDRESS` on standard output when it works, and ends when its standard input does, which is also
when its owner is gone. A line `retire N` there has the scheduler send away up to N workers that have neither
work nor data; it answers `retired NAME NAME …`. Looking and sending away are one step of its event loop, so
nothing can be given to a worker in between.

One in a pod (`is_alone`) ends by SIGTERM instead. There a scheduler sends its workers away when nobody has
been connected to it for `lonely_s`, and stays, for who comes again.
"""

import asyncio
import contextlib
import datetime as dt
import logging
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any, Literal

import msgspec

GRACE_S = 3.0
KEY_DAYS = 3650
LONELY_S = 900.0  # longer than a run outlives its driver
LOOK_EVERY_S = 5.0
DEATH_TIMEOUT_S = 180.0  # without a scheduler

# What differs from Dask's defaults, and why.
SETTINGS = {
    "distributed.scheduler.allowed-failures": 0,  # a task is tried again by the run, which counts
    "distributed.scheduler.worker-ttl": "60s",  # without a sign of life a machine is lost
    "distributed.admin.low-level-log-length": 1000,  # events carry answers
    "distributed.worker.profile.enabled": False,  # its threads only wait
    "distributed.admin.system-monitor.interval": "5s",
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": False,
}


class ProcessSettings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a process is told. The files are PEM, for TLS; port 0: any.

    `health_port` (0: none): something connects there when this process works, and hears nothing.
    """

    kind: Literal["scheduler", "worker"]
    ca_file: str
    certificate_file: str
    key_file: str
    name: str = ""
    scheduler: str = ""
    units: int = 1
    memory_bytes: int = 0
    gpus: int = 0
    host: str = "127.0.0.1"
    port: int = 0
    health_port: int = 0
    is_alone: bool = False
    lonely_s: float = LONELY_S


def make_key(file: Path) -> None:
    """Write a new key with a certificate for it, signed by itself: who has it belongs to the cluster."""
    from cryptography import x509  # noqa: PLC0415 - only the owner of a cluster needs it
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "dask of a site")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=KEY_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.unlink(missing_ok=True)
    descriptor = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(secret + certificate.public_bytes(serialization.Encoding.PEM))


async def serve(settings: ProcessSettings) -> None:
    """Be a scheduler or a worker until standard input ends."""
    import dask  # noqa: PLC0415 - this module is imported by the owner too
    from distributed import Security  # noqa: PLC0415

    dask.config.set(SETTINGS)
    security = Security(
        require_encryption=True,
        tls_ca_file=settings.ca_file,
        **{
            f"tls_{role}_{what}": file
            for role in ("client", "scheduler", "worker")
            for what, file in (("cert", settings.certificate_file), ("key", settings.key_file))
        },
    )
    is_over = asyncio.Event()
    asked: asyncio.Queue[str] = asyncio.Queue()
    if settings.is_alone:
        stop = is_over.set if settings.kind == "scheduler" else _end_at_once
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop)
    else:
        _watch_owner(asyncio.get_running_loop(), asked, is_over)
    server = await (_scheduler if settings.kind == "scheduler" else _worker)(settings, security)
    print(f"ready {server.address}", flush=True)  # noqa: T201 - the owner waits for this line
    tasks = [asyncio.create_task(_answer(server, asked))]
    if settings.is_alone:
        tasks.append(asyncio.create_task(_stand_alone(server, settings, is_over)))
    await is_over.wait()
    for task in tasks:
        task.cancel()
    await asyncio.wait_for(_leave(server), GRACE_S)


async def _scheduler(settings: ProcessSettings, security: Any) -> Any:
    from distributed import Scheduler  # noqa: PLC0415
    from distributed.diagnostics.plugin import SchedulerPlugin  # noqa: PLC0415

    from continuum.workflow.engines.keeping import Keeping  # noqa: PLC0415

    scheduler = await Scheduler(
        protocol="tls",
        host=settings.host,
        port=settings.port,
        security=security,
        dashboard=False,
        dashboard_address=None,
    )
    scheduler.add_plugin(type("KeepingPlugin", (Keeping, SchedulerPlugin), {})())
    return scheduler


async def _worker(settings: ProcessSettings, security: Any) -> Any:
    from distributed import Worker  # noqa: PLC0415

    from continuum.workflow.engines import orders, stations  # noqa: F401, PLC0415 - orders find it loaded

    resources = {orders.UNITS: float(settings.units), orders.GPUS: float(settings.gpus)}
    if settings.memory_bytes:
        resources[orders.MEMORY] = float(settings.memory_bytes)
    return await Worker(
        settings.scheduler,
        nthreads=settings.units,
        name=settings.name,
        resources=resources,
        security=security,
        host=settings.host,
        port=settings.port,
        death_timeout=DEATH_TIMEOUT_S if settings.is_alone else None,
        memory_limit=0,
        dashboard=False,
        local_directory=str(Path.cwd()),
    )


async def _stand_alone(server: Any, settings: ProcessSettings, is_over: asyncio.Event) -> None:
    """Let a worker end with its work there, and send the workers of a scheduler away that nobody wants."""
    if settings.health_port:
        await asyncio.start_server(_hang_up, settings.host, settings.health_port)
    if settings.kind == "worker":
        await server.finished()
        is_over.set()
        return
    lonely_s = 0.0
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        is_lonely = not any(name.startswith("Client-") for name in server.clients)
        lonely_s = lonely_s + LOOK_EVERY_S if is_lonely else 0.0
        if lonely_s > settings.lonely_s:
            for worker in list(server.workers):
                await server.remove_worker(address=worker, stimulus_id="lonely", expected=True)


async def _hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def _leave(server: Any) -> None:
    if stations := sys.modules.get("continuum.workflow.engines.stations"):
        await stations.close_all(server)
    await server.close()


async def _answer(server: Any, asked: "asyncio.Queue[str]") -> None:
    while True:
        word, _, count = (await asked.get()).partition(" ")
        if word == "retire" and count.isdecimal():
            names = await _retire(server, int(count))
            print("retired", *names, flush=True)  # noqa: T201 - the owner waits for this line


async def _retire(scheduler: Any, count: int) -> list[str]:
    """Send away workers that have nothing, the youngest first; return their names."""
    names: list[str] = []
    while len(names) < count:
        idle = [each for each in scheduler.workers.values() if not each.processing and not each.has_what]
        if not idle:
            break
        youngest = max(idle, key=lambda each: int(str(each.name).rpartition("-")[2]))
        names.append(str(youngest.name))
        await scheduler.remove_worker(address=youngest.address, stimulus_id="retire", expected=True)
    return names


def _end_at_once() -> None:
    """Be lost: of a worker that says goodbye, Dask executes again by itself what it had."""
    os._exit(128 + signal.SIGTERM)


def _watch_owner(
    loop: asyncio.AbstractEventLoop, asked: "asyncio.Queue[str]", is_over: asyncio.Event
) -> None:
    def watch() -> None:
        while line := sys.stdin.buffer.readline(4096):
            loop.call_soon_threadsafe(asked.put_nowait, line.decode().strip())
        loop.call_soon_threadsafe(is_over.set)
        threading.Timer(2 * GRACE_S, os._exit, (0,)).start()

    threading.Thread(target=watch, name="owner", daemon=True).start()


def main() -> int:
    """Run what the command line describes."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    settings = msgspec.json.decode(sys.argv[1], type=ProcessSettings)
    with contextlib.suppress(TimeoutError):
        asyncio.run(serve(settings))
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
