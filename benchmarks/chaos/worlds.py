"""The worlds that are harmed: an embedded continuum, or the same in network namespaces with a shaped link.

`EmbeddedWorld` is `continuum up` on loopback: processes can be killed and paused, nothing can be cut off.
`SpreadWorld` has three places, each in a network namespace with a supervisor of its own: the two sites, each
with its store, gateway and agent, and the centre with NATS and the hub. What one machine has on loopback is
spread by changing three things of the plan: NATS and the stores listen on all addresses, whoever is elsewhere
finds them at the place's address, and their certificates hold for it.
"""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

import msgspec

from benchmarks.chaos.links import Change, Link, Network, start_links
from benchmarks.chaos.supervise import format_plan
from continuum.security import create_identity
from continuum.security.authorities import LOOPBACK_NAMES
from continuum.sites import ContinuumStatus, Home, ProcessStatus, UpOptions, find_status
from continuum.sites.documents import parse_document
from continuum.sites.embedded.plans import plan as make_plan
from continuum.sites.embedded.preparing import MIN_FREE_BYTES, prepare
from continuum.sites.supervision.folders import carry_out, ensure_home
from continuum.sites.supervision.plans import Plan, PlannedFile, PlannedProcess

START_S = 60.0
STOP_S = 40.0
SITES = ("edge", "cloud")
CENTRE = "centre"
ADDRESSES = {"edge": "10.77.0.1", "cloud": "10.77.0.2", CENTRE: "10.77.0.3"}
SITE_LINK = Link(ends=("edge", "cloud"), rate_bit_per_s=100e6, delay_s=0.02)
LINKS = (
    SITE_LINK,
    Link(ends=("edge", CENTRE), rate_bit_per_s=100e6, delay_s=0.02),
    Link(ends=("cloud", CENTRE), rate_bit_per_s=1e9, delay_s=0.002),
)


class World(Protocol):
    """What the nemesis and the clients need."""

    home: Home

    @property
    def links(self) -> tuple[str, ...]:
        """The links that can be cut, as in `edge-cloud`."""

    def inside(self, place: str) -> tuple[str, ...]:
        """Return what to put before a command that is to run at a place."""

    def status(self) -> dict[str, ProcessStatus]:
        """Return how every process stands, by name."""

    def set_link(self, name: str, *, is_up: bool) -> None:
        """Cut a link, or join it again."""


def signal_process(world: World, name: str, number: signal.Signals) -> int:
    """Send a signal to a process; return its id, 0 if there is none just now."""
    found = world.status().get(name)
    if found is None or not found.pid:
        return 0
    with contextlib.suppress(ProcessLookupError):
        os.kill(found.pid, number)
        return found.pid
    return 0


async def wait_until_ready(world: World, limit_s: float = START_S) -> None:
    """Return when every process is ready. Raises `TimeoutError`."""
    async with asyncio.timeout(limit_s):
        while True:
            status = await asyncio.to_thread(world.status)
            if status and all(each.state == "ready" for each in status.values()):
                return
            await asyncio.sleep(0.1)


class EmbeddedWorld:
    """An embedded continuum that runs in `home`."""

    links: tuple[str, ...] = ()

    def __init__(self, home: Home) -> None:
        self.home = home

    def inside(self, place: str) -> tuple[str, ...]:
        """Nothing: every place is this machine."""
        del place
        return ()

    def status(self) -> dict[str, ProcessStatus]:
        """Ask the supervisor."""
        return {each.name: each for each in find_status(self.home).processes}

    def set_link(self, name: str, *, is_up: bool) -> None:
        """There is none."""
        raise NotImplementedError(name, is_up)


