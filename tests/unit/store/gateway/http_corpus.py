"""Requests as bytes: well-formed ones that fuzzing starts from, and shapes by which requests are smuggled.

A smuggled request hides in one that two readers (a proxy and the gateway, say) end at different places. All
of `SMUGGLED` must be refused, at the latest when its body is read.
"""

from hypothesis import strategies as st

HOST = b"Host: gateway:8002\r\n"
NEXT = b"GET /smuggled HTTP/1.1\r\n" + HOST + b"\r\n"

WELL_FORMED = (
    b"GET /b/k HTTP/1.1\r\n" + HOST + b"\r\n",
    b"\r\nHEAD /b/a%20b?versionId=null HTTP/1.1\r\n" + HOST + b"Range: bytes=0-3\r\n\r\n",
    b"PUT /b/k HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\nx-amz-meta-a:  \xc3\xbc \r\n\r\nhello",
    b"PUT /b/k HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\nExpect: 100-continue\r\n\r\nhello",
    b"PUT /b/k HTTP/1.1\r\n"
    + HOST
    + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;a=b\r\nllo\r\n0\r\n\r\n",
    b"POST /b?delete HTTP/1.1\r\n"
    + HOST
    + b"Transfer-Encoding: Chunked\r\n\r\nA\r\n0123456789\r\n0\r\nt: v\r\n\r\n",
    b"GET http://gateway:8002/b/k HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET /b/k HTTP/1.0\r\n" + HOST + b"\r\n",
    b"DELETE /b/k HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n",
)


def _put(*lines: bytes, body: bytes = b"") -> bytes:
    return b"PUT /b/k HTTP/1.1\r\n" + HOST + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body


def _chunked(body: bytes) -> bytes:
    return _put(b"Transfer-Encoding: chunked", body=body)


