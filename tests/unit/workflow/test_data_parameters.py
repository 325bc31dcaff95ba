"""Collections, dictionaries, deleted and variable parameters: the same in a run and as plain Python."""

from threading import Lock

import data_programs as programs
import pytest

from continuum.model.errors import InvalidInputError
from continuum.workflow import TaskFailedError, delete_object, wait_on, wait_on_file

pytestmark = pytest.mark.timeout(60)


def test_every_element_of_a_collection_is_changed(either_way):
    values = [1, programs.make(2), 3]
    programs.double_each(values)
    assert wait_on(values) == [2, 4, 6]
    programs.double_each(values)
    first = programs.make(values[0])
    programs.double_each(values)
    assert wait_on(values) == [8, 16, 24]
    assert wait_on(first) == 4


def test_elements_are_versioned_one_by_one(either_way):
    one, two, three = [1], [2], [3]
    programs.append_to_each([one, two], 0)
    programs.append_to_each((two, three), 9)
    programs.append(one, 7)
    assert wait_on([one, two, three]) == [[1, 0, 7], [2, 0, 9], [3, 9]]


def test_a_collection_nests_to_its_depth(either_way):
    rows = [[1, 2], [3, 4]]
    programs.increase_matrix(rows, 10)
    column = [rows[0][1], rows[1][1]]
    assert wait_on(programs.total(column)) == 26
    assert wait_on(programs.flat(rows)) == [11, 12, 13, 14]
    assert wait_on(rows) == [[11, 12], [13, 14]]


def test_the_elements_of_an_out_collection_are_filled(either_way):
    blocks = [object() for _ in range(3)]
    programs.fill_each(blocks, 5)
    assert wait_on(programs.total(blocks)) == 18
    assert wait_on(blocks) == [5, 6, 7]
    rows = [[object() for _ in range(2)] for _ in range(2)]
    count = programs.fill_matrix(rows)
    assert wait_on(rows[1][0]) == [1, 0]
    assert wait_on(rows) == [[[0, 0], [0, 1]], [[1, 0], [1, 1]]]
    assert wait_on(count) == 2


def test_an_object_that_several_hold_is_filled_for_all_of_them(run):
    block = object()
    programs.fill_each([block], 5)
    assert wait_on(programs.make(block)) == 5
    assert wait_on([block, block]) == [5, 5]


def test_a_result_that_is_a_list_is_a_collection_too(either_way):
    values = programs.make([1, 2])
    programs.double_each(values)
    assert wait_on(programs.total(values)) == 6


def test_a_collection_that_grows_is_refused(run):
    with pytest.raises(TaskFailedError, match="declare it INOUT"):
        wait_on([programs.grow(values := [1, 2]), values])


def test_the_values_of_a_dictionary_are_changed(either_way):
    table = {"a": "x", "b": programs.make("y")}
    programs.upper(table)
    assert wait_on(programs.keys_and_values(table)) == [("a", "X"), ("b", "Y")]
    assert wait_on(table) == {"a": "X", "b": "Y"}
    deep = {"a": [[1], [2]], "b": ([3],)}
    inner = deep["a"][1]
    programs.append_in_table(deep, 0)
    programs.append(inner, 5)
    assert wait_on(deep) == {"a": [[1, 0], [2, 0, 5]], "b": ([3, 0],)}
    empty = dict.fromkeys(("p", "q"))
    programs.fill_table(empty)
    assert wait_on(empty) == {"p": 0, "q": 1}


def test_a_list_of_results_may_be_changed_as_a_whole(either_way):
    values = [programs.make(1), programs.make(2)]
    programs.append(values, 3)
    assert wait_on(programs.total(values)) == 6
    inner = [1]
    programs.append(inner, 2)
    outer = [inner]
    programs.append(outer, 3)
    assert wait_on(outer) == [[1, 2], 3]


def test_an_object_with_a_changed_list_inside_is_taken_as_it_is_now(either_way):
    box = programs.Box()
    programs.append(box.items, 1)
    box.add(2)
    assert wait_on(box).items == [1, 2]


def test_a_deleted_value_is_read_once_more(run):
    values = programs.make([1, 2])
    assert wait_on(programs.last_total(values)) == 3
    with pytest.raises(InvalidInputError, match="was deleted"):
        programs.last_total(values)
    tracked = [1]
    programs.append(tracked, 1)
    assert wait_on(programs.last_totals([tracked, [3]])) == 5
    assert not delete_object(tracked)


def test_a_deleted_file_is_read_once_more(run, tmp_path):
    path = tmp_path / "text.txt"
    programs.write(path, "text")
    text = programs.read_last(path)
    mine = tmp_path / "mine.txt"
    mine.write_text("x" * 10_000)
    last = programs.read_last(mine)
    assert wait_on([text, last]) == ["text", "x" * 10_000]
    assert not path.exists()
    assert not mine.exists()


def test_files_of_a_collection_follow_their_versions(either_way, tmp_path):
    paths = [str(tmp_path / name) for name in "abc"]
    programs.write_each(paths, "x")
    programs.extend(paths[1], "+")
    programs.extend_each([paths[:2], (paths[2],)], "!")
    assert wait_on(programs.join(*paths)) == "x0!x1+!x2!"
    wait_on_file(*paths)
    assert (tmp_path / "b").read_text() == "x1+!"


def test_a_variable_number_of_parameters_has_directions(either_way, tmp_path):
    one, two = [1], programs.make([2])
    programs.append_to_all(7, one, two)
    assert wait_on([one, two]) == [[1, 7], [2, 7]]
    paths = [tmp_path / "a", tmp_path / "b"]
    programs.write_all("t", *paths)
    assert wait_on(programs.join(*paths)) == "tt"
    assert wait_on(programs.use_keywords(3, a=one, b=two, source=paths[0])) == "t"
    assert wait_on([one, two]) == [[1, 7, 3], [2, 7, 3]]


def test_parameters_are_found_however_they_are_given(either_way, tmp_path):
    path = tmp_path / "a"
    path.write_text("t")
    assert wait_on(programs.keyword_only(1, path=path)) == (1, 2, "t", 4)
    assert wait_on(programs.keyword_only(1, last=programs.make(5), path=path, second=3)) == (1, 3, "t", 5)


def test_a_python_task_has_no_standard_streams(run):
    with pytest.raises(InvalidInputError, match=r"FILE_STDOUT .parameter out of no_program"):
        programs.no_program("out.txt")


def test_a_call_that_is_refused_leaves_the_collection_as_it_was(run):
    values = [1, Lock()]
    with pytest.raises(InvalidInputError, match="serialised"):
        programs.double_each(values)
    assert values[0] == 1
