"""A run as one HTML page that needs no network: timeline, graph, tables, failures, each task's story.

What the page shows is put into it as one JSON document; the charts are drawn on canvases by the scripts in
`assets`. Everything that comes from the run reaches the page as text. Of runs with more than `MOST_TASKS`
tasks the page has those that failed, the critical path and the longest; its tables count all.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

import msgspec

from continuum.model.stories import Record, format_bytes, format_seconds
from continuum.model.timelines import FAILED, Call, Timeline, Try, lanes_of
from continuum.workflow.drawing import Picture, whole_picture_of
from continuum.workflow.journals import RUNNING, RunSummary
from continuum.workflow.seeing.gantts import colours_of

MOST_TASKS = 60_000
MOST_FAILURES = 200
MOST_MOVES = 30
MOST_LONGEST = 25
TICKS_PER_S = 100_000
_SCRIPTS = ("report.js", "timeline.js", "graph.js", "stories.js")
_STATES = {"succeeded": "good", "running": "busy", "waiting": "busy"}
_TRACEBACK_CHARACTERS = 8000


class Share(msgspec.Struct, kw_only=True):
    """What one function did at one site."""

    function: str
    site: str
    tasks: int
    mean_s: float
    least_s: float
    most_s: float
    moved_bytes: int
    reason: str


def draw_page(
    summary: RunSummary, records: Iterable[Record], *, first: str = "timeline", now: float = 0.0
) -> str:
    """Return the page; `first` is the tab that it opens with: timeline, graph, tables, failures.

    A run that goes on is drawn until `now`.
    """
    records = list(records)
    timeline = Timeline(records)
    if summary.state == RUNNING:
        timeline.extend_to(now)
    document = _Page(summary, timeline, whole_picture_of(records)).document(first)
    data = msgspec.json.encode(document).decode().replace("<", "\\u003c")
    page = _asset("report.html")
    for name, text in {
        "style": _asset("report.css"),
        "script": "\n".join(map(_asset, _SCRIPTS)),
        "title": _escaped(f"{summary.run_id} - continuum run"),
        "data": data,
    }.items():
        page = page.replace("{{" + name + "}}", text, 1)
    return page


def _asset(name: str) -> str:
    return (files("continuum.workflow.seeing") / "assets" / name).read_text(encoding="utf-8")


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")


class _Page:
    def __init__(self, summary: RunSummary, timeline: Timeline, picture: Picture) -> None:
        self.summary = summary
        self.timeline = timeline
        self.picture = picture
        self.texts: dict[str, int] = {}
        self.path = timeline.critical_path()
        self.calls = _kept(timeline, self.path)
        self.index = {call.id: index for index, call in enumerate(self.calls)}
        self.sites = {name: index for index, name in enumerate(timeline.tries_by_site())}

    def text(self, text: str) -> int:
        """Return the number of a text that many things share; -1: none."""
        return self.texts.setdefault(text, len(self.texts)) if text else -1

    def tick(self, at: float) -> int:
        """Return an instant as the page counts; -1: not known."""
        return round((at - self.timeline.begin_at) * TICKS_PER_S) if at else -1

    def document(self, first: str) -> dict[str, Any]:
        tries, lanes = self._tries()
        left_out = len(self.timeline.calls) - len(self.calls)
        cut = (
            f"The charts show {len(self.calls)} of {len(self.timeline.calls)} tasks: those that failed, the "
            "critical path and the longest ones. The tables count all."
            if left_out
            else ""
        )
        colours = colours_of(self.timeline)
        return {
            "run": {
                "id": self.summary.run_id,
                "name": self.summary.run_id,
                "subtitle": _subtitle(self.summary, self.timeline),
            },
            "first": first,
            "cut": cut,
            "end": self.tick(self.timeline.end_at),
            "figures": self._figures(),
            "functions": [
                {"name": name, "colour": colours[name], "count": count}
                for name, count in self.timeline.functions().items()
            ],
            "sites": [self._site(name, tries_) for name, tries_ in self.timeline.tries_by_site().items()],
            "lanes": lanes,
            "tasks": self._tasks(),
            "tries": tries,
            "path": [self.index[call.id] for call in self.path],
            "graph": self._graph(),
            "shares": shares_of(self.timeline),
            "moves": self._moves(),
            "longest": [call.id for call in self._longest()],
            "failures": self._failures(),
            "failures_total": len(self.timeline.failures),
            "texts": list(self.texts),
        }

    def _figures(self) -> list[tuple[str, str, str]]:
        summary, timeline = self.summary, self.timeline
        took_s = (summary.ended_at - summary.started_at) if summary.ended_at else timeline.took_s
        computed_s = sum(each.run_s for each in timeline.tries)
        units = sum(site.computing_units for site in timeline.sites.values())
        busy = _share_of(computed_s, units * timeline.took_s)
        path_s = sum(call.last.run_s for call in self.path if call.last is not None)
        moved = sum(each.moved_bytes for each in timeline.tries)
        return [
            ("state", summary.state, _STATES.get(summary.state, "bad")),
            ("took", format_seconds(took_s), ""),
            ("tasks", str(len(timeline.calls)), ""),
            ("computed", format_seconds(computed_s), ""),
            ("units busy", busy, ""),
            ("critical path", format_seconds(path_s), ""),
            ("came from other sites", format_bytes(moved), ""),
        ]

    def _site(self, name: str, tries: Sequence[Try]) -> dict[str, Any]:
        presence = self.timeline.sites.get(name)
        units = presence.computing_units if presence is not None else 0
        run_s = sum(each.run_s for each in tries)
        turns = presence.turns if presence is not None else []
        return {
            "name": name,
            "units": units,
            "is_lost": presence is not None and presence.is_lost,
            "tasks": sum(1 for each in tries if each.outcome == "finished"),
            "run_s": run_s,
            "busy": run_s / (units * self.timeline.took_s) if units and self.timeline.took_s else 0.0,
            "came_bytes": sum(each.moved_bytes for each in tries),
            "published_bytes": sum(each.bytes for each in self.timeline.published if each.site == name),
            "turns": "; ".join(
                f"{what} at {format_seconds(max(0.0, at - self.timeline.begin_at))}" for at, what in turns
            ),
        }

    def _tasks(self) -> dict[str, list[Any]]:
        functions = {name: index for index, name in enumerate(self.timeline.functions())}
        return {
            "id": [call.id for call in self.calls],
            "fn": [functions[call.function] for call in self.calls],
            "state": [call.state for call in self.calls],
            "call": [call.title for call in self.calls],
            "called": [self.tick(call.called_at) for call in self.calls],
            "group": [call.group for call in self.calls],
            "units": [call.units for call in self.calls],
            "sources": [
                [self.index[task] for task in call.sources if task in self.index] for call in self.calls
            ],
        }

    def _tries(self) -> tuple[dict[str, list[Any]], list[tuple[int, str]]]:
        tries = [each for call in self.calls for each in call.tries]
        by_lane = lanes_of(tries, self.timeline.end_at)
        lanes = [(self.sites[site], worker) for site, worker in by_lane]
        lane = {id(each): index for index, row in enumerate(by_lane.values()) for each in row}
        columns: dict[str, list[Any]] = {
            "task": [self.index[each.task.id] for each in tries],
            "attempt": [each.attempt for each in tries],
            "site": [self.sites[each.site] for each in tries],
            "lane": [lane.get(id(each), -1) for each in tries],
            "placed": [self.tick(each.placed_at) for each in tries],
            "moving": [self.tick(each.moving_at) for each in tries],
            "start": [self.tick(each.started_at) for each in tries],
            "end": [self.tick(each.ended_at) for each in tries],
            "outcome": [each.outcome for each in tries],
            "bytes": [each.moved_bytes for each in tries],
            "worker": [self.text(each.worker) for each in tries],
            "reason": [self.text(each.reason) for each in tries],
            "message": [self.text(each.message[:500]) for each in tries],
        }
        return columns, lanes

    def _graph(self) -> dict[str, Any]:
        kept = {f"t{call.id}": index for index, call in enumerate(self.calls)}
        nodes: list[int] = []
        place: dict[str, int] = {}
        for node in self.picture.nodes:
            if node.function and node.key not in kept:
                continue
            place[node.key] = len(nodes)
            nodes.append(kept[node.key] if node.function else -1 if node.key == "main" else -2)
        edges = [
            (place[edge.source], place[edge.target], edge.label)
            for edge in self.picture.edges
            if edge.source in place and edge.target in place
        ]
        return {"nodes": nodes, "edges": edges, "total": len(self.timeline.calls)}

    def _moves(self) -> list[dict[str, Any]]:
        largest = sorted(self.timeline.published, key=lambda each: -each.bytes)[:MOST_MOVES]
        return [
            {
                "datum": each.datum,
                "task": self.timeline.producer_of(each.datum),
                "site": each.site,
                "bytes": each.bytes,
                "at_s": each.at - self.timeline.begin_at,
            }
            for each in largest
        ]

    def _longest(self) -> Sequence[Call]:
        return sorted(self.calls, key=_run_s, reverse=True)[:MOST_LONGEST]

    def _failures(self) -> list[dict[str, Any]]:
        return [
            {
                "at_s": each.at - self.timeline.begin_at,
                "task": each.task,
                "function": self.timeline.calls[each.task].function,
                "site": each.site,
                "message": each.message,
                "decision": each.decision,
                "traceback": each.traceback[-_TRACEBACK_CHARACTERS:],
            }
            for each in self.timeline.failures[-MOST_FAILURES:]
        ]


def _share_of(part_s: float, whole_s: float) -> str:
    return f"{min(1.0, part_s / whole_s):.0%}" if whole_s else "-"


def shares_of(timeline: Timeline) -> list[Share]:
    """Return what each function did at each site, in the order of the functions' first calls."""
    finished: dict[tuple[str, str], list[Try]] = {}
    for each in timeline.tries:
        if each.outcome == "finished":
            finished.setdefault((each.task.function, each.site), []).append(each)
    return [_share(function, site, tries) for (function, site), tries in finished.items()]


