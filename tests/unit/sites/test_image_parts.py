"""The parts of images: Debian packages unpacked without dpkg, layers, archives."""

import gzip
import io
import json
import lzma
import os
import tarfile
from pathlib import Path

import pytest

from continuum.model.errors import InvalidInputError, UnavailableError
from continuum.sites import BuildOptions, build_image
from continuum.sites.images import debian, layers, layouts, roots
from continuum.sites.images.layouts import ImageConfig, Layer, RootFileSystem, RunConfig
from continuum.sites.images.wheels import name_interpreter

CONTROL = "Package: tiny\nVersion: 1:2.0-1\nArchitecture: amd64\nDescription: tiny\n"


def test_a_layer_depends_on_names_contents_and_executability_alone(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "a-longer-second"
    for folder, umask in ((first, 0o022), (second, 0o077)):
        before = os.umask(umask)
        for name in ("b/x", "a") if folder is first else ("a", "b/x"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(name)
        (folder / "link").symlink_to("a")
        (folder / "a").chmod(0o755)
        os.umask(before)
        os.utime(folder / "a", (1, umask))
    one, other = (layers.write_layer(folder, folder.with_suffix(".gz")) for folder in (first, second))
    assert one == other
    assert first.with_suffix(".gz").read_bytes() == second.with_suffix(".gz").read_bytes()
    with tarfile.open(first.with_suffix(".gz")) as archive:
        assert [(e.name, e.mode, e.uid) for e in archive] == [
            ("a", 0o755, 0),
            ("b", 0o755, 0),
            ("b/x", 0o644, 0),
            ("link", 0o777, 0),
        ]


def test_a_layer_changes_with_one_byte(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "a").write_text("1")
    before = layers.write_layer(tmp_path / "f", tmp_path / "1.gz")
    (tmp_path / "f" / "a").write_text("2")
    assert layers.write_layer(tmp_path / "f", tmp_path / "2.gz")["digest"] != before["digest"]


def test_a_package_is_unpacked_beneath_usr_without_what_is_left_out(tmp_path: Path) -> None:
    package = tmp_path / "tiny.deb"
    package.write_bytes(
        _make_package(
            {"./bin/tiny": "#!", "./usr/share/man/man1/tiny.1": "x", "./usr/share/doc/t/copyright": "c"}
        )
    )
    control = debian.unpack_package(package, tmp_path / "root", roots.is_left_out)
    assert control == CONTROL
    found = sorted(
        str(e.relative_to(tmp_path / "root")) for e in (tmp_path / "root").rglob("*") if e.is_file()
    )
    assert found == ["usr/bin/tiny", "usr/share/doc/t/copyright"]


def test_a_package_cannot_write_beside_its_root(tmp_path: Path) -> None:
    package = tmp_path / "evil.deb"
    package.write_bytes(_make_package({"./usr/../../evil": "x"}))
    with pytest.raises(InvalidInputError):
        debian.unpack_package(package, tmp_path / "root", lambda _: False)
    assert not (tmp_path / "evil").exists()


def test_a_package_that_is_not_the_locked_one_is_not_taken(tmp_path: Path) -> None:
    pool = tmp_path / "pool"
    pool.mkdir()
    (pool / "tiny.deb").write_bytes(_make_package({"./bin/tiny": "changed"}))
    package = debian.DebianPackage(
        use="base", name="tiny", version="1", size_bytes=1, sha256="0" * 64, path="pool/tiny.deb"
    )
    lock = debian.DebianLock(snapshot="", packages=(package,))
    with pytest.raises(UnavailableError, match="not the locked content"):
        debian.fetch_package(package, lock, tmp_path / "cache", mirror=tmp_path.as_uri())
    assert not (tmp_path / "cache").exists()


def test_the_lock_of_the_project_can_be_read_and_names_pip_as_a_tool() -> None:
    text = Path(debian.__file__).with_name("debian.lock").read_text()
    lock = debian.parse_lock(text)
    assert [each.name for each in lock.packages if each.use == "tool"] == ["python3-pip-whl"]
    assert {"libc6", "python3.11-minimal"} <= {each.name for each in lock.packages}


@pytest.mark.parametrize("line", ["base libc6 2.36", "base ../x 1 1 " + "0" * 64 + " pool/x.deb", "else"])
def test_a_wrong_line_of_the_lock_is_named(line: str) -> None:
    with pytest.raises(InvalidInputError, match="line 2"):
        debian.parse_lock(f"snapshot 20260101T000000Z\n{line}\n")


def test_an_archive_tells_what_was_put_into_it(tmp_path: Path) -> None:
    digest = _write_archive(tmp_path, tmp_path / "image.tar")
    found = layouts.check_archive(tmp_path / "image.tar")
    assert (found.name, found.digest, found.architecture) == ("localhost/tiny:1", digest, "amd64")
    assert [each.title for each in found.layers] == ["only"]
    assert found.run.user == "65532:65532"


def test_an_archive_bears_what_older_tools_read(tmp_path: Path) -> None:
    _write_archive(tmp_path, tmp_path / "image.tar")
    with tarfile.open(tmp_path / "image.tar") as archive:
        names = set(archive.getnames())
        (old,) = json.load(archive.extractfile("manifest.json"))
    assert old["RepoTags"] == ["localhost/tiny:1"]
    assert {old["Config"], *old["Layers"]} <= names


@pytest.mark.parametrize("victim", ["config", "manifest", "layer"])
def test_one_changed_byte_in_an_archive_is_found(tmp_path: Path, victim: str) -> None:
    digest = _write_archive(tmp_path, tmp_path / "image.tar")
    with tarfile.open(tmp_path / "image.tar") as archive:
        manifest = json.load(archive.extractfile(f"blobs/sha256/{digest[7:]}"))
    chosen = {
        "config": manifest["config"]["digest"],
        "manifest": digest,
        "layer": manifest["layers"][0]["digest"],
    }[victim]
    _copy_archive(tmp_path / "image.tar", tmp_path / "bad.tar", spoilt=f"blobs/sha256/{chosen[7:]}")
    with pytest.raises(InvalidInputError):
        layouts.check_archive(tmp_path / "bad.tar")


def test_what_nothing_points_at_is_found(tmp_path: Path) -> None:
    _write_archive(tmp_path, tmp_path / "image.tar")
    with tarfile.open(tmp_path / "image.tar", "a") as archive:
        archive.addfile(tarfile.TarInfo("blobs/sha256/" + "0" * 64))
    with pytest.raises(InvalidInputError, match="nothing in the image points at"):
        layouts.check_archive(tmp_path / "image.tar")


def test_scripts_do_not_tell_where_they_were_made() -> None:
    body = b"# -*- coding: utf-8 -*-\nimport re\n"
    long = b"#!/bin/sh\n'''exec' \"/a/very/long/path/python3.11\" \"$0\" \"$@\"\n' '''\n" + body
    assert name_interpreter(b"#!/home/somebody/python3.11\n" + body) == b"#!/usr/bin/python3\n" + body
    assert name_interpreter(long) == b"#!/usr/bin/python3\n" + body
    assert name_interpreter(b"\x7fELF") == b"\x7fELF"
    assert name_interpreter(b"#!/bin/sh\necho\n") == b"#!/bin/sh\necho\n"


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.tar").write_bytes(gzip.compress(b"x" * 2000))
    with pytest.raises(InvalidInputError):
        layouts.check_archive(tmp_path / "x.tar")


def _write_archive(work: Path, out: Path) -> str:
    (work / "content").mkdir(exist_ok=True)
    (work / "content" / "a").write_text("hello")
    written = layers.write_layer(work / "content", work / "layer.tar.gz")
    layer = Layer(**written, title="only", path=work / "layer.tar.gz")
    config = ImageConfig(
        architecture="amd64",
        os="linux",
        created=layouts.CREATED,
        config=RunConfig(user="65532:65532", env=("A=b",), entrypoint=("/a",), working_dir="/", labels={}),
        rootfs=RootFileSystem(diff_ids=(layer.diff_id,)),
        history=({"comment": "only"},),
    )
    return layouts.write_archive(out, "localhost/tiny:1", config, [layer])


def _copy_archive(source: Path, target: Path, *, spoilt: str) -> None:
    with tarfile.open(source) as old, tarfile.open(target, "w") as new:
        for member in old:
            data = bytearray(old.extractfile(member).read())
            if member.name == spoilt:
                data[len(data) // 2] ^= 1
            new.addfile(member, io.BytesIO(bytes(data)))


def _make_package(files: dict[str, str]) -> bytes:
    parts = {
        "debian-binary": b"2.0\n",
        "control.tar.xz": _pack({"./control": CONTROL}),
        "data.tar.xz": _pack(files),
    }
    data = b"!<arch>\n"
    for name, part in parts.items():
        data += f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(part):<10}`\n".encode() + part
        data += b"\n" * (len(part) % 2)
    return data


def _pack(files: dict[str, str]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text.encode()))
    return lzma.compress(packed.getvalue())


@pytest.mark.parametrize("name", ["continuum", "continuum:1", "localhost/continuum"])
def test_a_name_that_kubernetes_would_look_for_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        build_image(BuildOptions(out=tmp_path / "x.tar", name=name, cache=tmp_path / "cache"), print)
    assert refused.value.hint == "such as localhost/continuum:0.1.0"
