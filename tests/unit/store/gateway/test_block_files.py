"""Blocks as files: what is read is what was written, or it is not there; and which blocks go."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from continuum.model.objects import Version
from continuum.store.gateway.blocks.claims import Claims
from continuum.store.gateway.blocks.contents import Content, describe_content
from continuum.store.gateway.blocks.files import (
    PIECE_BYTES,
    PROBATION_S,
    BlockFiles,
    DamagedBlockError,
)
from continuum.store.gateway.blocks.sweeping import HIGH, LOW, Entry, choose_to_go, sweep

BLOCK = 2 * PIECE_BYTES
CONTENT = Content("ab" * 20, 7, 2 * BLOCK + 5, BLOCK)
DATA = os.urandom(CONTENT.stored_bytes)


def write(files: BlockFiles, block: int, *, on_probation: bool = False) -> Path:
    part = files.begin(CONTENT, block)
    left = memoryview(DATA)[CONTENT.start_of(block) : CONTENT.end_of(block)]
    while left:
        part.write(left[:50_000])
        left = left[50_000:]
    files.publish(part, on_probation=on_probation)
    (path,) = files.folder.glob(f"ab/*.{block}")
    return path


def read(files: BlockFiles, first: int, end: int) -> bytes:
    found = b""
    while first < end:
        block = files.open(CONTENT, CONTENT.find_block(first))
        assert block is not None
        try:
            some = block.read(first, min(end, CONTENT.end_of(block.number)))
        finally:
            block.close()
        assert some
        found += some
        first += len(some)
    return found


@pytest.mark.parametrize(
    ("first", "end"),
    [
        (0, len(DATA)),
        (1, 2),
        (PIECE_BYTES - 1, PIECE_BYTES + 1),
        (BLOCK - 3, BLOCK + 3),
        (2 * BLOCK + 4, 2 * BLOCK + 5),
    ],
)
def test_any_range_of_what_was_written_is_read(tmp_path: Path, first: int, end: int) -> None:
    files = BlockFiles(tmp_path)
    for block in range(3):
        write(files, block)
    assert read(files, first, end) == DATA[first:end]


def test_a_block_is_not_there_before_it_is_whole_nor_after_it_was_removed(tmp_path: Path) -> None:
    files = BlockFiles(tmp_path)
    part = files.begin(CONTENT, 0)
    part.write(memoryview(DATA)[:BLOCK])
    assert files.open(CONTENT, 0) is None
    part.drop()
    assert list((tmp_path / "parts").iterdir()) == []
    write(files, 0)
    assert files.has(CONTENT, 0)
    files.remove(CONTENT, 0)
    assert files.open(CONTENT, 0) is None


def test_a_block_that_is_open_can_be_read_after_it_was_removed(tmp_path: Path) -> None:
    files = BlockFiles(tmp_path)
    write(files, 0)
    block = files.open(CONTENT, 0)
    assert block is not None
    files.remove(CONTENT, 0)
    assert block.read(0, 10) == DATA[:10]
    block.close()


@pytest.mark.parametrize("place", [0, PIECE_BYTES, BLOCK - 1])
def test_a_bit_that_was_lost_is_seen(tmp_path: Path, place: int) -> None:
    files = BlockFiles(tmp_path)
    path = write(files, 0)
    held = bytearray(path.read_bytes())
    held[place] ^= 16
    path.write_bytes(held)
    block = files.open(CONTENT, 0)
    assert block is not None
    with pytest.raises(DamagedBlockError):
        block.read(place, place + 1)
    block.close()


@pytest.mark.parametrize("length", [0, 1, BLOCK, BLOCK + 3])
def test_a_file_that_a_crash_cut_off_is_no_block_and_goes(tmp_path: Path, length: int) -> None:
    files = BlockFiles(tmp_path)
    path = write(files, 0)
    path.write_bytes(path.read_bytes()[:length])
    assert files.open(CONTENT, 0) is None
    assert not path.exists()


def test_a_block_under_the_name_of_another_is_none(tmp_path: Path) -> None:
    files = BlockFiles(tmp_path)
    write(files, 1).rename(tmp_path / "ab" / f"{CONTENT.name}.0")
    assert files.open(CONTENT, 0) is None


def test_other_bytes_have_another_name() -> None:
    version = Version(bucket="b", key="k", version_id="v", etag="e", size_bytes=9, modified_at=0.0)
    found = {
        describe_content(each, size).name
        for each in (version, Version(**(fields(version) | {"etag": "f"})))
        for size in (PIECE_BYTES, BLOCK)
    }
    assert len(found) == 4


def fields(version: Version) -> dict[str, object]:
    return {name: getattr(version, name) for name in version.__struct_fields__}


def test_a_block_on_probation_goes_first_until_it_is_read_later(tmp_path: Path) -> None:
    files = BlockFiles(tmp_path, coincidence_s=3600.0)
    path = write(files, 0, on_probation=True)
    block = files.open(CONTENT, 0)
    assert block is not None
    block.close()
    assert path.stat().st_mtime < time.time() - PROBATION_S / 2, "a read of the same occasion counts"
    block = BlockFiles(tmp_path, coincidence_s=0.0).open(CONTENT, 0)
    assert block is not None
    block.close()
    assert path.stat().st_mtime > time.time() - 3600


@given(
    sizes=st.lists(st.integers(1, 100), max_size=30),
    ages=st.lists(st.floats(0, 100), min_size=30, max_size=30),
    limit=st.integers(1, 2000),
)
def test_what_stays_is_within_the_bound_and_more_recently_used(
    sizes: list[int], ages: list[float], limit: int
) -> None:
    now = 1_000_000_000.0
    entries = [Entry(str(i), size, now - ages[i]) for i, size in enumerate(sizes)]
    going, left = choose_to_go(entries, limit_bytes=limit, idle_s=80.0, now=now)
    staying = [entry for entry in entries if entry not in going]
    assert left == sum(entry.size_bytes for entry in staying)
    assert left <= limit * HIGH
    idle = [entry for entry in going if now - entry.used_at > 80.0]
    evicted = [entry for entry in going if entry not in idle]
    assert all(now - entry.used_at <= 80.0 for entry in staying)
    if evicted:
        assert left + evicted[-1].size_bytes > limit * LOW, "more went than had to"
        assert max(entry.used_at for entry in evicted) <= min(
            (entry.used_at for entry in staying), default=now
        )


def test_blocks_on_probation_go_first_and_only_idle_ones_go_for_their_age() -> None:
    now = 2_000_000_000.0
    entries = [Entry("old", 10, now - 70), Entry("new", 10, now), Entry("once", 10, now - PROBATION_S - 1)]
    assert choose_to_go(entries, limit_bytes=1000, idle_s=80.0, now=now) == ([], 30)
    going, _ = choose_to_go(entries, limit_bytes=24, idle_s=80.0, now=now)
    assert [entry.path for entry in going] == ["once"]


def test_a_sweep_removes_files_and_what_died_while_it_was_written(tmp_path: Path) -> None:
    files = BlockFiles(tmp_path)
    paths = [write(files, block) for block in range(3)]
    os.utime(paths[1], (1.0, 1.0))
    stale = tmp_path / "parts" / "1-1-1"
    stale.write_bytes(b"x")
    os.utime(stale, (1.0, 1.0))
    fresh = tmp_path / "parts" / "2-2-2"
    fresh.write_bytes(b"x")
    left, limit = sweep(tmp_path, capacity_bytes=2 * BLOCK, idle_s=1e12)
    assert [path.exists() for path in paths] == [True, False, True]
    assert left == sum(path.stat().st_size for path in paths if path.exists())
    assert limit == 2 * BLOCK
    assert (stale.exists(), fresh.exists()) == (False, True)


_HOLDER = """
import sys
from pathlib import Path
from continuum.store.gateway.blocks.claims import Claims
from continuum.store.gateway.blocks.contents import Content
claims = Claims(Path(sys.argv[1]))
print(claims.take(Content("ab" * 20, 7, 1000, 10), 3), flush=True)
sys.stdin.read()
"""


def test_a_claim_holds_between_processes_until_its_holder_dies(tmp_path: Path) -> None:
    claims = Claims(tmp_path / "claims")
    content = Content("ab" * 20, 7, 1000, 10)
    with subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(tmp_path / "claims")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "True\n"
        assert not claims.take(content, 3)
        assert claims.take(content, 4)
        holder.kill()
        holder.wait()
    assert claims.take(content, 3)
    claims.release(content, 3)
    claims.close()
