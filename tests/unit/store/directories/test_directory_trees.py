"""A tree of files against a dictionary: what is published is found, listed in order, gone when deleted."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from continuum.model.errors import ConflictError, InvalidInputError
from continuum.store.directories.disks import telling_full
from continuum.store.directories.listing import Lister
from continuum.store.directories.notes import ATTRIBUTE
from continuum.store.directories.trees import OWN, Tree
from continuum.store.directories.uploads import Uploads
from continuum.store.errors import S3Error

KEYS = st.sampled_from(
    [
        *("a", "a/", "a/b", "a/b/c", "a.txt", "a0", "a//b", "..", "../x", "/", "b/..", "é/ü", "e\u0301"),
        *("A", "x" * 300, f"{'y' * 255}/z", "a\nb", "\x01", "%2e", "a=", "z/z/z/z", "a/b/", "~"),
    ]
)
COMMANDS = st.lists(
    st.tuples(st.sampled_from(["put", "put", "delete"]), KEYS, st.binary(max_size=5)), max_size=25
)


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Tree]:
    made = Tree(tmp_path)
    made.open()
    made.make_bucket("bucket")
    yield made
    made.close()


def put(tree: Tree, key: str, data: bytes, **headers: str) -> str:
    with tree.written() as (descriptor, name):
        os.write(descriptor, data)
        etag = hashlib.md5(data, usedforsecurity=False).hexdigest()
        return tree.publish(descriptor, name, "bucket", key, etag=etag, headers=headers).etag


def read(tree: Tree, key: str) -> bytes | None:
    try:
        file = tree.find("bucket", key)
    except S3Error:
        return None
    data = os.pread(file.descriptor, 1000, 0)
    file.close()
    return data


def list_all(
    tree: Tree, *, page: int = 1000, prefix: str = "", delimiter: str = ""
) -> tuple[list[str], list[str]]:
    lister, after = Lister(tree), ""
    keys: list[str] = []
    prefixes: list[str] = []
    while True:
        found = lister.list_page("bucket", prefix=prefix, after=after, delimiter=delimiter, max_keys=page)
        keys += [entry.key for entry in found.entries]
        prefixes += found.common_prefixes
        after = found.next_after
        if not after:
            return keys, prefixes


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(COMMANDS, st.integers(1, 7), st.sampled_from(["", "a", "a/", "a/b", "é", "x", "nothing"]))
def test_files_are_what_a_dictionary_is(
    tree: Tree, commands: list[tuple[str, str, bytes]], page: int, prefix: str
) -> None:
    tree.delete("bucket", list_all(tree)[0])
    model: dict[str, bytes] = {}
    for command, key, data in commands:
        if command == "put":
            put(tree, key, data)
            model[key] = data
        else:
            tree.delete("bucket", [key])
            model.pop(key, None)
        assert read(tree, key) == model.get(key)
    assert {key: read(tree, key) for key in model} == model
    ordered = sorted((key for key in model if key.startswith(prefix)), key=str.encode)
    assert list_all(tree, page=page, prefix=prefix) == (ordered, [])
    plain = [key for key in ordered if "/" not in key[len(prefix) :]]
    common = {prefix + key[len(prefix) :].partition("/")[0] + "/" for key in ordered if key not in plain}
    assert list_all(tree, page=page, prefix=prefix, delimiter="/") == (plain, sorted(common, key=str.encode))


def test_an_object_keeps_etag_and_headers_until_somebody_writes_into_its_file(
    tree: Tree, tmp_path: Path
) -> None:
    etag = put(tree, "a/b", b"data", **{"content-type": "text/plain", "x-amz-meta-who": "me"})
    found = tree.find("bucket", "a/b")
    assert (found.found.etag, found.found.headers["x-amz-meta-who"]) == (etag, "me")
    assert found.is_unchanged()
    with (tmp_path / "bucket/a/b").open("ab") as file:
        file.write(b"more")
    assert not found.is_unchanged()
    found.close()
    after = tree.find("bucket", "a/b")
    assert after.found.etag != etag
    assert after.found.etag.endswith("-0")
    assert after.found.headers == {}
    after.close()


def test_without_attributes_of_files_notes_are_files(
    tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("continuum.store.directories.notes.os.setxattr", refuse)
    for data in (b"one", b"two"):
        etag = put(tree, "key", data, **{"content-type": "text/plain"})
        found = tree.find("bucket", "key")
        assert (found.found.etag, found.found.headers) == (etag, {"content-type": "text/plain"})
        assert ATTRIBUTE not in os.listxattr(found.descriptor)
        found.close()
    notes = [path for path in (tmp_path / OWN / "notes").rglob("*") if path.is_file()]
    assert len(notes) == 1  # the replaced one's is gone
    tree.delete("bucket", ["key"])
    assert not [path for path in (tmp_path / OWN / "notes").rglob("*") if path.is_file()]


def test_links_are_never_followed_and_what_is_no_file_is_skipped_by_name(
    tree: Tree, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    bucket = tmp_path / "bucket"
    (bucket / "to-file").symlink_to(outside / "secret")
    (bucket / "to-folder").symlink_to(outside)
    os.mkfifo(bucket / "pipe")
    (bucket / os.fsdecode(b"not-\xff-text")).write_text("x")
    (bucket / "good").write_text("good")
    for key in ("to-file", "to-folder/secret", "pipe", "../secret", "/secret"):
        assert read(tree, key) is None
    assert list_all(tree) == (["good"], [])
    for name in ("to-file", "to-folder", "pipe", "not-"):
        assert name in caplog.text
    put(tree, "to-folder/secret", b"ours")  # lies elsewhere, and the link stays
    put(tree, "to-file", b"ours")
    assert (outside / "secret").read_text() == "secret"
    assert (bucket / "to-file").is_symlink()
    assert read(tree, "to-folder/secret") == read(tree, "to-file") == b"ours"
    tree.delete("bucket", ["to-folder/secret", "to-file"])
    assert (bucket / "to-file").is_symlink()
    assert (outside / "secret").read_text() == "secret"


def test_a_folder_has_one_server(tree: Tree, tmp_path: Path) -> None:
    with pytest.raises(ConflictError):
        Tree(tmp_path).open()


def test_what_a_crash_left_of_writes_is_removed_at_the_next_start(tmp_path: Path) -> None:
    tree = Tree(tmp_path)
    tree.open()
    tree.make_bucket("bucket")
    tree.close()
    (tmp_path / OWN / "tmp" / "begun").write_bytes(b"half")
    again = Tree(tmp_path)
    again.open()
    assert list_all(again) == ([], [])
    assert not list((tmp_path / OWN / "tmp").iterdir())
    again.close()


def test_a_file_system_that_takes_two_names_for_one_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "exists", lambda _: True)
    with pytest.raises(InvalidInputError, match="for one name"):
        Tree(tmp_path).open()


def test_a_full_disk_is_told(tree: Tree) -> None:
    with pytest.raises(S3Error, match="full"), telling_full(tree.path):
        raise OSError(28, "No space left on device")
    tree._min_free_bytes = 1 << 60
    with pytest.raises(S3Error, match="full"):
        tree.check_space(1)


class TestUploads:
    """Parts in any order, of any size, sent again; with the object's ETag as S3 computes it."""

    @settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        st.lists(st.tuples(st.integers(1, 6), st.binary(max_size=9)), min_size=1, max_size=12),
        st.booleans(),
    )
    def test_the_object_is_the_parts_one_after_another(
        self, tree: Tree, sent: list[tuple[int, bytes]], restarts: bool
    ) -> None:
        uploads = Uploads(tree)
        upload = uploads.create("bucket", "whole", {"content-type": "text/plain"})
        model: dict[int, bytes] = {}
        for index, (number, data) in enumerate(sent):
            if restarts and index % 4 == 3:
                uploads = Uploads(tree)
            self.send(uploads, upload.upload_id, number, data)
            model[number] = data
        parts = uploads.parts(upload)
        assert [(part.number, part.size_bytes) for part in parts] == [
            (n, len(model[n])) for n in sorted(model)
        ]
        found = uploads.complete(upload, [(part.number, part.etag) for part in parts])
        assert read(tree, "whole") == b"".join(model[number] for number in sorted(model))
        assert found.etag.endswith(f"-{len(model)}")
        with pytest.raises(S3Error):
            uploads.get("bucket", "whole", upload.upload_id)

    @staticmethod
    def send(uploads: Uploads, upload_id: str, number: int, data: bytes) -> None:
        slot = uploads.begin_part(uploads.get("bucket", "whole", upload_id), number, len(data))
        os.pwrite(slot.descriptor, data, slot.start)
        uploads.finish_part(slot, hashlib.md5(data, usedforsecurity=False).hexdigest(), len(data))
        os.close(slot.descriptor)

    def test_equal_parts_become_the_object_without_being_copied(
        self, tree: Tree, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: object) -> None:
            raise AssertionError("copied")

        monkeypatch.setattr("continuum.store.directories.uploads.copy_bytes", refuse)
        uploads = Uploads(tree)
        upload = uploads.create("bucket", "whole", {})
        for number, data in ((3, b"3333"), (1, b"1111"), (4, b"4"), (2, b"2222")):
            self.send(uploads, upload.upload_id, number, data)
        uploads.complete(upload, [(part.number, part.etag) for part in uploads.parts(upload)])
        assert read(tree, "whole") == b"1111222233334"

    def test_a_part_that_is_still_being_written_cannot_reach_the_object(self, tree: Tree) -> None:
        uploads = Uploads(tree)
        upload = uploads.create("bucket", "whole", {})
        self.send(uploads, upload.upload_id, 1, b"1111")
        late = uploads.begin_part(upload, 2, 4)
        uploads.complete(upload, [(part.number, part.etag) for part in uploads.parts(upload)])
        os.pwrite(late.descriptor, b"late", late.start)
        os.close(late.descriptor)
        assert read(tree, "whole") == b"1111"
        with pytest.raises(S3Error):
            uploads.begin_part(upload, 3, 4)

    def test_a_wrong_or_missing_part_is_refused(self, tree: Tree) -> None:
        uploads = Uploads(tree)
        upload = uploads.create("bucket", "whole", {})
        self.send(uploads, upload.upload_id, 1, b"1111")
        for wanted in ((1, "0" * 32), (2, "0" * 32)):
            with pytest.raises(S3Error) as caught:
                uploads.complete(upload, [wanted])
            assert caught.value.code == "InvalidPart"
        uploads.abort(upload)
        with pytest.raises(S3Error):
            uploads.get("bucket", "whole", upload.upload_id)
