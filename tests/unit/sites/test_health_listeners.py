"""The port at which a process says how it is."""

import asyncio

import pytest

from continuum.sites import health_listener
from continuum.sites.health import CONNECTIONS, REQUEST_BYTES


def is_well() -> str:
    return ""


async def ask(port: int, text: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(text)
        return await asyncio.wait_for(reader.read(), 10)
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        (b"GET /live HTTP/1.1", b"200"),
        (b"HEAD /ready HTTP/1.0", b"200"),
        (b"GET / HTTP/1.1", b"404"),
        (b"GET /live/ HTTP/1.1", b"404"),
        (b"POST /live HTTP/1.1", b"400"),
        (b"GET /live", b"400"),
        (b"GET  /live HTTP/1.1", b"400"),
        (b"\xff\x00 nonsense", b"400"),
    ],
)
async def test_it_answers_two_pages_and_nothing_else(request_line: bytes, status: bytes) -> None:
    async with health_listener(0, "127.0.0.1", is_well) as port:
        assert (await ask(port, request_line + b"\r\nHost: x\r\n\r\n")).split(b" ")[1] == status


async def test_who_is_not_ready_says_why_and_lives() -> None:
    reasons = ["not connected"]
    async with health_listener(0, "127.0.0.1", lambda: "".join(reasons)) as port:
        reply = await ask(port, b"GET /ready HTTP/1.1\r\n\r\n")
        assert reply.startswith(b"HTTP/1.1 503 ")
        assert reply.endswith(b"\r\n\r\nnot connected\n")
        assert (await ask(port, b"GET /live HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        reasons.clear()
        assert (await ask(port, b"GET /ready HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 200 ")


async def test_what_is_too_long_is_not_answered_and_others_are() -> None:
    async with health_listener(0, "127.0.0.1", is_well) as port:
        assert await ask(port, b"GET /" + b"x" * 2 * REQUEST_BYTES) == b""
        assert b"200" in await ask(port, b"GET /live HTTP/1.1\r\n\r\n")


async def test_idle_askers_do_not_pile_up() -> None:
    async with health_listener(0, "127.0.0.1", is_well) as port:
        idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(CONNECTIONS)]
        assert await ask(port, b"GET /live HTTP/1.1\r\n\r\n") == b""
        for _, writer in idle:
            writer.close()
        for _ in range(1000):
            if await ask(port, b"GET /live HTTP/1.1\r\n\r\n"):
                break
        else:
            pytest.fail("those who went were not forgotten")


async def test_nobody_answers_afterwards() -> None:
    async with health_listener(0, "127.0.0.1", is_well) as port:
        pass
    with pytest.raises(OSError, match=r"[Cc]onnect"):
        await ask(port, b"GET /live HTTP/1.1\r\n\r\n")
