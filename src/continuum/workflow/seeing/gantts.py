"""The Gantt chart of a run as SVG: a row per worker, sites as bands, what queued at each site above its rows.

A bar is what a task ran, in the colour of its function; the paler piece before it is the moving of its
inputs. Tries that failed are red, the critical path is outlined. Bars that would be narrower than a pixel
are drawn together, so a run of a hundred thousand tasks makes a picture of the same size as one of hundreds.
"""

import html
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from continuum.model.stories import format_bytes, format_seconds
from continuum.model.timelines import CANCELLED, FAILED, Timeline, Try, lanes_of
from continuum.workflow.drawing import COLOURS

WIDTH = 1200.0
LABELS = 150.0  # for names of sites and workers
MOST_LANES = 64  # of one site; beyond, the rows are those of the busiest workers
LANE = 18.0
STRIP = 34.0  # the height of what queued at a site
TOP = 62.0
GAP = 14.0
LEAST_PX = 0.8
MOST_BARS = 12_000  # beyond, what is drawn together is wider
MOST_TOGETHER_PX = 5.0
MOST_TICKS = 9
_SITE_TINTS = ("#f5f8fc", "#fdf7ef", "#f3faf3", "#fcf3f5", "#f6f4fb")
_FAILED, _CANCELLED, _QUEUED, _MOVING = "#c62828", "#9aa3ad", "#c9d1da", "#a78bda"
_OUTLINE = ' stroke="#111" stroke-width="1.6"'
_MINUTE_S = 60


class Span(NamedTuple):
    """Something in a row, in pixels; `tries` are those drawn together."""

    left: float
    right: float
    tries: Sequence[Try]


def draw_gantt(timeline: Timeline, title: str) -> str:
    """Return the chart as SVG."""
    return _Chart(timeline).draw(title)


def colours_of(timeline: Timeline) -> dict[str, str]:
    """Return a colour per function, in the order of first calls."""
    return {name: COLOURS[index % len(COLOURS)] for index, name in enumerate(timeline.functions())}


def ticks_of(took_s: float) -> list[float]:
    """Return round numbers of seconds from 0 to `took_s`, at most `MOST_TICKS` + 1 of them."""
    step = 1e-6
    factors = (2.0, 2.5, 2.0)
    for index in range(60):
        if took_s / step <= MOST_TICKS:
            break
        step *= factors[index % 3]
    return [number * step for number in range(int(took_s / step) + 1)]


