"""Content headers, user metadata and how they are told again."""

import pytest

from continuum.model.objects import Version
from continuum.store.errors import S3Error
from continuum.store.gateway.attributes import format_attributes, parse_attributes


def test_content_headers_and_metadata_are_taken_and_nothing_else() -> None:
    content, metadata = parse_attributes(
        {
            "content-type": "a/b",
            "cache-control": "no-store",
            "x-amz-meta-a": "1",
            "host": "h",
            "x-amz-acl": "private",
        }
    )
    assert (content, metadata) == ({"content-type": "a/b", "cache-control": "no-store"}, {"a": "1"})


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("aws-chunked", None),
        ("AWS-Chunked", None),
        ("gzip", "gzip"),
        ("aws-chunked,gzip", "gzip"),
        ("gzip, aws-chunked", "gzip"),
    ],
)
def test_aws_chunked_is_no_encoding_of_the_object(sent: str, kept: str | None) -> None:
    content, _ = parse_attributes({"content-encoding": sent})
    assert content.get("content-encoding") == kept


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"x-amz-meta-a": "x" * 2048}, "MetadataTooLarge"),
        ({"x-amz-website-redirect-location": "/"}, "NotImplemented"),
    ],
)
def test_what_cannot_be_kept_is_refused(headers: dict[str, str], code: str) -> None:
    with pytest.raises(S3Error) as refusal:
        parse_attributes(headers)
    assert refusal.value.code == code


def test_a_version_is_described_with_the_headers_that_clients_know() -> None:
    version = Version(
        bucket="b",
        key="k",
        version_id="1",
        etag="abc",
        size_bytes=1,
        modified_at=0.0,
        headers={"cache-control": "no-store"},
        metadata={"a": "1"},
        checksums={"crc32": "AAAA"},
        checksum_type="FULL_OBJECT",
    )
    described = format_attributes(version, with_checksums=False)
    assert described == {
        "ETag": '"abc"',
        "Last-Modified": "Thu, 01 Jan 1970 00:00:00 GMT",
        "Accept-Ranges": "bytes",
        "Content-Type": "binary/octet-stream",
        "Cache-Control": "no-store",
        "x-amz-meta-a": "1",
    }
    checked = format_attributes(version, with_checksums=True)
    assert checked["x-amz-checksum-crc32"] == "AAAA"
    assert checked["x-amz-checksum-type"] == "FULL_OBJECT"
