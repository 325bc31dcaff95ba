"""Links between network namespaces, in user space: rate and delay per pair, and each pair can be cut.

    python -m benchmarks.chaos.links '{"places": {"NAMESPACE": "ADDRESS", …}, "links": [{"ends": [A, B],
    "rate_bit_per_s": 1e8, "delay_s": 0.02}, …]}'      (needs root)

Each namespace gets a TUN device with its address; every packet waits its turn at the rate, then for the
delay, each way on its own. A queue of 2 MB stands before a link, as in a router; what does not fit is
dropped. Prints `ready`. Then each line on standard input is a pair with what it becomes: `{"ends": [A, B],
"is_up": false}`. What is on its way through a link that is cut is lost, as are all packets until it is up
again: nobody is told, connections just go silent. When standard input ends it removes the namespaces and
stops.
"""

import asyncio
import contextlib
import fcntl
import heapq
import os
import selectors
import socket
import struct
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec

START_S = 30.0
MTU = 9000
TUN_SET_INTERFACE = 0x400454CA
TUN_WITHOUT_HEADER = 0x0001 | 0x1000
QUEUE_BYTES = 2_000_000
MAX_PACKETS = 64
_TARGET = slice(16, 20)  # where the receiver's address stands in an IPv4 header


class Link(msgspec.Struct, kw_only=True):
    """A pair of places and what joins them."""

    ends: tuple[str, str]
    rate_bit_per_s: float = 1e9
    delay_s: float = 0.0
    is_up: bool = True


class Network(msgspec.Struct, frozen=True, kw_only=True):
    """Places by name, with their addresses, and the links between them."""

    places: dict[str, str]
    links: tuple[Link, ...]


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What a link becomes."""

    ends: tuple[str, str]
    is_up: bool


class Way:
    """One direction of a link."""

    def __init__(self, link: Link, file: int) -> None:
        self.link = link
        self.file = file
        self.free_at = 0.0
        self.queued_bytes = 0

    def take(self, packet: bytes, now: float) -> float:
        """Return when the packet comes out; 0 if it is lost."""
        if not self.link.is_up or self.queued_bytes + len(packet) > QUEUE_BYTES:
            return 0.0
        self.free_at = max(now, self.free_at) + len(packet) * 8 / self.link.rate_bit_per_s
        self.queued_bytes += len(packet)
        return self.free_at + self.link.delay_s

    def release(self, packet: bytes) -> None:
        """Let a packet out whose time has come."""
        self.queued_bytes -= len(packet)
        if not self.link.is_up:
            return
        try:
            os.write(self.file, packet)
        except OSError:
            return  # the receiving side is full or gone: a packet is lost, as packets are


class Carrier:
    """Passes packets on until standard input ends."""

    def __init__(self, network: Network, files: dict[str, int]) -> None:
        self._links = {frozenset(link.ends): link for link in network.links}
        self._names = {file: name for name, file in files.items()}
        by_address = {socket.inet_aton(address): name for name, address in network.places.items()}
        self._ways = {
            (one, address): Way(self._links[frozenset((one, other))], files[other])
            for one in files
            for address, other in by_address.items()
            if frozenset((one, other)) in self._links
        }
        self._due: list[tuple[float, int, Way, bytes]] = []
        self._count = 0
        self._said = b""

    def run(self) -> None:
        """Carry."""
        selector = selectors.DefaultSelector()
        for file in (*self._names, 0):
            selector.register(file, selectors.EVENT_READ)
        while True:
            self._release()
            wait_s = max(0.0, self._due[0][0] - time.monotonic()) if self._due else None
            for key, _ in selector.select(wait_s):
                if key.fd == 0:
                    if not self._listen():
                        return
                else:
                    self._take(key.fd)

    def _release(self) -> None:
        now = time.monotonic()
        while self._due and self._due[0][0] <= now:
            _, _, way, packet = heapq.heappop(self._due)
            way.release(packet)

    def _take(self, file: int) -> None:
        name = self._names[file]
        for _ in range(MAX_PACKETS):
            try:
                packet = os.read(file, MTU + 64)
            except BlockingIOError:
                return
            way = self._ways.get((name, packet[_TARGET]))
            at = way.take(packet, time.monotonic()) if way is not None else 0.0
            if way is not None and at:
                self._count += 1
                heapq.heappush(self._due, (at, self._count, way, packet))

    def _listen(self) -> bool:
        said = os.read(0, 65536)
        *lines, self._said = (self._said + said).split(b"\n")
        for line in lines:
            change = msgspec.json.decode(line, type=Change)
            self._links[frozenset(change.ends)].is_up = change.is_up
        return bool(said)


def open_device(namespace: str, address: str) -> int:
    """Make a namespace with a TUN device in it; return the device's file."""
    _call("ip", "netns", "add", namespace)
    _call("ip", "-n", namespace, "link", "set", "lo", "up")
    file = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    device = f"t{os.getpid()}{address[-1]}"
    fcntl.ioctl(file, TUN_SET_INTERFACE, struct.pack("16sH", device.encode(), TUN_WITHOUT_HEADER))
    _call("ip", "link", "set", device, "netns", namespace)
    _call("ip", "-n", namespace, "link", "set", device, "name", "wan0", "mtu", str(MTU))
    _call("ip", "-n", namespace, "addr", "add", f"{address}/24", "dev", "wan0")
    _call("ip", "-n", namespace, "link", "set", "wan0", "txqueuelen", "1000", "up")
    return file


def _call(*command: str) -> None:
    subprocess.run(command, check=True)


async def start_links(network: Network) -> asyncio.subprocess.Process:
    """Have a process of its own carry the packets of a network, until its standard input is closed."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, __file__, msgspec.json.encode(network).decode()),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    if await asyncio.wait_for(process.stdout.readline(), START_S) != b"ready\n":
        raise SystemExit("the links could not be made")
    return process


@contextlib.asynccontextmanager
async def open_link(places: dict[str, str], rate_bit_per_s: float, delay_s: float) -> AsyncIterator[None]:
    """Join two places, namespaces with their addresses, as long as this is open."""
    one, other = places
    link = Link(ends=(one, other), rate_bit_per_s=rate_bit_per_s, delay_s=delay_s)
    process = await start_links(Network(places=places, links=(link,)))
    assert process.stdin is not None
    try:
        yield
    finally:
        process.stdin.close()
        await process.wait()


def find_reason_against() -> str:
    """Return why there can be no network namespaces here; nothing if there can."""
    if os.geteuid() != 0:
        return "it needs root"
    if not Path("/dev/net/tun").exists():
        return "there is no /dev/net/tun"
    try:
        subprocess.run(["ip", "netns", "list"], check=True, capture_output=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return "`ip netns` does not work"
    return ""


def main() -> None:
    network = msgspec.json.decode(sys.argv[1], type=Network)
    try:
        files = {name: open_device(name, address) for name, address in network.places.items()}
        print("ready", flush=True)
        Carrier(network, files).run()
    finally:
        for name in network.places:
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


if __name__ == "__main__":
    main()
