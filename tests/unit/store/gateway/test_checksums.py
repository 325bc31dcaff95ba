"""Checksums of bodies and of objects in parts."""

import base64
import hashlib
import zlib

import pytest
from botocore.httpchecksum import CrtCrc32cChecksum, CrtCrc64NvmeChecksum
from hypothesis import given
from hypothesis import strategies as st

from continuum.store.errors import S3Error
from continuum.store.gateway.checksums import (
    ALGORITHMS,
    BodyChecksums,
    Declaration,
    check_object_checksum,
    combine_parts,
    parse_declaration,
    parse_upload_checksum,
)

# CRC catalogue: the check value of each is that of b"123456789".
CHECK = b"123456789"
CHECK_VALUES = {
    "crc32": bytes.fromhex("cbf43926"),
    "crc32c": bytes.fromhex("e3069283"),
    "crc64nvme": bytes.fromhex("ae8b14860a799888"),
    "sha1": hashlib.sha1(CHECK).digest(),
    "sha256": hashlib.sha256(CHECK).digest(),
    "sha512": hashlib.sha512(CHECK).digest(),
    "md5": hashlib.md5(CHECK).digest(),
}


def b64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


def checksum(algorithm: str, *pieces: bytes) -> str:
    checksums = BodyChecksums(Declaration(), default=algorithm)
    for piece in pieces:
        checksums.update(memoryview(piece))
    return checksums.finish()[algorithm]


def refusal(call, *args) -> S3Error:
    with pytest.raises(S3Error) as caught:
        call(*args)
    return caught.value


@pytest.mark.parametrize("algorithm", CHECK_VALUES)
def test_every_algorithm_gives_its_published_check_value(algorithm):
    assert checksum(algorithm, CHECK) == b64(CHECK_VALUES[algorithm])
    assert checksum(algorithm, CHECK[:4], CHECK[4:], b"") == b64(CHECK_VALUES[algorithm])


def test_xxhash_gives_its_published_values_of_nothing():
    assert base64.b64decode(checksum("xxhash64")).hex() == "ef46db3751d8e999"
    assert base64.b64decode(checksum("xxhash3")).hex() == "2d06800538d394c2"
    assert base64.b64decode(checksum("xxhash128")).hex() == "99aa06d3014798d86001c324468d497f"


@pytest.mark.parametrize("algorithm", sorted(ALGORITHMS))
def test_a_declared_checksum_is_verified(algorithm):
    good, bad = checksum(algorithm, CHECK), checksum(algorithm, b"else")
    for headers, trailers in (
        ({f"x-amz-checksum-{algorithm}": good}, {}),
        ({"x-amz-trailer": f"x-amz-checksum-{algorithm}"}, {f"x-amz-checksum-{algorithm}": good}),
    ):
        checksums = BodyChecksums(
            parse_declaration({**headers, "x-amz-sdk-checksum-algorithm": algorithm.upper()})
        )
        checksums.update(CHECK)
        assert checksums.finish(trailers) == {algorithm: good}
    for headers, trailers in (
        ({f"x-amz-checksum-{algorithm}": bad}, {}),
        ({"x-amz-trailer": f"x-amz-checksum-{algorithm}"}, {f"x-amz-checksum-{algorithm}": bad}),
    ):
        checksums = BodyChecksums(parse_declaration(headers))
        checksums.update(CHECK)
        assert refusal(checksums.finish, trailers).code == "BadDigest"


def test_content_md5_and_the_signed_hash_are_verified():
    md5, sha256 = b64(hashlib.md5(CHECK).digest()), hashlib.sha256(CHECK).hexdigest()
    for headers, payload_hash, code in (
        ({"content-md5": md5}, sha256, None),
        ({"content-md5": md5}, "UNSIGNED-PAYLOAD", None),
        ({}, sha256.upper(), None),
        ({"content-md5": b64(bytes(16))}, sha256, "BadDigest"),
        ({"content-md5": md5}, "0" * 64, "XAmzContentSHA256Mismatch"),
    ):
        checksums = BodyChecksums(parse_declaration(headers, payload_hash))
        checksums.update(CHECK)
        if code:
            assert refusal(checksums.finish).code == code
        else:
            assert checksums.finish() == {}


def test_a_default_algorithm_is_kept_only_if_none_is_declared():
    checksums = BodyChecksums(Declaration(), default="crc64nvme")
    checksums.update(CHECK)
    assert checksums.finish() == {"crc64nvme": b64(CHECK_VALUES["crc64nvme"])}
    declared = parse_declaration({"x-amz-checksum-crc32": b64(CHECK_VALUES["crc32"])})
    checksums = BodyChecksums(declared, default="crc64nvme")
    checksums.update(CHECK)
    assert checksums.finish() == {"crc32": b64(CHECK_VALUES["crc32"])}


def test_a_trailer_that_was_announced_must_come():
    checksums = BodyChecksums(parse_declaration({"x-amz-trailer": "x-amz-checksum-crc32"}))
    assert refusal(checksums.finish, {}).code == "MalformedTrailerError"


