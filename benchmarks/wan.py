"""A wide area link between two network namespaces, in user space: rate, delay, nothing else.

    python benchmarks/wan.py NAMESPACE_A NAMESPACE_B RATE_BIT_PER_S DELAY_S      (needs root)

Each namespace gets a TUN device with an address (10.77.0.1, 10.77.0.2); every packet waits its turn at the
rate, then for the delay, each way on its own. A queue of 2 MB stands before the link, as in a router; what
does not fit is dropped. Prints `ready`; when its standard input ends it removes the namespaces and stops.
"""

import fcntl
import heapq
import os
import selectors
import struct
import subprocess
import sys
import time
from dataclasses import dataclass

ADDRESSES = ("10.77.0.1", "10.77.0.2")
MTU = 9000
QUEUE_BYTES = 2_000_000
TUN_SET_INTERFACE = 0x400454CA
TUN_WITHOUT_HEADER = 0x0001 | 0x1000
MAX_PACKETS = 64


@dataclass
class Way:
    """One direction: `file` is where its packets come out."""

    file: int
    free_at: float = 0.0
    queued_bytes: int = 0


def main() -> None:
    names, rate, delay_s = sys.argv[1:3], float(sys.argv[3]), float(sys.argv[4])
    try:
        files = [open_device(name, address) for name, address in zip(names, ADDRESSES, strict=True)]
        print("ready", flush=True)
        carry({files[0]: Way(files[1]), files[1]: Way(files[0])}, rate, delay_s)
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], check=False)


def open_device(namespace: str, address: str) -> int:
    """Make a namespace with a TUN device in it; return the device's file."""
    run("ip", "netns", "add", namespace)
    run("ip", "-n", namespace, "link", "set", "lo", "up")
    file = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    device = f"t{os.getpid()}{address[-1]}"
    fcntl.ioctl(file, TUN_SET_INTERFACE, struct.pack("16sH", device.encode(), TUN_WITHOUT_HEADER))
    run("ip", "link", "set", device, "netns", namespace)
    run("ip", "-n", namespace, "link", "set", device, "name", "wan0", "mtu", str(MTU))
    run("ip", "-n", namespace, "addr", "add", f"{address}/24", "dev", "wan0")
    run("ip", "-n", namespace, "link", "set", "wan0", "txqueuelen", "1000", "up")
    return file


def run(*command: str) -> None:
    subprocess.run(command, check=True)


def carry(ways: dict[int, Way], rate: float, delay_s: float) -> None:
    """Pass packets on until standard input ends."""
    selector = selectors.DefaultSelector()
    for file in (*ways, 0):
        selector.register(file, selectors.EVENT_READ)
    due: list[tuple[float, int, Way, bytes]] = []
    count = 0
    while True:
        release(due)
        wait_s = max(0.0, due[0][0] - time.monotonic()) if due else None
        for key, _ in selector.select(wait_s):
            if key.fd == 0:
                if not os.read(0, 64):
                    return
                continue
            for packet in read_packets(key.fd):
                way = ways[key.fd]
                if way.queued_bytes + len(packet) > QUEUE_BYTES:
                    continue
                way.free_at = max(time.monotonic(), way.free_at) + len(packet) * 8 / rate
                way.queued_bytes += len(packet)
                count += 1
                heapq.heappush(due, (way.free_at + delay_s, count, way, packet))


def read_packets(file: int) -> list[bytes]:
    packets = []
    for _ in range(MAX_PACKETS):
        try:
            packets.append(os.read(file, MTU + 64))
        except BlockingIOError:
            break
    return packets


def release(due: list[tuple[float, int, Way, bytes]]) -> None:
    """Let out the packets whose time has come."""
    now = time.monotonic()
    while due and due[0][0] <= now:
        _, _, way, packet = heapq.heappop(due)
        way.queued_bytes -= len(packet)
        try:
            os.write(way.file, packet)
        except OSError:
            continue  # the receiving side is full or gone: a packet is lost, as packets are


if __name__ == "__main__":
    main()
