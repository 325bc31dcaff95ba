"""What no placement can beat."""

import pytest

from continuum.model.placement.bounds import Bounded, Capacity, bound_makespan


def test_all_before_a_task_that_joins_and_all_after_it_count():
    wide = [Bounded([], [], 1.0, 1, 1) for _ in range(4)]
    join = Bounded([0, 1, 2, 3], [], 2.0, 1, 1)
    after = [Bounded([4], [], 1.0, 1, 0) for _ in range(4)]
    bounds = bound_makespan([*wide, join, *after], [Capacity(2, 1.0)], {})
    assert (bounds.path_s, bounds.work_s) == pytest.approx((4.0, 5.0))
    assert bounds.makespan_s == bounds.waist_s == pytest.approx(6.0)


def test_tasks_beside_a_task_that_joins_do_not_count_for_it():
    beside = [Bounded([], [], 1.0, 1, 0) for _ in range(4)]
    chain = [Bounded([], [], 1.0, 1, 1), Bounded([0], [], 1.0, 1, 0)]
    bounds = bound_makespan([*chain, *beside], [Capacity(2, 1.0)], {})
    assert bounds.waist_s == pytest.approx(2.0)
    assert bounds.makespan_s == pytest.approx(3.0)
