"""A long run does not fill memory: tasks that are settled, and data that nobody asks for, are let go."""

import gc

import programs

from continuum.model.tasks import Datum, Task
from continuum.workflow import barrier

MANY = 2000
FEW = 200  # what other tests of the shared run still hold, and what is on its way


def alive():
    gc.collect()
    found = gc.get_objects()
    return sum(type(each) is Task for each in found), sum(type(each) is Datum for each in found)


def test_tasks_and_data_of_the_past_are_let_go(run):
    before = alive()
    for number in range(MANY):
        programs.add(number)
    barrier()
    after = alive()
    assert after[0] - before[0] < FEW
    assert after[1] - before[1] < FEW
