"""`pycompss.dds`: the same as Python's own functions do, in a run and without one."""

from collections import Counter

import pytest

from continuum.model.errors import InvalidInputError
from continuum.workflow import wait_on
from continuum.workflow.pycompss.dds import DDS

pytestmark = pytest.mark.timeout(60)

WORDS = ["one", "two", "three", "two", "three", "three", "four"]


def test_items_are_loaded_and_collected_in_partitions(either_way):
    numbers = DDS().load(range(10), 3)
    assert numbers.collect(keep_partitions=True) == [[0, 1, 2, 3], [4, 5, 6], [7, 8, 9]]
    assert wait_on(numbers.map(lambda x: -x).collect(future_objects=True))[2] == [-7, -8, -9]
    assert (numbers.num_of_partitions(), numbers.take(5), numbers.first()) == (3, [0, 1, 2, 3, 4], 0)
    assert DDS().load([[1], [2, 3]], -1).collect() == [1, 2, 3]


def test_items_are_transformed_one_by_one(either_way):
    numbers = DDS().load(range(1, 6), 2)
    assert numbers.map(lambda x, by: x * by, 10).filter(lambda x: x > 20).collect() == [30, 40, 50]
    assert numbers.flat_map(range).collect() == [y for x in range(1, 6) for y in range(x)]
    assert numbers.key_by(lambda x: x % 2).map_values(str).collect_as_dict() == {1: "5", 0: "4"}
    assert numbers.union(DDS().load("ab", 1)).collect() == [1, 2, 3, 4, 5, "a", "b"]
    pairs = DDS().load([("a", "xy"), ("b", "z")], 2)
    assert pairs.keys().collect() == ["a", "b"]
    assert pairs.values().collect() == ["xy", "z"]
    assert pairs.flatten_by_key(list).collect() == [("a", "x"), ("a", "y"), ("b", "z")]


def test_items_are_reduced_counted_and_compared(either_way):
    numbers = DDS().load([3, 1, 4, 1, 5, 9], 4)
    assert numbers.reduce(lambda a, b: a + b) == 23
    assert numbers.reduce(lambda a, b: a + b, initial=100) == 123
    assert (numbers.sum(), numbers.count(), numbers.max(), numbers.min()) == (23, 6, 9, 1)
    with pytest.raises(InvalidInputError, match="nothing to reduce"):
        DDS().reduce(max)


def test_pairs_are_brought_together_by_their_keys(either_way):
    words = DDS().load(WORDS, 3)
    assert words.count_by_value() == Counter(WORDS)
    ones = words.map(lambda word: (word, 1))
    assert ones.reduce_by_key(lambda a, b: a + b, collect_as_dict=True) == Counter(WORDS)
    assert ones.count_by_key(as_dict=True) == Counter(WORDS)
    assert dict(ones.group_by_key().collect())["three"] == [1, 1, 1]
    assert sorted(words.distinct().collect()) == sorted(set(WORDS))
    assert [key for key, _ in ones.sort_by_key().collect()] == sorted(WORDS)
    lengths = DDS().load([("one", 3), ("two", 3)], 2)
    assert Counter(ones.join(lengths).collect()) == {("one", (1, 3)): 1, ("two", (1, 3)): 2}
    parts = ones.partition_by(2).collect(keep_partitions=True)
    assert not {key for key, _ in parts[0]} & {key for key, _ in parts[1]}


def test_files_are_loaded(either_way, tmp_path):
    (tmp_path / "a.txt").write_text("one two\nthree\n")
    (tmp_path / "b.txt").write_text("four")
    path = str(tmp_path / "a.txt")
    assert DDS().load_text_file(path, chunk_size=1).collect(keep_partitions=True) == [["one two"], ["three"]]
    assert "".join(DDS().load_file(path, 4).collect()) == "one two\nthree\n"
    texts = DDS().load_files_from_dir(str(tmp_path)).values().flat_map(str.split).collect()
    assert texts == ["one", "two", "three", "four"]