class SpreadWorld:
    """Two sites and a centre in network namespaces. `async with open_spread(path) as world`."""

    links = tuple("-".join(link.ends) for link in LINKS)

    def __init__(self, path: Path) -> None:
        self.home = Home(path)
        self._prefix = f"chaos{os.getpid()}"
        self._carrier: asyncio.subprocess.Process | None = None
        self._supervisors: dict[str, asyncio.subprocess.Process] = {}

    def inside(self, place: str) -> tuple[str, ...]:
        """Return the command that enters the place's namespace."""
        return ("ip", "netns", "exec", self._prefix + place)

    def set_link(self, name: str, *, is_up: bool) -> None:
        """Tell the process that carries the packets."""
        one, other = name.split("-")
        change = Change(ends=(self._prefix + one, self._prefix + other), is_up=is_up)
        assert self._carrier is not None
        assert self._carrier.stdin is not None
        self._carrier.stdin.write(msgspec.json.encode(change) + b"\n")

    def status(self) -> dict[str, ProcessStatus]:
        """Ask the supervisors."""
        return {each.name: each for place in ADDRESSES for each in self._ask(place).processes}

    def _ask(self, place: str) -> ContinuumStatus:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(5)
            connection.connect(str(self._folder(place) / "control.sock"))
            connection.sendall(b"{}\n")
            with connection.makefile("rb") as file:
                return parse_document(file.read(), ContinuumStatus)

    def _folder(self, place: str) -> Path:
        return self.home.run_folder() / place

    async def start(self) -> None:
        """Make the namespaces, write all files, start the centre and then the sites."""
        await self._start_links()
        ensure_home(self.home, min_free_bytes=MIN_FREE_BYTES)
        settings = prepare(self.home, UpOptions(hub_port=0, gateway_ports=(0, 0)), print)
        plan = spread(make_plan(settings), settings.ports)
        for name, place in (("backbone", CENTRE), *((f"store.{site}", site) for site in SITES)):
            hosts = (*LOOPBACK_NAMES, ADDRESSES[place])
            create_identity(self.home.path, name, name.partition(".")[0], hosts=hosts)
        carry_out(plan)
        await self._supervise(plan, CENTRE)
        await asyncio.gather(*(self._supervise(plan, site) for site in SITES))

    async def _start_links(self) -> None:
        network = Network(
            places={self._prefix + place: address for place, address in ADDRESSES.items()},
            links=tuple(
                msgspec.structs.replace(link, ends=(self._prefix + link.ends[0], self._prefix + link.ends[1]))
                for link in LINKS
            ),
        )
        self._carrier = await start_links(network)

    async def _supervise(self, plan: Plan, place: str) -> None:
        folder = self._folder(place)
        folder.mkdir(mode=0o700, exist_ok=True)
        file = folder / "plan.json"
        file.touch(mode=0o600)
        file.write_bytes(format_plan(take_part(plan, place, folder)))
        process = await asyncio.create_subprocess_exec(
            *(*self.inside(place), sys.executable, "-m", "benchmarks.chaos.supervise", str(file)),
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,  # a Ctrl-C is ours to handle
        )
        self._supervisors[place] = process
        await asyncio.wait_for(_read_until_ready(process, place), START_S)

    async def stop(self) -> None:
        """Stop all that runs and remove the namespaces."""
        for places in (SITES, (CENTRE,)):
            running = [self._supervisors[place] for place in places if place in self._supervisors]
            for process in running:
                with contextlib.suppress(ProcessLookupError):
                    process.terminate()
            for process in running:
                try:
                    await asyncio.wait_for(process.wait(), STOP_S)
                except TimeoutError:
                    process.kill()  # its children are killed with it
                    await process.wait()
        if self._carrier is not None and self._carrier.stdin is not None:
            self._carrier.stdin.close()
            await self._carrier.wait()


async def _read_until_ready(process: asyncio.subprocess.Process, place: str) -> None:
    assert process.stdout is not None
    said = []
    async for line in process.stdout:
        said.append(line.decode())
        if line == b"ready\n":
            process.drain = asyncio.create_task(_drain(process.stdout))  # type: ignore[attr-defined]
            return
    raise SystemExit(f"{place} did not start:\n{''.join(said)}")


async def _drain(output: asyncio.StreamReader) -> None:
    while await output.read(65536):
        pass


@contextlib.asynccontextmanager
async def open_spread(path: Path) -> AsyncIterator[SpreadWorld]:
    """Start a spread world with its home in `path`; stop it whatever happens."""
    world = SpreadWorld(path)
    try:
        await world.start()
        yield world
    finally:
        await world.stop()


# ---- the plan, spread ----


def spread(plan: Plan, ports: dict[str, int]) -> Plan:
    """Return the plan of an embedded continuum as it must be over several places."""
    moved = [(f"127.0.0.1:{ports['backbone']}", f"{ADDRESSES[CENTRE]}:{ports['backbone']}")]
    for site in SITES:
        port = ports[f"store.{site}.s3"]
        moved.append((f"https://127.0.0.1:{port}", f"https://{ADDRESSES[site]}:{port}"))
    return msgspec.structs.replace(
        plan,
        files=tuple(_move_file(file, moved) for file in plan.files),
        processes=tuple(_open_up(process) for process in plan.processes),
    )


def _move_file(file: PlannedFile, moved: list[tuple[str, str]]) -> PlannedFile:
    text = file.data.decode()
    if file.path.name == "nats.conf":
        text = text.replace('"127.0.0.1:', '"0.0.0.0:')
    elif file.path.name == "settings.json":
        for before, after in moved:
            text = text.replace(before, after)
    return msgspec.structs.replace(file, data=text.encode())


def _open_up(process: PlannedProcess) -> PlannedProcess:
    argv = tuple("-ip.bind=0.0.0.0" if word == "-ip.bind=127.0.0.1" else word for word in process.argv)
    return msgspec.structs.replace(process, argv=argv)


def take_part(plan: Plan, place: str, run_folder: Path) -> Plan:
    """Return what runs at one place; what must be there before, elsewhere, is not waited for."""
    processes = [each for each in plan.processes if place_of(each.name) == place]
    names = {each.name for each in processes}
    return msgspec.structs.replace(
        plan,
        run_folder=run_folder,
        files=(),
        processes=tuple(
            msgspec.structs.replace(each, after=tuple(name for name in each.after if name in names))
            for each in processes
        ),
    )


def place_of(process: str) -> str:
    """Return where a process runs."""
    _, _, site = process.partition(".")
    return site or CENTRE
