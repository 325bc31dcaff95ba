"""`aws-chunked` bodies against AWS's published example, hand-made ones, and any split of their bytes."""

import hashlib
import hmac

import pytest
from http_corpus import mutated, split
from hypothesis import given
from hypothesis import strategies as st

from continuum.store.authorizations import (
    STREAMING_SIGNED,
    STREAMING_SIGNED_TRAILER,
    STREAMING_UNSIGNED_TRAILER,
)
from continuum.store.errors import S3Error
from continuum.store.gateway.chunks import MAX_LINE_BYTES, ChunkDecoder, open_decoder
from continuum.store.signing import EMPTY_SHA256, VerifiedRequest, signing_key

AWS_SECRET_KEY = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
AWS_SEED = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
AWS_CHUNKS = (
    (65536, "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"),
    (1024, "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497"),
    (0, "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"),
)
AWS_TRAILER_SEED = "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e"
AWS_TRAILER_CHUNKS = (
    (65536, "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2"),
    (1024, "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7"),
    (0, "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992"),
)
AWS_TRAILER_SIGNATURE = "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435"


def verified_request(payload_hash: str, seed: str = AWS_SEED) -> VerifiedRequest:
    return VerifiedRequest(
        access_key="AKIAIOSFODNN7EXAMPLE",
        signing_key=signing_key(AWS_SECRET_KEY, "20130524", "us-east-1"),
        seed_signature=seed,
        scope="20130524/us-east-1/s3/aws4_request",
        timestamp="20130524T000000Z",
        payload_hash=payload_hash,
    )


def decoder(payload_hash: str, length: int, *trailers: str, seed: str = AWS_SEED) -> ChunkDecoder:
    headers = {"x-amz-decoded-content-length": str(length), "x-amz-trailer": ", ".join(trailers)}
    opened = open_decoder(verified_request(payload_hash, seed), headers)
    assert opened is not None
    return opened


def decode(opened: ChunkDecoder, *pieces: bytes) -> tuple[bytes, dict[str, str]]:
    payload = b"".join(bytes(view) for piece in pieces for view in opened.feed(piece))
    return payload, opened.finish()


def refusal(opened: ChunkDecoder, *pieces: bytes) -> str:
    with pytest.raises(S3Error) as caught:
        decode(opened, *pieces)
    return caught.value.code


def aws_body(chunks) -> bytes:
    body = b""
    for size, signature in chunks:
        body += f"{size:x};chunk-signature={signature}\r\n".encode() + b"a" * size + b"\r\n" * bool(size)
    return body


def test_the_signed_body_that_aws_publishes_is_decoded():
    payload, trailers = decode(decoder(STREAMING_SIGNED, 66560), aws_body(AWS_CHUNKS) + b"\r\n")
    assert payload == b"a" * 66560
    assert trailers == {}


@pytest.mark.parametrize("line_end", [b"\r\n", b"\n\r\n"])
def test_the_signed_body_with_a_trailer_that_aws_publishes_is_decoded(line_end):
    body = aws_body(AWS_TRAILER_CHUNKS) + b"x-amz-checksum-crc32c:sOO8/Q==" + line_end
    body += b"x-amz-trailer-signature:" + AWS_TRAILER_SIGNATURE.encode() + b"\r\n\r\n"
    opened = decoder(STREAMING_SIGNED_TRAILER, 66560, "x-amz-checksum-crc32c", seed=AWS_TRAILER_SEED)
    payload, trailers = decode(opened, body)
    assert payload == b"a" * 66560
    assert trailers == {"x-amz-checksum-crc32c": "sOO8/Q=="}


# ---- bodies of our own making, by a second implementation of the format ----


def encode(payload_hash: str, chunks: list[bytes], trailers: dict[str, str], seed: str = AWS_SEED) -> bytes:
    key = signing_key(AWS_SECRET_KEY, "20130524", "us-east-1")
    stamp = "20130524T000000Z\n20130524/us-east-1/s3/aws4_request"
    previous, body = seed, b""

    def signature(kind: str, *hashes: str) -> str:
        text = "\n".join((kind, stamp, previous, *hashes))
        return hmac.new(key, text.encode(), "sha256").hexdigest()

    signed = payload_hash != STREAMING_UNSIGNED_TRAILER
    for chunk in [*chunks, b""]:
        body += b"%x" % len(chunk)
        if signed:
            hashed = hashlib.sha256(chunk).hexdigest()
            previous = signature("AWS4-HMAC-SHA256-PAYLOAD", EMPTY_SHA256, hashed)
            body += b";chunk-signature=" + previous.encode()
        body += b"\r\n" + (chunk + b"\r\n" if chunk else b"")
    body += "".join(f"{name}:{value}\r\n" for name, value in trailers.items()).encode()
    if signed and trailers:
        text = "".join(f"{name}:{value}\n" for name, value in trailers.items())
        hashed = hashlib.sha256(text.encode()).hexdigest()
        body += f"x-amz-trailer-signature:{signature('AWS4-HMAC-SHA256-TRAILER', hashed)}\r\n".encode()
    return body + b"\r\n"