class _Chart:
    def __init__(self, timeline: Timeline) -> None:
        self.timeline = timeline
        self.tries = timeline.tries_by_site()
        self.lanes = lanes_of(timeline.tries, timeline.end_at)
        shown = sum(min(MOST_LANES, sum(1 for site, _ in self.lanes if site == name)) for name in self.tries)
        is_large = len(timeline.tries) > MOST_BARS
        self.least_px = max(LEAST_PX, (WIDTH - LABELS) * shown / MOST_BARS) if is_large else LEAST_PX
        self.colours = colours_of(timeline)
        self.path = {call.id for call in timeline.critical_path()}
        self.px_per_s = (WIDTH - LABELS - 20) / max(timeline.took_s, 1e-6)

    def x(self, at: float) -> float:
        """Return where an instant is."""
        return LABELS + (at - self.timeline.begin_at) * self.px_per_s

    def draw(self, title: str) -> str:
        parts: list[str] = []
        top = TOP
        for index, site in enumerate(self.tries):
            drawn, height = self._site(site, top, _SITE_TINTS[index % len(_SITE_TINTS)])
            parts += drawn
            top += height + GAP
        legend = list(self._legend(top + 8))
        height = top + 20 + 20 * ((len(legend) + 3) // 4 + 1)
        return "\n".join([*self._head(title, height), *self._axis(top), *parts, *legend, "</svg>"]) + "\n"

    def _head(self, title: str, height: float) -> Iterator[str]:
        begun = datetime.fromtimestamp(self.timeline.begin_at, UTC)
        took = format_seconds(self.timeline.took_s)
        yield (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:.0f} {height:.0f}" '
            f'width="{WIDTH:.0f}" height="{height:.0f}" font-family="Helvetica, Arial, sans-serif" '
            'font-size="11">'
        )
        yield '<rect width="100%" height="100%" fill="#ffffff"/>'
        yield f'<text x="14" y="24" font-size="15" font-weight="bold" fill="#222">{html.escape(title)}</text>'
        yield (
            f'<text x="{WIDTH - 20:.0f}" y="24" text-anchor="end" fill="#555">{begun:%Y-%m-%d %H:%M:%S} UTC, '
            f"{took}, {len(self.timeline.calls)} tasks</text>"
        )

    def _axis(self, bottom: float) -> Iterator[str]:
        for seconds in ticks_of(self.timeline.took_s):
            x = self.x(self.timeline.begin_at + seconds)
            label = f"{seconds:g} s" if seconds < _MINUTE_S else format_seconds(seconds)
            yield f'<line x1="{x:.1f}" y1="48" x2="{x:.1f}" y2="{bottom - GAP:.0f}" stroke="#e3e6ea"/>'
            yield f'<text x="{x:.1f}" y="44" text-anchor="middle" fill="#777" font-size="10">{label}</text>'

    # ---- a site ----

    def _site(self, site: str, top: float, tint: str) -> tuple[list[str], float]:
        rows = {worker: tries for (name, worker), tries in self.lanes.items() if name == site}
        shown = _busiest(rows)
        height = STRIP + LANE * max(1, len(shown))
        parts = [
            f'<rect x="0" y="{top:.1f}" width="{WIDTH:.0f}" height="{height:.1f}" fill="{tint}" '
            'opacity="0.75"/>',
            *self._site_label(site, len(rows) - len(shown), top),
            *self._area(site, top, ("placed_at", "moving_at"), _QUEUED, "queued"),
            *self._area(site, top, ("moving_at", "started_at"), _MOVING, "moving inputs"),
        ]
        for index, (worker, tries) in enumerate(shown.items()):
            y = top + STRIP + LANE * index
            name = "" if worker.startswith("~") else html.escape(worker)
            parts.append(_text(LABELS - 8, y + 13, 10, name))
            parts += [self._bar(span, y) for span in self._spans(tries)]
        return parts, height

    def _site_label(self, site: str, hidden: int, top: float) -> Iterator[str]:
        presence = self.timeline.sites.get(site)
        units = presence.computing_units if presence is not None else 0
        lost = " (lost)" if presence is not None and presence.is_lost else ""
        more = f", {hidden} more rows" if hidden else ""
        yield (
            f'<text x="14" y="{top + 16:.1f}" font-size="13" font-weight="bold" fill="#222">'
            f"{html.escape(site)}{lost}</text>"
        )
        yield (
            f'<text x="14" y="{top + 29:.1f}" font-size="10" fill="#777">{units} '
            f"unit{'' if units == 1 else 's'}{more}</text>"
        )

    def _area(self, site: str, top: float, fields: tuple[str, str], colour: str, word: str) -> Iterator[str]:
        """Yield an area: how many tasks were between two instants of theirs at the site."""
        steps: Counter[int] = Counter()
        for each in self.tries.get(site, ()):
            since, until = getattr(each, fields[0]), getattr(each, fields[1]) or self.timeline.end_at
            if since and until > since:
                steps[round(self.x(since))] += 1
                steps[round(self.x(until))] -= 1
        points, most = _levels(steps)
        if not most:
            return
        base, height = top + STRIP - 3, STRIP - 8
        corners = " ".join(f"{x},{base - height * y / most:.1f}" for x, y in points)
        yield (
            f'<polygon points="{points[0][0]},{base:.1f} {corners} {points[-1][0]},{base:.1f}" '
            f'fill="{colour}" opacity="0.8"><title>{word} at {html.escape(site)}: at most {most}</title>'
            "</polygon>"
        )
        if colour is _QUEUED:
            yield _text(LABELS - 8, top + 14, 9, f"{most} queued")

    # ---- bars ----

    def _spans(self, tries: Sequence[Try]) -> Iterator[Span]:
        """Yield what is drawn of a row: neighbours that are too narrow to be seen apart become one."""
        pending: Span | None = None
        for each in tries:
            if not each.started_at:
                continue  # it was queued only
            span = Span(self.x(each.started_at), self.x(each.ended_at or self.timeline.end_at), [each])
            is_narrow = span.right - span.left < self.least_px and each.outcome != FAILED
            if pending is not None and is_narrow and self._is_near(pending, span):
                pending = Span(pending.left, max(pending.right, span.right), [*pending.tries, each])
                continue
            if pending is not None:
                yield pending
            pending = span if is_narrow else None
            if not is_narrow:
                yield span
        if pending is not None:
            yield pending

    def _is_near(self, left: Span, right: Span) -> bool:
        is_short = right.right - left.left < max(MOST_TOGETHER_PX, 2 * self.least_px)
        return right.left - left.right < self.least_px and is_short

    def _bar(self, span: Span, y: float) -> str:
        first, is_single = span.tries[0], len(span.tries) == 1
        width = max(span.right - span.left, LEAST_PX)
        colour = self._colour(span)
        moving = self.x(first.started_at) - self.x(first.moving_at) if is_single else 0.0
        before = (
            f'<rect x="{span.left - moving:.1f}" y="{y + 6:.1f}" width="{moving:.1f}" height="6" '
            f'fill="{_MOVING}"/>'
            if moving > LEAST_PX
            else ""
        )
        is_critical = is_single and first.task.id in self.path and first is first.task.last
        shape = ' rx="1.5"' * is_single + _OUTLINE * is_critical
        return (
            f"<g><title>{html.escape(self._told(span))}</title>{before}"
            f'<rect x="{span.left:.1f}" y="{y + 2:.1f}" width="{width:.1f}" height="{LANE - 4:.0f}" '
            f'fill="{colour}"{shape}/></g>'
        )

    def _colour(self, span: Span) -> str:
        outcome = span.tries[0].outcome
        if outcome in {FAILED, CANCELLED}:
            return _FAILED if outcome == FAILED else _CANCELLED
        run_s: dict[str, float] = {}
        for each in span.tries:
            run_s[each.task.function] = run_s.get(each.task.function, 0.0) + each.run_s
        return self.colours[max(run_s, key=run_s.__getitem__)]

    def _told(self, span: Span) -> str:
        first = span.tries[0]
        if len(span.tries) > 1:
            counts = Counter(each.task.function for each in span.tries)
            return ", ".join(f"{count} x {name}" for name, count in counts.most_common())
        took = format_seconds((first.ended_at or self.timeline.end_at) - first.started_at)
        again = f", try {first.attempt}" if first.attempt > 1 else ""
        moved = f"; {format_bytes(first.moved_bytes)} came from elsewhere" if first.moved_bytes else ""
        message = f": {first.message}" if first.message else ""
        title = first.task.title or first.task.function
        return (
            f"task {first.task.id}{again}: {title}; {first.outcome}{message} ({took}){moved}; {first.reason}"
        )

    def _legend(self, top: float) -> Iterator[str]:
        entries = [
            (self.colours[name], f"{name} ({count})") for name, count in self.timeline.functions().items()
        ]
        entries += [
            (_FAILED, "failed"),
            ("", "critical path"),
            (_QUEUED, "queued"),
            (_MOVING, "moving inputs"),
        ]
        for index, (colour, label) in enumerate(entries):
            x, y = 20 + (index % 4) * 290, top + 20 * (index // 4)
            box = f'fill="{colour}"' if colour else f'fill="#fff"{_OUTLINE}'
            yield (
                f'<g><rect x="{x}" y="{y:.0f}" width="12" height="12" rx="2" {box}/>'
                f'<text x="{x + 18}" y="{y + 10:.0f}" fill="#333">{html.escape(label[:44])}</text></g>'
            )


def _busiest(rows: dict[str, list[Try]]) -> dict[str, list[Try]]:
    if len(rows) <= MOST_LANES:
        return rows
    kept = set(sorted(rows, key=lambda worker: -sum(each.run_s for each in rows[worker]))[:MOST_LANES])
    return {worker: tries for worker, tries in rows.items() if worker in kept}


def _levels(steps: Counter[int]) -> tuple[list[tuple[int, int]], int]:
    points: list[tuple[int, int]] = []
    level = most = 0
    for x in sorted(steps):
        points.append((x, level))
        level += steps[x]
        points.append((x, level))
        most = max(most, level)
    return points, most


def _text(x: float, y: float, size: int, text: str) -> str:
    return f'<text x="{x:.0f}" y="{y:.1f}" text-anchor="end" font-size="{size}" fill="#777">{text}</text>'
