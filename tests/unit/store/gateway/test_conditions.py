"""Conditional headers: RFC 9110's precedence with S3's answers."""

import pytest

from continuum.store.errors import S3Error
from continuum.store.gateway.conditions import (
    WriteConditions,
    check_copy_source,
    check_read,
    matches_etag,
    parse_write_conditions,
)

ETAG = "9bb58f26192e4ba00f01e2e7b136bbd8"
OTHER = "d41d8cd98f00b204e9800998ecf8427e"
MODIFIED_AT = 1_700_000_000.75  # Tue, 14 Nov 2023 22:13:20 GMT and a fraction
BEFORE = "Tue, 14 Nov 2023 22:13:19 GMT"
SAME = "Tue, 14 Nov 2023 22:13:20 GMT"
AFTER = "Tue, 14 Nov 2023 22:13:21 GMT"
ISO_AFTER = "2023-11-14T22:13:21Z"

# conditions without their prefix -> status of a read
READS = [
    ({}, 200),
    ({"match": f'"{ETAG}"'}, 200),
    ({"match": ETAG}, 200),
    ({"match": "*"}, 200),
    ({"match": f'"{OTHER}", "{ETAG}"'}, 200),
    ({"match": f'"{OTHER}"'}, 412),
    ({"none-match": f'"{ETAG}"'}, 304),
    ({"none-match": f'W/"{ETAG}"'}, 304),
    ({"none-match": "*"}, 304),
    ({"none-match": f'"{OTHER}"'}, 200),
    ({"modified-since": BEFORE}, 200),
    ({"modified-since": SAME}, 304),
    ({"modified-since": AFTER}, 304),
    ({"unmodified-since": BEFORE}, 412),
    ({"unmodified-since": SAME}, 200),
    ({"unmodified-since": AFTER}, 200),
    ({"unmodified-since": ISO_AFTER}, 200),
    ({"modified-since": "yesterday", "unmodified-since": "Tue, 99 Foo"}, 200),
    # a tag condition that holds makes the date not count
    ({"match": f'"{ETAG}"', "unmodified-since": BEFORE}, 200),
    ({"none-match": f'"{OTHER}"', "modified-since": AFTER}, 200),
    # If-Match and If-Unmodified-Since come first
    ({"match": f'"{OTHER}"', "none-match": f'"{ETAG}"'}, 412),
    ({"unmodified-since": BEFORE, "none-match": f'"{ETAG}"'}, 412),
    ({"match": f'"{ETAG}"', "none-match": f'"{ETAG}"'}, 304),
    ({"unmodified-since": AFTER, "modified-since": AFTER}, 304),
]


@pytest.mark.parametrize(("conditions", "status"), READS)
def test_the_conditions_of_a_read_are_decided_as_rfc_9110_says(conditions, status):
    headers = {f"if-{name}": value for name, value in conditions.items()}
    if status == 200:
        check_read(headers, ETAG, MODIFIED_AT)
        return
    with pytest.raises(S3Error) as caught:
        check_read(headers, ETAG, MODIFIED_AT)
    assert caught.value.status == status


@pytest.mark.parametrize(("conditions", "status"), READS)
def test_a_copy_whose_source_does_not_fit_is_always_a_412(conditions, status):
    headers = {f"x-amz-copy-source-if-{name}": value for name, value in conditions.items()}
    if status == 200:
        check_copy_source(headers, ETAG, MODIFIED_AT)
        return
    with pytest.raises(S3Error) as caught:
        check_copy_source(headers, ETAG, MODIFIED_AT)
    assert caught.value.code == "PreconditionFailed"


def test_a_304_carries_etag_and_date_and_a_412_names_the_condition():
    with pytest.raises(S3Error) as caught:
        check_read({"if-none-match": "*"}, ETAG, MODIFIED_AT)
    assert caught.value.headers == {"ETag": f'"{ETAG}"', "Last-Modified": SAME}
    with pytest.raises(S3Error) as caught:
        check_read({"if-unmodified-since": BEFORE}, ETAG, MODIFIED_AT)
    assert caught.value.extra == {"Condition": "If-Unmodified-Since"}


def test_the_etags_of_objects_in_parts_match():
    assert matches_etag(f'"{ETAG}-2"', f"{ETAG}-2")
    assert not matches_etag(f'"{ETAG}-2"', ETAG)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, WriteConditions()),
        ({"if-none-match": "*"}, WriteConditions(if_none_match=True)),
        ({"if-none-match": " * "}, WriteConditions(if_none_match=True)),
        ({"if-match": f'"{ETAG}"'}, WriteConditions(if_match=ETAG)),
        ({"if-match": ETAG}, WriteConditions(if_match=ETAG)),
    ],
)
def test_the_conditions_of_a_write_are_read(headers, expected):
    assert parse_write_conditions(headers) == expected


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"if-none-match": f'"{ETAG}"'}, "NotImplemented"),
        ({"if-none-match": "*", "if-match": ETAG}, "NotImplemented"),
        ({"if-modified-since": SAME}, "NotImplemented"),
        ({"if-unmodified-since": SAME}, "NotImplemented"),
        ({"if-match": '""'}, "InvalidArgument"),
        ({"if-match": ""}, "InvalidArgument"),
    ],
)
def test_conditions_that_s3_does_not_know_for_writes_are_refused(headers, code):
    with pytest.raises(S3Error) as caught:
        parse_write_conditions(headers)
    assert caught.value.code == code
