"""Browser uploads: forms read strictly, and their policies."""

import asyncio
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from continuum.store.errors import S3Error
from continuum.store.gateway.bodies import RequestBody
from continuum.store.gateway.formpolicies import check_form, parse_form_policy
from continuum.store.gateway.forms import FormBody, parse_boundary

BOUNDARY = "xYz"


def make(fields: dict[str, str], file: bytes = b"bytes", *, tail: bytes = b"\r\n--xYz--\r\n") -> bytes:
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    head = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a b.txt"\r\n'
        "Content-Type: text/plain\r\n\r\n"
    )
    return "".join(parts).encode() + head.encode() + file + tail


class Client:
    """The connection that a body comes from."""

    def __init__(self) -> None:
        self.is_paused = False

    def pause(self) -> None:
        self.is_paused = True

    def resume(self) -> None:
        self.is_paused = False


class Taker:
    """Who takes the file."""

    def __init__(self) -> None:
        self.data = b""
        self.problem: Exception | None = None
        self.is_over = False

    def feed(self, data: bytes) -> None:
        self.data += data

    def end(self) -> None:
        self.is_over = True

    def fail(self, problem: Exception) -> None:
        self.problem = problem


async def take(data: bytes, cuts: list[int], *, late: bool = False) -> tuple[Any, Taker, FormBody]:
    body = RequestBody(Client(), len(data), expects_continue=False)
    form_body = FormBody(body, parse_boundary(f"multipart/form-data; boundary={BOUNDARY}"))
    taker = Taker()
    reading = asyncio.ensure_future(form_body.read_form())
    await asyncio.sleep(0)
    started = False
    places = [0, *sorted(cuts), len(data)]
    for start, end in pairwise(places):
        if end > start:
            body.receive(data[start:end])
        await asyncio.sleep(0)
        if reading.done() and not started and not late:
            await reading
            form_body.start(taker)
            started = True
    form = await reading
    if not started:
        form_body.start(taker)
    return form, taker, form_body


@settings(max_examples=60)
@given(st.binary(max_size=60), st.lists(st.integers(0, 300), max_size=6), st.booleans())
async def test_any_split_of_the_bytes_gives_the_same_form_and_file(
    file: bytes, cuts: list[int], late: bool
) -> None:
    data = make({"key": "k", "x-amz-meta-a": "ü"}, file)
    form, taker, body = await take(data, [min(cut, len(data)) for cut in cuts], late=late)
    assert form.fields == {"key": "k", "x-amz-meta-a": "ü"}
    assert (form.file_name, form.file_type) == ("a b.txt", "text/plain")
    assert body.length == len(file)
    assert (taker.data, taker.is_over, taker.problem) == (file, True, None)


@pytest.mark.parametrize(
    "tail",
    [
        b"\r\n--xYz--XX",
        b'\r\n--xYz\r\nContent-Disposition: form-data; name="submit"\r\n\r\nGo\r\n--xYz--\r\n',
        b"",
    ],
)
async def test_a_file_that_is_not_the_last_field_never_passes_for_whole(tail: bytes) -> None:
    _, taker, body = await take(make({"key": "k"}, b"f" * 40, tail=tail), [])
    assert isinstance(taker.problem, S3Error)
    assert not taker.is_over
    assert not body.is_complete


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "MalformedPOSTRequest"),
        (b"preamble\r\n" + make({}), "MalformedPOSTRequest"),
        (make({"key": "a"}).replace(b"form-data", b"attachment"), "MalformedPOSTRequest"),
        (make({"key": "a"}).replace(b'name="key"', b'nome="key"'), "MalformedPOSTRequest"),
        (
            b'--xYz\r\nContent-Disposition: form-data; name="key"\r\n\r\nk\r\n--xYz--\r\n',
            "IncorrectNumberOfFilesInPostRequest",
        ),
        (make({"key": "a"}).replace(b"\r\na\r\n", b"\r\n\xff\r\n"), "MalformedPOSTRequest"),
        (make({"key": "a", "KEY": "b"}), "MalformedPOSTRequest"),
        (make({"key": "k" * 30_000}), "MaxPostPreDataLengthExceeded"),
    ],
)
async def test_what_is_no_form_is_refused(data: bytes, code: str) -> None:
    with pytest.raises(S3Error) as caught:
        await take(data, [])
    assert caught.value.code == code


@pytest.mark.parametrize("text", ["", "multipart/form-data", "multipart/mixed; boundary=x", "text/plain"])
def test_a_boundary_is_needed(text: str) -> None:
    with pytest.raises(S3Error):
        parse_boundary(text)
    assert parse_boundary('multipart/form-data; charset=utf-8; boundary="a b"') == b"--a b"


POLICY = (
    b'{"expiration": "2026-11-23T12:00:00Z", "conditions": [{"bucket": "b"}, ["starts-with", "$key", "up/"],'
    b' ["eq", "$Content-Type", "a/b"], ["content-length-range", 2, 4]]}'
)
NOON = 1_795_435_200.0
GOOD = {
    "bucket": "b",
    "key": "up/x",
    "content-type": "a/b",
    "policy": "…",
    "x-amz-signature": "…",
    "x-ignore-me": "",
}


@pytest.mark.parametrize(
    ("changes", "size_bytes", "now", "code"),
    [
        ({}, 3, NOON - 1, ""),
        ({}, 3, NOON, "AccessDenied"),
        ({"key": "x"}, 3, 0.0, "AccessDenied"),
        ({"bucket": "c"}, 3, 0.0, "AccessDenied"),
        ({"content-type": "a/bc"}, 3, 0.0, "AccessDenied"),
        ({"acl": "private"}, 3, 0.0, "AccessDenied"),
        ({}, 1, 0.0, "EntityTooSmall"),
        ({}, 5, 0.0, "EntityTooLarge"),
    ],
)
def test_a_policy_must_allow_every_field_and_the_size(
    changes: dict[str, str], size_bytes: int, now: float, code: str
) -> None:
    policy = parse_form_policy(POLICY)
    if not code:
        check_form(policy, GOOD | changes, size_bytes, now)
        return
    with pytest.raises(S3Error) as caught:
        check_form(policy, GOOD | changes, size_bytes, now)
    assert caught.value.code == code


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"{}",
        b"[" * 10_000,
        b'{"conditions": []}',
        b'{"expiration": "soon", "conditions": []}',
        b'{"expiration": "2026-11-23T12:00:00Z", "conditions": [["like", "$key", ""]]}',
        b'{"expiration": "2026-11-23T12:00:00Z", "conditions": [["eq", "key", ""]]}',
        b'{"expiration": "2026-11-23T12:00:00Z", "conditions": [{"acl": 1}]}',
        b'{"expiration": "2026-11-23T12:00:00Z", "conditions": [["content-length-range", -1, 2]]}',
        b'{"expiration": "2026-11-23T12:00:00Z", "conditions": [], "more": 1}',
    ],
)
def test_a_policy_that_is_not_understood_is_refused(document: bytes) -> None:
    with pytest.raises(S3Error) as caught:
        parse_form_policy(document)
    assert caught.value.code == "InvalidPolicyDocument"
