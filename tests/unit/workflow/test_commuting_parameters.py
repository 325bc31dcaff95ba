"""Parameters that are updated in any order: who is ready first goes first, and nothing is lost."""

import data_programs as programs
import pytest

from continuum.workflow import open_file, wait_on

pytestmark = pytest.mark.timeout(120)


def test_who_is_ready_first_goes_first(own_run, tmp_path):
    values = []
    slow = programs.wait_for(str(tmp_path), "slow")
    programs.add_any_order(values, slow)
    programs.add_any_order(values, "quick", str(tmp_path))
    assert wait_on(values) == ["quick", "slow"]


def test_who_looks_sees_all_updates_so_far_and_no_later_ones(either_way):
    values = []
    for number in range(5):
        programs.add_any_order(values, number)
    first = programs.total(values)
    programs.add_any_order(values, 100)
    programs.add_any_order(values, programs.make(1000))
    assert wait_on(first) == 10
    assert sorted(wait_on(values)) == [0, 1, 2, 3, 4, 100, 1000]


def test_concurrent_updates_of_an_object_are_all_there(either_way):
    values = programs.make([0])
    results = [programs.add_concurrently(values, programs.make(number)) for number in range(1, 20)]
    assert sum(wait_on(values)) == sum(wait_on(results)) == 190


def test_who_is_ready_first_goes_first_with_two_variables_at_once(own_run, tmp_path):
    one, two = [], []
    programs.add_to_both(one, two, programs.wait_for(str(tmp_path), "slow"))
    programs.add_to_both(two, one, "quick", str(tmp_path))
    assert wait_on([one, two]) == [["quick", "slow"]] * 2


def test_tasks_that_share_one_of_two_variables_keep_the_order_of_the_calls(either_way):
    one, two = [], []
    for number in range(4):
        programs.add_to_both(one, two, programs.make(number))
        programs.add_any_order(two, number)
    assert sorted(wait_on(one)) == [0, 1, 2, 3]
    assert sorted(wait_on(two)) == [0, 0, 1, 1, 2, 2, 3, 3]


def test_files_are_updated_in_any_order_too(either_way, tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("-")
    for letter in "abc":
        programs.extend_any_order(path, programs.make(letter))
    read = programs.read(path)
    programs.extend_any_order(path, "!")
    with open_file(path) as file:
        text = file.read()
    assert sorted(text) == sorted("-abc!")
    assert wait_on(read) == text[:-1]
