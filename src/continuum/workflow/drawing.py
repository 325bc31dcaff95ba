"""The picture of a run: which task needed what of which other, as DOT and as SVG.

As in PyCOMPSs: a coloured circle per task (one colour per function), octagons where the main program begins
and waits, edges named after the data (`d3v2`), boxes around groups, a legend. The line around a circle has
the colour of the site where the task ran, red and thick if it failed. Beyond `MOST_NODES` the tasks of a
function are one node. The SVG is drawn here, layer by layer, unless graphviz is there, which draws better.
"""

import html
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from continuum.model import stories
from continuum.model.stories import Record
from continuum.workflow.layouts import Box, lay_out

MOST_NODES = 400
MOST_LABELS = 4
MOST_NAMED_NODES = 12  # beyond, names of data would lie on each other: they are shown on pointing at an edge
GRAPHVIZ_TIMEOUT_S = 30.0
COLOURS = (
    "#4e79a7",
    "#f28e2b",
    "#59a14f",
    "#6b6ecf",
    "#76b7b2",
    "#edc948",
    "#b07aa1",
    "#ff9da7",
    "#9c755f",
    "#86bcb6",
    "#8cd17d",
    "#d4a6c8",
)

SITE_COLOURS = ("#2f6fb5", "#d9822b", "#3a9a5b", "#b0487a", "#6d5cae", "#8a7a2f", "#2b9aa0", "#777777")
BAD = frozenset(("failed", "cancelled"))


class Node(NamedTuple):
    """A task, several tasks of one function, or a point where the main program begins or waits."""

    key: str
    label: str
    function: str = ""
    state: str = ""
    site: str = ""
    group: str = ""


class Edge(NamedTuple):
    """What goes from one node to another."""

    source: str
    target: str
    label: str


class Picture(NamedTuple):
    """Nodes in the order of the program, edges, how many tasks each function has, and the sites."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    functions: dict[str, int]
    sites: tuple[str, ...] = ()


def picture_of(records: Iterable[Record]) -> Picture:
    """Return the picture of a run from its journal."""
    picture = whole_picture_of(records)
    return picture if len(picture.nodes) <= MOST_NODES else _by_function(picture)


def whole_picture_of(records: Iterable[Record]) -> Picture:
    """Return the picture of a run with a node for every task, however many there are."""
    drawing = _Drawing()
    for record in records:
        drawing.add(record)
    return drawing.picture()


class _Drawing:
    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {"main": Node("main", "main")}
        self.labels: dict[tuple[str, str], list[str]] = {}
        self.producers: dict[str, str] = {}
        self.functions: dict[str, int] = {}
        self.sites: dict[str, None] = {}
        self.open: dict[str, None] = {}  # tasks that nothing follows yet
        self.last = "main"

    def add(self, record: Record) -> None:
        match record:
            case stories.Submitted():
                self._add_task(record)
            case stories.Synchronised():
                self._add_synchronisation(record)
            case stories.Finished(task=task, site=site):
                self._mark(task, "finished", site)
            case stories.Failed(task=task, site=site):
                self._mark(task, "failed", site)
            case stories.Cancelled(task=task):
                self._mark(task, "cancelled", "")
            case stories.SiteJoined(site=site):
                self.sites.setdefault(site)

    def _mark(self, task: int, state: str, site: str) -> None:
        node = self.nodes.get(f"t{task}")
        if node is not None:
            self.nodes[node.key] = node._replace(state=state, site=site or node.site)

    def _add_task(self, record: stories.Submitted) -> None:
        key = f"t{record.task}"
        if key not in self.nodes:  # else the run was resumed
            self.functions[record.function] = self.functions.get(record.function, 0) + 1
        self.nodes[key] = Node(key, str(record.task), record.function, group=record.group)
        sources = [(self.producers[datum], datum) for datum in record.reads if datum in self.producers]
        sources += [(f"t{task}", "") for task in record.waits_for]
        for source, datum in sources:
            self._join(source, key, datum)
        if not sources:
            self._join(self.last, key, "")
        for datum in record.writes:
            self.producers[datum] = key
        self.open[key] = None

    def _join(self, source: str, target: str, datum: str) -> None:
        labels = self.labels.setdefault((source, target), [])
        if datum and datum not in labels:
            labels.append(datum)
        self.open.pop(source, None)

    def _add_synchronisation(self, record: stories.Synchronised) -> None:
        if record.data:
            sources = [(self.producers[datum], datum) for datum in record.data if datum in self.producers]
        else:
            sources = [(key, "") for key in self.open]
        if not sources:
            return
        key = f"s{len(self.nodes)}"
        self.nodes[key] = Node(key, "sync")
        for source, datum in sources:
            self._join(source, key, datum)
        self.last = key

    def picture(self) -> Picture:
        edges = [Edge(source, target, _shortened(labels)) for (source, target), labels in self.labels.items()]
        return Picture(tuple(self.nodes.values()), tuple(edges), self.functions, tuple(self.sites))


def _shortened(labels: Sequence[str]) -> str:
    more = f" +{len(labels) - MOST_LABELS}" if len(labels) > MOST_LABELS else ""
    return " ".join(labels[:MOST_LABELS]) + more


def _by_function(picture: Picture) -> Picture:
    """Draw the tasks of a function as one node, and the main program's waits as part of it."""
    group = {node.key: f"f:{node.function}" if node.function else "main" for node in picture.nodes}
    nodes = [Node("main", "main")]
    nodes += [Node(f"f:{name}", str(count), name) for name, count in picture.functions.items()]
    counts: dict[tuple[str, str], int] = {}
    for edge in picture.edges:
        pair = (group[edge.source], group[edge.target])
        if pair[1] != "main":
            counts[pair] = counts.get(pair, 0) + 1
    edges = [Edge(source, target, str(count)) for (source, target), count in counts.items()]
    return Picture(tuple(nodes), tuple(edges), picture.functions)


