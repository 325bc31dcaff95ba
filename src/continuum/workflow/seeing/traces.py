"""A run in the trace event format of Chrome, which Perfetto (ui.perfetto.dev) and chrome://tracing read.

A site is a process, a worker a thread, a try a complete event; the moving of inputs is an asynchronous event
beside them, an arrow leads from what made a datum to what read it, and counters tell how many tasks were
queued and running at a site and what had come to it from others. Instants are microseconds from the begin.
Slices of one thread have to nest: where two clocks make tries of a worker overlap, the later begins later.

Format: "Trace Event Format" by the Chromium project (phases X, b/e, s/f, C, i, M).
"""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from continuum.model.timelines import CANCELLED, FAILED, RUNNING, Timeline, Try, lanes_of

_US = 1e6
_BAD = {FAILED: "terrible", CANCELLED: "grey", RUNNING: "good"}
_ARROW_INSIDE_US = 0.1  # an arrow begins inside the slice that it leaves


class _Slice(msgspec.Struct, frozen=True):
    process: int
    thread: int
    begin_us: float
    end_us: float


def trace_of(timeline: Timeline, title: str) -> Iterator[bytes]:
    """Yield the trace as pieces of one JSON document."""
    encode = msgspec.json.Encoder().encode
    yield b'{"displayTimeUnit":"ms","otherData":' + encode({"run": title}) + b',"traceEvents":[\n'
    before = b""
    for event in _Tracer(timeline).events():
        yield before + encode(event)
        before = b",\n"
    yield b"\n]}\n"


class _Tracer:
    def __init__(self, timeline: Timeline) -> None:
        self.timeline = timeline
        self.lanes = lanes_of(timeline.tries, timeline.end_at)
        names = dict.fromkeys([*timeline.sites, *(site for site, _ in self.lanes)])
        self.processes = {name: number for number, name in enumerate(names, start=1)}
        self.slices: dict[int, _Slice] = {}

    def us(self, at: float) -> float:
        return round((at - self.timeline.begin_at) * _US, 1)

    def events(self) -> Iterator[dict[str, Any]]:
        yield from self._names()
        for thread, ((site, _), tries) in enumerate(self.lanes.items(), start=1):
            yield from self._row(self.processes[site], thread, tries)
        yield from self._arrows()
        for site, process in self.processes.items():
            yield from self._counters(site, process)
        yield from self._instants()

    def _names(self) -> Iterator[dict[str, Any]]:
        for site, process in self.processes.items():
            yield {"ph": "M", "name": "process_name", "pid": process, "args": {"name": f"site {site}"}}
            yield {"ph": "M", "name": "process_sort_index", "pid": process, "args": {"sort_index": process}}
        for thread, (site, worker) in enumerate(self.lanes, start=1):
            name = "not known which worker" if worker.startswith("~") else worker
            where = {"pid": self.processes[site], "tid": thread}
            yield {"ph": "M", "name": "thread_name", **where, "args": {"name": name}}
            yield {"ph": "M", "name": "thread_sort_index", **where, "args": {"sort_index": thread}}

    def _row(self, process: int, thread: int, tries: Iterable[Try]) -> Iterator[dict[str, Any]]:
        free_us = 0.0
        for each in tries:
            if not each.started_at:
                continue
            begin_us = max(self.us(each.started_at), free_us)
            end_us = free_us = max(self.us(each.ended_at or self.timeline.end_at), begin_us)
            self.slices[each.task.id] = _Slice(process, thread, begin_us, end_us)
            yield self._complete(each, process, thread, (begin_us, end_us))
            if each.started_at > each.moving_at:
                yield from self._moving(each, process)

    def _complete(
        self, each: Try, process: int, thread: int, between_us: tuple[float, float]
    ) -> dict[str, Any]:
        call = each.task
        told: dict[str, Any] = {
            "task": call.id,
            "try": each.attempt,
            "call": call.title,
            "outcome": each.outcome,
            "why here": each.reason,
            "queued_ms": round((each.moving_at - each.placed_at) * 1000, 3),
            "came_bytes": each.moved_bytes,
            "output_bytes": each.output_bytes,
        }
        told |= {"group": call.group} if call.group else {}
        told |= {"message": each.message} if each.message else {}
        event = {
            "ph": "X",
            "name": call.function,
            "cat": "task," + each.outcome,
            "pid": process,
            "tid": thread,
            "ts": between_us[0],
            "dur": round(between_us[1] - between_us[0], 1),
            "args": told,
        }
        return event | ({"cname": _BAD[each.outcome]} if each.outcome in _BAD else {})

    def _moving(self, each: Try, process: int) -> Iterator[dict[str, Any]]:
        shared = {
            "name": f"inputs of {each.task.function}",
            "cat": "moving",
            "id": f"{each.task.id}.{each.attempt}",
            "pid": process,
            "tid": 0,
        }
        told = {"task": each.task.id, "bytes": each.moved_bytes}
        yield {"ph": "b", "ts": self.us(each.moving_at), "args": told, **shared}
        yield {"ph": "e", "ts": self.us(each.started_at), **shared}

    def _arrows(self) -> Iterator[dict[str, Any]]:
        number = 0
        for call in self.timeline.calls.values():
            target = self.slices.get(call.id)
            for source_id in call.sources:
                source = self.slices.get(source_id)
                if source is None or target is None:
                    continue
                number += 1
                shared = {"name": "needs", "cat": "data", "id": number}
                leaves_us = max(source.begin_us, source.end_us - _ARROW_INSIDE_US)
                yield {"ph": "s", "pid": source.process, "tid": source.thread, "ts": leaves_us, **shared}
                where = {"pid": target.process, "tid": target.thread, "ts": target.begin_us}
                yield {"ph": "f", "bp": "e", **where, **shared}

    def _counters(self, site: str, process: int) -> Iterator[dict[str, Any]]:
        tries = [each for each in self.timeline.tries if each.site == site]
        end_at = self.timeline.end_at
        kinds = {
            "queued": [(each.placed_at, each.moving_at or each.ended_at or end_at, 1) for each in tries],
            "running": [(each.started_at, each.ended_at or end_at, 1) for each in tries if each.started_at],
            "came from elsewhere (bytes)": [
                (each.started_at, 0.0, each.moved_bytes) for each in tries if each.moved_bytes
            ],
        }
        for name, spans in kinds.items():
            changes = sorted(
                [(begin, by) for begin, _, by in spans] + [(end, -by) for _, end, by in spans if end]
            )
            level = 0
            for at, by in changes:
                level += by
                yield {"ph": "C", "name": name, "pid": process, "ts": self.us(at), "args": {name: level}}

    def _instants(self) -> Iterator[dict[str, Any]]:
        for site in self.timeline.sites.values():
            for at, what in site.turns:
                where = {"pid": self.processes[site.name], "tid": 0, "s": "p"}
                yield {"ph": "i", "name": f"{site.name} {what}", "ts": self.us(at), **where}