CRC = {"x-amz-checksum-crc32": "AAAAAA=="}


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({**CRC, "x-amz-checksum-sha1": b64(bytes(20))}, "InvalidRequest"),
        ({**CRC, "x-amz-trailer": "x-amz-checksum-sha1"}, "InvalidRequest"),
        ({"x-amz-checksum-crc32": "AAAA"}, "InvalidRequest"),
        ({"x-amz-checksum-crc32": "no base64"}, "InvalidRequest"),
        ({"x-amz-checksum-crc32": "ÄÄÄÄÄÄ=="}, "InvalidRequest"),
        ({"x-amz-checksum-rot13": "AAAA"}, "InvalidRequest"),
        ({"x-amz-trailer": "x-amz-checksum-rot13"}, "InvalidRequest"),
        ({"x-amz-sdk-checksum-algorithm": "ROT13", **CRC}, "InvalidRequest"),
        ({"x-amz-sdk-checksum-algorithm": "SHA1", **CRC}, "InvalidRequest"),
        ({"x-amz-sdk-checksum-algorithm": "CRC32"}, "InvalidRequest"),
        ({"content-md5": "AAAA"}, "InvalidDigest"),
        ({"content-md5": "no base64"}, "InvalidDigest"),
    ],
)
def test_declarations_that_cannot_be_are_refused(headers, code):
    assert refusal(parse_declaration, headers).code == code


def test_headers_that_only_look_like_checksums_are_none():
    headers = {
        "x-amz-checksum-mode": "ENABLED",
        "x-amz-checksum-type": "COMPOSITE",
        "x-amz-trailer": "x-other",
    }
    assert parse_declaration(headers) == Declaration()


def test_botocores_own_checksums_are_ours():
    for algorithm, oracle in (("crc32c", CrtCrc32cChecksum), ("crc64nvme", CrtCrc64NvmeChecksum)):
        computed = oracle()
        computed.update(CHECK)
        assert computed.b64digest() == checksum(algorithm, CHECK)


# ---- objects in parts ----

parts = st.lists(st.binary(max_size=200), min_size=1, max_size=6)


@given(st.sampled_from(["crc32", "crc32c", "crc64nvme"]), parts)
def test_the_crc_of_an_object_comes_from_those_of_its_parts(algorithm, pieces):
    values = [(checksum(algorithm, piece), len(piece)) for piece in pieces]
    assert combine_parts(algorithm, "FULL_OBJECT", values) == checksum(algorithm, b"".join(pieces))


def test_crcs_of_parts_of_gibibytes_are_combined():
    zeros = bytes(1 << 20)
    whole = 0
    for _ in range(64):
        whole = zlib.crc32(zeros, whole)
    half = [(b64(whole.to_bytes(4, "big")), 64 << 20)] * 2
    again = whole
    for _ in range(64):
        again = zlib.crc32(zeros, again)
    assert combine_parts("crc32", "FULL_OBJECT", half) == b64(again.to_bytes(4, "big"))


@pytest.mark.parametrize("algorithm", ["crc32", "crc32c", "sha1", "sha256"])
def test_a_composite_checksum_is_that_of_the_digests_and_tells_how_many(algorithm):
    pieces = [b"first", b"second", b"third"]
    values = [(checksum(algorithm, piece), len(piece)) for piece in pieces]
    digests = b"".join(base64.b64decode(value) for value, _ in values)
    assert combine_parts(algorithm, "COMPOSITE", values) == f"{checksum(algorithm, digests)}-3"


def test_a_hash_of_a_whole_object_cannot_come_from_its_parts():
    assert refusal(combine_parts, "sha256", "FULL_OBJECT", []).code == "InvalidRequest"


@pytest.mark.parametrize(
    ("algorithm", "kind", "expected"),
    [
        ("", "", ("", "")),
        ("CRC32", "", ("crc32", "COMPOSITE")),
        ("CRC32", "FULL_OBJECT", ("crc32", "FULL_OBJECT")),
        ("CRC32C", "COMPOSITE", ("crc32c", "COMPOSITE")),
        ("CRC64NVME", "", ("crc64nvme", "FULL_OBJECT")),
        ("CRC64NVME", "FULL_OBJECT", ("crc64nvme", "FULL_OBJECT")),
        ("SHA1", "", ("sha1", "COMPOSITE")),
        ("SHA256", "COMPOSITE", ("sha256", "COMPOSITE")),
    ],
)
def test_an_upload_has_the_checksum_type_that_s3_would_choose(algorithm, kind, expected):
    headers = {"x-amz-checksum-algorithm": algorithm, "x-amz-checksum-type": kind}
    assert parse_upload_checksum({name: value for name, value in headers.items() if value}) == expected


@pytest.mark.parametrize(
    ("algorithm", "kind"),
    [
        ("", "COMPOSITE"),
        ("ROT13", ""),
        ("CRC64NVME", "COMPOSITE"),
        ("SHA256", "FULL_OBJECT"),
        ("CRC32", "OTHER"),
    ],
)
def test_checksum_types_that_cannot_be_are_refused(algorithm, kind):
    headers = {"x-amz-checksum-algorithm": algorithm, "x-amz-checksum-type": kind}
    assert refusal(parse_upload_checksum, headers).code == "InvalidRequest"


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, None),
        ({"x-amz-checksum-crc32": "AAAAAA==-2"}, None),
        ({"x-amz-checksum-crc32": "AAAAAA=="}, None),
        ({"x-amz-checksum-type": "COMPOSITE"}, None),
        ({"x-amz-checksum-type": "FULL_OBJECT"}, "InvalidRequest"),
        ({"x-amz-checksum-crc32": "AAAAAQ==-2"}, "BadDigest"),
        ({"x-amz-checksum-sha1": "AAAAAA=="}, "InvalidRequest"),
    ],
)
def test_what_a_completion_says_of_the_object_must_hold(headers, code):
    arguments = headers, "crc32", "COMPOSITE", "AAAAAA==-2"
    if code is None:
        check_object_checksum(*arguments)
    else:
        assert refusal(check_object_checksum, *arguments).code == code