KINDS = [STREAMING_SIGNED, STREAMING_SIGNED_TRAILER, STREAMING_UNSIGNED_TRAILER]
CRC = {"x-amz-checksum-crc32": "AAAAAA=="}
long_chunks = st.lists(st.integers(8192, 20000), max_size=3)


@given(st.sampled_from(KINDS), long_chunks, st.integers(0, 8191), st.booleans(), st.data())
def test_any_split_of_the_bytes_gives_the_same_payload(kind, sizes, last, with_trailer, data):
    payload = hashlib.shake_128(b"payload").digest(sum(sizes) + last)
    chunks, at = [], 0
    for size in [*sizes, *([last] if last else [])]:
        chunks.append(payload[at : at + size])
        at += size
    trailers = CRC if with_trailer and kind != STREAMING_SIGNED else {}
    body = encode(kind, chunks, trailers)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=12)))
    pieces = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    assert decode(decoder(kind, len(payload), *trailers), *pieces) == (payload, trailers)


SPOILED = encode(STREAMING_SIGNED_TRAILER, [b"a" * 8192, b"the rest"], CRC)


@given(mutated(st.just(SPOILED)), st.data())
def test_a_signed_body_that_was_changed_is_refused_or_means_the_same(body, data):
    try:
        found = decode(decoder(STREAMING_SIGNED_TRAILER, 8200, *CRC), *data.draw(split(body)))
    except S3Error:
        return
    assert found == (b"a" * 8192 + b"the rest", CRC)


@pytest.mark.parametrize("kind", KINDS)
def test_a_body_fed_byte_by_byte_is_decoded(kind):
    trailers = {} if kind == STREAMING_SIGNED else CRC
    body = encode(kind, [b"x" * 9000, b"end"], trailers)
    assert decode(decoder(kind, 9003, *trailers), *(body[i : i + 1] for i in range(len(body)))) == (
        b"x" * 9000 + b"end",
        trailers,
    )


def test_the_payload_is_passed_on_without_copies():
    body = encode(STREAMING_UNSIGNED_TRAILER, [b"x" * 9000], CRC)
    views = decoder(STREAMING_UNSIGNED_TRAILER, 9000, *CRC).feed(body)
    assert all(view.obj is body for view in views)


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_body_is_decoded(kind):
    assert decode(decoder(kind, 0), encode(kind, [], {})) == (b"", {})


@pytest.mark.parametrize("kind", KINDS)
def test_a_body_that_ends_too_early_is_incomplete(kind):
    trailers = {} if kind == STREAMING_SIGNED else CRC
    body = encode(kind, [b"x" * 9000], trailers)
    for cut in (0, 3, 5000, len(body) - 100, len(body) - 3):
        assert refusal(decoder(kind, 9000, *trailers), body[:cut]) == "IncompleteBody"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("length", [8999, 9001])
def test_a_body_of_another_length_than_promised_is_refused(kind, length):
    trailers = {} if kind == STREAMING_SIGNED else CRC
    assert (
        refusal(decoder(kind, length, *trailers), encode(kind, [b"x" * 9000], trailers)) == "IncompleteBody"
    )


def test_a_changed_byte_breaks_the_signature_of_its_chunk():
    body = bytearray(encode(STREAMING_SIGNED, [b"x" * 9000, b"y" * 9000], {}))
    body[200] ^= 1
    assert refusal(decoder(STREAMING_SIGNED, 18000), bytes(body)) == "SignatureDoesNotMatch"


def test_chunks_in_another_order_break_the_chain():
    chunks = [b"x" * 9000, b"y" * 9000]
    body = encode(STREAMING_SIGNED, chunks, {})
    size = 4 + len(";chunk-signature=") + 64 + 2 + 9000 + 2
    swapped = body[size : 2 * size] + body[:size] + body[2 * size :]
    assert refusal(decoder(STREAMING_SIGNED, 18000), swapped) == "SignatureDoesNotMatch"


def test_a_changed_trailer_breaks_its_signature():
    body = encode(STREAMING_SIGNED_TRAILER, [b"x"], CRC).replace(b"AAAAAA==", b"AAAAAQ==")
    assert refusal(decoder(STREAMING_SIGNED_TRAILER, 1, *CRC), body) == "SignatureDoesNotMatch"


