"""Lists from the real index against a naive model."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from locator_making import Index

from continuum.store.locator.index import uploads
from continuum.store.locator.index.listing import list_objects, list_uploads
from continuum.store.locator.messages import (
    ListObjects,
    ListUploads,
    NoSuchBucketError,
    ObjectPage,
    UploadPage,
)

KEYS = st.text(alphabet="aB/_%é\U0001f600", min_size=1, max_size=5)
PREFIXES = st.text(alphabet="a/_%é", max_size=2)
LISTED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=80)


def expected_lines(keys: set[str], prefix: str, delimiter: str) -> list[str]:
    lines = set()
    for key in keys:
        if key.startswith(prefix):
            cut = key.find(delimiter, len(prefix)) if delimiter else -1
            lines.add(key if cut < 0 else key[: cut + len(delimiter)])
    return sorted(lines, key=lambda line: line.encode())


def all_pages(index: Index, **question: object) -> list[ObjectPage]:
    pages = [list_objects(index.connection, ListObjects(bucket="bucket", **question))]
    while pages[-1].next_after:
        request = ListObjects(bucket="bucket", **{**question, "after": pages[-1].next_after})
        pages.append(list_objects(index.connection, request))
    return pages


@pytest.fixture
def plain_index(tmp_path: Path) -> Iterator[Index]:
    """Without a transaction around: lists begin one of their own."""
    index = Index(tmp_path)
    yield index
    index.close()


def refill(index: Index, keys: set[str], *, with_uploads: bool = False) -> None:
    for table in ("objects", "uploads"):
        index.connection.say(f"DELETE FROM {table}")
    with index.connection.writing():
        for key in keys:
            if with_uploads:
                for _ in range(1 + len(key) % 3):
                    uploads.create_upload(index.connection, index.make_upload(key), now=1.0)
            else:
                index.put(key)


@LISTED
@given(
    keys=st.sets(KEYS, max_size=40),
    prefix=PREFIXES,
    delimiter=st.sampled_from(["", "/", "_", "%"]),
    max_keys=st.integers(1, 7),
)
def test_a_list_holds_exactly_what_has_the_literal_prefix(
    plain_index: Index, keys: set[str], prefix: str, delimiter: str, max_keys: int
) -> None:
    refill(plain_index, keys)
    pages = all_pages(plain_index, prefix=prefix, delimiter=delimiter, max_keys=max_keys)
    lines = [
        line
        for page in pages
        for line in sorted([entry.key for entry in page.entries] + [*page.common_prefixes])
    ]
    assert lines == expected_lines(keys, prefix, delimiter)
    assert all(len(page.entries) + len(page.common_prefixes) == max_keys for page in pages[:-1])


@LISTED
@given(
    keys=st.sets(KEYS, max_size=15),
    prefix=PREFIXES,
    delimiter=st.sampled_from(["", "/"]),
    max_uploads=st.integers(1, 5),
)
def test_a_list_of_uploads_holds_every_upload_once(
    plain_index: Index, keys: set[str], prefix: str, delimiter: str, max_uploads: int
) -> None:
    refill(plain_index, keys, with_uploads=True)
    marker = {"key_marker": "", "upload_id_marker": ""}
    pages: list[UploadPage] = []
    while True:
        request = ListUploads(
            bucket="bucket", prefix=prefix, delimiter=delimiter, max_uploads=max_uploads, **marker
        )
        page = list_uploads(plain_index.connection, request)
        pages.append(page)
        if not page.is_truncated:
            break
        marker = {"key_marker": page.next_key_marker, "upload_id_marker": page.next_upload_id_marker}
    listed = [(upload.key, upload.upload_id) for page in pages for upload in page.uploads]
    assert listed == sorted(set(listed))
    whole = expected_lines(keys, prefix, delimiter)
    assert sorted({key for key, _ in listed} | {p for page in pages for p in page.common_prefixes}) == sorted(
        whole
    )
    plain = [
        key for key in keys if key.startswith(prefix) and not (delimiter and delimiter in key[len(prefix) :])
    ]
    assert len(listed) == sum(1 + len(key) % 3 for key in plain)


def test_a_page_tells_what_s3_shows_of_an_object(plain_index: Index) -> None:
    with plain_index.connection.writing():
        version = plain_index.put("a")
    (entry,) = list_objects(plain_index.connection, ListObjects(bucket="bucket")).entries
    assert (entry.key, entry.etag, entry.size_bytes) == ("a", version.etag, version.size_bytes)
    assert (entry.version_id, entry.modified_at) == (version.version_id, version.modified_at)
    assert (entry.checksum_algorithm, entry.checksum_type) == ("CRC32", "FULL_OBJECT")


@pytest.mark.parametrize("max_keys", [0, -1])
def test_a_page_of_nothing_is_empty_and_the_last(plain_index: Index, max_keys: int) -> None:
    with plain_index.connection.writing():
        plain_index.put("a")
    page = list_objects(plain_index.connection, ListObjects(bucket="bucket", max_keys=max_keys))
    assert page == ObjectPage(entries=(), common_prefixes=())


def test_a_missing_bucket_is_said_to_be_missing(plain_index: Index) -> None:
    with pytest.raises(NoSuchBucketError):
        list_objects(plain_index.connection, ListObjects(bucket="nowhere"))
    with pytest.raises(NoSuchBucketError):
        list_uploads(plain_index.connection, ListUploads(bucket="nowhere"))


def test_a_list_can_start_after_a_key_that_is_not_there(plain_index: Index) -> None:
    with plain_index.connection.writing():
        for key in ("a", "c", "e"):
            plain_index.put(key)
    page = list_objects(plain_index.connection, ListObjects(bucket="bucket", after="b"))
    assert [entry.key for entry in page.entries] == ["c", "e"]