def site_colour_of(site: str, picture: Picture) -> str:
    """Return the colour of a site, or that of a plain line where there is one site at most."""
    if len(picture.sites) < 2 or site not in picture.sites:  # noqa: PLR2004 - nothing to tell apart
        return "#333333"
    return SITE_COLOURS[picture.sites.index(site) % len(SITE_COLOURS)]


def groups_of(picture: Picture) -> list[str]:
    """Return all groups, also those that hold groups alone, the outer before the inner."""
    found: dict[str, None] = {}
    for node in picture.nodes:
        parts = node.group.split("/") if node.group else []
        found.update(dict.fromkeys("/".join(parts[: depth + 1]) for depth in range(len(parts))))
    return sorted(found, key=lambda group: (group.count("/"), group))


def colour_of(function: str, picture: Picture) -> str:
    """Return the colour of a function."""
    return COLOURS[list(picture.functions).index(function) % len(COLOURS)]


def draw_dot(picture: Picture, title: str) -> str:
    """Return the picture in graphviz's language."""
    lines = [
        "digraph run {",
        "  rankdir=TB; node [fontname=Helvetica, fontsize=11]; edge [fontname=Helvetica, fontsize=9];",
        f"  label={_quoted(title)}; labelloc=t; fontname=Helvetica;",
    ]
    for node in picture.nodes:
        if node.function:
            style = f"shape=circle, style=filled, fillcolor={_quoted(colour_of(node.function, picture))}"
            colour = "#c00000" if node.state in BAD else site_colour_of(node.site, picture)
            width = 3 if node.state in BAD else 2 if len(picture.sites) > 1 else 1
            outline = f', color="{colour}", penwidth={width}'
            lines.append(
                f"  {_quoted(node.key)} [{style}{outline}, label={_quoted(node.label)},"
                f" tooltip={_quoted(node.function)}];"
            )
        else:
            lines.append(f"  {_quoted(node.key)} [shape=octagon, label={_quoted(node.label)}];")
    lines += [
        f"  {_quoted(edge.source)} -> {_quoted(edge.target)} [label={_quoted(edge.label)}];"
        for edge in picture.edges
    ]
    lines += [*_dot_groups(picture), *_dot_legend(picture), "}"]
    return "\n".join(lines) + "\n"


