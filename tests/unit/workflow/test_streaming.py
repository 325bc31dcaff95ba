"""Streams between tasks and the main program, while both run."""

import pickle
import shutil

import pytest
import streamed

from continuum.model.errors import InvalidInputError, UnavailableError
from continuum.workflow import FileStream, ObjectStream, wait_on
from continuum.workflow.pycompss.streams.distro_stream import FileDistroStream, ObjectDistroStream

pytestmark = pytest.mark.timeout(60)


def test_the_program_polls_what_tasks_publish(either_way):
    stream = ObjectDistroStream(alias="numbers")
    assert stream.poll(timeout=1) == []
    streamed.produce(stream, [1, 2])
    streamed.produce(stream, [3])
    taken = []
    while len(taken) < 3:
        taken += [message["number"] for message in stream.poll(timeout=1000)]
    assert sorted(taken) == [1, 2, 3]
    assert (stream.get_stream_alias(), stream.get_stream_type()) == ("numbers", "OBJECT")


def test_a_task_takes_what_is_published_while_it_runs(run):
    stream = ObjectDistroStream()
    taken = streamed.consume(stream)
    stream.publish_list([{"number": number} for number in range(3)])
    stream.close()
    assert wait_on(taken) == [0, 1, 2]


def test_each_message_reaches_one_consumer(run):
    stream = ObjectDistroStream()
    halves = [streamed.consume(stream), streamed.consume(stream)]
    stream.publish_list([{"number": number} for number in range(10)])
    stream.close()
    assert sorted(wait_on(halves[0]) + wait_on(halves[1])) == list(range(10))


def test_a_closed_stream_takes_nothing_more_and_gives_what_is_left():
    stream = ObjectStream("closing")
    stream.publish("last")
    copy = pickle.loads(pickle.dumps(stream))
    copy.close()
    assert stream.is_closed()
    with pytest.raises(InvalidInputError, match="closing is closed"):
        copy.publish("late")
    assert copy.poll(timeout_s=30) == ["last"]
    assert stream.poll(timeout_s=30) == []  # at once, as nothing will come


def test_files_are_given_once_each(tmp_path):
    stream = FileStream(tmp_path / "incoming")
    assert stream.poll(timeout_s=0) == []
    (tmp_path / "incoming").mkdir()
    (tmp_path / "incoming" / ".half").touch()
    (tmp_path / "incoming" / "a").touch()
    assert stream.poll() == [str(tmp_path / "incoming" / "a")]
    (tmp_path / "incoming" / "b").touch()
    assert pickle.loads(pickle.dumps(stream)).poll() == [str(tmp_path / "incoming" / "b")]
    named = FileDistroStream(base_dir=tmp_path)
    assert named.get_stream_type() == "FILE"
    with pytest.raises(InvalidInputError, match="base_dir"):
        FileDistroStream()


def test_a_stream_that_cannot_be_reached_says_so_and_is_removed_by_its_maker(tmp_path, monkeypatch):
    monkeypatch.setenv("CONTINUUM_STREAMS", str(tmp_path))
    stream = ObjectStream("far")
    copy = pickle.loads(pickle.dumps(stream))
    del copy
    assert len(list(tmp_path.iterdir())) == 1
    shutil.rmtree(next(tmp_path.iterdir()))
    for use in (stream.poll, stream.close, lambda: stream.publish(1)):
        with pytest.raises(UnavailableError, match="far cannot be reached"):
            use()
    other = ObjectStream()
    assert [other.id in path.name for path in tmp_path.iterdir()] == [True]
    del other
    assert not list(tmp_path.iterdir())