def _share(function: str, site: str, tries: Sequence[Try]) -> Share:
    run_s = [each.run_s for each in tries]
    reasons: dict[str, int] = {}
    for each in tries:
        reasons[each.reason] = reasons.get(each.reason, 0) + 1
    return Share(
        function=function,
        site=site,
        tasks=len(tries),
        mean_s=sum(run_s) / len(run_s),
        least_s=min(run_s),
        most_s=max(run_s),
        moved_bytes=sum(each.moved_bytes for each in tries),
        reason=max(reasons, key=reasons.__getitem__),
    )


def _kept(timeline: Timeline, path: Sequence[Call]) -> list[Call]:
    calls = list(timeline.calls.values())
    if len(calls) <= MOST_TASKS:
        return calls
    kept = {call.id for call in path} | {each.task for each in timeline.failures[-MOST_FAILURES:]}
    kept |= {call.id for call in calls if call.state == FAILED}
    for call in sorted(calls, key=_run_s, reverse=True):
        if len(kept) >= MOST_TASKS:
            break
        kept.add(call.id)
    return [call for call in calls if call.id in kept]


def _run_s(call: Call) -> float:
    return sum(each.run_s for each in call.tries)


def _subtitle(summary: RunSummary, timeline: Timeline) -> str:
    begun = datetime.fromtimestamp(summary.started_at or timeline.begin_at, UTC)
    words = " ".join((summary.application, *summary.arguments))
    reason = f"; {summary.reason}" if summary.reason else ""
    return f"{words}; {begun:%Y-%m-%d %H:%M:%S} UTC; placement {summary.placement}{reason}"
