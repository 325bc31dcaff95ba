"""Integrity: every checksum that SDKs send, and bodies sent as `aws-chunked`."""

import base64
import hashlib
import hmac
import io
import time
import zlib

import pytest
from botocore.httpchecksum import AwsChunkedWrapper, Crc32Checksum
from s3_clients import REGION, Answer, RawClient, path_of, refusal

from continuum.store.signing import EMPTY_SHA256, sign, signing_key

pytestmark = pytest.mark.system

BODY = hashlib.shake_128(b"checksummed").digest(150_000)
ALGORITHMS = ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"]


def b64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


def crc32(body: bytes) -> str:
    return b64(zlib.crc32(body).to_bytes(4, "big"))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_checksum_that_boto3_sends_is_kept_and_given_back(edge, cloud, bucket, algorithm):
    name = f"Checksum{algorithm}"
    written = edge.put_object(Bucket=bucket, Key="key", Body=BODY, ChecksumAlgorithm=algorithm)
    for client in (edge, cloud):
        head = client.head_object(Bucket=bucket, Key="key", ChecksumMode="ENABLED")
        assert head[name] == written[name]
        assert head["ChecksumType"] == "FULL_OBJECT"
        got = client.get_object(Bucket=bucket, Key="key", ChecksumMode="ENABLED")
        assert got[name] == written[name]
        assert got["Body"].read() == BODY  # boto3 compares
        assert name not in client.head_object(
            Bucket=bucket, Key="key", ChecksumMode="ENABLED", Range="bytes=0-1"
        )
        entry = client.list_objects_v2(Bucket=bucket)["Contents"][0]
        assert (entry["ChecksumAlgorithm"], entry["ChecksumType"]) == ([algorithm], "FULL_OBJECT")


def test_checksums_are_told_only_to_who_asks(raw: RawClient, edge, bucket):
    edge.put_object(Bucket=bucket, Key="key", Body=BODY, ChecksumAlgorithm="SHA256")
    assert not any("checksum" in name for name in raw.request("GET", path_of(bucket, "key")).headers)


def test_an_object_without_a_declared_checksum_gets_one(raw: RawClient, cloud, bucket):
    assert raw.request("PUT", path_of(bucket, "key"), body=BODY).status == 200
    assert cloud.head_object(Bucket=bucket, Key="key", ChecksumMode="ENABLED")["ChecksumCRC64NVME"]


@pytest.mark.parametrize(
    "headers",
    [
        {"x-amz-checksum-crc32": crc32(b"else")},
        {"x-amz-checksum-sha256": b64(hashlib.sha256(b"else").digest())},
        {"content-md5": b64(hashlib.md5(b"else").digest())},
    ],
)
@pytest.mark.parametrize("size", [10, len(BODY)])
def test_a_body_that_does_not_fit_its_digest_leaves_nothing(raw: RawClient, edge, bucket, headers, size):
    answer = raw.request("PUT", path_of(bucket, "key"), headers=headers, body=BODY[:size])
    assert (answer.status, answer.code) == (400, "BadDigest")
    assert refusal(edge.head_object, Bucket=bucket, Key="key") == ("404", 404)


def test_a_body_that_does_not_fit_the_signed_hash_leaves_nothing(raw: RawClient, edge, bucket):
    edge.put_object(Bucket=bucket, Key="key", Body=b"before")
    answer = raw.request(
        "PUT", path_of(bucket, "key"), body=BODY, payload_hash=hashlib.sha256(b"x").hexdigest()
    )
    assert (answer.status, answer.code) == (400, "XAmzContentSHA256Mismatch")
    assert edge.get_object(Bucket=bucket, Key="key")["Body"].read() == b"before"


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"content-md5": "nonsense"}, "InvalidDigest"),
        ({"x-amz-checksum-crc32": "nonsense"}, "InvalidRequest"),
        ({"x-amz-checksum-rot13": "AAAA"}, "InvalidRequest"),
        ({"x-amz-checksum-crc32": crc32(BODY), "x-amz-checksum-sha1": b64(bytes(20))}, "InvalidRequest"),
        ({"x-amz-sdk-checksum-algorithm": "CRC32"}, "InvalidRequest"),
    ],
)
def test_digests_that_are_none_are_refused(raw: RawClient, bucket, headers, code):
    answer = raw.request("PUT", path_of(bucket, "key"), headers=headers, body=BODY)
    assert (answer.status, answer.code) == (400, code)


# ---- aws-chunked ----

UNSIGNED = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"


