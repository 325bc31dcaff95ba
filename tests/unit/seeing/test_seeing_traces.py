"""The trace of a run in Chrome's format: what Perfetto needs to draw it."""

import json
from collections import Counter
from typing import Any

import journaled
from hypothesis import given, settings
from hypothesis import strategies as st

from continuum.model import stories
from continuum.model.timelines import Timeline
from continuum.workflow.seeing.traces import trace_of


def events(records: list[stories.Record]) -> list[dict[str, Any]]:
    document = json.loads(b"".join(trace_of(Timeline(records), "fit")))
    assert document["otherData"] == {"run": "fit"}
    return document["traceEvents"]


def test_every_try_is_a_slice_at_its_site_and_worker():
    made = events(journaled.records())
    names = {
        (each["ph"], each["pid"], each.get("tid")): each["args"]["name"]
        for each in made
        if each["name"] in {"process_name", "thread_name"}
    }
    slices = [each for each in made if each["ph"] == "X"]
    where = [
        (
            each["name"],
            names["M", each["pid"], None],
            names["M", each["pid"], each["tid"]],
            each["args"]["outcome"],
        )
        for each in slices
    ]
    assert Counter(where) == Counter(
        [
            ("load", "site edge", "worker-1", "finished"),
            ("show", "site edge", "worker-1", "finished"),
            ("join", "site edge", "worker-2", "finished"),
            ("load", "site cloud", "worker-1", "failed"),
            ("load", "site cloud", "worker-1", "finished"),
        ]
    )
    join = next(each for each in slices if each["name"] == "join")
    assert (join["ts"], join["dur"]) == (7e6, 1e6)
    assert join["args"]["came_bytes"] == 2_000_000


def test_arrows_lead_from_what_made_a_datum_to_what_read_it():
    made = events(journaled.records())
    slices = [each for each in made if each["ph"] == "X" and each["args"]["outcome"] == "finished"]

    def slice_at(arrow: dict[str, Any]) -> int:
        return next(
            each["args"]["task"]
            for each in slices
            if each["tid"] == arrow["tid"] and each["ts"] <= arrow["ts"] <= each["ts"] + each["dur"]
        )

    ends = {each["id"]: slice_at(each) for each in made if each["ph"] == "f"}
    arrows = {(slice_at(each), ends[each["id"]]) for each in made if each["ph"] == "s"}
    assert arrows == {(1, 3), (2, 3), (3, 4)}


def test_counters_come_back_to_nothing_and_moving_begins_and_ends():
    made = events(journaled.records())
    last = {(each["pid"], each["name"]): each["args"][each["name"]] for each in made if each["ph"] == "C"}
    assert {value for (_, name), value in last.items() if name in {"queued", "running"}} == {0}
    assert 2_000_000 in last.values()
    moving = [(each["ph"], each["id"]) for each in made if each["ph"] in {"b", "e"}]
    assert moving == [("b", "3.1"), ("e", "3.1")]


@settings(max_examples=40)
@given(st.lists(st.tuples(st.floats(0, 50), st.floats(0, 9), st.integers(1, 2)), min_size=1, max_size=12))
def test_slices_of_a_worker_never_overlap_whatever_clocks_say(starts):
    records: list[stories.Record] = []
    for task, (started_at, run_s, worker) in enumerate(starts, start=1):
        records += [
            stories.Submitted(at=0, task=task, function="f"),
            stories.Placed(at=0, task=task, attempt=1, site="edge", reason=""),
            stories.Finished(
                at=100,
                task=task,
                attempt=1,
                site="edge",
                started_at=started_at,
                run_s=run_s,
                worker=f"worker-{worker}",
            ),
        ]
    ends: dict[int, float] = {}
    for each in events(records):
        if each["ph"] == "X":
            assert each["ts"] >= ends.get(each["tid"], 0.0) - 0.11
            assert each["dur"] >= 0
            ends[each["tid"]] = max(ends.get(each["tid"], 0.0), each["ts"] + each["dur"])
