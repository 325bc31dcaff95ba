"""Placing the nodes of a directed graph in layers: what is needed to draw a run without other tools.

A node is one layer below the lowest of its sources; inside a layer nodes are ordered by the mean place of
their sources, then of their targets, a few times over (the barycentre heuristic of Sugiyama et al., 1981).
Edges that would close a circle are left out when layers are counted.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from continuum.workflow.columns import in_columns

_SWEEPS = 4
_COLUMN = 64.0
_LAYER = 84.0
_MARGIN = 40.0


class Box(NamedTuple):
    """Where the middle of a node is."""

    x: float
    y: float


def lay_out(
    nodes: Sequence[str], edges: Sequence[tuple[str, str]], groups: Mapping[str, str] | None = None
) -> tuple[dict[str, Box], float, float]:
    """Return where each node goes, and width and height of the whole. Nodes come in the program's order.

    `groups` are paths (`outer/inner`) by node: groups get columns of their own, so that a box around one
    holds nothing else.
    """
    place = {node: index for index, node in enumerate(nodes)}
    forward = [(source, target) for source, target in edges if place[source] < place[target]]
    sources: dict[str, list[str]] = {node: [] for node in nodes}
    targets: dict[str, list[str]] = {node: [] for node in nodes}
    for source, target in forward:
        sources[target].append(source)
        targets[source].append(target)
    depth: dict[str, int] = {}
    for node in nodes:
        depth[node] = max((depth[source] + 1 for source in sources[node]), default=0)
    layers: list[list[str]] = [[] for _ in range(max(depth.values(), default=0) + 1)]
    for node in nodes:
        layers[depth[node]].append(node)
    x = {node: float(index) for layer in layers for index, node in enumerate(layer)}
    for sweep in range(_SWEEPS):
        downwards = sweep % 2 == 0
        near = sources if downwards else targets
        for layer in layers if downwards else reversed(layers):
            layer.sort(key=lambda node: _mean([x[other] for other in near[node]], x[node]))
            for index, node in enumerate(layer):
                x[node] = index - (len(layer) - 1) / 2
    if groups:
        x, wide = in_columns(nodes, depth, x, groups)
        boxes = {node: Box(_MARGIN + x[node] * _COLUMN, _MARGIN + depth[node] * _LAYER) for node in nodes}
        return boxes, 2 * _MARGIN + wide * _COLUMN, 2 * _MARGIN + (len(layers) - 1) * _LAYER
    widest = max((len(layer) for layer in layers), default=1)
    middle = _MARGIN + (widest - 1) * _COLUMN / 2
    boxes = {node: Box(middle + x[node] * _COLUMN, _MARGIN + depth[node] * _LAYER) for node in nodes}
    width = 2 * _MARGIN + (widest - 1) * _COLUMN
    return boxes, width, 2 * _MARGIN + (len(layers) - 1) * _LAYER


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise
