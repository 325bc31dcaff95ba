"""A run as a picture: answers and failures per second as lines, faults as bands. Pure; plain SVG."""

from collections import Counter
from html import escape

from benchmarks.chaos.records import Fault
from benchmarks.chaos.running import Run

WIDTH, HEIGHT = 1200, 420
LEFT, RIGHT, TOP, LANE = 60, 20, 30, 16
PLOT = 200
_COLOURS = {"kill": "#c0392b", "pause": "#d68910", "cut": "#7d3c98"}
_OK, _BAD = "#1e8449", "#c0392b"


def draw(run: Run) -> str:
    """Return the SVG of a run."""
    seconds = run.ended_s - run.began_s
    scale = (WIDTH - LEFT - RIGHT) / seconds
    answered: Counter[int] = Counter()
    others: Counter[int] = Counter()
    for record in run.records:
        if record.began_s < run.ended_s:
            counts = answered if record.is_answered else others
            counts[int(record.ended_s - run.began_s)] += 1
    lanes = sorted({name for fault in run.faults for name in fault.victims})
    height = TOP + PLOT + 50 + LANE * len(lanes) + 20
    most = max([*answered.values(), *others.values(), 1])
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" '
        'font-size="11">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        f'<text x="{LEFT}" y="18">requests per second: <tspan fill="{_OK}">answered</tspan>, '
        f'<tspan fill="{_BAD}">not answered</tspan>; below, what was '
        f'<tspan fill="{_COLOURS["kill"]}">killed</tspan>, <tspan fill="{_COLOURS["pause"]}">paused</tspan>, '
        f'<tspan fill="{_COLOURS["cut"]}">cut off</tspan> (seed {run.seed})</text>',
        *(_band(fault, run.began_s, scale, lanes) for fault in run.faults),
        _line(answered, seconds, scale, most, _OK),
        _line(others, seconds, scale, most, _BAD),
        *_axes(seconds, scale, most),
        *(_lane(index, name) for index, name in enumerate(lanes)),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _band(fault: Fault, began_s: float, scale: float, lanes: list[str]) -> str:
    x = LEFT + (fault.began_s - began_s) * scale
    width = max((fault.healed_s - fault.began_s) * scale, 2)
    colour = _COLOURS.get(fault.kind, "#555")
    shapes = [
        f'<rect x="{x:.1f}" y="{TOP}" width="{width:.1f}" height="{PLOT}" fill="{colour}" opacity="0.12"/>'
    ]
    for name in fault.victims:
        y = _lane_y(lanes.index(name))
        title = escape(f"{fault.name}, {fault.healed_s - fault.began_s:.1f} s")
        shapes.append(
            f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{LANE - 4}" fill="{colour}">'
            f"<title>{title}</title></rect>"
        )
    return "".join(shapes)


def _lane_y(index: int) -> int:
    return TOP + PLOT + 44 + index * LANE


def _lane(index: int, name: str) -> str:
    return f'<text x="4" y="{_lane_y(index) + 10}" font-size="9">{escape(name)}</text>'


def _line(counts: Counter[int], seconds: float, scale: float, most: int, colour: str) -> str:
    points = " ".join(
        f"{LEFT + (second + 0.5) * scale:.1f},{TOP + PLOT - counts[second] / most * PLOT:.1f}"
        for second in range(int(seconds))
    )
    return f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.2"/>'


def _axes(seconds: float, scale: float, most: int) -> list[str]:
    base = TOP + PLOT
    marks = [f'<line x1="{LEFT}" y1="{base}" x2="{WIDTH - RIGHT}" y2="{base}" stroke="#333"/>']
    marks += [f'<text x="{LEFT - 6}" y="{TOP + 8}" text-anchor="end">{most}</text>']
    marks += [f'<text x="{LEFT - 6}" y="{base}" text-anchor="end">0</text>']
    step = max(1, round(seconds / 10 / 5) * 5) if seconds > 50 else 5
    for second in range(0, int(seconds) + 1, step):
        x = LEFT + second * scale
        marks.append(f'<text x="{x:.1f}" y="{base + 16}" text-anchor="middle">{second} s</text>')
    return marks
