"""The memory of a run: what was written is recalled, however it was cut off or spoilt at its end."""

import pytest

from continuum.model.errors import InvalidInputError
from continuum.workflow.memories import FILE, Begun, Brought, Done, Kept, Looked, Memory, Saved, Took, recall
from continuum.workflow.messages import ObjectName

RECORDS = [
    Begun(0, 1.5),
    Done(b"k" * 16, (Kept("d1v1", 3, inline=b"abc"), Kept("d2v1", 9000, sites=("edge",)))),
    Saved("d2v1", ObjectName("continuum-runs", "checkpoints/run/d2v1")),
    Took("/data/a.txt", 0, b"i" * 16),
    Brought("/data/a.txt", b"j" * 16),
    Looked(ObjectName("texts", "a"), "etag"),
    Done(b"l" * 16, (Kept("d3v1", 4, published=ObjectName("texts", "b")),)),
]


def write(folder, records=RECORDS):
    memory = Memory(folder)
    for record in records:
        memory.add(record)
    memory.close()


def test_what_was_written_is_recalled(tmp_path):
    write(tmp_path)
    found = recall(tmp_path)
    assert found.incarnation == 0
    assert found.done == {record.key: record.outputs for record in RECORDS if isinstance(record, Done)}
    assert found.saved == {"d2v1": RECORDS[2].name}
    assert found.took == {("/data/a.txt", 0): b"i" * 16}
    assert found.brought == {"/data/a.txt": {b"j" * 16}}
    assert found.looked == {ObjectName("texts", "a"): "etag"}
    assert found.written == {ObjectName("texts", "b")}


def test_a_memory_that_was_cut_off_anywhere_recalls_a_beginning_and_can_be_gone_on_with(tmp_path):
    write(tmp_path)
    whole = (tmp_path / FILE).read_bytes()
    lengths = []
    for end in range(0, len(whole), 3):
        (tmp_path / FILE).write_bytes(whole[:end])
        lengths.append(len(recall(tmp_path).done))
        write(tmp_path, RECORDS[1:2])
        assert RECORDS[1].key in recall(tmp_path).done
    assert lengths == sorted(lengths)
    assert lengths[0] == 0
    assert lengths[-1] == 1


def test_a_spoilt_record_ends_the_memory(tmp_path):
    write(tmp_path)
    spoilt = bytearray((tmp_path / FILE).read_bytes())
    spoilt[-3] ^= 1
    (tmp_path / FILE).write_bytes(spoilt)
    assert list(recall(tmp_path).done) == [RECORDS[1].key]


def test_what_is_no_memory_is_refused(tmp_path):
    (tmp_path / FILE).write_bytes(b"something else altogether, and long enough")
    with pytest.raises(InvalidInputError, match="damaged"):
        recall(tmp_path)


def test_no_memory_recalls_nothing(tmp_path):
    assert recall(tmp_path).incarnation == -1
