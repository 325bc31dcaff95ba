"""The words that a worker and its master share, and the frames between them."""

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import given

from continuum.model.errors import InvalidInputError
from continuum.workflow.engines.frames import LENGTH, FrameReader, frame
from continuum.workflow.engines.pages import Page, create_pages, open_pages


@pytest.fixture
def pages(tmp_path):
    master = create_pages(tmp_path / "pages")
    return Page(master, 3), Page(open_pages(tmp_path / "pages"), 3)


def test_the_master_sees_what_the_worker_begins(pages):
    master, worker = pages
    assert master.begun() == (0, 0.0)
    assert worker.begin(7)
    number, at = master.begun()
    assert number == 7
    assert at > 0


def test_the_worker_skips_what_was_taken_back_and_nothing_else(pages):
    master, worker = pages
    master.take_back(5, 8)
    assert [worker.begin(number) for number in range(4, 10)] == [True, False, False, False, True, True]
    assert master.taken_back() == (5, 8)


def test_a_page_can_be_used_again(pages):
    master, worker = pages
    worker.begin(9)
    master.take_back(10, 12)
    master.clear()
    assert master.begun() == (0, 0.0)
    assert worker.begin(10)


def test_lines_of_different_workers_do_not_touch(tmp_path):
    memory = create_pages(tmp_path / "pages")
    one, other = Page(memory, 0), Page(memory, 1)
    one.begin(5)
    one.take_back(1, 100)
    assert other.begun() == (0, 0.0)
    assert other.begin(6)


@given(st.lists(st.lists(st.integers(0, 1000) | st.text()), max_size=8), st.data())
def test_frames_come_out_as_they_went_in_however_they_are_cut(messages, data):
    stream = b"".join(frame(message) for message in messages)
    reader = FrameReader(msgspec.msgpack.Decoder(list))
    seen, position = [], 0
    while position < len(stream):
        size = data.draw(st.integers(1, len(stream)))
        seen += reader.feed(stream[position : position + size])
        position += size
    assert seen == messages


def test_a_frame_without_measure_is_refused():
    reader = FrameReader(msgspec.msgpack.Decoder(list))
    with pytest.raises(InvalidInputError, match="too large"):
        reader.feed(LENGTH.pack(2**32 - 1) + b"x")
