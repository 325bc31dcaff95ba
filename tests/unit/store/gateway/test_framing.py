"""Heads and bodies of requests: any split of the bytes means the same; what is ambiguous is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from continuum.store.gateway.framing import ChunkedBody, CountedBody, FramingError, parse_head


def test_a_head_gives_method_path_query_and_headers_with_small_names() -> None:
    head = parse_head(
        b"PUT /b/a%20b?x=1&y HTTP/1.1\r\nHost: h:1\r\nX-Amz-Date: D\r\nContent-Length: 12\r\n\r\n"
    )
    assert (head.method, head.raw_path, head.raw_query, head.length) == ("PUT", b"/b/a%20b", b"x=1&y", 12)
    assert head.headers == {"host": "h:1", "x-amz-date": "D", "content-length": "12"}
    assert head.is_keep_alive


@pytest.mark.parametrize(
    ("lines", "keeps"),
    [
        (b"GET / HTTP/1.1\r\nHost: h\r\n", True),
        (b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n", False),
        (b"GET / HTTP/1.1\r\nHost: h\r\nConnection: TE, Close\r\n", False),
        (b"GET / HTTP/1.0\r\nHost: h\r\n", False),
        (b"GET / HTTP/1.0\r\nHost: h\r\nConnection: Keep-Alive\r\n", False),
    ],
)
def test_the_connection_is_kept_as_the_client_says(lines: bytes, keeps: bool) -> None:
    assert parse_head(lines + b"\r\n").is_keep_alive is keeps


def test_headers_given_twice_are_joined_and_chunked_bodies_have_no_length() -> None:
    head = parse_head(b"PUT / HTTP/1.1\r\nHost: h\r\nA: 1\r\nTransfer-Encoding: Chunked\r\nA: 2\r\n\r\n")
    assert (head.headers["a"], head.length) == ("1,2", None)


def test_an_absolute_url_is_read_as_its_path() -> None:
    head = parse_head(b"GET http://h/b/k?q HTTP/1.1\r\nHost: h\r\n\r\n")
    assert (head.raw_path, head.raw_query) == (b"/b/k", b"q")


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
        b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n",
        b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n",
        b"GET mailto:x HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n folded: x\r\n\r\n",
        b"\r\n\r\n",
    ],
)
def test_what_could_be_framed_in_two_ways_is_refused(head: bytes) -> None:
    with pytest.raises(FramingError):
        parse_head(head)


payloads = st.lists(st.binary(min_size=1, max_size=40), max_size=6)


def encode(chunks: list[bytes], trailers: bytes = b"") -> bytes:
    coded = b"".join(b"%X;ext=1\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    return coded + b"0\r\n" + trailers + b"\r\n"


@given(payloads, st.sampled_from([b"", b"a: b\r\n", b"a: b\r\nc: d\r\n"]), st.data())
def test_a_chunked_body_gives_the_same_payload_however_it_is_split(
    chunks: list[bytes], trailers: bytes, data: st.DataObject
) -> None:
    coded = encode(chunks, trailers) + b"GET /next"
    cuts = sorted(data.draw(st.lists(st.integers(0, len(coded)), max_size=8)))
    body = ChunkedBody()
    payload, rest = b"", b""
    for start, end in zip([0, *cuts], [*cuts, len(coded)], strict=True):
        if body.is_complete:
            rest += coded[start:end]
            continue
        pieces, after = body.feed(coded[start:end])
        payload += b"".join(pieces)
        rest += after
    assert (payload, rest, body.is_complete) == (b"".join(chunks), b"GET /next", True)


@pytest.mark.parametrize(
    "coded", [b"x\r\n", b"3\r\nabcd\r\n", b"-1\r\n", b"\r\n", b"1" * 2000, b"0\r\n" + b"a" * 20_000]
)
def test_a_chunked_body_that_is_not_one_is_refused(coded: bytes) -> None:
    with pytest.raises(FramingError):
        ChunkedBody().feed(coded)


@given(st.integers(0, 50), st.binary(max_size=80), st.integers(1, 20))
def test_a_counted_body_ends_where_its_length_says(length: int, data: bytes, step: int) -> None:
    body = CountedBody(length)
    payload, rest = b"", b""
    for start in range(0, len(data), step):
        piece = data[start : start + step]
        if body.is_complete:
            rest += piece
            continue
        pieces, after = body.feed(piece)
        payload += b"".join(pieces)
        rest += after
    assert (payload, rest) == (data[:length], data[length:])