class Chunked:
    """A hand-made `aws-chunked` request: the pieces are chunks, the trailer a CRC-32."""

    def __init__(self, raw: RawClient, path: str, kind: str, pieces: list[bytes], **changed: str) -> None:
        self.raw, self.path, self.pieces = raw, path, pieces
        self.trailer = "" if kind == SIGNED else "x-amz-checksum-crc32"
        self.signed = kind != UNSIGNED
        headers = {"host": raw.host, "content-encoding": "aws-chunked"}
        headers["x-amz-decoded-content-length"] = str(sum(len(piece) for piece in pieces))
        if self.trailer:
            headers["x-amz-trailer"] = self.trailer
        headers |= {name.replace("_", "-"): value for name, value in changed.items()}
        now = time.time()
        headers |= sign("PUT", path, "", headers, region=REGION, now=now, payload_hash=kind, **raw.keys)
        self.headers = headers
        self.stamp = headers["x-amz-date"]
        self.previous = headers["authorization"].rpartition("=")[2]

    def signature(self, kind: str, *hashes: str) -> str:
        scope = f"{self.stamp[:8]}/{REGION}/s3/aws4_request"
        text = "\n".join((f"AWS4-HMAC-SHA256-{kind}", self.stamp, scope, self.previous, *hashes))
        key = signing_key(self.raw.keys["secret_key"], self.stamp[:8], REGION)
        self.previous = hmac.new(key, text.encode(), "sha256").hexdigest()
        return self.previous

    def body(self, crc: str = "") -> bytes:
        body = b""
        for piece in [*self.pieces, b""]:
            body += b"%x" % len(piece)
            if self.signed:
                hashed = hashlib.sha256(piece).hexdigest()
                body += b";chunk-signature=" + self.signature("PAYLOAD", EMPTY_SHA256, hashed).encode()
            body += b"\r\n" + (piece + b"\r\n" if piece else b"")
        if self.trailer:
            line = f"{self.trailer}:{crc or crc32(b''.join(self.pieces))}"
            body += f"{line}\r\n".encode()
            if self.signed:
                signature = self.signature("TRAILER", hashlib.sha256(f"{line}\n".encode()).hexdigest())
                body += f"x-amz-trailer-signature:{signature}\r\n".encode()
        return body + b"\r\n"

    def send(self, body: bytes) -> Answer:
        return self.raw.send("PUT", self.path, self.headers, body)


PIECES = [BODY[:65_536], BODY[65_536:131_072], BODY[131_072:]]


@pytest.mark.parametrize("kind", [UNSIGNED, SIGNED, SIGNED_TRAILER])
@pytest.mark.parametrize("pieces", [PIECES, [b"small"], []], ids=["large", "small", "empty"])
def test_chunked_bodies_are_decoded(raw: RawClient, cloud, bucket, kind, pieces):
    chunked = Chunked(raw, path_of(bucket, "key"), kind, pieces)
    answer = chunked.send(chunked.body())
    assert answer.status == 200, answer
    got = cloud.get_object(Bucket=bucket, Key="key", ChecksumMode="ENABLED")
    assert got["Body"].read() == b"".join(pieces)
    assert "ContentEncoding" not in got
    if kind != SIGNED:
        assert got["ChecksumCRC32"] == crc32(b"".join(pieces))


def test_another_encoding_of_a_chunked_body_is_kept(raw: RawClient, cloud, bucket):
    chunked = Chunked(raw, path_of(bucket, "key"), UNSIGNED, PIECES, content_encoding="aws-chunked,gzip")
    assert chunked.send(chunked.body()).status == 200
    assert cloud.head_object(Bucket=bucket, Key="key")["ContentEncoding"] == "gzip"


def spoiled(chunked: Chunked, how: str) -> bytes:
    body = chunked.body(crc32(b"else") if how == "trailer" else "")
    at = {"payload": 300, "last chunk": body.rindex(b"\r\n0") - 5}.get(how)
    return body if at is None else body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]


@pytest.mark.parametrize(
    ("kind", "spoil", "code"),
    [
        (SIGNED, "payload", "SignatureDoesNotMatch"),
        (SIGNED, "last chunk", "SignatureDoesNotMatch"),
        (SIGNED_TRAILER, "payload", "SignatureDoesNotMatch"),
        (SIGNED_TRAILER, "trailer", "BadDigest"),
        (UNSIGNED, "payload", "BadDigest"),
        (UNSIGNED, "last chunk", "BadDigest"),
        (UNSIGNED, "trailer", "BadDigest"),
    ],
)
def test_a_spoiled_chunked_body_leaves_nothing(raw: RawClient, bucket, kind, spoil, code):
    for pieces in (PIECES, [BODY[:9000]]):
        chunked = Chunked(raw, path_of(bucket, "key"), kind, pieces)
        answer = chunked.send(spoiled(chunked, spoil))
        assert (answer.status, answer.code) == ({"SignatureDoesNotMatch": 403}.get(code, 400), code)
        assert raw.request("HEAD", path_of(bucket, "key")).status == 404


def test_a_chunked_body_of_another_length_is_incomplete(raw: RawClient, edge, bucket):
    chunked = Chunked(
        raw, path_of(bucket, "key"), UNSIGNED, PIECES, x_amz_decoded_content_length=str(len(BODY) + 1)
    )
    answer = chunked.send(chunked.body())
    assert (answer.status, answer.code) == (400, "IncompleteBody")
    assert refusal(edge.head_object, Bucket=bucket, Key="key") == ("404", 404)


def test_a_chunked_body_may_come_over_http_chunks(raw: RawClient, cloud, bucket):
    chunked = Chunked(raw, path_of(bucket, "key"), UNSIGNED, PIECES, transfer_encoding="chunked")
    body = chunked.body()
    framed = b"".join(
        b"%x\r\n%b\r\n" % (len(part), part)
        for part in (body[at : at + 1000] for at in range(0, len(body), 1000))
    )
    assert chunked.send(framed + b"0\r\n\r\n").status == 200
    assert cloud.get_object(Bucket=bucket, Key="key")["Body"].read() == BODY


def test_botocores_own_chunked_bodies_are_decoded(raw: RawClient, cloud, bucket):
    wrapped = AwsChunkedWrapper(
        io.BytesIO(BODY), checksum_cls=Crc32Checksum, checksum_name="x-amz-checksum-crc32", chunk_size=65_536
    )
    chunked = Chunked(raw, path_of(bucket, "key"), UNSIGNED, [BODY])
    assert chunked.send(wrapped.read()).status == 200
    assert cloud.get_object(Bucket=bucket, Key="key")["Body"].read() == BODY
