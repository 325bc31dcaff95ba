"""Upward ranks: what most of the graph follows goes first."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from continuum.model.graph import Graph
from continuum.model.placement import History, Ranking, rank_upwards
from continuum.model.tasks import Datum, Task


def history() -> History:
    known = History()
    known.add("short", "a", 1.0)
    known.add("long", "a", 5.0)
    return known


def call(number: int, function: str, *reads: Datum) -> tuple[Task, Datum]:
    written = Datum(f"d{number}v1")
    task = Task(number, function, reads, (written,))
    written.producer = task
    return task, written


def test_the_rank_is_the_longest_way_to_the_end():
    first, one = call(1, "short")
    second, two = call(2, "long", one)
    third, three = call(3, "short", one)
    last, _ = call(4, "short", two, three)
    rank_upwards({task.id: task for task in (first, second, third, last)}, history(), 0.0)
    assert [task.rank for task in (first, second, third, last)] == [7.0, 6.0, 2.0, 1.0]


def test_results_that_have_to_move_count():
    known = history()
    known.add_output("short", 10**6)
    first, one = call(1, "short")
    last, _ = call(2, "short", one)
    rank_upwards({1: first, 2: last}, known, 1e-6)
    assert first.rank == pytest.approx(3.0)


def test_a_task_that_only_comes_after_another_counts_too():
    first, _ = call(1, "short")
    last = Task(2, "long", after=(first,))
    rank_upwards({1: first, 2: last}, history(), 0.0)
    assert first.rank >= last.rank


@pytest.mark.parametrize(("run_s", "is_ranked"), [(0.00001, False), (0.5, True)])
def test_tiny_tasks_are_not_worth_ranking(run_s, is_ranked):
    graph, known, ranking = Graph(), History(), Ranking()
    known.add("f", "a", run_s)
    for number in range(1, 101):
        graph.submit(Task(number, "f"), 0.0)
    ranking.refresh(graph.tasks, graph.counts, known, 0.0)
    assert ranking.is_ranked is is_ranked


@settings(max_examples=30)
@given(st.lists(st.lists(st.integers(0, 30), max_size=3), min_size=1, max_size=30))
def test_whoever_is_needed_ranks_higher_than_who_needs_it(wanted):
    tasks: list[Task] = []
    data: list[Datum] = []
    for number, sources in enumerate(wanted):
        task, datum = call(number + 1, "short", *(data[source % number] for source in sources if number))
        tasks.append(task)
        data.append(datum)
    rank_upwards({task.id: task for task in tasks}, history(), 0.0)
    for task in tasks:
        assert all(read.producer.rank >= task.rank + 1.0 for read in task.reads)
