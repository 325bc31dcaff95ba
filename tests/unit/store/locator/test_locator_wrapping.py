"""Descriptions of encryptions: listed page by page, replaced only where nothing changed meanwhile."""

import msgspec
import pytest
from locator_making import Index

from continuum.store.locator.index import uploads, wrapping
from continuum.store.locator.messages import GetUpload, ListEncrypted, ReplaceEncryption


def list_all(index: Index, *, of_uploads: bool = False, limit: int = 2) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    after, more = "", True
    while more:
        request = ListEncrypted(of_uploads=of_uploads, after=after, limit=limit)
        page = wrapping.list_encrypted(index.connection, request)
        found |= {entry.name: entry.encryption for entry in page.entries}
        after, more = page.next_after, bool(page.next_after)
    return found


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_every_encrypted_version_that_lives_is_listed_once(index: Index, limit: int) -> None:
    for number in range(5):
        index.put(f"key-{number}", encryption=b"" if number % 2 else b"old %d" % number)
    index.put("key-0", encryption=b"newer")
    assert sorted(list_all(index, limit=limit).values()) == [b"newer", b"old 2", b"old 4"]


def test_a_description_is_replaced_and_nothing_else(index: Index) -> None:
    before = index.put(encryption=b"old")
    name = next(iter(list_all(index)))
    items = (ReplaceEncryption(name, b"old", b"new"), ReplaceEncryption("999", b"old", b"new"))
    changed = wrapping.replace_versions_encryption(index.connection, items)
    assert changed == (("bucket", "key"),)
    assert index.look_up() == msgspec.structs.replace(before, encryption=b"new")


def test_what_was_changed_meanwhile_is_left_alone(index: Index) -> None:
    index.put(encryption=b"as somebody else made it")
    name = next(iter(list_all(index)))
    items = (ReplaceEncryption(name, b"old", b"new"),)
    assert wrapping.replace_versions_encryption(index.connection, items) == ()
    assert index.look_up().encryption == b"as somebody else made it"


def test_uploads_under_way_are_treated_alike(index: Index) -> None:
    made = index.make_upload()
    upload = msgspec.structs.replace(made.upload, encryption=b"old")
    request = msgspec.structs.replace(made, upload=upload)
    uploads.create_upload(index.connection, request, now=index.now)
    assert list_all(index, of_uploads=True) == {upload.upload_id: b"old"}
    items = (
        ReplaceEncryption(upload.upload_id, b"old", b"new"),
        ReplaceEncryption("other", b"old", b"new"),
    )
    assert wrapping.replace_uploads_encryption(index.connection, items) == 1
    found, _ = uploads.get_upload(
        index.connection, GetUpload(bucket="bucket", key="key", upload_id=upload.upload_id)
    )
    assert found.encryption == b"new"