def _dot_groups(picture: Picture, within: str = "", indent: str = "  ") -> list[str]:
    """Return the groups directly inside a group as clusters, with what they hold."""
    lines = []
    for group in groups_of(picture):
        if group.rpartition("/")[0] != within:
            continue
        keys = " ".join(_quoted(node.key) + ";" for node in picture.nodes if node.group == group)
        name = _quoted(group.rpartition("/")[2])
        lines.append(f"{indent}subgraph {_quoted('cluster_' + group)} {{ label={name}; style=dashed; {keys}")
        lines += [*_dot_groups(picture, group, indent + "  "), indent + "}"]
    return lines


def _dot_legend(picture: Picture) -> list[str]:
    rows = "".join(
        f'<tr><td bgcolor="{colour_of(name, picture)}">&nbsp;&nbsp;</td>'
        f'<td align="left">{html.escape(name)} ({count})</td></tr>'
        for name, count in picture.functions.items()
    )
    rows += "".join(
        f'<tr><td border="2" color="{site_colour_of(site, picture)}">&nbsp;&nbsp;</td>'
        f'<td align="left">at {html.escape(site)}</td></tr>'
        for site in (picture.sites if len(picture.sites) > 1 else ())
    )
    if not rows:
        return []
    return [f'  legend [shape=none, label=<<table border="0" cellborder="0">{rows}</table>>];']


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
    return f'"{escaped}"'


def draw_svg(picture: Picture, title: str) -> str:
    """Return the picture as SVG."""
    dot = shutil.which("dot")
    if dot is not None:
        try:
            done = subprocess.run(
                [dot, "-Tsvg"],
                input=draw_dot(picture, title),
                capture_output=True,
                text=True,
                check=True,
                timeout=GRAPHVIZ_TIMEOUT_S,
            )
        except (subprocess.SubprocessError, OSError):
            return draw_own_svg(picture, title)  # too large for it, or it does not work: ours is there
        return done.stdout
    return draw_own_svg(picture, title)


_RADIUS = 19
_LEGEND_LINE = 20


def draw_own_svg(picture: Picture, title: str) -> str:
    """Return the picture as SVG without graphviz."""
    boxes, width, height = lay_out(
        [node.key for node in picture.nodes],
        [(edge.source, edge.target) for edge in picture.edges],
        {node.key: node.group for node in picture.nodes if node.group},
    )
    is_named = len(picture.nodes) <= MOST_NAMED_NODES
    top = 40
    legend_top = top + height + 20
    width = max(width, 360)
    sites = picture.sites if len(picture.sites) > 1 else ()
    total = legend_top + _LEGEND_LINE * (len(picture.functions) + len(sites)) + 20
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {total:.0f}" '
        f'width="{width:.0f}" height="{total:.0f}" font-family="Helvetica, sans-serif" font-size="11">',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        'orient="auto"><path d="M0,0 L8,4 L0,8 z" fill="#667"/></marker></defs>',
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        f'<text x="12" y="22" font-size="14" font-weight="bold">{html.escape(title)}</text>',
        f'<g transform="translate(0,{top})">',
        *_svg_groups(picture, boxes),
        *(_svg_edge(edge, boxes, is_named=is_named) for edge in picture.edges),
        *(_svg_node(node, boxes[node.key], picture) for node in picture.nodes),
        "</g>",
        *_svg_legend(picture, legend_top),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _svg_groups(picture: Picture, boxes: dict[str, Box]) -> list[str]:
    lines = []
    for group in groups_of(picture):
        held = [boxes[node.key] for node in picture.nodes if f"{node.group}/".startswith(f"{group}/")]
        pad = _RADIUS + max(3, 11 - 4 * group.count("/"))
        left, top = min(box.x for box in held) - pad, min(box.y for box in held) - pad
        width, height = max(box.x for box in held) + pad - left, max(box.y for box in held) + pad - top
        lines.append(
            f'<rect x="{left:.0f}" y="{top:.0f}" width="{width:.0f}" height="{height:.0f}" rx="6" '
            'fill="#000" fill-opacity="0.025" stroke="#889" stroke-dasharray="5 4"/>'
            f'<text x="{left + 5 + 60 * group.count("/"):.0f}" y="{top - 3:.0f}" font-size="9" fill="#667">'
            f"{html.escape(group.rpartition('/')[2])}</text>"
        )
    return lines


