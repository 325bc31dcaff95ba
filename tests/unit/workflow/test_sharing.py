"""Parameters that tasks share as CONCURRENT: they run at the same time, their changes are put together."""

import gc

import data_programs as programs
import pytest

from continuum.workflow import TaskFailedError, open_file, wait_on, wait_on_file

pytestmark = pytest.mark.timeout(120)


def test_tasks_that_share_a_value_or_a_file_run_at_the_same_time(own_run, tmp_path):
    places = [tmp_path / name for name in ("values", "files")]
    for place in places:
        place.mkdir()
    table = {}
    for key in "ab":
        programs.note(table, key, key, str(places[0]))
    assert wait_on(table) == {"a": "a", "b": "b"}
    path = tmp_path / "text.txt"
    path.write_text("-")
    for text in "ab":
        programs.extend_concurrently(path, text, str(places[1]))
    wait_on_file(path)
    assert path.read_text() == "-ab"


def test_who_looks_sees_what_was_called_before_and_nothing_later(either_way):
    table = programs.make({"x": 0})
    for number in range(3):
        programs.note(table, number, number)
    programs.count_keys(table)
    programs.note(table, "late", 1)
    programs.note(table, "later", programs.make(2))
    expected = {"x": 0, 0: 0, 1: 1, 2: 2, "keys": 4, "late": 1, "later": 2}
    assert wait_on(table) == expected
    programs.note(table, "alone", 1)
    assert wait_on(table) == {**expected, "alone": 1}


def test_a_file_that_nobody_waits_for_is_whole_when_the_run_ends(own_run, tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("")
    for letter in "abcd":
        programs.extend_concurrently(path, letter)
    assert own_run.finish() == []
    assert path.read_text() == "abcd"


def test_methods_may_share_their_object(either_way):
    register = programs.Register()
    for number in range(6):
        register.enter(number % 2, number)
    entries = wait_on(register).entries
    assert {key: sorted(values) for key, values in entries.items()} == {0: [0, 2, 4], 1: [1, 3, 5]}


def test_files_follow_any_other_use(either_way, tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("-")
    for letter in "ab":
        programs.extend_concurrently(path, letter)
    read = programs.read(path)
    programs.extend_any_order(path, "c")
    for letter in "de":
        programs.extend_concurrently(path, letter)
    with open_file(path, "a") as file:
        file.write("!")
    programs.extend_concurrently(path, "f")
    assert wait_on(read) == "-ab"
    with open_file(path) as file:
        assert file.read() == "-abcde!f"


def test_an_update_that_two_tasks_make_is_told_and_not_lost(run):
    table = {"n": 0}
    programs.note(table, "n", 1)
    programs.note(table, "n", 2)
    with pytest.raises(TaskFailedError, match=r"changed the value\['n'\]"):
        wait_on(table)


def test_what_failed_and_is_ignored_leaves_no_trace(run):
    table = {}
    programs.note(table, "a", 1)
    programs.note_and_fail(table, "b")
    programs.note(table, "c", 1)
    assert wait_on(table) == {"a": 1, "c": 1}


def test_what_nobody_looks_at_is_never_put_together_and_is_forgotten(own_run):
    register = programs.Register()
    for number in range(3):
        register.enter("key", number)
    own_run.driver.wait_for_all()
    del register
    gc.collect()
    own_run.driver.wait_for_all()
    assert "combine" not in own_run.driver.graph.counts
