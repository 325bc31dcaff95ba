"""Columns for groups of nodes: a box around a group must hold its nodes and no others.

A group takes the columns that it needs in the layers from its first node to its last; groups whose layers do
not meet may stand beneath each other. What is in no group stands in the middle where no group is, else to the
right of the groups of its layer. The same holds inside a group for the groups in it.
"""

from collections.abc import Mapping, Sequence

_GAP = 0.4  # of a column, between groups: room for the lines of boxes in boxes

Places = dict[str, float]


def in_columns(
    nodes: Sequence[str], depth: Mapping[str, int], order: Mapping[str, float], groups: Mapping[str, str]
) -> tuple[Places, float]:
    """Return the column of each node from 0, and the last one; `order` is what should stand left of what."""
    paths = {node: tuple(groups[node].split("/")) if groups.get(node) else () for node in nodes}
    places, width = _place(sorted(nodes, key=lambda node: order[node]), depth, paths, 0)
    return places, max(0.0, width - 1)


def _place(
    nodes: Sequence[str], depth: Mapping[str, int], paths: Mapping[str, tuple[str, ...]], level: int
) -> tuple[Places, float]:
    members: dict[str, list[str]] = {}
    alone: dict[int, list[str]] = {}
    for node in nodes:
        if len(paths[node]) > level:
            members.setdefault(paths[node][level], []).append(node)
        else:
            alone.setdefault(depth[node], []).append(node)
    places: Places = {}
    taken: list[tuple[int, int, float, float]] = []  # first and last layer, first column, first free column
    for held in members.values():
        inside, width = _place(held, depth, paths, level + 1)
        first, last = min(depth[node] for node in held), max(depth[node] for node in held)
        left = _free_column(taken, first, last, width + _GAP)
        taken.append((first, last, left, left + width + _GAP))
        places |= {node: left + column for node, column in inside.items()}
    whole = max([0.0, *(end for *_, end in taken), *(float(len(layer)) for layer in alone.values())])
    for layer, held in alone.items():
        beside = max([0.0, *(end for first, last, _, end in taken if first <= layer <= last)])
        begin = beside or (whole - len(held)) / 2
        places |= {node: begin + index for index, node in enumerate(held)}
        whole = max(whole, begin + len(held))
    return places, whole


def _free_column(
    taken: Sequence[tuple[int, int, float, float]], first: int, last: int, width: float
) -> float:
    """Return the first column from which `width` columns are free in these layers."""
    near = [(left, end) for begin, stop, left, end in taken if begin <= last and first <= stop]
    for candidate in sorted({0.0, *(end for _, end in near)}):
        if all(candidate >= end or candidate + width <= left for left, end in near):
            return candidate
    return 0.0
