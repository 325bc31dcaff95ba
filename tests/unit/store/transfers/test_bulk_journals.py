"""The journal of a transfer, uploads that go on, and lanes."""

import hashlib

import pytest
from awscrt import checksums as crt

from continuum.model.errors import ConflictError
from continuum.model.transfers import Line
from continuum.store.transfers.ends import Described
from continuum.store.transfers.journals import Journal, OpenUpload, list_journals, name_transfer
from continuum.store.transfers.lanes import Crew
from continuum.store.transfers.streaming import Carried, CorruptedError, Meter
from continuum.store.transfers.uploading import Upload

LINE = Line("käse/\U0001f9c0", 10, 5.5, "etag")


def test_a_journal_that_is_opened_again_knows_what_was_written(tmp_path):
    journal = Journal(tmp_path / "t", "continuum bucket copy a b")
    journal.write_done(LINE, "target")
    journal.write_upload(LINE, "upload", 4)
    journal.write_part("upload", 2, "md5", 2**64 - 1)
    journal.close()
    assert list_journals(tmp_path) == [("t", "continuum bucket copy a b")]
    again = Journal(tmp_path / "t")
    assert again.is_resumed
    assert again.find_done(LINE) == "target"
    assert again.find_done(Line("käse/\U0001f9c0", 10, 5.5, "other")) is None
    assert again.find_upload(LINE.key) == OpenUpload(LINE, "upload", 4, {2: ("md5", 2**64 - 1)})
    again.end_upload(LINE.key, "upload")
    assert again.find_upload(LINE.key) is None
    again.remove()
    assert not (tmp_path / "t").exists()


def test_one_process_at_a_time_has_a_journal(tmp_path):
    journal = Journal(tmp_path)
    with pytest.raises(ConflictError, match="another process"):
        Journal(tmp_path)
    journal.close()


def test_the_same_words_name_the_same_transfer():
    assert name_transfer(["copy", "a", "b"]) == name_transfer(["copy", "a", "b"])
    assert name_transfer(["copy", "ab", ""]) != name_transfer(["copy", "a", "b"])


DATA = b"abcdefghij"
PARTS = (DATA[:4], DATA[4:8], DATA[8:])


def carried(data: bytes) -> Carried:
    md5 = hashlib.md5(data).hexdigest()
    return Carried(len(data), md5, crt.crc64nvme(data), md5)


def whole(crc64: int | None) -> Upload:
    upload = Upload(Described(line=LINE, crc64=crc64), "u", 4)
    for part, data in zip(upload.parts, PARTS, strict=True):
        upload.take(part, carried(data).etag, carried(data))
    return upload


def test_parts_that_make_the_source_are_accepted():
    upload = whole(crt.crc64nvme(DATA))
    upload.check_source()
    joined = hashlib.md5(b"".join(hashlib.md5(part).digest() for part in PARTS)).hexdigest()
    upload.check_target(f"{joined}-3")
    with pytest.raises(CorruptedError):
        upload.check_target(f"{'0' * 32}-3")


def test_parts_that_make_something_else_are_refused():
    with pytest.raises(CorruptedError):
        whole(crt.crc64nvme(b"abcdefghiX")).check_source()
    whole(None).check_source()


def test_parts_of_the_right_length_are_not_sent_again():
    known = OpenUpload(LINE, "u", 4, {1: ("0" * 32, 1)})
    there = {1: ("0" * 32, 4), 2: ("1" * 32, 3), 3: ("2" * 32, 2)}
    upload = Upload.resumed(Described(line=LINE), known, there, listed=True)
    assert [part.number for part in upload.missing] == [2]
    assert upload.present_bytes == 6
    assert Upload.resumed(Described(line=LINE), known, {}, listed=False).present_bytes == 4


async def test_work_is_done_once_parts_first_and_an_error_ends_it_all():
    done: list[str] = []
    crew = Crew(Meter(), fixed=1)

    async def do(name: str) -> None:
        done.append(name)
        if name == "a":
            crew.add_parts([lambda: do("a1"), lambda: do("a2")])

    async def plan() -> None:
        for name in ("a", "b"):
            await crew.add(lambda name=name: do(name))

    await crew.run(plan)
    assert done == ["a", "a1", "a2", "b"]

    async def fail() -> None:
        raise ConflictError("no")

    again = Crew(Meter())

    async def plan_failure() -> None:
        while True:
            await again.add(fail)

    with pytest.raises(ConflictError):
        await again.run(plan_failure)