def _svg_edge(edge: Edge, boxes: dict[str, Box], *, is_named: bool) -> str:
    source, target = boxes[edge.source], boxes[edge.target]
    if edge.source == edge.target:
        x, y = source.x + _RADIUS, source.y
        path = f"M{x:.0f},{y - 8:.0f} c34,-22 34,38 0,16"
        middle = (x + 34, y)
    else:
        begin, end = source.y + _RADIUS, target.y - _RADIUS - 2
        bend = (end - begin) / 2
        path = (
            f"M{source.x:.0f},{begin:.0f} C{source.x:.0f},{begin + bend:.0f} "
            f"{target.x:.0f},{end - bend:.0f} {target.x:.0f},{end:.0f}"
        )
        middle = ((source.x + target.x) / 2, (begin + end) / 2)
    text = (
        f'<text x="{middle[0]:.0f}" y="{middle[1]:.0f}" font-size="8" fill="#556" text-anchor="middle" '
        f'stroke="#fff" stroke-width="3" paint-order="stroke">{html.escape(edge.label)}</text>'
        if edge.label and is_named
        else ""
    )
    tooltip = f"<title>{html.escape(edge.label)}</title>" if edge.label else ""
    return f'<path d="{path}" fill="none" stroke="#99a" marker-end="url(#tip)">{tooltip}</path>{text}'


def _svg_node(node: Node, box: Box, picture: Picture) -> str:
    label = (
        f'<text x="{box.x:.0f}" y="{box.y + 4:.0f}" text-anchor="middle" fill="#111">'
        f"{html.escape(node.label)}</text>"
    )
    if node.function:
        outline = "#c00000" if node.state in BAD else site_colour_of(node.site, picture)
        width = 3 if node.state in BAD else 2.5 if len(picture.sites) > 1 else 1
        state = f": {node.state}" if node.state else ""
        state += f" at {node.site}" if node.site else ""
        return (
            f'<g><title>{html.escape(node.function + state)}</title><circle cx="{box.x:.0f}" '
            f'cy="{box.y:.0f}" r="{_RADIUS}" fill="{colour_of(node.function, picture)}" '
            f'stroke="{outline}" stroke-width="{width}"/>{label}</g>'
        )
    corner, side = 8, _RADIUS
    points = " ".join(
        f"{box.x + dx:.0f},{box.y + dy:.0f}"
        for dx, dy in (
            (-corner, -side),
            (corner, -side),
            (side, -corner),
            (side, corner),
            (corner, side),
            (-corner, side),
            (-side, corner),
            (-side, -corner),
        )
    )
    return f'<g><polygon points="{points}" fill="#eef" stroke="#333"/>{label}</g>'


def _svg_legend(picture: Picture, top: float) -> list[str]:
    lines = []
    for index, (name, count) in enumerate(picture.functions.items()):
        y = top + index * _LEGEND_LINE
        lines.append(
            f'<circle cx="22" cy="{y:.0f}" r="7" fill="{colour_of(name, picture)}" stroke="#333"/>'
            f'<text x="36" y="{y + 4:.0f}">{html.escape(name)} ({count})</text>'
        )
    top += _LEGEND_LINE * len(lines)
    for index, site in enumerate(picture.sites if len(picture.sites) > 1 else ()):
        y = top + index * _LEGEND_LINE
        lines.append(
            f'<circle cx="22" cy="{y:.0f}" r="7" fill="#fff" stroke="{site_colour_of(site, picture)}" '
            f'stroke-width="2.5"/><text x="36" y="{y + 4:.0f}">at {html.escape(site)}</text>'
        )
    return lines
