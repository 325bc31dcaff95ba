"""From records to what was broken."""

import itertools
from typing import Any

import pytest

from benchmarks.chaos.checking import check
from benchmarks.chaos.records import FAILED, OK, REFUSED, UNKNOWN, Fault, Record
from benchmarks.chaos.reports import format_summary, summarise
from benchmarks.chaos.running import Run
from benchmarks.chaos.timelines import draw


def history(*each: dict[str, Any]) -> list[Record]:
    """Return records one after the other, a second each; `at` and `until` say otherwise."""
    seconds = itertools.count()
    records = []
    for given in each:
        second = next(seconds)
        began = given.pop("at", second)
        basis = {"worker": "edge-0", "site": "edge", "bucket": "b", "key": "k", "outcome": OK}
        ended = given.pop("until", began + 0.5)
        records.append(Record(**(basis | given), began_s=began, ended_s=ended))
    return records


def put(token: str, **more: Any) -> dict[str, Any]:
    return {"operation": "put", "token": token, "etag": f"etag-{token}"} | more


def get(token: str, **more: Any) -> dict[str, Any]:
    return {"operation": "get", "token": token} | more


def kinds(records: list[Record]) -> list[str]:
    return [violation.kind for violation in check(records).violations]


GOOD = {
    "reads see what was written": [put("a"), get("a"), put("b"), get("b")],
    "a list shows what there is": [
        put("a", key="x/1"),
        {"operation": "list", "key": "x/", "listed": {"x/1": "etag-a"}},
    ],
    "a list may miss what is being written": [
        put("a", key="x/1", until=9),
        {"operation": "list", "key": "x/", "listed": {}},
    ],
    "a refused creation": [
        put("a"),
        {"operation": "create", "token": "b", "outcome": REFUSED, "code": "PreconditionFailed"},
        get("a"),
    ],
    "a replacement of nothing is refused": [
        {"operation": "replace", "token": "b", "expected": "a", "outcome": REFUSED, "code": "NoSuchKey"}
    ],
    "a copy has a token of its own and its source's bytes": [
        put("a", key="s"),
        {"operation": "copy", "key": "t", "source": "s", "token": "c", "etag": "etag-a"},
        get("c", key="t", body="a"),
    ],
    "what failed for certain was never there": [put("a"), put("b", outcome=FAILED), get("a")],
    "what nobody knows may be there": [put("a"), put("b", outcome=UNKNOWN), get("b")],
    "versions keep their bytes": [
        put("a", version_id="1"),
        put("b", version_id="2"),
        {"operation": "version", "token": "a", "version_id": "1"},
        {"operation": "versions", "key": "", "listed": {"1": "k", "2": "k"}},
    ],
    "keys are registers of their own": [put("a", key="x"), get("", key="y"), get("a", key="x")],
}
BAD = {
    "not linearisable": [
        [put("a"), get("")],
        [put("a"), put("b"), get("a")],
        [put("a"), {"operation": "delete"}, get("a")],
        [put("a", key="x/1"), {"operation": "list", "key": "x/", "listed": {}}],
        [
            put("a", key="x/1"),
            put("b", key="x/1"),
            {"operation": "list", "key": "x/", "listed": {"x/1": "etag-a"}},
        ],
        [put("a"), put("b", outcome=FAILED), get("b")],
        [put("a"), {"operation": "create", "token": "b"}],
        [put("a"), {"operation": "replace", "token": "b", "expected": "x"}],
        [
            put("a", key="s"),
            put("b", key="s"),
            {"operation": "copy", "key": "t", "source": "s", "token": "c", "etag": "etag-a"},
        ],
    ],
    "never written": [[get("z")], [{"operation": "list", "key": "", "listed": {"q": "etag"}}]],
    "wrong bytes": [[put("a"), get("a", problem="byte 5 of a is wrong")]],
    "wrong version": [
        [put("a", version_id="1"), {"operation": "version", "token": "b", "version_id": "1"}, get("a")]
    ],
    "lost version": [[put("a", version_id="1"), {"operation": "versions", "key": "", "listed": {}}]],
}


@pytest.mark.parametrize("name", GOOD)
def test_a_history_without_fault_has_no_violation(name):
    assert kinds(history(*(dict(each) for each in GOOD[name]))) == []


@pytest.mark.parametrize(
    ("kind", "index"), [(kind, index) for kind in BAD for index in range(len(BAD[kind]))]
)
def test_a_broken_promise_is_found(kind, index):
    assert kind in kinds(history(*(dict(each) for each in BAD[kind][index])))


def test_sites_that_end_up_different_are_found():
    records = history(
        put("a"), put("b"), get("b", worker="final-edge"), get("a", worker="final-cloud", site="cloud")
    )
    assert "sites disagree" in kinds(records)


def test_a_report_shows_numbers_faults_and_the_history_that_shows_a_violation():
    records = history(put("a"), put("b"), get("a"), get("b", outcome=FAILED, code="503"))
    faults = (Fault(kind="pause", victims=("store.edge",), began_s=0.5, healed_s=1.5),)
    run = Run(
        seed=3,
        seconds=4,
        is_spread=True,
        began_s=0,
        ended_s=4,
        faults=faults,
        records=tuple(records),
        verified={},
    )
    summary = summarise(run, check(records))
    text = format_summary(summary)
    assert not summary.is_good
    assert "BROKEN, not linearisable: b/k: a was read at edge; possible was: b" in text
    assert "pause store" in text
    assert "edge-0       put       k a -> ok" in text
    assert draw(run).startswith("<svg")