def test_a_signed_trailer_needs_its_signature():
    body = encode(STREAMING_SIGNED_TRAILER, [b"x"], CRC).split(b"x-amz-trailer-signature")[0] + b"\r\n"
    assert refusal(decoder(STREAMING_SIGNED_TRAILER, 1, *CRC), body) in {
        "IncompleteBody",
        "MalformedTrailerError",
    }


def test_a_signature_may_be_neither_left_out_nor_given_to_an_unsigned_chunk():
    signed, unsigned = (encode(kind, [b"x"], {}) for kind in (STREAMING_SIGNED, STREAMING_UNSIGNED_TRAILER))
    assert refusal(decoder(STREAMING_SIGNED, 1), unsigned) == "InvalidRequest"
    assert refusal(decoder(STREAMING_UNSIGNED_TRAILER, 1), signed) == "InvalidRequest"


@pytest.mark.parametrize(
    "announced", [(), ("x-amz-checksum-crc32c",), ("x-amz-checksum-crc32", "x-amz-checksum-sha1")]
)
def test_trailers_must_be_those_that_were_announced(announced):
    body = encode(STREAMING_UNSIGNED_TRAILER, [b"x"], CRC)
    assert refusal(decoder(STREAMING_UNSIGNED_TRAILER, 1, *announced), body) == "MalformedTrailerError"


@pytest.mark.parametrize(
    "trailer", [b"no colon", b"bad name: x", b": x", b"x-amz-checksum-crc32:a\r\nx-amz-checksum-crc32:b"]
)
def test_trailers_that_are_not_well_formed_are_refused(trailer):
    body = b"0\r\n" + trailer + b"\r\n\r\n"
    assert refusal(decoder(STREAMING_UNSIGNED_TRAILER, 0, *CRC), body) == "MalformedTrailerError"


@pytest.mark.parametrize(
    "body",
    [b"g\r\n", b"\r\n", b"-1\r\n", b"0x1\r\n", b"1", b"1\nx", b"1;chunk-signature=\r\nx\r\n", b"1\r\nxx\r\n"],
)
def test_chunks_that_are_not_well_formed_are_refused(body):
    assert refusal(decoder(STREAMING_UNSIGNED_TRAILER, 1), body) in {"InvalidRequest", "IncompleteBody"}


def test_a_short_chunk_must_be_the_last():
    body = encode(STREAMING_UNSIGNED_TRAILER, [b"x" * 8191, b"y"], {})
    assert refusal(decoder(STREAMING_UNSIGNED_TRAILER, 8192), body) == "InvalidChunkSizeError"


def test_a_chunk_longer_than_any_object_is_refused_at_once():
    opened = decoder(STREAMING_UNSIGNED_TRAILER, 2**50)
    assert refusal(opened, b"ffffffffffff\r\n") == "InvalidChunkSizeError"


@pytest.mark.parametrize("head", [b"", b"0\r\n"])
def test_lines_without_end_are_refused_at_a_bound(head):
    pieces = [head, *([b"1" * 1000] * (MAX_LINE_BYTES // 1000 + 2))]
    assert refusal(decoder(STREAMING_UNSIGNED_TRAILER, 0, *CRC), *pieces) != "IncompleteBody"


def test_trailers_without_end_are_refused_at_a_bound():
    pieces = [b"0\r\n", *(b"x-amz-meta-%d:%s\r\n" % (number, b"v" * 100) for number in range(1000))]
    assert refusal(decoder(STREAMING_UNSIGNED_TRAILER, 0, *CRC), *pieces) == "MalformedTrailerError"


def test_bytes_after_the_end_are_refused():
    body = encode(STREAMING_UNSIGNED_TRAILER, [b"x"], {})
    assert refusal(decoder(STREAMING_UNSIGNED_TRAILER, 1), body + b"GET / HTTP/1.1") == "InvalidRequest"


@pytest.mark.parametrize(
    ("length", "code"),
    [(None, "MissingContentLength"), ("-1", "InvalidArgument"), ("1e3", "InvalidArgument")],
)
def test_the_decoded_length_must_be_given(length, code):
    headers = {} if length is None else {"x-amz-decoded-content-length": length}
    with pytest.raises(S3Error) as caught:
        open_decoder(verified_request(STREAMING_UNSIGNED_TRAILER), headers)
    assert caught.value.code == code


def test_other_bodies_need_no_decoder():
    assert open_decoder(verified_request("UNSIGNED-PAYLOAD"), {}) is None
    assert open_decoder(verified_request(EMPTY_SHA256), {}) is None