SMUGGLED = {
    "a length and chunks": _put(b"Content-Length: 3", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    "chunks and a length": _put(b"Transfer-Encoding: chunked", b"Content-Length: 3", body=b"0\r\n\r\n"),
    "two lengths": _put(b"Content-Length: 3", b"Content-Length: 4", body=b"abcd"),
    "the same length twice": _put(b"Content-Length: 3", b"Content-Length: 3", body=b"abc"),
    "a list of lengths": _put(b"Content-Length: 3, 3", body=b"abc"),
    "a length with a sign": _put(b"Content-Length: +3", body=b"abc"),
    "a negative length": _put(b"Content-Length: -3", body=b"abc"),
    "a hexadecimal length": _put(b"Content-Length: 0x3", body=b"abc"),
    "a length with an underscore": _put(b"Content-Length: 1_0", body=b"0123456789"),
    "a length in other digits": _put(b"Content-Length: \xb2", body=b"ab"),
    "a huge length": _put(b"Content-Length: " + b"9" * 40),
    "an empty length": _put(b"Content-Length:"),
    "a space before the colon": _put(b"Content-Length : 3", body=b"abc"),
    "a folded header": _put(b"X-A: 1", b" Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    "a folded coding": _put(b"Transfer-Encoding:", b" chunked", body=b"0\r\n\r\n"),
    "a bare LF in the head": b"PUT /b/k HTTP/1.1\r\n" + HOST + b"X: 1\nContent-Length: 3\r\n\r\nabc",
    "a bare CR in the head": b"PUT /b/k HTTP/1.1\r\n" + HOST + b"X: 1\rContent-Length: 3\r\n\r\nabc",
    "lines of LF alone": b"GET /b/k HTTP/1.1\nHost: gateway\n\n",
    "a null in a name": _put(b"Content-Length\x00: 3", body=b"abc"),
    "a null in a value": _put(b"X: a\x00b"),
    "two codings": _put(b"Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n"),
    "the coding twice": _put(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    "a coding that looks like one": _put(b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n"),
    "a coding after a control": _put(b"Transfer-Encoding: \x0bchunked", body=b"0\r\n\r\n"),
    "a coding with a parameter": _put(b"Transfer-Encoding: chunked;q=1", body=b"0\r\n\r\n"),
    "chunks in HTTP/1.0": b"PUT /b/k HTTP/1.0\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two hosts": b"GET /b/k HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "a list of hosts": b"GET /b/k HTTP/1.1\r\nHost: a, b\r\n\r\n",
    "a host with a path": b"GET /b/k HTTP/1.1\r\nHost: a/b\r\n\r\n",
    "an empty host": b"GET /b/k HTTP/1.1\r\nHost:\r\n\r\n",
    "another host in the URL": b"GET http://other/b/k HTTP/1.1\r\n" + HOST + b"\r\n",
    "a name in the URL": b"GET http://me@gateway:8002/b/k HTTP/1.1\r\n" + HOST + b"\r\n",
    "a fragment": b"GET /b/k#x HTTP/1.1\r\n" + HOST + b"\r\n",
    "a space in the URL": b"GET /b/k HTTP/1.1 HTTP/1.1\r\n" + HOST + b"\r\n",
    "a tunnel": b"CONNECT gateway:8002 HTTP/1.1\r\n" + HOST + b"\r\n",
    "an upgrade": b"GET / HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
    "HTTP/2's preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a chunk with a sign": _chunked(b"+3\r\nabc\r\n0\r\n\r\n"),
    "a chunk with 0x": _chunked(b"0x3\r\nabc\r\n0\r\n\r\n"),
    "a chunk with an underscore": _chunked(b"1_0\r\n0123456789012345\r\n0\r\n\r\n"),
    "a negative chunk": _chunked(b"-1\r\nabc\r\n0\r\n\r\n"),
    "a chunk after a space": _chunked(b" 3\r\nabc\r\n0\r\n\r\n"),
    "a chunk before a space": _chunked(b"3 \r\nabc\r\n0\r\n\r\n"),
    "a chunk of all numbers": _chunked(b"f" * 17 + b"\r\nabc\r\n0\r\n\r\n"),
    "a chunk without a size": _chunked(b";a=b\r\nabc\r\n0\r\n\r\n"),
    "a chunk's line ended by LF": _chunked(b"3\nabc\n0\n\n"),
    "a chunk ended by LF": _chunked(b"3\r\nabc\n0\r\n\r\n"),
    "a chunk longer than it says": _chunked(b"3\r\nabcd\r\n0\r\n\r\n"),
    "an extension with LF": _chunked(b"3;a\nb\r\nabc\r\n0\r\n\r\n"),
    "an extension with a null": _chunked(b"3;a\x00\r\nabc\r\n0\r\n\r\n"),
    "an endless extension": _chunked(b"3;" + b"a" * 2000),
    "a trailer ended by LF": _chunked(b"0\r\nt: v\n\n" + NEXT),
    "a folded trailer": _chunked(b"0\r\nt: v\r\n w\r\n\r\n"),
    "a trailer without a colon": _chunked(b"0\r\nGET /b/k HTTP/1.1\r\n\r\n"),
    "endless trailers": _chunked(b"0\r\n" + b"t: v\r\n" * 4000),
}

_SPICE = (
    *(
        b"\r\n",
        b"\n",
        b"\r",
        b"\0",
        b" ",
        b"\t",
        b":",
        b";",
        b",",
        b"0",
        b"f" * 16,
        b"-1",
        b"\xff",
        b"\r\n\r\n",
    ),
    *(b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"Host: other\r\n", b"0\r\n\r\n", NEXT),
)


@st.composite
def mutated(draw: st.DrawFn, seeds: st.SearchStrategy[bytes]) -> bytes:
    """Return a seed with a few bytes removed, repeated, replaced or added."""
    data = draw(seeds)
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data)))
        length = draw(st.integers(0, 6))
        put = draw(st.one_of(st.sampled_from(_SPICE), st.binary(max_size=4), st.just(data[at : at + length])))
        data = data[:at] + put + data[at + length * draw(st.integers(0, 1)) :]
    return data


@st.composite
def split(draw: st.DrawFn, data: bytes) -> list[bytes]:
    """Return bytes in pieces, as a network may bring them."""
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=6)))
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]
