"""Where a run's data lies."""

import fcntl
import os
import stat
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given

from continuum.model.errors import InvalidInputError, UnavailableError
from continuum.workflow.folders import DataFolder, RunFolder, file_name_of, has_room, sweep


@pytest.fixture
def folder(tmp_path):
    folder = RunFolder("run-1", disk=tmp_path / "disk", memory=tmp_path / "memory")
    yield folder
    folder.close()


def test_a_datum_is_written_found_read_and_removed(folder):
    assert folder.find("d1") is None
    assert folder.write("d1", [b"abc", bytearray(b"def"), memoryview(b"g")]) == 7
    assert folder.read("d1") == b"abcdefg"
    assert folder.size_bytes("d1") == 7
    folder.remove("d1")
    folder.remove("d1")
    assert folder.read("d1") is None


def test_workers_see_the_same_data(folder):
    other = DataFolder(folder.places)
    folder.write("d1", [b"x"])
    assert other.read("d1") == b"x"


def test_a_file_is_adopted_by_renaming_and_becomes_read_only(folder):
    file = folder.work / "result"
    file.write_bytes(b"x" * 100)
    assert folder.adopt("f1", file) == 100
    assert not file.exists()
    assert stat.S_IMODE(Path(folder.find("f1")).stat().st_mode) == 0o444


def test_a_file_of_the_driver_is_taken_without_touching_it(folder, tmp_path):
    file = tmp_path / "input.txt"
    file.write_text("mine")
    mode = file.stat().st_mode
    assert folder.link("f1", file) == 4
    assert folder.read("f1") == b"mine"
    assert file.stat().st_mode == mode
    folder.remove("f1")
    assert file.read_text() == "mine"


@given(st.text(min_size=1, max_size=16))  # of four bytes each, quoted as three: within the bound
def test_any_name_of_a_datum_is_a_harmless_file_name(text):
    name = file_name_of(text)
    assert "/" not in name
    assert "\0" not in name
    assert name not in {".", ".."}
    assert name.isascii()


def test_a_name_beyond_measure_is_refused():
    with pytest.raises(InvalidInputError):
        file_name_of("x" * 500)


def test_a_name_cannot_lead_out_of_the_folder(folder):
    folder.write("../../escape", [b"x"])
    assert folder.read("../../escape") == b"x"
    assert not list(folder.places[0].parent.glob("escape*"))


def test_folders_are_private_and_gone_after_close(tmp_path):
    folder = RunFolder("run-1", disk=tmp_path / "disk")
    assert all(stat.S_IMODE(place.stat().st_mode) == 0o700 for place in folder.places)
    folder.write("d1", [b"x" * 10])
    (folder.work / "locked").mkdir(mode=0o500)
    folder.close()
    assert not any(place.exists() for place in folder.places)


def test_what_dead_processes_left_is_removed_and_what_lives_stays(tmp_path):
    alive = RunFolder("alive", disk=tmp_path / "disk", memory=None)
    dead = tmp_path / "disk" / "d.dead.1234"
    (dead / "data").mkdir(parents=True)
    (dead / "lock").touch()
    being_made = tmp_path / "disk" / "d.young.1234"
    being_made.mkdir()
    sweep(tmp_path / "disk")
    assert not dead.exists()
    assert being_made.exists()
    assert alive.places[0].exists()
    os.utime(being_made, (0, 0))
    RunFolder("next", disk=tmp_path / "disk", memory=None).close()
    assert not being_made.exists()
    alive.close()


def test_a_lock_of_another_process_is_respected(tmp_path):
    other = tmp_path / "disk" / "d.other.1"
    other.mkdir(parents=True)
    with (other / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        sweep(tmp_path / "disk")
        assert other.exists()
    sweep(tmp_path / "disk")
    assert not other.exists()


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UnavailableError, match="cannot keep data"):
        RunFolder("run-1", disk=tmp_path / "file" / "below", memory=None)


def test_a_symbolic_link_in_place_of_our_folder_is_refused(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "disk").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UnavailableError, match="belongs to somebody else"):
        RunFolder("run-1", disk=tmp_path / "disk", memory=None)


def test_a_datum_goes_to_the_disk_when_memory_turns_out_to_be_full(tmp_path):
    folder = RunFolder("run-1", disk=tmp_path / "disk")
    if len(folder.places) == 1:
        pytest.fail("this machine has no room in /dev/shm: give it some, this must be tested")
    (folder.places[0] / "data").rmdir()  # writing there fails now, as if it were full
    folder.write("d1", [b"x" * 100])
    assert folder.find("d1").startswith(str(tmp_path))
    folder.close()


def test_memory_is_used_to_the_half_only():
    assert not has_room(Path("/dev/shm"), 10**15)
    assert not has_room(Path("/no/such/folder"), 0)


def test_a_folder_that_is_being_made_is_not_taken_for_abandoned(tmp_path, monkeypatch):
    lock = fcntl.flock
    swept = []

    def sweep_first(descriptor, operation):
        if not operation & fcntl.LOCK_NB and not swept:
            swept.append(True)
            sweep(tmp_path)  # as another process that makes a folder at this moment
        lock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", sweep_first)
    folder = RunFolder("run-1", disk=tmp_path, memory=None)
    assert swept
    assert folder.write("d1", [b"abc"]) == 3
    folder.close()
