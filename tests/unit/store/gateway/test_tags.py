"""Tags as headers and documents bring them."""

import pytest

from continuum.store.errors import S3Error
from continuum.store.gateway.tags import (
    format_tags,
    parse_tagging_header,
    read_bucket_tags,
    read_object_tags,
)


@pytest.mark.parametrize(
    ("header", "tags"),
    [
        ("", {}),
        ("a=1&b=2", {"a": "1", "b": "2"}),
        ("a", {"a": ""}),
        ("a%20b=%C3%A4+%C3%B6", {"a b": "ä ö"}),
        ("k=a%2Bb%3Dc%2F%40.%5F-%3A", {"k": "a+b=c/@._-:"}),
    ],
)
def test_a_header_brings_tags(header: str, tags: dict[str, str]) -> None:
    assert parse_tagging_header({"x-amz-tagging": header}) == tags


def test_ten_tags_of_the_greatest_length_are_taken() -> None:
    tags = [{"Key": f"{number:0128d}", "Value": "v" * 256} for number in range(10)]
    assert len(read_object_tags(tags)) == 10


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("a=1&a=2", "InvalidArgument"),
        ("a=%FF", "InvalidArgument"),
        ("&".join(f"k{number}=v" for number in range(60)), "InvalidArgument"),
        ("&".join(f"k{number}=v" for number in range(11)), "BadRequest"),
        ("=v", "InvalidTag"),
        (f"{'k' * 129}=v", "InvalidTag"),
        (f"k={'v' * 257}", "InvalidTag"),
        ("k=%3Cv%3E", "InvalidTag"),
        ("aws:k=v", "InvalidTag"),
    ],
)
def test_tags_that_s3_does_not_take_are_refused(header: str, code: str) -> None:
    with pytest.raises(S3Error) as refusal:
        parse_tagging_header({"x-amz-tagging": header})
    assert refusal.value.code == code


def test_a_document_may_not_repeat_a_key() -> None:
    with pytest.raises(S3Error) as refusal:
        read_object_tags([{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}])
    assert refusal.value.code == "InvalidTag"


def test_a_bucket_may_have_fifty_tags() -> None:
    tags = [{"Key": str(number), "Value": ""} for number in range(51)]
    assert len(read_bucket_tags(tags[:50])) == 50
    with pytest.raises(S3Error) as refusal:
        read_bucket_tags(tags)
    assert refusal.value.code == "BadRequest"


def test_tags_are_told_in_the_order_of_their_keys() -> None:
    assert format_tags({"b": "2", "a": "1"}) == [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]
