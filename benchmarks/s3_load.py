"""A load of S3 requests from one process: `python s3_load.py` reads a `Load` as JSON and writes a `Result`
as JSON.

Connections are kept; each sends its next request when the reply to the last one is complete. Requests are
signed beforehand and bodies are made once, so that the load costs little beside what it measures. Latency is
from the first byte sent to the last byte received.
"""

import asyncio
import ssl
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from continuum.store.signing import UNSIGNED_PAYLOAD, sign

PIECE_BYTES = 256 * 1024
STALL_S = 60.0


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What to send: requests for each of `paths` in turn, for `seconds` or until `count` are done (0: no
    bound); over TLS if `ca_file` is given. A path may bring a query of its own (`/bucket?list-type=2`)."""

    host: str
    port: int
    access_key: str
    secret_key: str
    method: str
    paths: tuple[str, ...]
    query: str = ""
    body_bytes: int = 0
    connections: int = 16
    seconds: float = 3.0
    count: int = 0
    headers: dict[str, str] = {}
    ca_file: str = ""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it. Latencies in milliseconds."""

    requests: int
    failures: int
    seconds: float
    received_bytes: int
    p50_ms: float
    p99_ms: float
    own_cpu_s: float


class Run:
    """Counts, and says when it is enough."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.latencies: list[float] = []
        self.failures = 0
        self.received_bytes = 0
        self.open = load.connections
        self.begun = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.requests = [_request(load, path) for path in load.paths]
        self.body = bytes(PIECE_BYTES)
        self.started_at = time.perf_counter()

    def next(self) -> bytes | None:
        """Return the next request's head, or None if it is enough."""
        load = self.load
        if load.count and self.begun >= load.count:
            return None
        if not load.count and time.perf_counter() - self.started_at > load.seconds:
            return None
        self.begun += 1
        return self.requests[self.begun % len(self.requests)]

    def leave(self) -> None:
        self.open -= 1
        if not self.open and not self.done.done():
            self.done.set_result(None)


def _request(load: Load, target: str) -> bytes:
    path, _, own_query = target.partition("?")
    query = own_query or load.query
    headers = {"host": f"{load.host}:{load.port}", **load.headers}
    signed = sign(
        load.method,
        path,
        query,
        headers,
        access_key=load.access_key,
        secret_key=load.secret_key,
        region="us-east-1",
        now=time.time(),
        payload_hash=UNSIGNED_PAYLOAD,
    )
    headers |= signed
    if load.method == "PUT":
        headers["content-length"] = str(load.body_bytes)
    target = f"{path}?{query}" if query else path
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = f"{load.method} {target} HTTP/1.1\r\n{lines}\r\n".encode()
    return head + bytes(load.body_bytes) if load.body_bytes <= PIECE_BYTES else head


def _length(head: bytes) -> int:
    return int(head.partition(b"\r\ncontent-length: ")[2].partition(b"\r\n")[0])


class Client(asyncio.Protocol):
    """One connection."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._transport: Any = None
        self._buffer = b""
        self._left = -1
        self._to_send = 0
        self._is_full = False
        self._sent_at = 0.0

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._send()

    def _send(self) -> None:
        request = self._run.next()
        if request is None:
            self._transport.close()
            return
        self._sent_at = time.perf_counter()
        self._transport.write(request)
        if self._run.load.body_bytes > PIECE_BYTES:
            self._to_send = self._run.load.body_bytes
            self._pump()

    def _pump(self) -> None:
        while self._to_send and not self._is_full:
            size = min(self._to_send, PIECE_BYTES)
            self._to_send -= size
            self._transport.write(self._run.body[:size] if size < PIECE_BYTES else self._run.body)

    def pause_writing(self) -> None:
        self._is_full = True

    def resume_writing(self) -> None:
        self._is_full = False
        self._pump()

    def data_received(self, data: bytes) -> None:
        if self._left < 0:
            data = self._buffer + data
            end = data.find(b"\r\n\r\n")
            if end < 0:
                self._buffer = data
                return
            self._buffer = b""
            head = data[:end].lower()
            self._run.failures += head[9:12] not in {b"200", b"206"}
            self._left = 0 if self._run.load.method == "HEAD" else _length(head)
            data = data[end + 4 :]
        self._left -= len(data)
        self._run.received_bytes += len(data)
        if self._left <= 0:
            self._left = -1
            self._run.latencies.append(time.perf_counter() - self._sent_at)
            self._send()

    def connection_lost(self, _: Exception | None) -> None:
        self._run.leave()


async def run_load(load: Load) -> Result:
    """Run a load in a process of its own."""
    return msgspec.json.decode(await run_beside("s3_load.py", msgspec.json.encode(load)), type=Result)


async def run_beside(script: str, given: bytes) -> bytes:
    """Run a program of this folder in a process of its own; return what it prints."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(__file__).with_name(script)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate(given)
    if process.returncode:
        raise SystemExit(f"{script} failed with status {process.returncode}")
    return output


async def main() -> None:
    load = msgspec.json.decode(sys.stdin.buffer.read(), type=Load)
    run = Run(load)
    cpu_s = time.process_time()
    loop = asyncio.get_running_loop()
    tls = ssl.create_default_context(cafile=load.ca_file) if load.ca_file else None
    for _ in range(load.connections):
        await loop.create_connection(lambda: Client(run), load.host, load.port, ssl=tls)
    async with asyncio.timeout(load.seconds * 10 + STALL_S):
        await run.done
    took_s = time.perf_counter() - run.started_at
    found = sorted(run.latencies) or [0.0]
    result = Result(
        requests=len(run.latencies),
        failures=run.failures,
        seconds=took_s,
        received_bytes=run.received_bytes,
        p50_ms=found[len(found) // 2] * 1000,
        p99_ms=found[min(len(found) * 99 // 100, len(found) - 1)] * 1000,
        own_cpu_s=time.process_time() - cpu_s,
    )
    sys.stdout.buffer.write(msgspec.json.encode(result))


if __name__ == "__main__":
    uvloop.run(main())
