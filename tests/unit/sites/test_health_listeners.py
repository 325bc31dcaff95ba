"""The port at which a process says that it lives."""

import asyncio

import pytest

from continuum.sites.health import REQUEST_BYTES, health_listener


async def ask(port: int, text: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(text)
    reply = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    return reply


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        (b"GET /live HTTP/1.1", b"200"),
        (b"HEAD /ready HTTP/1.0", b"200"),
        (b"GET / HTTP/1.1", b"404"),
        (b"POST /live HTTP/1.1", b"404"),
        (b"nonsense", b"404"),
    ],
)
async def test_it_answers_two_pages_and_nothing_else(request_line: bytes, status: bytes) -> None:
    async with health_listener(0, "127.0.0.1") as port:
        assert (await ask(port, request_line + b"\r\n\r\n")).split(b" ")[1] == status


async def test_what_is_too_long_is_not_answered_and_others_are() -> None:
    async with health_listener(0, "127.0.0.1") as port:
        assert await ask(port, b"GET /" + b"x" * 2 * REQUEST_BYTES + b"\r\n\r\n") in {b""}
        assert b"200" in await ask(port, b"GET /live HTTP/1.1\r\n\r\n")


async def test_nobody_answers_afterwards() -> None:
    async with health_listener(0, "127.0.0.1") as port:
        pass
    with pytest.raises(OSError, match=r"[Cc]onnect"):
        await ask(port, b"GET /live HTTP/1.1\r\n\r\n")
