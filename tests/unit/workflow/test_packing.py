"""Packed directories: the same comes out, equal content gives equal bytes, and nothing hostile gets in."""

import contextlib
import io
import os
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from continuum.model.errors import InvalidInputError
from continuum.workflow.packing import EMPTY, pack, stamp_of_tree, unpack


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "root"
    (root / "a" / "b").mkdir(parents=True)
    (root / "empty").mkdir()
    (root / "a" / "b" / "file").write_bytes(b"content")
    (root / ("long" * 50)).write_text("ünïcode")
    (root / "a" / "link").symlink_to("../a/b")
    (root / "secret").write_text("")
    (root / "secret").chmod(0o600)
    return root


def test_what_is_packed_comes_out(folder, tmp_path):
    size_bytes = pack(folder, tmp_path / "packed")
    assert size_bytes == (tmp_path / "packed").stat().st_size
    unpack(tmp_path / "packed", tmp_path / "again")
    found = sorted(str(path.relative_to(tmp_path / "again")) for path in (tmp_path / "again").rglob("*"))
    assert found == sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))
    assert (tmp_path / "again" / "a" / "link" / "file").read_bytes() == b"content"
    assert (tmp_path / "again" / "secret").stat().st_mode & 0o777 == 0o600


def test_equal_content_gives_equal_bytes(folder, tmp_path):
    pack(folder, tmp_path / "one")
    os.utime(folder / "secret", (1, 1))
    unpack(tmp_path / "one", tmp_path / "copy")
    pack(tmp_path / "copy", tmp_path / "two")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_nothing_is_a_directory_too(tmp_path):
    unpack(EMPTY, tmp_path / "empty")
    assert list((tmp_path / "empty").iterdir()) == []


def test_a_change_anywhere_is_noticed(folder):
    before = stamp_of_tree(folder)
    (folder / "a" / "b" / "file").write_bytes(b"CONTENT")
    os.utime(folder / "a" / "b" / "file", ns=(0, before[0] + 1))
    assert stamp_of_tree(folder) != before


@pytest.mark.parametrize("target", ["/etc/passwd", "../..", "../../x", "a/../../x"])
def test_links_that_lead_out_are_not_packed(tmp_path, target):
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "link").symlink_to(target)
    with pytest.raises(InvalidInputError, match="no link to something inside"):
        pack(tmp_path / "root", tmp_path / "packed")


def archive(*members):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for name, kind, link in members:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, link
            tar.addfile(member)
    return file.getvalue()


FILE, FOLDER, LINK = tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE


@pytest.mark.parametrize(
    "members",
    [
        [("/absolute", FILE, "")],
        [("../out", FILE, "")],
        [("a", FOLDER, ""), ("a/../../out", FILE, "")],
        [("a//b", FILE, "")],
        [("./a", FILE, "")],
        [(".", FOLDER, "")],
        [("missing/file", FILE, "")],
        [("twice", FILE, ""), ("twice", FILE, "")],
        [("link", LINK, "/etc")],
        [("link", LINK, "..")],
        [("link", LINK, "a/../../b")],
        [("link", LINK, "")],
        [("a", FOLDER, ""), ("link", LINK, "a"), ("link/file", FILE, "")],
        [("link", LINK, "a"), ("link", FILE, "")],
        [("hard", tarfile.LNKTYPE, "/etc/passwd")],
        [("pipe", tarfile.FIFOTYPE, "")],
        [("device", tarfile.CHRTYPE, "")],
    ],
)
def test_hostile_archives_are_refused_and_nothing_leaves_the_folder(members, tmp_path):
    with pytest.raises(InvalidInputError, match="packed directory"):
        unpack(archive(*members), tmp_path / "inner")
    assert [path.name for path in tmp_path.iterdir()] == ["inner"]


def test_an_archive_that_leads_in_circles_is_refused(tmp_path):
    whole = bytearray(archive(("a", tarfile.XHDTYPE, ""), ("b", FILE, "")))
    size = b"\xff" + (-1024).to_bytes(11, "big", signed=True)
    whole[124:136] = size
    whole[148:156] = b" " * 8
    whole[148:156] = b"%06o\0 " % sum(whole[:512])
    with pytest.raises(InvalidInputError):
        unpack(bytes(whole), tmp_path / "inner")


@given(data=st.binary(max_size=2000), place=st.integers(0, 3000))
def test_broken_archives_are_refused_or_harmless(tmp_path_factory, data, place):
    whole = archive(("a", FOLDER, ""), ("a/file", FILE, ""), ("link", LINK, "a"))
    broken = whole[:place] + data + whole[place + len(data) :]
    tmp_path = tmp_path_factory.mktemp("broken")
    with contextlib.suppress(InvalidInputError, OSError):
        unpack(broken, tmp_path / "inner")
    assert [path.name for path in tmp_path.iterdir()] == ["inner"]
