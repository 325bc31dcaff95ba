"""What a folder holds that cannot be objects, before it becomes a store."""

import os
from pathlib import Path

from continuum.store import survey


def test_files_are_counted_and_what_cannot_be_an_object_is_named(tmp_path: Path) -> None:
    (tmp_path / "bucket/deep").mkdir(parents=True)
    (tmp_path / ".continuum").mkdir()
    (tmp_path / ".continuum/lock").touch()
    for name in ("bucket/a", "bucket/deep/b", "bucket/é", "outside", "bucket/c\x01d"):
        (tmp_path / name).touch()
    (tmp_path / "bucket/link").symlink_to("a")
    (tmp_path / os.fsdecode(b"bucket/\xff")).touch()
    found = survey(tmp_path, limit_s=60)
    assert (found.objects, found.skipped, found.is_complete) == (3, 4, True)
    assert dict(found.examples) == {
        "outside": "it is in no folder, so in no bucket",
        "bucket/link": "it is a symbolic link",
        "bucket/\\udcff": "its name is not UTF-8",
        "bucket/c\\x01d": "a list in XML cannot name it",
    }


def test_a_large_folder_is_looked_at_for_a_while_only(tmp_path: Path) -> None:
    (tmp_path / "bucket").mkdir()
    for number in range(3):
        (tmp_path / f"bucket/{number}").touch()
    found = survey(tmp_path, limit_s=-1)
    assert (found.objects, found.is_complete) == (1, False)
