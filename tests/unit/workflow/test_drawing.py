"""The picture of a run."""

import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from continuum.model import stories
from continuum.workflow.drawing import MOST_NODES, draw_dot, draw_own_svg, picture_of
from continuum.workflow.layouts import lay_out


def submitted(task: int, function: str = "f", reads=(), writes=(), waits_for=()) -> stories.Submitted:
    return stories.Submitted(
        at=0, task=task, function=function, reads=reads, writes=writes, waits_for=waits_for
    )


DIAMOND = [
    submitted(1, "load", writes=("d1v1",)),
    submitted(2, "work", reads=("d1v1",), writes=("d2v1",)),
    submitted(3, "work", reads=("d1v1",), writes=("d3v1",)),
    submitted(4, "join", reads=("d2v1", "d3v1"), writes=("d4v1",)),
    stories.Synchronised(at=0, data=("d4v1",)),
    submitted(5, "load", writes=("d5v1",)),
    stories.Failed(at=0, task=5, attempt=1, site="edge", kind="raised", message="no", decision="given up"),
    stories.Synchronised(at=0),
]


def test_edges_are_named_after_the_data_that_make_them():
    edges = {(edge.source, edge.target): edge.label for edge in picture_of(DIAMOND).edges}
    assert edges["t1", "t2"] == edges["t1", "t3"] == "d1v1"
    assert edges["t2", "t4"] == "d2v1"
    assert edges["main", "t1"] == ""


def test_the_main_program_appears_where_it_waits_and_what_follows_hangs_there():
    picture = picture_of(DIAMOND)
    assert [node.label for node in picture.nodes] == ["main", "1", "2", "3", "4", "sync", "5", "sync"]
    first, second = (node.key for node in picture.nodes if node.label == "sync")
    pairs = {(edge.source, edge.target) for edge in picture.edges}
    assert {("t4", first), (first, "t5"), ("t5", second)} <= pairs


def test_functions_are_counted_and_coloured_apart():
    dot = draw_dot(picture_of(DIAMOND), "a run")
    assert picture_of(DIAMOND).functions == {"load": 2, "work": 2, "join": 1}
    assert dot.startswith("digraph run {")
    assert '"t1" -> "t2" [label="d1v1"];' in dot
    assert "work (2)" in dot


def test_a_failed_task_is_outlined():
    assert "penwidth=3" in draw_dot(picture_of(DIAMOND), "a run")


def test_names_cannot_break_out_of_the_picture():
    nasty = [submitted(1, 'f"<&>\\')]
    ET.fromstring(draw_own_svg(picture_of(nasty), 'title "<&>'))
    assert '\\"' in draw_dot(picture_of(nasty), 'title "<&>')


def test_our_own_svg_is_well_formed_and_shows_every_node():
    root = ET.fromstring(draw_own_svg(picture_of(DIAMOND), "a run"))
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"main", "sync", "1", "5", "d1v1", "load (2)", "a run"} <= set(texts)


def test_a_large_run_is_drawn_by_function():
    records = [submitted(1, "load", writes=("d0v1",))]
    records += [submitted(n, "work", reads=("d0v1",), writes=(f"d{n}v1",)) for n in range(2, MOST_NODES + 10)]
    picture = picture_of(records)
    assert [(node.label, node.function) for node in picture.nodes] == [
        ("main", ""),
        ("1", "load"),
        (str(MOST_NODES + 8), "work"),
    ]
    assert (str(MOST_NODES + 8)) in [edge.label for edge in picture.edges]


def test_an_empty_run_has_a_picture():
    ET.fromstring(draw_own_svg(picture_of([]), "nothing"))


@pytest.mark.parametrize("edges", [[("b", "a")], [("a", "a")], [("a", "b"), ("b", "a")]])
def test_edges_against_the_order_do_no_harm(edges):
    boxes, width, height = lay_out(["a", "b"], edges)
    assert set(boxes) == {"a", "b"}
    assert min(width, height) > 0


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=30))
def test_every_node_lies_below_its_sources_and_on_a_place_of_its_own(pairs):
    nodes = [str(number) for number in range(10)]
    edges = [(str(a), str(b)) for a, b in pairs]
    boxes, width, height = lay_out(nodes, edges)
    assert len(set(boxes.values())) == len(nodes)
    for a, b in pairs:
        if a < b:
            assert boxes[str(a)].y < boxes[str(b)].y
    assert all(0 <= box.x <= width and 0 <= box.y <= height for box in boxes.values())


def test_names_of_data_give_way_to_tooltips_in_a_large_picture():
    def drawn(tasks):
        records = [stories.Submitted(at=0.0, task=1, function="f", writes=("d1v1",))]
        records += [
            stories.Submitted(at=0.0, task=number, function="g", reads=("d1v1",))
            for number in range(2, tasks + 1)
        ]
        return draw_own_svg(picture_of(records), "run")

    assert ">d1v1</text>" in drawn(3)
    assert ">d1v1</text>" not in drawn(20)
    assert "<title>d1v1</title>" in drawn(20)
