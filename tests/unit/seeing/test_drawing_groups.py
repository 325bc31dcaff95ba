"""Groups and sites in the picture of a run."""

import xml.etree.ElementTree as ET

import journaled
from hypothesis import given, settings
from hypothesis import strategies as st

from continuum.workflow.columns import in_columns
from continuum.workflow.drawing import draw_dot, draw_own_svg, groups_of, picture_of

SVG = "{http://www.w3.org/2000/svg}"


def test_groups_are_boxes_in_boxes_and_sites_are_told_by_lines():
    picture = picture_of(journaled.records())
    assert groups_of(picture) == ["outer", "outer/inner"]
    dot = draw_dot(picture, "fit")
    outer = dot.index('subgraph "cluster_outer" { label="outer"')
    assert outer < dot.index('subgraph "cluster_outer/inner" { label="inner"; style=dashed; "t3";')
    assert dot.count("{") == dot.count("}")
    root = ET.fromstring(draw_own_svg(picture, "fit"))
    texts = {element.text for element in root.iter(f"{SVG}text")}
    assert {"outer", "inner", "at edge", "at cloud"} <= texts
    lines = {
        group.find(f"{SVG}title").text: group.find(f"{SVG}circle").get("stroke")
        for group in root.iter(f"{SVG}g")
        if group.find(f"{SVG}circle") is not None
    }
    assert lines["load: finished at edge"] != lines["load: finished at cloud"]


paths = st.sampled_from(["", "a", "b", "a/x", "a/y", "b/x", "c", "a/x/z"])


@settings(max_examples=150)
@given(st.lists(st.tuples(st.integers(0, 4), paths), min_size=1, max_size=14))
def test_a_box_around_a_group_holds_its_nodes_and_no_others(drawn: list[tuple[int, str]]) -> None:
    nodes = [f"n{number}" for number in range(len(drawn))]
    depth = {node: layer for node, (layer, _) in zip(nodes, drawn, strict=True)}
    groups = {node: path for node, (_, path) in zip(nodes, drawn, strict=True)}
    order = {node: float(number) for number, node in enumerate(nodes)}
    places, last = in_columns(nodes, depth, order, groups)
    assert set(places) == set(nodes)
    assert all(0 <= column <= last + 1e-9 for column in places.values())
    for one in nodes:
        assert all(
            abs(places[one] - places[other]) > 0.99
            for other in nodes
            if other != one and depth[other] == depth[one]
        )
    for group in {"/".join(path.split("/")[:n]) for path in groups.values() if path for n in (1, 2, 3)}:
        held = [node for node in nodes if f"{groups[node]}/".startswith(f"{group}/")]
        left, right = min(places[node] for node in held), max(places[node] for node in held)
        top, bottom = min(depth[node] for node in held), max(depth[node] for node in held)
        for other in set(nodes) - set(held):
            is_inside = left <= places[other] <= right and top <= depth[other] <= bottom
            assert not is_inside, (group, other)
