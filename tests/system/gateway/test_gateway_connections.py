"""HTTP as clients of all kinds speak it: pipelined, chunked, hesitating, slow, malformed, and over TLS."""

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from rigs import LIMITS, Rig, eventually, make_bytes

from continuum.security import create_identity
from continuum.store import ObjectClient
from continuum.store.gateway.gateways import Gateway
from continuum.store.signing import UNSIGNED_PAYLOAD, sign

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="session")]

MIB = 1024 * 1024


class Line:
    """A raw connection to a gateway."""

    def __init__(self, rig: Rig, gateway: Gateway) -> None:
        self.rig = rig
        self.gateway = gateway
        self.reader: asyncio.StreamReader
        self.writer: asyncio.StreamWriter

    def head(
        self,
        method: str,
        path: str,
        headers: dict[str, str] | None = None,
        *,
        query: str = "",
        payload_hash: str = UNSIGNED_PAYLOAD,
    ) -> bytes:
        """Return a signed head."""
        sent = {"host": f"127.0.0.1:{self.gateway.port}", **(headers or {})}
        admin = self.rig.admin
        sent |= sign(
            method,
            path,
            query,
            {name: value for name, value in sent.items() if name not in {"content-length", "expect"}},
            access_key=admin.access_key,
            secret_key=admin.secret_key,
            region="us-east-1",
            now=time.time(),
            payload_hash=payload_hash,
        )
        target = f"{path}?{query}" if query else path
        lines = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
        return f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode("latin-1")

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def reply(self, *, with_body: bool = True) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body of the next reply."""
        async with asyncio.timeout(10):
            head = await self.reader.readuntil(b"\r\n\r\n")
            lines = head.decode("latin-1").split("\r\n")
            headers = dict(line.split(": ", 1) for line in lines[1:] if line)
            headers = {name.lower(): value for name, value in headers.items()}
            length = int(headers.get("content-length", "0")) if with_body else 0
            return int(lines[0].split()[1]), headers, await self.reader.readexactly(length)

    async def is_closed(self, within_s: float = 5.0) -> bool:
        """Whether the gateway closes the connection in time."""
        with contextlib.suppress(TimeoutError, ConnectionResetError):
            async with asyncio.timeout(within_s):
                while await self.reader.read(MIB):
                    pass
                return True
        return self.reader.exception() is not None


@contextlib.asynccontextmanager
async def line(rig: Rig, gateway: Gateway | None = None) -> AsyncIterator[Line]:
    found = Line(rig, gateway or rig.gateways["edge"])
    found.reader, found.writer = await asyncio.open_connection("127.0.0.1", found.gateway.port)
    try:
        yield found
    finally:
        found.writer.transport.abort()


MALFORMED = {
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello\r\n\r\n",
    "no version": b"GET /\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "a space in a name": b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
    "two lengths": b"PUT /b/k HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "length and chunks": b"PUT /b/k HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
    b"Transfer-Encoding: chunked\r\n\r\nabc",
    "an unknown coding": b"PUT /b/k HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\nabc",
    "a negative length": b"PUT /b/k HTTP/1.1\r\nHost: x\r\nContent-Length: -3\r\n\r\nabc",
    "a header without colon": b"GET / HTTP/1.1\r\nHost: x\r\nnonsense\r\n\r\n",
    "an upgrade": b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    "another service": b"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n",
    "a null": b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
    "an endless head": b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 70_000,
    "too many headers": b"GET / HTTP/1.1\r\nHost: x\r\n"
    + b"".join(b"X%d: y\r\n" % i for i in range(300))
    + b"\r\n",
}


@pytest.mark.parametrize("name", MALFORMED)
async def test_what_is_no_request_is_answered_with_400_and_harms_nobody(rig: Rig, name: str) -> None:
    bucket = await rig.make_bucket()
    async with line(rig) as other, line(rig) as bad:
        other.send(other.head("PUT", f"/{bucket}/key", {"content-length": "10"}) + b"12345")
        bad.send(MALFORMED[name])
        status, headers, body = await bad.reply()
        assert (status, headers["connection"]) == (400, "close")
        assert b"<Code>BadRequest</Code>" in body
        assert await bad.is_closed()
        other.send(b"67890")
        assert (await other.reply())[0] == 200


async def test_pipelined_requests_are_answered_in_their_order(rig: Rig) -> None:
    bucket = await rig.make_bucket()
    async with rig.client("edge") as client, line(rig) as wire:
        for number in range(8):
            await client.put(bucket, f"key-{number}", f"value {number}".encode())
        requests = [wire.head("GET", f"/{bucket}/key-{number}") for number in range(8)]
        requests.insert(4, wire.head("PUT", f"/{bucket}/new", {"content-length": "3"}) + b"abc")
        wire.send(b"".join(requests))
        bodies = [(await wire.reply())[2] for _ in requests]
        assert bodies == [f"value {n}".encode() for n in range(4)] + [b""] + [
            f"value {n}".encode() for n in range(4, 8)
        ]


async def test_a_reply_that_has_no_body_leaves_the_next_one_whole(rig: Rig) -> None:
    bucket = await rig.make_bucket()
    async with rig.client("edge") as client, line(rig) as wire:
        await client.put(bucket, "key", b"value")
        unchanged = wire.head("GET", f"/{bucket}/key", {"if-none-match": "*"})
        wire.send(unchanged + wire.head("GET", f"/{bucket}/key"))
        status, headers, _ = await wire.reply()
        assert status == 304
        assert "etag" in headers
        assert "content-type" not in headers  # a cache would take it for the object's
        status, _, body = await wire.reply()
        assert (status, body) == (200, b"value")


async def test_requests_that_come_byte_by_byte_are_understood(rig: Rig) -> None:
    bucket = await rig.make_bucket()
    async with line(rig) as wire:
        for byte in wire.head("PUT", f"/{bucket}/key", {"content-length": "3"}) + b"abc":
            wire.send(bytes([byte]))
            await asyncio.sleep(0)
        assert (await wire.reply())[0] == 200
        wire.send(wire.head("GET", f"/{bucket}/key"))
        assert (await wire.reply())[2] == b"abc"


async def test_a_chunked_body_is_stored_if_its_length_is_told_and_else_refused(rig: Rig) -> None:
    bucket = await rig.make_bucket()
    async with line(rig) as wire:
        chunked = {"transfer-encoding": "chunked"}
        wire.send(wire.head("PUT", f"/{bucket}/key", chunked) + b"3\r\nabc\r\n0\r\n\r\n")
        status, _, body = await wire.reply()
        assert (status, b"MissingContentLength" in body) == (411, True)
    async with line(rig) as wire:
        coded = b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n"
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (coded[:9], coded[9:]))
        headers = {
            **chunked,
            "content-encoding": "aws-chunked",
            "x-amz-decoded-content-length": "5",
            "x-amz-trailer": "x-amz-checksum-crc32",
        }
        kind = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
        wire.send(wire.head("PUT", f"/{bucket}/key", headers, payload_hash=kind) + chunks + b"0\r\n\r\n")
        wire.send(wire.head("GET", f"/{bucket}/key"))
        assert (await wire.reply())[0] == 200
        assert (await wire.reply())[2] == b"hello"


async def test_a_client_that_waits_to_be_told_is_told_only_if_its_body_is_wanted(rig: Rig) -> None:
    bucket = await rig.make_bucket()
    async with line(rig) as wire:
        headers = {"content-length": "3", "expect": "100-continue"}
        wire.send(wire.head("PUT", f"/{bucket}/key", headers))
        assert await wire.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        wire.send(b"abc")
        assert (await wire.reply())[0] == 200
        wire.send(wire.head("PUT", "/no-such-bucket/key", headers))
        status, replied, _ = await wire.reply()
        assert (status, replied["connection"]) == (404, "close")


async def test_a_refused_small_body_is_read_and_the_connection_goes_on(rig: Rig) -> None:
    bucket = await rig.make_bucket()
    async with line(rig) as wire:
        wire.send(wire.head("PUT", "/no-such-bucket/key", {"content-length": "300000"}) + bytes(1000))
        assert (await wire.reply())[0] == 404
        wire.send(bytes(299_000) + wire.head("HEAD", f"/{bucket}"))
        assert (await wire.reply(with_body=False))[0] == 200


async def test_a_refused_large_body_gets_its_error_and_the_connection_is_closed(rig: Rig) -> None:
    async with line(rig) as wire:
        wire.send(wire.head("PUT", "/no-such-bucket/key", {"content-length": str(64 * MIB)}) + bytes(MIB))
        status, headers, _ = await wire.reply()
        assert (status, headers["connection"]) == (404, "close")
        assert await wire.is_closed()


async def test_slow_clients_are_cut_off_and_others_are_not(rig: Rig) -> None:
    bucket = await rig.make_bucket()
    limits = msgspec.structs.replace(LIMITS, header_s=0.5, idle_s=1.0, stall_s=0.5)
    async with rig.another_gateway("edge", limits=limits) as gateway:
        async with rig.client(gateway) as client:
            await client.put(bucket, "large", make_bytes(16 * MIB))
        async with (
            line(rig, gateway) as head,
            line(rig, gateway) as idle,
            line(rig, gateway) as body,
            line(rig, gateway) as reader,
            rig.client(gateway) as client,
        ):
            head.send(b"GET / HTTP/1.1\r\nHost")
            body.send(body.head("PUT", f"/{bucket}/key", {"content-length": "10"}) + b"123")
            small = reader.writer.transport.get_extra_info("socket")
            small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            reader.writer.transport.pause_reading()
            reader.send(reader.head("GET", f"/{bucket}/large"))
            for _ in range(20):
                await client.put(bucket, "other", b"x")
            for cut in (head, idle, body):
                assert await cut.is_closed()

            async def has_only_its_friend() -> bool:
                return gateway.counts.connections <= 1

            await eventually(has_only_its_friend, "the client that takes nothing is still connected")
            assert not await client.exists(bucket, "key")


async def test_a_gateway_that_stops_finishes_what_runs_and_takes_nothing_new(rig: Rig) -> None:
    bucket = await rig.make_bucket()
    data = make_bytes(8 * MIB)
    async with rig.client("edge") as client:
        await client.put(bucket, "key", data)
    gateway = Gateway(rig.settings("edge"))
    await gateway.start()
    async with line(rig, gateway) as busy, line(rig, gateway) as idle:
        busy.writer.transport.pause_reading()
        busy.send(busy.head("GET", f"/{bucket}/key"))

        async def is_read() -> bool:
            return bool(gateway.counts.read_bytes)

        await eventually(is_read, "the read does not begin")
        stopping = asyncio.create_task(gateway.stop())
        assert await idle.is_closed()
        with pytest.raises(OSError, match=r"refused|Connect call failed"):
            await asyncio.open_connection("127.0.0.1", gateway.port)
        busy.writer.transport.resume_reading()
        status, headers, body = await busy.reply()
        assert (status, headers["content-length"], body) == (200, str(len(data)), data)
        assert await busy.is_closed()
        await stopping


async def test_over_tls_everything_works_and_plain_http_gets_nothing(rig: Rig, tmp_path: Path) -> None:
    bucket = await rig.make_bucket()
    data = make_bytes(5 * MIB)
    files = create_identity(rig.folder, "gateway.edge", "gateway")
    tls = {"tls_certificate_file": files.certificate_file, "tls_key_file": files.key_file}
    async with rig.another_gateway("edge", profile="release", **tls) as gateway:
        assert gateway.url.startswith("https://")
        keys = (rig.admin.access_key, rig.admin.secret_key)
        async with ObjectClient(gateway.url, *keys, files.ca_file, patience_s=0) as client:
            await client.put(bucket, "key", data)
            assert await client.get(bucket, "key") == data
            await client.get_to_file(bucket, "key", tmp_path / "key")
            assert (tmp_path / "key").read_bytes() == data
        async with line(rig, gateway) as plain:
            plain.send(plain.head("GET", f"/{bucket}/key"))
            assert await plain.is_closed()


async def test_anonymous_requests_are_refused_and_own_pages_are_not(rig: Rig) -> None:
    bucket = await rig.make_bucket()
    async with rig.client("edge") as client, line(rig) as wire:
        await client.put(bucket, "key", b"x")
        host = f"Host: 127.0.0.1:{wire.gateway.port}\r\n\r\n".encode()
        wire.send(b"GET /%s/key HTTP/1.1\r\n%s" % (bucket.encode(), host))
        status, headers, body = await wire.reply()
        assert (status, b"AccessDenied" in body, len(headers["x-amz-request-id"])) == (403, True, 16)
        wire.send(b"GET /-/health HTTP/1.1\r\n" + host)
        status, _, body = await wire.reply()
        page = json.loads(body)
        assert (status, page["status"], page["locator"], page["stores"]["store.edge"]) == (
            200,
            "ok",
            True,
            True,
        )
        wire.send(b"GET /-/metrics HTTP/1.1\r\n" + host)
        _, _, body = await wire.reply()
        assert b'continuum_gateway_requests_total{site="edge",operation="PutObject",status="200"}' in body
        wire.send(b"GET /-/nothing HTTP/1.1\r\n" + host)
        assert (await wire.reply())[0] == 404


async def test_operations_that_are_not_there_are_named_in_the_refusal(rig: Rig) -> None:
    bucket = await rig.make_bucket()
    async with rig.wire_client("edge") as wire:
        exchange = await wire.exchange("GET", "key", bucket=bucket, query=[("torrent", "")])
        assert exchange.status == 501
        assert b"GetObjectTorrent is not implemented" in await exchange.read()
